"""How many descriptors the parent and its children have; -1 where the system refuses to show them."""

from collections.abc import Sequence

from observers import procfs
from spec.event import Pid


def beyond_children(parent: Pid, live: Sequence[Pid]) -> int:
    """Count the parent's descriptors beyond one for each live child."""
    try:
        return len(procfs.descriptors(parent)) - len(live)
    except PermissionError:
        return -1


def most_of_a_child(live: Sequence[Pid]) -> int:
    """Give the most that a child has."""
    try:
        return max((len(procfs.descriptors(pid)) for pid in live), default=-1)
    except PermissionError:
        return -1
