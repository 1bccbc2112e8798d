"""Faults by number: storms of connections that come and go at once, bounded in count and in time.

Taken hold is told by the kernel's own counters of the subject's network (`/proc/PID/net/snmp`, `netstat`).
"""

import os
import resource
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from fault_injection.fault import DidNotTakeHold
from spec.event import Pid

SPARE = 64  # descriptors that the suite may need meanwhile
AT_ONCE = 64  # descriptors of ours at a time, where the clients of a storm do not stay
LONGEST = 3.0  # seconds for a storm


class Leave(Enum):
    """How the clients of a storm go."""

    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True)
class Counters:
    """What the kernel has counted in one network: connections that were completed, refused and reset."""

    accepted: int  # handshakes that were completed (PassiveOpens)
    overflowed: int  # that found the backlog full (ListenOverflows)
    reset: int  # that were reset while they stood (EstabResets)


def counters(network: Pid) -> Counters:
    """Read the counters of the network of a process. Raises DidNotTakeHold where it is gone."""
    try:
        tcp, extended = _table(network, "snmp", "Tcp"), _table(network, "netstat", "TcpExt")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise DidNotTakeHold(f"process {network} is gone, and its network with it") from error
    return Counters(tcp["PassiveOpens"], extended["ListenOverflows"], tcp["EstabResets"])


def _table(network: Pid, file: str, kind: str) -> dict[str, int]:
    lines = Path(f"/proc/{network}/net/{file}").read_text(encoding="ascii").splitlines()
    names, values = (line.split()[1:] for line in lines if line.startswith(f"{kind}:"))
    return dict(zip(names, map(int, values), strict=True))


@contextmanager
def storm(
    make: Callable[[], socket.socket], port: int, count: int, *, leave: Leave, network: Pid
) -> Iterator[Counters]:
    """Let clients come and go at once, as fast as they can; gives what the kernel counted of them.

    Taken hold: at least half of them were completed, or found the backlog full. Raises DidNotTakeHold.
    """
    before, end = counters(network), time.monotonic() + LONGEST
    made = 0
    while made < count and time.monotonic() < end:
        batch = [make() for _ in range(min(AT_ONCE, count - made))]
        made += len(batch)
        _come_and_go(batch, port, leave)
    yield _insist(before, counters(network), made)


@contextmanager
def crowd(make: Callable[[], socket.socket], port: int, count: int, *, network: Pid) -> Iterator[Counters]:
    """Let more clients come than the backlog may hold, say nothing, and stay for as long as the block lasts.

    Taken hold: as for `storm`.
    """
    before = counters(network)
    with ExitStack() as opened:
        count = opened.enter_context(_room_for(count))
        sockets = [opened.enter_context(make()) for _ in range(count)]
        _connect(sockets, port)
        yield _insist(before, counters(network), count)


@contextmanager
def _room_for(count: int) -> Iterator[int]:
    """Let this process have so many descriptors more, as far as its hard limit goes; gives how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd")) + SPARE
    wanted = used + count
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield min(count, max(soft, most) - used)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _come_and_go(batch: list[socket.socket], port: int, leave: Leave) -> None:
    try:
        _connect(batch, port)
    finally:
        for each in batch:
            if leave is Leave.RESET:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()


def _connect(batch: list[socket.socket], port: int) -> None:
    """Begin all handshakes and give them a moment: on loopback they are completed at once, or the backlog is full."""
    poll = select.poll()
    for each in batch:
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", port))
        poll.register(each, select.POLLOUT)
    # The first look waits for the last ones of the batch; it need not see them all.
    poll.poll(50)


def _insist(before: Counters, after: Counters, made: int) -> Counters:
    moved = Counters(after.accepted - before.accepted, after.overflowed - before.overflowed, after.reset - before.reset)
    if moved.accepted + moved.overflowed < made // 2:
        raise DidNotTakeHold(f"of {made} connections the kernel counted {moved}")
    return moved
