"""Faults by clients: silent, slow, never reading, half-closed, reset, or dead before they are answered.

Whole clients are made here, on sockets of the subject's network; what is done to one connection (`half_closed`,
`dead`) takes anything that has a descriptor, so that whoever follows that connection goes on to do so.
Taken hold is told by the server's side of the connection, as the kernel lists it in /proc/net/tcp.
"""

import ctypes
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fault_injection.fault import DidNotTakeHold
from spec.event import Pid

_libc = ctypes.CDLL(None, use_errno=True)

MakeSocket = Callable[[], socket.socket]

TAKES_WITHIN = 2.0  # seconds for a segment to cross loopback
LOOKS_APART = 0.5  # milliseconds
CONNECTS_WITHIN = 2.0  # seconds; a handshake that the backlog holds up takes longer, and is no matter of these faults
SMALLEST_BUFFER = 1  # bytes asked for; the kernel makes some 2 kB of it
# <net/tcp_states.h>
ESTABLISHED, CLOSE_WAIT = 1, 8


class HasDescriptor(Protocol):
    """A socket, or anything around one."""

    def fileno(self) -> int:
        """Give the descriptor."""
        ...


@dataclass(frozen=True)
class Side:
    """The server's side of a connection, as the kernel lists it; `unsent` and `unread` are bytes in its queues."""

    state: int
    unsent: int
    unread: int


def servers_side(network: Pid, port: int, client_port: int) -> Side | None:
    """Look at the server's side of one connection in the network of a process; None where there is none."""
    for kind in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{network}/net/{kind}").read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:  # no IPv6, or gone
            continue
        for line in lines:
            _, ours, theirs, state, queues = line.split(None, 5)[:5]
            if int(ours.rpartition(":")[2], 16) == port and int(theirs.rpartition(":")[2], 16) == client_port:
                unsent, unread = queues.split(":")
                return Side(int(state, 16), int(unsent, 16), int(unread, 16))
    return None


@dataclass
class Slow:
    """Clients that send their request a byte at a time; whoever owns the loop lets them `drip`."""

    sockets: list[socket.socket]
    request: bytes
    sent: int = 0

    def drip(self) -> bool:
        """Send the next byte of each; False once all have been sent."""
        if self.sent == len(self.request):
            return False
        for each in self.sockets:
            try:
                each.send(self.request[self.sent : self.sent + 1], socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
            except OSError:
                continue  # the server has had enough of it: its right
        self.sent += 1
        return True

    @property
    def answered(self) -> int:
        """How many have got bytes, or the end."""
        poll = select.poll()
        for each in self.sockets:
            poll.register(each, select.POLLIN)
        return len(poll.poll(0))


@contextmanager
def silent(make: MakeSocket, port: int, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections that never say a word. Taken hold: their handshakes are completed. Raises DidNotTakeHold."""
    with _connected(make, port, count) as sockets:
        yield sockets


@contextmanager
def slow(make: MakeSocket, port: int, count: int, request: bytes) -> Iterator[Slow]:
    """Hold connections whose request comes a byte at a time. Taken hold: as `silent`, and a first byte was sent."""
    with _connected(make, port, count) as sockets:
        for each in sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dripping = Slow(sockets, request)
        dripping.drip()
        yield dripping


@contextmanager
def never_reading(make: MakeSocket, port: int, count: int, request: bytes) -> Iterator[list[socket.socket]]:
    """Ask, with the smallest of buffers, and never read what comes. Taken hold: the requests were sent."""
    with _connected(make, port, count, buffer=SMALLEST_BUFFER) as sockets:
        for each in sockets:
            if each.send(request, socket.MSG_NOSIGNAL) != len(request):
                raise DidNotTakeHold("a request found no room in its own socket")
        yield sockets


@contextmanager
def _connected(make: MakeSocket, port: int, count: int, *, buffer: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(make()) for _ in range(count)]
        poll = select.poll()
        for each in sockets:
            if buffer:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
            poll.register(each, select.POLLOUT)
        waiting, deadline = {each.fileno(): each for each in sockets}, time.monotonic() + CONNECTS_WITHIN
        while waiting:
            if time.monotonic() > deadline:
                raise DidNotTakeHold(f"{len(waiting)} of {count} connections were not completed in {CONNECTS_WITHIN} s")
            for descriptor, _ in poll.poll(50):
                if waiting.pop(descriptor).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise DidNotTakeHold("a connection was refused")
                poll.unregister(descriptor)
        yield sockets


@dataclass(frozen=True)
class Network:
    """Where the server's sides are listed: any process in its network, and the port."""

    pid: Pid
    port: int

    def await_side(self, client_port: int, wanted: Callable[[Side | None], bool], *, what: str) -> None:
        """Wait until the server's side of a connection is as it is wanted. Raises DidNotTakeHold."""
        deadline, nothing = time.monotonic() + TAKES_WITHIN, select.poll()
        while not wanted(side := servers_side(self.pid, self.port, client_port)):
            if time.monotonic() > deadline:
                raise DidNotTakeHold(f"{what}: the server's side of the connection is {side}")
            nothing.poll(LOOKS_APART)


@contextmanager
def half_closed(client: HasDescriptor, network: Network) -> Iterator[None]:
    """Close the client's half in order; it can still hear. Taken hold: the server's side waits for its own close."""
    with _shared(client) as each:
        each.shutdown(socket.SHUT_WR)
        ours = each.getsockname()[1]
        network.await_side(ours, lambda side: side is None or side.state != ESTABLISHED, what="a FIN was sent")
    yield


@contextmanager
def dead(client: HasDescriptor, network: Network, request: bytes) -> Iterator[None]:
    """Have a client die with its request sent: bytes, FIN, RST, all before the server reads.

    The server reads the request and finds nobody to answer: EPIPE and SIGPIPE. Met for sure only where the reader is
    stopped meanwhile. The connection's owner closes it afterwards. Taken hold: the kernel lists the server's side no
    more.
    """
    with _shared(client) as each:
        ours = each.getsockname()[1]
        each.send(request, socket.MSG_NOSIGNAL)
        each.shutdown(socket.SHUT_WR)
        network.await_side(ours, lambda side: side is not None and side.state == CLOSE_WAIT, what="a FIN was sent")
        _reset(each)
        network.await_side(ours, lambda side: side is None, what="a RST was sent")
    yield


@contextmanager
def reset(client: HasDescriptor, network: Network) -> Iterator[None]:
    """Have a client reset its connection. Taken hold: the kernel lists the server's side no more."""
    with _shared(client) as each:
        ours = each.getsockname()[1]
        _reset(each)
        network.await_side(ours, lambda side: side is None, what="a RST was sent")
    yield


def _reset(each: socket.socket) -> None:
    """Send a RST now, whoever else holds the socket: to connect to nowhere is to disconnect, and that resets."""
    nowhere = struct.pack("H14x", socket.AF_UNSPEC)  # which Python's own connect() can't say
    if _libc.connect(each.fileno(), nowhere, len(nowhere)) != 0:
        raise DidNotTakeHold(f"a connection could not be reset: {os.strerror(ctypes.get_errno())}")


@contextmanager
def _shared(client: HasDescriptor) -> Iterator[socket.socket]:
    each = socket.socket(fileno=os.dup(client.fileno()))
    try:
        yield each
    finally:
        each.close()
