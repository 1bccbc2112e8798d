"""How children are named in what a test has seen."""

from spec.event import Pid


def named(pids: list[Pid]) -> str:
    """Name some children."""
    return f"child {pids[0]}" if len(pids) == 1 else f"children {', '.join(map(str, pids[:6]))}"
