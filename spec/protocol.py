"""The messages between parent and children: one byte each, `C`, `F` and `K`.

Owns the clauses `protocol-1` … `protocol-9`, the table of what a child says, and the judges of a child's stream and of
the parent's orders. What the parent owes by what it was told is in `parent.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Pid
from spec.pool import POOL_5
from spec.verdict import Violation

PROTOCOL_1 = Clause(
    id=ClauseId("protocol-1"),
    level=Level.MUST,
    text="A child says one C for each connection that it accepts, when it accepts it.",
    source="3 Implementation, Messages",
    observed="With the parent stopped, its ends of the channels are read while silent connections are accepted.",
    needs=ids("lifecycle-1", "accept-1", "accept-2", "accept-3", "accept-4", "channel-1", "http-2", "recycle-2"),
    ability="channel",
)
PROTOCOL_2 = Clause(
    id=ClauseId("protocol-2"),
    level=Level.MUST,
    text="A child says one F when a connection has been serviced, and not before; for its last one too.",
    source="3 Implementation, Messages",
    observed="As for protocol-1, while the connections are served; with few connections a child, up to its end.",
    needs=ids("lifecycle-1", "accept-1", "accept-2", "accept-3", "accept-4", "channel-1", "http-2", "recycle-2"),
    ability="channel",
)
PROTOCOL_3 = Clause(
    id=ClauseId("protocol-3"),
    level=Level.MUST,
    text="A child says nothing else: its stream is C, F, C, F and so on.",
    source="3 Implementation, Messages",
    observed="As for protocol-1; and over thousands of connections on all children at full speed.",
    needs=ids("lifecycle-1", "accept-4", "channel-1", "http-2", "recycle-2"),
    ability="channel",
)
PROTOCOL_4 = Clause(
    id=ClauseId("protocol-4"),
    level=Level.MUST,
    text="While it regulates, the parent says nothing but K, at most once to a child, and sheds in no other way.",
    source="3 Implementation, Messages",
    observed=(
        "Children that are busy, and so do not read their channels, are spoken for: F. What the parent then writes to "
        "them is looked at and left."
    ),
    needs=ids("lifecycle-1", "accept-1", "channel-1", "protocol-1", "protocol-2", "protocol-3", "protocol-6", "pool-3"),
    ability="channel",
)
PROTOCOL_5 = Clause(
    id=ClauseId("protocol-5"),
    level=Level.MUST,
    text="An idle child ends on K, within 2 s.",
    source="3 Implementation, Messages",
    observed="With the parent stopped, K is written on its ends of the channels of idle children.",
    needs=ids("lifecycle-1", "channel-1"),
    ability="channel",
)
PROTOCOL_6 = Clause(
    id=ClauseId("protocol-6"),
    level=Level.SHOULD,
    text="A busy child that gets K serves its connection first, and then ends.",
    source="3 Implementation, Messages (children that are busy serve their connection)",
    observed="As for protocol-5, to a child that holds a silent connection, which then asks. Nobody else is waiting.",
    needs=ids("lifecycle-1", "accept-1", "accept-2", "accept-4", "channel-1", "protocol-5", "http-2", "recycle-2"),
    ability="channel",
)
PROTOCOL_7 = Clause(
    id=ClauseId("protocol-7"),
    level=Level.MUST,
    text="While it regulates, the parent sends K only to a child that is idle by what it was told, or has had its N.",
    source="2 Design, first paragraph; 3 Implementation, Messages",
    observed="As for protocol-4; and in plans of messages that the suite says for the children.",
    needs=ids("lifecycle-1", "channel-1", "protocol-1", "protocol-2", "protocol-3"),
    ability="channel",
)
PROTOCOL_8 = Clause(
    id=ClauseId("protocol-8"),
    level=Level.MUST,
    text="Messages that arrive together count one by one.",
    source="2 Design, second paragraph; 3 Implementation, Messages (each indicates one event)",
    observed="Several messages in one write, on many channels at once; the parent stopped meanwhile, and without that.",
    needs=ids(
        *("lifecycle-1", "channel-1", "protocol-1", "protocol-2", "protocol-3", "protocol-5"),
        *("pool-4", "recycle-1", "recycle-2"),
    ),
    ability="channel",
)
PROTOCOL_9 = Clause(
    id=ClauseId("protocol-9"),
    level=Level.SHOULD,
    text="An unknown byte harms neither side: parent and children live on, and react to what follows.",
    source="3 Implementation, Messages (the protocol is rudimentary)",
    observed=(
        "X, k, NUL and 0xFF are written to an idle child, which must then sleep and serve, and end when they come "
        "along with K; and to the parent, which must then grow its pool."
    ),
    needs=ids(
        *("lifecycle-1", "accept-1", "accept-4", "channel-1", "protocol-1", "protocol-3", "protocol-5", "protocol-8"),
        *("epoll-5", "pool-1", "pool-2", "pool-3", "http-2", "recycle-2"),
    ),
    ability="channel",
)

SECTION = Section(
    name="protocol",
    title="The messages C, F and K",
    introduction=(
        "A child tells the parent when it has accepted a connection and when it has serviced it; the parent tells a "
        "child to end. The suite sits in either seat: it stops the parent and listens in its place, or speaks for the "
        "children and watches what the parent makes of it."
    ),
    clauses=(
        PROTOCOL_1,
        PROTOCOL_2,
        PROTOCOL_3,
        PROTOCOL_4,
        PROTOCOL_5,
        PROTOCOL_6,
        PROTOCOL_7,
        PROTOCOL_8,
        PROTOCOL_9,
    ),
)

OBEYS_WITHIN = 2.0  # seconds, protocol-5


class Message(Enum):
    """All that is ever said."""

    CONNECTED = b"C"  # child to parent: has accepted
    FINISHED = b"F"  # child to parent: has serviced, is idle
    KILL = b"K"  # parent to child: end


C, F, K = Message.CONNECTED.value, Message.FINISHED.value, Message.KILL.value
UNKNOWN = b"Xk\x00\xff"  # what nobody says: protocol-9


class Told(Enum):
    """What a child is by what it said last; a newborn is as if it had said F."""

    IDLE = "idle"
    BUSY = "busy"


# What a child may say, by what it is; and what it is then.
NEXT: Mapping[tuple[Told, Message], Told] = {
    (Told.IDLE, Message.CONNECTED): Told.BUSY,  # protocol-1
    (Told.BUSY, Message.FINISHED): Told.IDLE,  # protocol-2
}


@dataclass(frozen=True, kw_only=True)
class Voice:
    """What one child said, and what is known of it meanwhile.

    `accepted` and `serviced` count its connections; None where nobody counted them child by child. `ended` tells that
    it has ended, so that nothing more can come. `within` is how long was waited for what is missing, in seconds.
    """

    child: Pid
    said: bytes
    accepted: int | None = None
    serviced: int | None = None
    ended: bool = False
    within: float = 0.0


def judge_voice(voice: Voice) -> Iterator[Violation]:
    """Judge protocol-1 to protocol-3 on what one child said. Bytes that no child says are told, then passed over."""
    odd = bytes(byte for byte in voice.said if byte not in C + F)
    who = f"child {voice.child} said {shown(voice.said)}"
    if odd:
        yield Violation(PROTOCOL_3, f"{who}: {shown(odd)} is neither C nor F")
    known = bytes(byte for byte in voice.said if byte in C + F)
    if voice.accepted is None or voice.serviced is None:
        yield from _judge_order(known, who)
        return
    connections = f"{voice.accepted} connections" if voice.accepted != 1 else "1 connection"
    ended = ", and ended" if voice.ended else ""
    taken = f"{who}, where it had accepted {connections} and serviced {voice.serviced}{ended}"
    if known.count(C) != voice.accepted:
        yield Violation(PROTOCOL_1, f"{taken}: {_counted(known.count(C), 'C')} in {voice.within:.1f} s")
    if known.count(F) > voice.serviced:
        yield Violation(PROTOCOL_2, f"{taken}: F came before the service had ended")
    elif known.count(F) < voice.serviced:
        yield Violation(PROTOCOL_2, f"{taken}: {_counted(known.count(F), 'F')} in {voice.within:.1f} s")
    elif known.count(C) == voice.accepted:
        yield from _judge_order(known, who)


def _judge_order(known: bytes, who: str) -> Iterator[Violation]:
    state = Told.IDLE
    for place, byte in enumerate(known):
        after = NEXT.get((state, Message(bytes([byte]))))
        if after is None:
            # A second C: one connection was told twice, or an F is missing. A second F: told twice, or a C is missing.
            clause = PROTOCOL_2 if byte in F else PROTOCOL_1
            yield Violation(clause, f"{who}: byte {place + 1} is {shown(bytes([byte]))} where it was {state.value}")
            return
        state = after


def _counted(count: int, letter: str) -> str:
    return f"{count} {letter}" if count else f"no {letter}"


def shown(said: bytes, most: int = 24) -> str:
    """Show bytes as Python would write them, cut in the middle."""
    if len(said) <= most:
        return repr(said)
    return f"{said[: most // 2]!r} … {said[-most // 2 :]!r} ({len(said)} bytes)"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What lay in the channel of one child that did not read it: the parent's words, and what the parent was told."""

    child: Pid
    written: bytes
    told: Told
    ended: bool = False


def judge_orders(orders: Iterator[Order] | list[Order]) -> Iterator[Violation]:
    """Judge protocol-4, protocol-7 and pool-5 on what the parent wrote to children that could not read it."""
    for order in orders:
        who = f"to child {order.child}, {order.told.value} by what the parent was told,"
        if order.written.replace(K, b""):
            yield Violation(PROTOCOL_4, f"{who} the parent said {shown(order.written)}")
        elif len(order.written) > 1:
            yield Violation(PROTOCOL_4, f"{who} the parent said {shown(order.written)}: K more than once")
        if order.ended and order.told is Told.IDLE:
            yield Violation(
                PROTOCOL_4, f"child {order.child}, idle by what the parent was told, was ended without reading a K"
            )
        if order.told is Told.BUSY and order.ended:
            yield Violation(POOL_5, f"child {order.child} was ended though it had said C, and no F since")
        elif order.told is Told.BUSY and K in order.written:
            seen = f"child {order.child} was told {shown(order.written)} though it had said C, and no F since"
            yield Violation(PROTOCOL_7, seen)
            yield Violation(POOL_5, seen)  # to be told K is to be shed, though its client be served to the end
