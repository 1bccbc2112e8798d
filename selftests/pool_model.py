"""The pool and recycling as a transition system, whose rules are asked of `spec/`.

A state is the children, idle and busy, each with the number of connections that it has served, and the connections
that wait. Which clause stands where:

| clause              | in the model                                                                             |
|---------------------|------------------------------------------------------------------------------------------|
| pool-1, -7          | `within_bounds`: what every state must lead to, at every level of load                   |
| pool-2, recycle-3   | growth required while it is owed, and no shedding then                                   |
| pool-3              | shedding required while it is owed, and no growth then                                   |
| pool-4              | at rest: no growth, and no shedding once there are min_spare idle children               |
| pool-5              | the end of a busy child forbidden                                                        |
| pool-6, -8          | growth beyond max_children, or by more than the last doubling step, forbidden            |
| recycle-1, -5, -6   | a child that has served N must end, and may take no connection                           |
| recycle-2           | one that has not may end only when shedding is owed                                      |
| accept-4            | a waiting connection must be taken while a child is idle                                 |

The model is stricter than the clauses in one place: a server that replaces every recycled child, needed or not,
conforms.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from typing import NamedTuple

from selftests.explorer import Demand
from spec.clause import ClauseId
from spec.parameters import Parameters
from spec.recycle import Due
from spec.recycle import due as specified_due
from spec.regulation import Owed, last_doubling_step
from spec.regulation import owed as specified_owed


class Kind(Enum):
    """Who does what. The number of a move: connections served by the child; for growth, the children spawned."""

    CONNECT = "a client connects"
    FINISH = "a busy child finishes its connection number {after}"
    ACCEPT = "an idle child that has served {number} accepts"
    GROW = "the parent spawns {number}"
    SHED = "the parent sheds an idle child that has served {number}"
    END = "a child ends after {number} connections"
    KILL = "the parent ends a busy child that has served {number}"


class Move(NamedTuple):
    """One move of anybody's."""

    kind: Kind
    number: int = 0


class State(NamedTuple):
    """How many connections each idle and each busy child has served, in order; and how many wait."""

    idle: tuple[int, ...] = ()
    busy: tuple[int, ...] = ()
    waiting: int = 0


STEPS = (1, 2, 4, 8)  # of growth by doubling, one more than any set up to 4 may need
CONNECT = Move(Kind.CONNECT)


class PoolModel:
    """One server with one set of parameters, and as many clients as `load`. The rules may be replaced by wrong ones."""

    def __init__(
        self,
        parameters: Parameters,
        *,
        load: int,
        owed: Callable[..., Owed] = specified_owed,
        due: Callable[..., Due] = specified_due,
    ) -> None:
        self.parameters = parameters
        self.load = load
        self._owed = owed
        # A child's count goes no further than N, unless the rule is a wrong one.
        self._may_serve = {
            served: due(served=served, parameters=parameters) is Due.SERVICE
            for served in range(parameters.max_connections + 2)
        }

    def start(self) -> State:
        """Begin before the first child."""
        return State()

    def moves(self, state: State) -> Iterator[tuple[Move, State]]:
        """Give every move that someone could make."""
        idle, busy, waiting = state
        if len(busy) + waiting < self.load:
            yield CONNECT, State(idle, busy, waiting + 1)
        for served in set(busy):
            without = _without(busy, served)
            if served < self.parameters.max_connections:
                yield Move(Kind.FINISH, served), State(_with(idle, served + 1), without, waiting)
            yield Move(Kind.KILL, served), State(idle, without, waiting)
        for served in set(idle):
            without = _without(idle, served)
            if waiting:
                yield Move(Kind.ACCEPT, served), State(without, _with(busy, served), waiting - 1)
            if self._may_serve[served]:
                yield Move(Kind.SHED, served), State(without, busy, waiting)
            else:
                yield Move(Kind.END, served), State(without, busy, waiting)
        for step in STEPS:
            yield Move(Kind.GROW, step), State((0,) * step + idle, busy, waiting)

    def by_clients(self, move: Move) -> bool:
        """Connections come and end as the clients like."""
        return move.kind in (Kind.CONNECT, Kind.FINISH)

    def what_is_owed(self, state: State) -> Owed:
        """Ask the rule of regulation."""
        idle, busy, _ = state
        return self._owed(live=len(idle) + len(busy), busy=len(busy), parameters=self.parameters)

    def demands(self, state: State) -> list[Demand[Move]]:
        """Give what each clause requires and forbids here."""
        idle, busy, waiting = state
        bounds = self.parameters
        owed = self.what_is_owed(state)
        able = frozenset(served for served in idle if self._may_serve[served])
        done = frozenset(idle) - able
        sheds, ends = _moves_of(Kind.SHED, able), _moves_of(Kind.END, done)
        demands = [
            _demand("pool-5", forbidden=_moves_of(Kind.KILL, frozenset(busy))),
            _demand("pool-8", forbidden=self._too_large_steps(state)),
        ]
        if bounds.max_children is not None:
            room = bounds.max_children - len(idle) - len(busy)
            demands.append(_demand("pool-6", forbidden=_steps_beyond(room)))
        if owed is Owed.GROWTH:
            demands.append(_demand("pool-2", required=_GROWTH, forbidden=sheds))
        elif owed is Owed.SHEDDING:
            # The end of a child that has served its last connection lessens the excess as well.
            demands.append(_demand("pool-3", required=sheds | ends, forbidden=_GROWTH))
        elif not ends:
            spared = sheds if len(idle) <= bounds.min_spare else frozenset[Move]()
            demands.append(_demand("pool-4", forbidden=_GROWTH | spared))
        if owed is not Owed.SHEDDING and len(idle) <= bounds.min_spare:
            demands.append(self.demand_of_recycle_2(sheds))
        if ends:
            demands.append(_demand("recycle-1", required=ends, forbidden=_moves_of(Kind.ACCEPT, done)))
        if waiting and able:
            demands.append(_demand("accept-4", required=_moves_of(Kind.ACCEPT, able)))
        return demands

    def demand_of_recycle_2(self, early: frozenset[Move]) -> Demand[Move]:
        """No child ends early; asked only where none may be shed."""
        return _demand("recycle-2", forbidden=early)

    def _too_large_steps(self, state: State) -> frozenset[Move]:
        shortage = self.parameters.min_spare - len(state.idle) + state.waiting
        return _steps_beyond(last_doubling_step(max(0, shortage)))

    def within_bounds(self, state: State) -> bool:
        """Tell whether the pool may rest: said here in full, apart from the rule of regulation."""
        idle, busy, waiting = state
        bounds = self.parameters
        full = bounds.max_children is not None and len(idle) + len(busy) >= bounds.max_children
        enough = len(idle) >= bounds.min_spare or full
        all_live_on = all(served < bounds.max_connections for served in idle)
        return enough and len(idle) <= bounds.max_spare and all_live_on and not (waiting and idle)

    def move_in_words(self, move: Move) -> str:
        """Put a move in words."""
        return move.kind.value.format(number=move.number, after=move.number + 1)

    def state_in_words(self, state: State) -> str:
        """Put a state in words: the counts of each child."""
        idle, busy, waiting = state
        return f"idle {list(idle)}, busy {list(busy)}, {waiting} waiting"


_GROWTH = frozenset(Move(Kind.GROW, step) for step in STEPS)


@cache
def _moves_of(kind: Kind, numbers: frozenset[int]) -> frozenset[Move]:
    return frozenset(Move(kind, number) for number in numbers)


@cache
def _steps_beyond(most: int) -> frozenset[Move]:
    return frozenset(each for each in _GROWTH if each.number > most)


def _demand(
    clause: str, *, required: frozenset[Move] = frozenset(), forbidden: frozenset[Move] = frozenset()
) -> Demand[Move]:
    return Demand(ClauseId(clause), required, forbidden)


def _with(children: tuple[int, ...], served: int) -> tuple[int, ...]:
    return tuple(sorted((*children, served)))


def _without(children: tuple[int, ...], served: int) -> tuple[int, ...]:
    place = children.index(served)
    return children[:place] + children[place + 1 :]
