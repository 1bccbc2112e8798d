"""Explores every state of a small model, and finds where its rules can't be met together.

A model has states, moves from each, and demands: what a clause requires or forbids in a state. Only what no clause
forbids is followed, so the states that are reached are those of a conforming server, whatever its clients do. Two
things are looked for, and told as a numbered story from the start:

- a contradiction: what one clause requires can't be done, or is forbidden by others;
- a dead end: a state from which the server, left alone by its clients, can't come to rest within its bounds.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from spec.clause import ClauseId

S = TypeVar("S")
M = TypeVar("M")


@dataclass(frozen=True)
class Demand(Generic[M]):
    """What one clause asks for in one state: one of the `required` moves, if any; none that is `forbidden`."""

    clause: ClauseId
    required: frozenset[M] = frozenset()
    forbidden: frozenset[M] = frozenset()


class Model(Protocol[S, M]):
    """What is explored. States and moves are hashable."""

    def start(self) -> S:
        """Give the first state."""

    def moves(self, state: S) -> Iterable[tuple[M, S]]:
        """Give all moves that are possible, allowed or not, and where they lead."""

    def by_clients(self, move: M) -> bool:
        """Tell whether a move is the clients', not the server's."""

    def demands(self, state: S) -> Sequence[Demand[M]]:
        """Give what the clauses ask for."""

    def within_bounds(self, state: S) -> bool:
        """Tell whether the server may rest here."""

    def move_in_words(self, move: M) -> str:
        """Put a move in words."""

    def state_in_words(self, state: S) -> str:
        """Put a state in words."""


@dataclass
class Explored(Generic[S, M]):
    """All that was reached: how, and what the server may do there; and the first contradiction, as a story."""

    came_by: dict[S, tuple[S, M] | None]
    server_goes: dict[S, list[S]] = field(default_factory=dict)
    transitions: int = 0
    contradiction: str | None = None
    dead_end: str | None = None


def explore(model: Model[S, M]) -> Explored[S, M]:
    """Reach every state, nearest first; stops at the first contradiction."""
    found: Explored[S, M] = Explored({model.start(): None})
    queue = deque(found.came_by)
    while queue:
        state = queue.popleft()
        moves = list(model.moves(state))
        demands = model.demands(state)
        clash = _clash(model, frozenset(move for move, _ in moves), demands)
        if clash is not None:
            found.contradiction = story(model, found, state, clash)
            return found
        forbidden = frozenset[M]().union(*(demand.forbidden for demand in demands))
        found.server_goes[state] = []
        for move, after in moves:
            if move in forbidden:
                continue
            found.transitions += 1
            if not model.by_clients(move):
                found.server_goes[state].append(after)
            if after not in found.came_by:
                found.came_by[after] = (state, move)
                queue.append(after)
    found.dead_end = _dead_end(model, found)
    return found


def _clash(model: Model[S, M], possible: frozenset[M], demands: Sequence[Demand[M]]) -> str | None:
    for demand in demands:
        if not demand.required:
            continue
        left = demand.required & possible
        against = []
        for other in demands:
            if other is not demand and not other.forbidden.isdisjoint(left):
                left -= other.forbidden
                against.append(str(other.clause))
        if not left:
            wanted = " or ".join(sorted(map(model.move_in_words, demand.required)))
            why = f"forbidden by {' and '.join(against)}" if against else "not possible here"
            return f"{demand.clause} requires: {wanted}; that is {why}"
    return None


def _dead_end(model: Model[S, M], found: Explored[S, M]) -> str | None:
    """Go backwards from the states within the bounds; who is not met is lost."""
    comes_from: dict[S, list[S]] = {}
    for state, goes in found.server_goes.items():
        for after in goes:
            comes_from.setdefault(after, []).append(state)
    saved = {state for state in found.came_by if model.within_bounds(state)}
    queue = deque(saved)
    while queue:
        for before in comes_from.get(queue.popleft(), ()):
            if before not in saved:
                saved.add(before)
                queue.append(before)
    for state in found.came_by:  # in the order of their distance from the start
        if state not in saved:
            return story(model, found, state, "from here the server can't come within its bounds again")
    return None


def story(model: Model[S, M], found: Explored[S, M], state: S, end: str) -> str:
    """Tell the shortest way to a state, one numbered line a move."""
    lines: list[str] = []
    here = state
    while (step := found.came_by[here]) is not None:
        before, move = step
        lines.append(f"{model.move_in_words(move)}: {model.state_in_words(here)}")
        here = before
    lines.append(f"at first: {model.state_in_words(here)}")
    numbered = [f"{number}. {line}" for number, line in enumerate(reversed(lines), start=1)]
    return "\n".join([*numbered, f"=> {end}"])
