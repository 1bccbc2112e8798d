"""Reaches every state of the system, nearest first, and stops at the first that may not be.

Three things may not be:

- a lost client: a child ends while it holds a connection, though nobody killed it;
- a stranded connection: nothing more happens by itself, a connection is queued, and a child is idle;
- no rest: by itself, without clients, the system goes round for ever.

Where there is none of them, a queued connection with an idle child is accepted in the end: left to itself the system
comes to rest by every way, as there is no going round, and where it rests nothing is stranded. No fairness is needed
but that what can happen by itself does, sooner or later. That a silent client lets go is *not* among that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from spec.model.scope import Design, Scope
from spec.model.story import Story, tell
from spec.model.system import Move, State, System

LOST = "a client is lost"
STRANDED = "at rest, with {queue} in the queue and {idle} idle"
RESTLESS = "from here it can go round for ever"


@dataclass(frozen=True)
class Explored:
    """What was reached: all of it, or as much as it took to find a counterexample."""

    states: int
    transitions: int
    rests: int  # states in which nothing more happens by itself
    counterexample: Story | None


def explore(design: Design, scope: Scope) -> Explored:
    """Explore one design in one scope. Raises ValueError where the scope has no end."""
    system = System(design, scope)
    reached = [system.start()]
    number = {state: place for place, state in enumerate(reached)}
    came_by: list[tuple[int, Move]] = []  # for all but the first: from where, and how
    goes: list[list[int]] = []  # by itself
    transitions = rests = 0

    def explored(counterexample: Story | None) -> Explored:
        return Explored(len(reached), transitions, rests, counterexample)

    def way_to(last: int, end: str) -> Story:
        return tell(reached[0], _way(reached, came_by, last), end)

    def places(here: int, moves: Iterable[tuple[Move, State]]) -> Iterator[int]:
        for move, after in moves:
            there = number.setdefault(after, len(reached))
            if there == len(reached):
                reached.append(after)
                came_by.append((here, move))
            yield there

    for here, state in enumerate(reached):  # which grows meanwhile
        if state.lost:
            return explored(way_to(here, LOST))
        goes.append(list(places(here, system.by_itself(state))))
        transitions += len(goes[here]) + sum(1 for _ in places(here, system.from_outside(state)))
        if not goes[here]:
            rests += 1
            if system.stranded(state):
                return explored(way_to(here, STRANDED))
    restless = _restless(goes)
    return explored(None if restless is None else way_to(restless, RESTLESS))


def _way(reached: Sequence[State], came_by: Sequence[tuple[int, Move]], last: int) -> list[tuple[Move, State]]:
    way: list[tuple[Move, State]] = []
    while last:
        before, move = came_by[last - 1]
        way.append((move, reached[last]))
        last = before
    return way[::-1]


def _restless(goes: Sequence[Sequence[int]]) -> int | None:
    """Take away states of rest, then those from which all ways lead to what is taken away; give the first left."""
    comes_from: list[list[int]] = [[] for _ in goes]
    for here, ways in enumerate(goes):
        for there in ways:
            comes_from[there].append(here)
    left = [len(ways) for ways in goes]
    taken = [here for here, ways in enumerate(goes) if not ways]
    for there in taken:  # which grows meanwhile
        for here in comes_from[there]:
            left[here] -= 1
            if not left[here]:
                taken.append(here)
    return next((here for here, ways in enumerate(left) if ways), None)
