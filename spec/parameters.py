"""The four numbers that a server is started with, and which sets of them are legal."""

from dataclasses import dataclass, replace
from random import Random


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """One set of parameters. `max_children` is None where the subject has no such limit."""

    min_spare: int
    max_spare: int
    max_connections: int
    max_children: int | None = None

    def why_illegal(self) -> str | None:
        """Say what is wrong with the set, or None where it is legal."""
        if self.min_spare < 1:
            return f"min_spare is {self.min_spare}, at least 1 is needed"
        if self.max_spare < self.min_spare:
            return f"max_spare {self.max_spare} is less than min_spare {self.min_spare}"
        if self.max_connections < 1:
            return f"max_connections is {self.max_connections}, at least 1 is needed"
        if self.max_children is not None and self.max_children < self.min_spare:
            return f"max_children {self.max_children} is less than min_spare {self.min_spare}"
        return None

    def unlimited(self) -> "Parameters":
        """Give the same set for a subject that has no limit on its children."""
        return replace(self, max_children=None)

    def __str__(self) -> str:
        limit = "" if self.max_children is None else f", max_children {self.max_children}"
        return f"min_spare {self.min_spare}, max_spare {self.max_spare}, max_connections {self.max_connections}{limit}"


def draw_for_pool(random: Random) -> Parameters:
    """Draw a set to judge the pool's size with: no child reaches its last connection, and min_spare is at least 2.

    min_spare >= 2 tells "grows when nobody is idle" from "grows below min_spare"; the gap of at least 2 leaves a
    place between the bounds where nothing may happen.
    """
    min_spare = random.randint(2, 4)
    max_spare = min_spare + random.randint(2, 4)
    return Parameters(
        min_spare=min_spare,
        max_spare=max_spare,
        max_connections=random.randint(2_000, 9_000),
        max_children=2 * max_spare + min_spare + random.randint(0, 2),
    )


def draw_for_recycle(random: Random) -> Parameters:
    """Draw a set to judge recycling with: few connections a child, and bounds so wide that no child need be shed."""
    min_spare = random.randint(2, 3)
    return Parameters(
        min_spare=min_spare,
        max_spare=min_spare + random.randint(9, 11),
        max_connections=random.randint(3, 7),
        max_children=40,
    )


def draw_for_plans(random: Random) -> Parameters:
    """Draw a set for plans: bounds so near, and lives so short, that each step may call for another."""
    min_spare = random.randint(2, 3)
    max_spare = min_spare + random.randint(1, 3)
    return Parameters(
        min_spare=min_spare,
        max_spare=max_spare,
        max_connections=random.randint(4, 8),
        max_children=2 * max_spare + random.randint(2, 6),
    )


def draw_for_long_life(random: Random) -> Parameters:
    """Draw a set with an N that a byte can't count to; so few children that one of them gets there soon."""
    return Parameters(min_spare=1, max_spare=2, max_connections=random.randint(257, 280), max_children=8)


def draw_for_recovery(random: Random, *, max_children: int = 20) -> Parameters:
    """Draw a set to judge recovery with: narrow bounds, which a count that is wrong by one leaves; no recycling."""
    min_spare = random.randint(2, 3)
    return Parameters(
        min_spare=min_spare,
        max_spare=min_spare + 1,
        max_connections=random.randint(3_000, 9_000),
        max_children=max_children,
    )
