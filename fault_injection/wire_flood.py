"""A flood of handshakes that are never completed, from hundreds of hosts at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from fault_injection.fault import DidNotTakeHold
from fault_injection.network_facts import State
from fault_injection.wire import MOST_AT_ONCE, Wire
from fault_injection.wire_segments import Endpoint, Flags, Segment, flags_of, packed, readdressed

_FIRST = 1000  # the number of every SYN; a reset of a half-open connection needs the one after it


class Flood:
    """What came of a flood: how many of its SYNs were answered, by what, and what the kernel counted meanwhile."""

    def __init__(self, hosts: list[Endpoint]) -> None:
        """Count the answers to these hosts."""
        self.hosts = hosts
        self.answered = 0
        self.refused = 0
        self.taken_in = 0  # segments that the kernel's TCP took in
        self.dropped = 0  # SYNs that it dropped
        self.cookies = 0  # answers for which it kept nothing
        self.half_open = 0  # connections that it kept, seen right after the last SYN

    def hear(self, packet: bytes) -> None:
        """Count an answer."""
        if flags_of(packet) & Flags.RST:
            self.refused += 1
        else:
            self.answered += 1


@contextmanager
def half_open(wire: Wire, count: int) -> Iterator[Flood]:
    """Send so many SYNs, each from another host and port, as fast as the device takes them, and complete none.

    Proof: the kernel's TCP took in all of them, and keeps half-open connections, or did what it does when its queue is
    full: it answered with cookies, or dropped some.
    At the context's end all are reset, and the kernel has forgotten them.
    """
    flood = Flood([wire.draw() for _ in range(count)])
    opening = _from_all(flood, wire.server, Flags.SYN, _FIRST)
    ending = _from_all(flood, wire.server, Flags.RST, _FIRST + 1)
    for host in flood.hosts:
        wire.listen(host, flood.hear)
    before = wire.counters()
    try:
        _pour(wire, opening)
        moved = wire.counters() - before
        flood.taken_in, flood.dropped = moved["InSegs"], moved["ListenDrops"]
        flood.cookies = moved["SyncookiesSent"]
        flood.half_open = _half_open(wire, flood)
        if flood.taken_in < count or flood.half_open + flood.dropped + flood.cookies == 0:
            raise DidNotTakeHold(f"a flood of {count} SYNs: {_told(flood)}")
        yield flood
    finally:
        _pour(wire, ending)
        for host in flood.hosts:
            wire.ignore(host)


def _from_all(flood: Flood, server: Endpoint, flags: Flags, sequence: int) -> list[bytes]:
    pattern = packed(Segment(source=flood.hosts[0], target=server, sequence=sequence, flags=flags))
    return [readdressed(pattern, host) for host in flood.hosts]


def _pour(wire: Wire, packets: list[bytes]) -> None:
    """Write all, and take in the answers before the device has more than it keeps."""
    for start in range(0, len(packets), MOST_AT_ONCE // 2):
        for packet in packets[start : start + MOST_AT_ONCE // 2]:
            wire.write(packet)
        wire.attend()


def _half_open(wire: Wire, flood: Flood) -> int:
    hosts = set(flood.hosts)
    return sum(side.state is State.SYN_RECEIVED and side.remote in hosts for side in wire.sides())


def _told(flood: Flood) -> str:
    return (
        f"{flood.taken_in} taken in, {flood.answered} answered, {flood.refused} refused, {flood.half_open} half open, "
        f"{flood.cookies} cookies, {flood.dropped} dropped"
    )
