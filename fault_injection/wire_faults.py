"""Faults that clients make on the wire, each with the fact that proves it.

What a fault proves is said in its docstring; where the proof is missing it raises DidNotTakeHold, and ServerFirst where
the server ended the connection before the fault could be made. Peers that are left over belong to the wire, which
resets them at its end.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fault_injection.fault import DidNotTakeHold, FaultRefused, Unserved
from fault_injection.network_facts import State
from fault_injection.wire import NotReached, Wire
from fault_injection.wire_peer import Peer, backwards, byte_by_byte, each_twice


class ServerFirst(FaultRefused):
    """The server ended the connection before the fault could be made; with this server it can't be."""


def connected(wire: Wire, *, window: int = 65535) -> Peer:
    """Complete a handshake: the server's kernel shows the connection."""
    peer = wire.peer()
    peer.window = window
    peer.syn()
    _must(wire, peer, lambda: _is_connected(wire, peer), f"no handshake with {wire.server}")
    return peer


def asked(wire: Wire, request: bytes, *, window: int = 65535, acknowledges: bool = True) -> Peer:
    """Connect and send a request, all of which the server's kernel acknowledges."""
    peer = connected(wire, window=window)
    peer.acknowledges = acknowledges
    peer.send(request)
    _must(wire, peer, lambda: peer.acknowledged == len(request), "the request was not acknowledged")
    return peer


# --- resets ---------------------------------------------------------------------------------------------------------


def reset_before_accept(wire: Wire, count: int) -> list[Peer]:
    """Complete handshakes, each followed by a reset at once.

    The reset is on the wire a few microseconds after the handshake's end, well before a process that this wakes can
    run; where all of them are stopped, `wire.waiting()` counts those that lie dead in the accept queue. A full queue
    takes no more: give no more than it holds. Proof: the kernel counted so many connections made (PassiveOpens) and
    shows none of them any more; and it counted resets (EstabResets), though not of those that a server closed at once.
    """
    before = wire.counters()
    peers = [_reset_at_once(wire) for _ in range(count)]
    moved = wire.counters() - before
    made, reset, left = moved["PassiveOpens"], moved["EstabResets"], sum(wire.side(peer) is not None for peer in peers)
    if made < count or left:
        raise DidNotTakeHold(f"of {count} connections, {made} were made and {reset} reset, and {left} are left")
    if not reset:
        raise ServerFirst(f"the server had closed all {count} connections before they could be reset")
    return peers


def _reset_at_once(wire: Wire) -> Peer:
    peer = wire.peer()
    peer.syn(half_open=True)
    _must(wire, peer, lambda: peer.answered, f"no handshake with {wire.server}")
    with wire.at_once():
        peer.complete()
        peer.rst()
    return peer


def reset_in_request(wire: Wire, part: bytes) -> Peer:
    """Send a part of a request, and a reset right behind it, before the server can have answered the part.

    Proof: the kernel took in both, and counted a reset (EstabResets): it obeys one only where that is expected next,
    behind the part. It need not have acknowledged the part: that may wait, and a reset calls it off.
    """
    peer = connected(wire)
    before = wire.counters()
    with wire.at_once():
        peer.send(part)
        peer.rst()
    if not wire.took_in(2, since=before):
        raise DidNotTakeHold(f"fewer than two segments arrived: {_state(wire, peer)}")
    _must(wire, peer, lambda: wire.side(peer) is None, "the reset was not taken in")
    if not (wire.counters() - before)["EstabResets"]:
        raise ServerFirst("the server had ended the connection before it could be reset")
    return peer


def reset_in_reply(wire: Wire, request: bytes) -> Peer:
    """Reset when the reply's first byte has come, while the others can't.

    Proof: a byte came, the connection's send queue held more, and is gone. A window of one byte sees to it; a kernel
    sends a single byte only as a probe, a fifth of a second after the reply was written.
    """
    peer = asked(wire, request, window=1, acknowledges=False)
    _must_be_answered(wire, peer, lambda: 0 < len(peer.received) < _unsent(wire, peer), "no more of a reply waits")
    _reset(wire, peer)
    return peer


def reset_unacknowledged(wire: Wire, request: bytes) -> Peer:
    """Reset while the reply is in flight. Proof: bytes came, the send queue still held them, and is gone."""
    with unacknowledged(wire, request) as peer:
        _reset(wire, peer)
    return peer


# --- peers that hold something up -----------------------------------------------------------------------------------


@contextmanager
def zero_window(wire: Wire, request: bytes) -> Iterator[Peer]:
    """Ask, and advertise no room for the reply, until the context's end.

    Proof: nothing came, and the connection's send queue holds the reply.
    """
    peer = asked(wire, request, window=0)
    try:
        _must_be_answered(wire, peer, lambda: _unsent(wire, peer) > 0, "no reply waits for a window")
        if peer.received:
            raise DidNotTakeHold(f"{len(peer.received)} bytes came through a window of zero")
        yield peer
    finally:
        if not peer.over:
            peer.open_window()


@contextmanager
def unacknowledged(wire: Wire, request: bytes) -> Iterator[Peer]:
    """Ask, and acknowledge nothing of the reply until the context's end.

    Proof: it came, and the send queue still holds it.
    """
    peer = asked(wire, request, acknowledges=False)
    try:
        _must_be_answered(
            wire, peer, lambda: bool(peer.received) and _unsent(wire, peer) > 0, "no reply waits to be acknowledged"
        )
        yield peer
    finally:
        if not peer.over:
            peer.acknowledge()


@contextmanager
def vanished(wire: Wire, part: bytes) -> Iterator[Peer]:
    """Send a part of a request and be gone without a word; come back, with a reset, at the context's end.

    Proof: the kernel acknowledged the part, and shows the connection.
    """
    peer = connected(wire)
    try:
        peer.send(part)
        peer.vanish()
        _must(wire, peer, lambda: peer.acknowledged == len(part), "the part was not acknowledged")
        _must(wire, peer, lambda: wire.side(peer) is not None, "the connection is gone")
        yield peer
    finally:
        peer.come_back()
        peer.rst()
        wire.attend()


# --- odd segments ---------------------------------------------------------------------------------------------------


def in_single_bytes(wire: Wire, request: bytes) -> Peer:
    """Send a request in segments of one byte, some tenths of a millisecond apart.

    Proof: the kernel took in so many segments.
    """
    peer = connected(wire)
    before = wire.counters()
    peer.send(request, segments=byte_by_byte)
    if not wire.took_in(len(request), since=before):
        raise DidNotTakeHold(f"fewer than {len(request)} segments arrived: {_state(wire, peer)}")
    return peer


def out_of_order(wire: Wire, request: bytes) -> Peer:
    """Send a request's last quarter first, and so on. Proof: the kernel kept segments until the gap was filled."""
    peer = connected(wire)
    before = wire.counters()
    with wire.at_once():
        peer.send(request, segments=backwards)
    _took_in(wire, peer, request, lambda: bool((wire.counters() - before)["TCPOFOQueue"]))
    return peer


def repeated(wire: Wire, request: bytes) -> Peer:
    """Send a request's segments twice each, and then all of it. Proof: the kernel saw data that it had already."""
    peer = connected(wire)
    before = wire.counters()
    with wire.at_once():
        peer.send(request, segments=each_twice)
    _took_in(wire, peer, request, lambda: bool((wire.counters() - before)["DelayedACKLost"]))
    return peer


def fin_before_any_byte(wire: Wire) -> Peer:
    """Connect, and end this side without a byte. Proof: the kernel acknowledged the end."""
    peer = connected(wire)
    peer.fin()
    _must(wire, peer, lambda: peer.fin_acknowledged, "the end was not acknowledged")
    return peer


def data_after_fin(wire: Wire, request: bytes, *, more: bytes = b"more") -> Peer:
    """Ask, end this side, and send more data, all at once.

    Proof: the kernel took in three segments, and acknowledged the end.
    """
    peer = connected(wire)
    before = wire.counters()
    with wire.at_once():
        peer.send(request)
        peer.fin()
        peer.send(more)
    if not wire.took_in(3, since=before):
        raise DidNotTakeHold(f"fewer than three segments arrived: {_state(wire, peer)}")
    _must(wire, peer, lambda: peer.fin_acknowledged, "the end was not acknowledged")
    return peer


def _took_in(wire: Wire, peer: Peer, request: bytes, fact: Callable[[], bool]) -> None:
    # A server may answer before it has read all, and be gone; the kernel has seen the segments all the same.
    wire.settle(lambda: peer.acknowledged == len(request) or peer.ended)
    if fact():
        return
    if peer.ended and peer.acknowledged < len(request):
        raise ServerFirst("the server ended the connection before the request was complete")
    raise DidNotTakeHold(f"the kernel did not count such segments: {_state(wire, peer)}")


# --- proofs ---------------------------------------------------------------------------------------------------------


def _must(wire: Wire, peer: Peer, fact: Callable[[], bool], otherwise: str) -> None:
    """Wait for what the server's kernel does by itself, as long as it has the connection."""
    if _shows(wire, peer, fact):
        return
    if peer.refused:
        if any(side.state is State.LISTEN for side in wire.sides()):
            raise NotReached(f"{wire.server} is listened on, but not for a peer on the wire")
        raise DidNotTakeHold(f"nobody listens on {wire.server}")
    if peer.rst_seen:
        raise ServerFirst(f"{otherwise}: the server has reset the connection")
    raise DidNotTakeHold(f"{otherwise}: {_state(wire, peer)}")


def _must_be_answered(wire: Wire, peer: Peer, fact: Callable[[], bool], otherwise: str) -> None:
    """Wait for what shows only in a reply of the server's."""
    if _shows(wire, peer, fact):
        return
    if peer.ended:
        raise ServerFirst(f"{otherwise}: the server has ended the connection")
    side = wire.side(peer)
    if side is not None and side.unread and not peer.received:
        raise Unserved(f"a request of {side.unread} bytes came, and nobody read it")
    raise DidNotTakeHold(f"{otherwise}: {_state(wire, peer)}")


def _shows(wire: Wire, peer: Peer, fact: Callable[[], bool]) -> bool:
    shown = False

    def decided() -> bool:
        nonlocal shown
        shown = fact()
        return shown or peer.rst_seen

    wire.settle(decided)
    return shown


def _reset(wire: Wire, peer: Peer) -> None:
    peer.rst()
    if not wire.settle(lambda: wire.side(peer) is None):
        raise DidNotTakeHold(f"the kernel did not take the reset: {_state(wire, peer)}")


def _unsent(wire: Wire, peer: Peer) -> int:
    side = wire.side(peer)
    return 0 if side is None else side.unsent


def _is_connected(wire: Wire, peer: Peer) -> bool:
    # One whose last segment of the handshake found the accept queue full is still half open.
    side = wire.side(peer)
    return peer.fin_seen or (side is not None and side.state is not State.SYN_RECEIVED)


def _state(wire: Wire, peer: Peer) -> str:
    side = wire.side(peer)
    seen = "no connection" if side is None else f"{side.state.name}, {side.unsent} bytes unsent, {side.unread} unread"
    return f"the kernel shows {seen}; the peer had {len(peer.received)} bytes in {peer.heard} segments"
