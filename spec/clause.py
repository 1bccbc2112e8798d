"""What a clause is: one numbered requirement, with its level, its source and how it is observed.

Knows nothing of how a clause is tested. Ids are append-only: a clause that falls away leaves its number behind.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

ClauseId = NewType("ClauseId", str)


def ids(*names: str) -> tuple[ClauseId, ...]:
    """Give clauses by their ids, as `needs` lists them."""
    return tuple(ClauseId(name) for name in names)


class Level(Enum):
    """How binding a clause is."""

    MUST = "must"  # the original design says it
    SHOULD = "should"  # what a sound server does where the design is silent


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One requirement on a pre-forking server.

    `source` names the section of the original design that it rests on. `needs` are the clauses without which this one
    can't be judged: if it does not hold while one of them is broken, it is blocked by that one. `ability` is what a
    profile must claim for the clause to apply.
    """

    id: ClauseId
    level: Level
    text: str
    source: str
    observed: str
    needs: tuple[ClauseId, ...] = ()
    ability: str | None = None

    @property
    def section(self) -> str:
        """The section's name: `pool` for `pool-2`."""
        return self.id.rpartition("-")[0]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A family of clauses about one thing, in the order in which they are read."""

    name: str
    title: str
    introduction: str
    clauses: tuple[Clause, ...] = field(default=())

    def __iter__(self) -> Iterator[Clause]:
        return iter(self.clauses)
