"""Parents' accounts to be told things, for the tests of `spec/parent.py`."""

from collections.abc import Iterable

from spec.event import Pid
from spec.parameters import Parameters
from spec.parent import Parent
from spec.protocol import Message
from spec.verdict import Violation

BOUNDS = Parameters(min_spare=2, max_spare=4, max_connections=3, max_children=8)
C, F = Message.CONNECTED, Message.FINISHED


def parent(live: int = 2, parameters: Parameters = BOUNDS) -> Parent:
    """Begin an account with so many children, numbered from 1."""
    return Parent(parameters, [Pid(number) for number in range(1, live + 1)])


def clauses(violations: Iterable[Violation]) -> list[str]:
    """Give the ids of the clauses that are violated."""
    return [str(violation.clause.id) for violation in violations]
