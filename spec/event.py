"""The vocabulary of a timeline: what the suite did to a server, and what it saw of it, in order.

A timeline is history only: observers and drivers write it, the judges of `spec/` read it. Times are seconds since the
server was launched; a pid is the one seen by the suite.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

Pid = NewType("Pid", int)
Inode = NewType("Inode", int)
ConnectionId = NewType("ConnectionId", int)


class Phase(Enum):
    """What the driver is after while it waits for the pool to settle."""

    START = "at rest after start"
    SHORTAGE = "one idle child too few"
    FLOOD_TIDE = "load going up"
    HIGH_WATER = "the highest load"
    EXCESS = "one idle child too many"
    EBB = "load going down, while clients come and go"
    END = "at rest after the load"
    TURNOVER = "children being recycled"
    AFTERMATH = "after the fault"


@dataclass(frozen=True, slots=True)
class Event:
    """One sighting, `at` seconds after the launch."""

    at: float


@dataclass(frozen=True, slots=True)
class Spawned(Event):
    """A child was seen for the first time."""

    pid: Pid


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """A child was seen ended: gone, a zombie, or on its way out."""

    pid: Pid


@dataclass(frozen=True, slots=True)
class Connected(Event):
    """A client's handshake was completed by the kernel."""

    connection: ConnectionId


@dataclass(frozen=True, slots=True)
class Accepted(Event):
    """A process was seen to hold the server's side of a connection."""

    connection: ConnectionId
    pid: Pid


@dataclass(frozen=True, slots=True)
class Served(Event):
    """Some bytes came and the connection ended."""

    connection: ConnectionId


@dataclass(frozen=True, slots=True)
class Dropped(Event):
    """The client let go of a connection that it held; a busy child becomes idle."""

    connection: ConnectionId


@dataclass(frozen=True, slots=True)
class Left(Event):
    """The server ended a silent connection that a client held; its child may have ended, too, or soon will."""

    connection: ConnectionId


@dataclass(frozen=True, slots=True)
class Abandoned(Event):
    """The child whose silent connection was ended lives on: it has had enough of the client, and nobody ended it."""

    connection: ConnectionId


@dataclass(frozen=True, slots=True)
class Lost(Event):
    """A connection ended without a byte, was reset, or was not answered in time."""

    connection: ConnectionId
    how: str


@dataclass(frozen=True, slots=True)
class Wanted(Event):
    """The driver changed its load: from here on it wants `held` connections open and silent."""

    phase: Phase
    held: int


@dataclass(frozen=True, slots=True)
class Settled(Event):
    """The pool was seen within its bounds."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class Rested(Event):
    """Within the bounds, nothing was spawned or ended for one round."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class Stalled(Event):
    """The driver gave up: outside the bounds, and no step towards them for `after` seconds."""

    phase: Phase
    after: float


@dataclass(frozen=True, slots=True)
class Restless(Event):
    """The driver gave up: no round went by without a child spawned or ended."""

    phase: Phase
    after: float


@dataclass(frozen=True, slots=True)
class Stranded(Event):
    """The driver gave up: connections wait in the queue, though children are idle, for `after` seconds."""

    phase: Phase
    waiting: int
    after: float


@dataclass(frozen=True, slots=True)
class Collapsed(Event):
    """The pool's parent ended while the driver waited."""

    phase: Phase
    how: str


@dataclass(frozen=True, slots=True)
class Reaped(Event):
    """At rest, the parent had collected a child that nobody saw live: churn too quick to sample."""


@dataclass(frozen=True, slots=True)
class Said(Event):
    """Messages of a child were read, or said in its name: `C`, `F`, or what nobody says."""

    pid: Pid
    words: str


@dataclass(frozen=True, slots=True)
class Ordered(Event):
    """A child was told something, by its parent or in its name: `K`, or what nobody says."""

    pid: Pid
    words: str


@dataclass(frozen=True, slots=True)
class Faulted(Event):
    """A fault took hold; `how` says which, in words."""

    how: str


@dataclass(frozen=True, slots=True)
class State:
    """The pool at one moment: live children, and which of them hold which connections.

    Connections that were `left` by the server have a holder all the same, until it is known whether that has ended.
    """

    live: frozenset[Pid] = frozenset()
    holders: dict[ConnectionId, Pid] = field(default_factory=dict)
    left: frozenset[ConnectionId] = frozenset()

    @property
    def busy(self) -> frozenset[Pid]:
        """Live children that hold a connection."""
        return self.live.intersection(self.holders.values())

    @property
    def idle(self) -> int:
        """How many live children hold none."""
        return len(self.live) - len(self.busy)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Ordered events of one launch, looked at until then (0: until the last one)."""

    events: tuple[Event, ...]
    until: float = 0.0

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def states(self) -> Iterator[tuple[Event, State, State]]:
        """Replay: each event with the pool's state before it and after it."""
        state = State()
        for event in self.events:
            after = _advanced(state, event)
            yield event, state, after
            state = after

    def reached(self, phase: Phase) -> bool:
        """Tell whether the pool came to rest, or at least within its bounds, in this phase."""
        return any(isinstance(event, Settled | Rested) and event.phase is phase for event in self.events)


def _advanced(state: State, event: Event) -> State:
    match event:
        case Spawned(pid=pid):
            return State(state.live | {pid}, state.holders, state.left)
        case Ended(pid=pid):
            holders = {connection: holder for connection, holder in state.holders.items() if holder != pid}
            return State(state.live - {pid}, holders, state.left)
        case Accepted(connection=connection, pid=pid):
            return State(state.live, {**state.holders, connection: pid}, state.left)
        case Left(connection=connection):
            return State(state.live, state.holders, state.left | {connection})
        case Served(connection=connection) | Dropped(connection=connection) | Lost(connection=connection):
            holders = {other: holder for other, holder in state.holders.items() if other != connection}
            return State(state.live, holders, state.left)
        case _:
            return state
