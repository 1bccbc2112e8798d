"""The rule by which the parent regulates: what it owes, by how many children live and how many of them are busy.

The bounds are on the *idle* children, whatever the total is; a limit on the total, where the server has one, comes
first. Owns the classical rule of growth, too, which doubles its steps. Knows no clause, and no timeline.
"""

from enum import Enum

from spec.parameters import Parameters


class Owed(Enum):
    """What the parent owes, given how many children live and how many of them are busy."""

    GROWTH = "growth"
    SHEDDING = "shedding"
    REST = "rest"


def owed(*, live: int, busy: int, parameters: Parameters) -> Owed:
    """Say what the parent owes: the whole rule of regulation, in three lines.

    A pool at its limit owes no growth, however few are idle (pool-6 before pool-2).
    """
    idle = live - busy
    if idle < parameters.min_spare and (parameters.max_children is None or live < parameters.max_children):
        return Owed.GROWTH
    return Owed.SHEDDING if idle > parameters.max_spare else Owed.REST


# The largest step of the classical rule, which doubles from 1: httpd's MAX_SPAWN_RATE.
LARGEST_STEP = 32


def last_doubling_step(shortage: int) -> int:
    """Give the size of the last of the steps 1, 2, 4 … that together make up for `shortage` idle children."""
    step, total = 1, 1
    while total < shortage:
        step = min(step * 2, LARGEST_STEP)
        total += step
    return step
