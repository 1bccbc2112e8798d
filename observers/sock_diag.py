"""Sockets as the kernel lists them (NETLINK_SOCK_DIAG): who listens, who is connected, which ends belong together.

The netlink socket must be made inside the network that is looked at; the caller brings it. Layouts are those of
<linux/inet_diag.h> and <linux/unix_diag.h>.
"""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from spec.event import Inode

NETLINK_SOCK_DIAG: Final = 4
_BY_FAMILY, _DONE, _ERROR = 20, 3, 2
_REQUEST, _REQUEST_DUMP = 0x001, 0x301  # NLM_F_REQUEST, with NLM_F_DUMP
LOOPBACK = "127.0.0.1"
_ANY_COOKIE = b"\xff" * 8
ESTABLISHED, CLOSE_WAIT, LISTEN = 1, 8, 10
_HEADER = struct.Struct("=IHHII")
# Attributes of an answer about an AF_UNIX socket, and the flags that ask for them: name, peer, lengths of the queues.
_UNIX_NAME, _UNIX_PEER, _UNIX_QUEUES = 0, 2, 4
_UNIX_SHOW = 0x01 | 0x04 | 0x10


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """One TCP socket. `inode` is 0 while a connection waits to be accepted.

    For a listening socket `queued` is the length of its accept queue and `backlog` the most that it takes.
    """

    state: int
    address: str
    port: int
    peer_port: int
    inode: Inode
    queued: int
    backlog: int


@dataclass(frozen=True, slots=True)
class UnixSocket:
    """One AF_UNIX socket: its kind (as socket.SOCK_STREAM), the far end's inode, its bound name, bytes to be read."""

    inode: Inode
    kind: int
    peer: Inode | None
    name: str
    queued: int


class SockDiag:
    """Asks one network about its sockets."""

    def __init__(self, netlink: socket.socket) -> None:
        self._netlink = netlink
        netlink.settimeout(5.0)
        self._sequence = 0

    def close(self) -> None:
        """Let go of the netlink socket."""
        self._netlink.close()

    def listening(self) -> list[TcpSocket]:
        """Give every listening TCP socket."""
        return self._tcp(1 << LISTEN)

    def server_side(self, port: int, client_port: int, *, client: str = LOOPBACK) -> TcpSocket | None:
        """Give the server's side of one connection over loopback, or None where there is none that can be served.

        Asked for one by one: a listing of all connections walks the kernel's whole hash table, which takes
        milliseconds on a machine with much memory. An IPv6 socket with a mapped address is found as well.
        """
        ends = socket.inet_aton(LOOPBACK), socket.inet_aton(client)
        identity = struct.pack(">HH16s16sI", port, client_port, *ends, 0) + _ANY_COOKIE
        states = 0xFFFFFFFF
        request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, states) + identity
        for body in self._ask(request, _REQUEST):
            found = _tcp_socket(body)
            # Where no connection matches, the kernel gives the listening socket.
            if found.state in (ESTABLISHED, CLOSE_WAIT) and found.peer_port == client_port:
                return found
        return None

    def unix_sockets(self) -> dict[Inode, UnixSocket]:
        """Give every AF_UNIX socket of the network, by inode."""
        found = map(_unix_socket, self._ask(_unix_request(0, 0), _REQUEST_DUMP))
        return {each.inode: each for each in found}

    def unix_socket(self, inode: Inode) -> UnixSocket | None:
        """Give one AF_UNIX socket, or None where there is none with this inode."""
        return next(map(_unix_socket, self._ask(_unix_request(inode, 0xFFFFFFFF), _REQUEST)), None)

    def has_unread(self, inode: Inode) -> bool:
        """Tell whether anything lies at one AF_UNIX socket that was not read; not where there is none."""
        end = self.unix_socket(inode)
        return end is not None and end.queued > 0

    def unix_peers(self) -> dict[Inode, Inode]:
        """Map each connected AF_UNIX socket to the one at the far end."""
        return {inode: each.peer for inode, each in self.unix_sockets().items() if each.peer is not None}

    def _tcp(self, states: int) -> list[TcpSocket]:
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            request = struct.pack("=BBBBI48s", family, socket.IPPROTO_TCP, 0, 0, states, b"")
            found += [_tcp_socket(body) for body in self._ask(request, _REQUEST_DUMP)]
        return found

    def _ask(self, request: bytes, flags: int) -> Iterator[bytes]:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, flags, self._sequence, 0)
        self._netlink.send(header + request)
        while True:
            answer = self._netlink.recv(1 << 16)
            offset = 0
            while offset < len(answer):
                length, kind, _, sequence, _ = _HEADER.unpack_from(answer, offset)
                body = answer[offset + _HEADER.size : offset + length]
                offset += (length + 3) & ~3
                if sequence != self._sequence:
                    continue
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    # A kernel without IPv6 knows no sockets of that family.
                    if number not in (0, errno.ENOENT):
                        raise OSError(number, "sock_diag")
                    return
                yield body
                if flags == _REQUEST:
                    return


def _tcp_socket(body: bytes) -> TcpSocket:
    family, state = body[0], body[1]
    port, peer_port = struct.unpack_from(">HH", body, 4)
    raw = body[8:24] if family == socket.AF_INET6 else body[8:12]
    queued, backlog, _, inode = struct.unpack_from("=IIII", body, 56)
    return TcpSocket(state, str(ipaddress.ip_address(raw)), port, peer_port, Inode(inode), queued, backlog)


def _unix_request(inode: int, cookie: int) -> bytes:
    return struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, inode, _UNIX_SHOW, cookie, cookie)


def _unix_socket(body: bytes) -> UnixSocket:
    told = dict(_attributes(body, 16))
    peer = Inode(struct.unpack("=I", told[_UNIX_PEER])[0]) if _UNIX_PEER in told else None
    # An abstract name begins with a NUL, written as @ everywhere else.
    name = told.get(_UNIX_NAME, b"").replace(b"\0", b"@").decode(errors="backslashreplace")
    queued = struct.unpack_from("=I", told[_UNIX_QUEUES])[0] if _UNIX_QUEUES in told else 0
    return UnixSocket(Inode(struct.unpack_from("=I", body, 4)[0]), body[1], peer, name, queued)


def _attributes(body: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        if length < 4:
            return
        yield kind, body[offset + 4 : offset + length]
        offset += (length + 3) & ~3
