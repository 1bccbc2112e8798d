"""What the kernel tells of a launch's network: its counters and its TCP sockets; the proofs of faults on the wire.

One connection is asked for by netlink (NETLINK_SOCK_DIAG), in microseconds. Lists are read from /proc/PID/net/tcp,
where the kernel walks the whole machine's table: some milliseconds, for use once a fault.
"""

import socket
import struct
import sys
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from fault_injection.wire_segments import Endpoint
from subject.launch import Launch

# <linux/sock_diag.h>, <linux/netlink.h>
_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 0x001
_HEADER = struct.Struct("=IHHII")
_ANY_COOKIE = b"\xff" * 8
_MAPPED = "0000000000000000FFFF0000"  # ::ffff:0:0/96, in front of the IPv4 address of a socket of both families


class State(IntEnum):
    """The states of a TCP socket, by the kernel's numbers."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    TIME_WAIT = 6
    CLOSED = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11


@dataclass(frozen=True)
class Side:
    """One TCP socket of the server's.

    `unsent` are bytes that it wrote and the peer has not acknowledged, its end among them; `unread` are bytes that
    arrived and that nobody has read, and of a listening socket the connections that wait to be accepted. `held` tells
    whether a process has it: not before it is accepted, and not after it is closed.
    """

    local: Endpoint
    remote: Endpoint
    state: State
    unsent: int
    unread: int
    held: bool

    @property
    def ended(self) -> bool:
        """Tell whether the server has ended its direction: it has written all that it had to say."""
        return self.state not in (State.ESTABLISHED, State.CLOSE_WAIT)


class Network:
    """Asks the network of one launch."""

    def __init__(self, launch: Launch) -> None:
        self._pid = launch.init
        self._netlink = launch.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
        self._netlink.settimeout(5.0)

    def close(self) -> None:
        """Let go of the netlink socket."""
        self._netlink.close()

    def side(self, server: Endpoint, client: Endpoint) -> Side | None:
        """Give the server's socket of one connection; None where there is none, or none any more."""
        addresses = (socket.inet_aton(each.address) for each in (server, client))
        identity = struct.pack(">HH16s16sI", server.port, client.port, *addresses, 0) + _ANY_COOKIE
        request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + identity
        self._netlink.send(_HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _REQUEST, 0, 0) + request)
        answer = self._netlink.recv(65536)
        if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
            return None
        body = answer[_HEADER.size :]
        state = State(body[1])
        if state is State.LISTEN:  # it would take a connection of this name, and there is none
            return None
        unread, unsent, _, inode = struct.unpack_from("=IIII", body, 56)
        return Side(server, client, state, unsent, unread, inode != 0)

    def sides(self, port: int) -> list[Side]:
        """Give all TCP sockets of a port; those of IPv6 proper are left out."""
        found = []
        for line in (*self._lines("tcp"), *self._lines("tcp6")):
            fields = line.split()
            local, remote = _endpoint(fields[1]), _endpoint(fields[2])
            if local is not None and remote is not None and local.port == port:
                unsent, unread = (int(each, 16) for each in fields[4].split(":"))
                found.append(Side(local, remote, State(int(fields[3], 16)), unsent, unread, fields[9] != "0"))
        return found

    def counters(self) -> Counter[str]:
        """Give the counters, by names such as PassiveOpens, InSegs and TCPOFOQueue; none once the network is gone."""
        found: Counter[str] = Counter()
        for name, kind in (("snmp", "Tcp:"), ("netstat", "TcpExt:")):
            # Two lines of each kind: the names, then the figures.
            lines = [line.split()[1:] for line in self._text(name).splitlines() if line.startswith(kind)]
            if lines:
                found.update(dict(zip(lines[0], map(int, lines[1]), strict=True)))
        return found

    def _lines(self, name: str) -> list[str]:
        # The first is of headings.
        return self._text(name).splitlines()[1:]

    def _text(self, name: str) -> str:
        """Read a list of the kernel's; empty where there is no IPv6, or where the launch is gone."""
        try:
            return Path(f"/proc/{self._pid}/net/{name}").read_text(encoding="ascii")
        except OSError:
            return ""


def _endpoint(text: str) -> Endpoint | None:
    """Read an address as the kernel writes it: 32 bits at a time, as the machine's integers, then the port."""
    address, _, port = text.partition(":")
    if len(address) > 8:
        if address.strip("0") and not address.startswith(_MAPPED):
            return None
        address = address[-8:]
    return Endpoint(socket.inet_ntoa(int(address, 16).to_bytes(4, sys.byteorder)), int(port, 16))
