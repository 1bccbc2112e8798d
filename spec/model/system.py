"""The states of the system, and who may do what in each: kernel, clients, children, parent.

Facts about the kernel on which the model leans (ep_poll_callback, ep_send_events, ep_insert in fs/eventpoll.c):

- Epolls stand in line at the listening socket, in the order in which they registered it. A connection that arrives
  walks along the line and puts the socket on the *ready list* of each epoll that it passes. With EPOLLEXCLUSIVE it
  stops at the first in which a process sleeps, and wakes it; plainly registered, it wakes all of them.
- Who is woken leaves the sleepers at once, long before it runs: the next connection passes it by.
- epoll_wait looks only at what is on its ready list. A socket that turns out not to be ready falls off the list. One
  that is reported stays on it (level-triggered), so that the next epoll_wait looks again, or falls off (EPOLLET).
- A registration looks at the socket once: that is how a newborn finds what came before it.
- A message on a channel wakes its reader, and says nothing about the listening socket.

What is one step here is at most one system call there, but for two: "accept, say C" and "answer, close, say F" are one
step each. Nobody can tell them from a message that travels for longer, and each message here travels for as long as it
likes: until the parent reads it, which it may do before or after anything else.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, IntEnum
from typing import NamedTuple

from spec.model.scope import Design, Scope, Victim


class Stage(IntEnum):
    """Where a child is in its life. An int, as it is hashed a million times."""

    NEWBORN = 0  # the listening socket is not in its epoll yet
    LOOKING = 1  # calls epoll_wait, or was woken in it, and is about to see what is ready
    ASLEEP = 2  # in epoll_wait
    ACCEPTING = 3  # epoll_wait has reported the listening socket, and nothing else
    LAST_TRY = 4  # has read K, and tries one accept
    SERVING = 5  # has a connection
    ENDED = 6  # not reaped yet


class Order(IntEnum):
    """What has become of the K for one child."""

    NONE = 0
    UNREAD = 1
    READ = 2


class Child(NamedTuple):
    """One child, and all that is in flight on its channel.

    What it says is C, F, C, F …: so two counts tell what it has served, what is in flight, and what the parent knows.
    """

    stage: Stage = Stage.NEWBORN
    said: int = 0  # odd: it is busy
    heard: int = 0  # odd: the parent believes that it is busy
    k: Order = Order.NONE
    listed: bool = False  # the listening socket is on the ready list of its epoll

    @property
    def idle(self) -> bool:
        """Waits for a connection, and has not been told to end."""
        return self.stage in _WAITING and self.k is Order.NONE


_WAITING = (Stage.LOOKING, Stage.ASLEEP, Stage.ACCEPTING)


class State(NamedTuple):
    """The whole system at one moment."""

    to_come: int  # clients that have not connected yet
    crashes: int  # that have not struck yet
    children: tuple[Child, ...] = ()  # in the order of their birth, until they are reaped
    line: tuple[int, ...] = ()  # children by their place in that order: how they stand at the listening socket
    queue: int = 0  # connections that nobody has accepted
    lost: bool = False  # a client has lost its connection, and not by a crash


class Kind(Enum):
    """What happens, in words; `child` is the one that does it or that it is done to."""

    CONNECT = "a client connects"
    FINISH = "{child} answers its client and says F"
    CRASH = "{child} is killed"

    REGISTER = "{child} adds the listening socket to its epoll"
    SLEEP = "{child} finds nothing ready, and sleeps"
    SEE = "{child} returns from epoll_wait: the listening socket is ready"
    READ_K = "{child} reads K"
    OBEY = "{child} reads K and ends"
    ACCEPT = "{child} accepts a connection and says C"
    MISS = "{child} finds nothing to accept"
    END = "{child} finds nothing to accept, and ends"
    DROP = "{child} reads K and ends, and drops its client"

    HEAR_C = "the parent reads C from {child}"
    HEAR_F = "the parent reads F from {child}"
    SPAWN = "the parent spawns {child}"
    SHED = "the parent sheds {child}: it writes K"
    REAP = "the parent reaps {child}"


class Move(NamedTuple):
    """One thing that happens; `child` is its place in the order of birth (of no meaning where a client connects)."""

    kind: Kind
    child: int = 0


class Finds(IntEnum):
    """What the next system call of a child brings."""

    NOTHING = 0
    CONNECTION = 1
    K = 2


Table = Mapping[tuple[Stage, Finds], tuple[Kind, Stage]]

# What a child does by itself: where it is and what it finds; then what it does, and where it is after that. Who is
# asleep, serves or has ended waits for somebody else.
AS_SPECIFIED: Table = {
    (Stage.NEWBORN, Finds.NOTHING): (Kind.REGISTER, Stage.LOOKING),
    (Stage.LOOKING, Finds.NOTHING): (Kind.SLEEP, Stage.ASLEEP),
    (Stage.LOOKING, Finds.CONNECTION): (Kind.SEE, Stage.ACCEPTING),
    (Stage.LOOKING, Finds.K): (Kind.READ_K, Stage.LAST_TRY),  # accept-5
    (Stage.ACCEPTING, Finds.CONNECTION): (Kind.ACCEPT, Stage.SERVING),
    (Stage.ACCEPTING, Finds.NOTHING): (Kind.MISS, Stage.LOOKING),  # EAGAIN: somebody was quicker (accept-6)
    (Stage.LAST_TRY, Finds.CONNECTION): (Kind.ACCEPT, Stage.SERVING),
    (Stage.LAST_TRY, Finds.NOTHING): (Kind.END, Stage.ENDED),
}


def table(design: Design) -> Table:
    """Give the rows that a design follows."""
    rows = dict(AS_SPECIFIED)
    if not design.one_accept_after_k:
        rows[Stage.LOOKING, Finds.K] = (Kind.OBEY, Stage.ENDED)
    if design.obeys_k_after_accepting:
        rows[Stage.SERVING, Finds.K] = (Kind.DROP, Stage.ENDED)
    return rows


# Of those that the parent believes to be idle, by birth: whom it may shed.
_VICTIMS = {Victim.ANY: slice(None), Victim.OLDEST: slice(1), Victim.NEWEST: slice(-1, None)}


class System:
    """One design in one scope."""

    def __init__(self, design: Design, scope: Scope) -> None:
        if scope.parameters.max_children is None:
            raise ValueError("without max_children there is no end of states")
        self.design = design
        self.scope = scope
        self.bounds = scope.parameters
        self.limit = scope.parameters.max_children
        self.table = table(design)
        self.victims = _VICTIMS[design.victim]

    def start(self) -> State:
        """Begin with a parent that listens, and has no child yet."""
        return State(to_come=self.scope.clients, crashes=self.scope.crashes)

    def by_itself(self, state: State) -> Iterator[tuple[Move, State]]:
        """Give what happens sooner or later, if nobody outside does anything any more; and what is then."""
        yield from self._children(state)
        yield from self._parent(state)

    def from_outside(self, state: State) -> Iterator[tuple[Move, State]]:
        """Give what may happen or not: a client may also be silent for ever, and hold its child."""
        yield from self._clients(state)
        yield from self._crashes(state)

    def stranded(self, state: State) -> bool:
        """Tell whether a connection is queued while a child is idle: bad where nothing more happens by itself."""
        return state.queue > 0 and any(child.idle for child in state.children)

    def _clients(self, state: State) -> Iterator[tuple[Move, State]]:
        if state.to_come:
            arrived = state._replace(to_come=state.to_come - 1, queue=state.queue + 1)
            yield Move(Kind.CONNECT), arrived._replace(children=self._woken(state))
        for place, child in enumerate(state.children):
            if child.stage is Stage.SERVING:
                done = child.k is Order.READ or child.said + 1 == 2 * self.bounds.max_connections
                answered = child._replace(stage=Stage.ENDED if done else Stage.LOOKING, said=child.said + 1)
                yield Move(Kind.FINISH, place), _with(state, place, answered)

    def _woken(self, state: State) -> tuple[Child, ...]:
        """In the kernel: a connection walks along the line."""
        children = list(state.children)
        for place in state.line:
            child = children[place]
            asleep = child.stage is Stage.ASLEEP
            children[place] = child._replace(stage=Stage.LOOKING if asleep else child.stage, listed=True)
            if asleep and self.design.exclusive:
                break
        return tuple(children)

    def _children(self, state: State) -> Iterator[tuple[Move, State]]:
        for place, child in enumerate(state.children):
            if row := self.table.get((child.stage, self._found_by(child, state.queue))):
                kind, stage = row
                yield Move(kind, place), self._done(kind, state, place, stage)

    def _found_by(self, child: Child, queue: int) -> Finds:
        told, connection = child.k is Order.UNREAD, queue > 0
        match child.stage:
            case Stage.LOOKING if told and not (connection and child.listed and self.design.listener_first):
                return Finds.K
            case Stage.LOOKING:
                return Finds.CONNECTION if connection and child.listed else Finds.NOTHING
            case Stage.ACCEPTING | Stage.LAST_TRY:  # deaf to K for the moment
                return Finds.CONNECTION if connection else Finds.NOTHING
            case Stage.SERVING if told:
                return Finds.K
        return Finds.NOTHING

    def _done(self, kind: Kind, state: State, place: int, stage: Stage) -> State:
        """What follows when the child in this place does this, and comes to this stage."""
        _, said, heard, k, listed = state.children[place]
        match kind:
            case Kind.REGISTER:
                state = state._replace(line=(*state.line, place))
                listed = state.queue > 0
            case Kind.SLEEP:
                listed = False
            case Kind.SEE:
                listed = self.design.level_triggered
            case Kind.READ_K | Kind.OBEY:
                k = Order.READ
            case Kind.ACCEPT:
                state = state._replace(queue=state.queue - 1)
                said += 1
            case Kind.DROP:
                state = state._replace(lost=True)
        return _with(state, place, Child(stage, said, heard, k, listed))

    def _parent(self, state: State) -> Iterator[tuple[Move, State]]:
        """By what the parent was told, and in any order: it may be late with everything."""
        idle = [place for place, child in enumerate(state.children) if self._believed_idle(child)]
        if len(idle) < self.bounds.min_spare and len(state.children) < self.limit:
            born = len(state.children)
            yield Move(Kind.SPAWN, born), state._replace(children=(*state.children, Child()))
        if len(idle) > self.bounds.max_spare:
            for place in idle[self.victims]:
                child = state.children[place]
                stage = Stage.LOOKING if child.stage is Stage.ASLEEP else child.stage
                yield Move(Kind.SHED, place), _with(state, place, child._replace(stage=stage, k=Order.UNREAD))
        for place, child in enumerate(state.children):
            if child.heard < child.said:
                kind = Kind.HEAR_F if child.heard % 2 else Kind.HEAR_C
                # Where N is out of reach, a C and its F that are both heard make no difference any more.
                past = 2 if child.heard % 2 and self.bounds.max_connections > self.scope.clients else 0
                heard = child._replace(said=child.said - past, heard=child.heard + 1 - past)
                yield Move(kind, place), _with(state, place, heard)
            if child.stage is Stage.ENDED:
                yield Move(Kind.REAP, place), _without(state, place)

    def _believed_idle(self, child: Child) -> bool:
        """A newborn is as if it had said F. Who was told K, or has had its N connections, counts no more."""
        spent = child.heard == 2 * self.bounds.max_connections
        return child.heard % 2 == 0 and child.k is Order.NONE and not spent

    def _crashes(self, state: State) -> Iterator[tuple[Move, State]]:
        if not state.crashes:
            return
        for place, child in enumerate(state.children):
            woken = child.stage in {Stage.LOOKING, Stage.ACCEPTING, Stage.LAST_TRY}
            others = sum(other.idle for other in state.children) - child.idle
            excused = woken and others >= self.bounds.min_spare and not self.scope.crashes_anywhere
            if child.stage is not Stage.ENDED and not excused:
                killed = _with(state, place, child._replace(stage=Stage.ENDED))
                yield Move(Kind.CRASH, place), killed._replace(crashes=state.crashes - 1)


def _with(state: State, place: int, child: Child) -> State:
    """Put a child in its place. One that has ended stands in line no more, as its epoll is closed."""
    line = state.line
    if child.stage is Stage.ENDED:
        child = child._replace(listed=False)
        line = tuple(each for each in line if each != place)
    children = (*state.children[:place], child, *state.children[place + 1 :])
    # Most moves end here, and _replace would take three times as long.
    return State(state.to_come, state.crashes, children, line, state.queue, state.lost)


def _without(state: State, place: int) -> State:
    children = (*state.children[:place], *state.children[place + 1 :])
    return state._replace(children=children, line=tuple(each - (each > place) for each in state.line))
