"""How many descriptors the parent and its children have; -1 where the system refuses to show them."""

from collections.abc import Sequence

from conformance.stage import Stage
from observers import procfs
from spec.channel import Kept, judge_kept
from spec.event import Ended, Pid


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


def kept_since_start(stage: Stage, before: int) -> Kept | None:
    """See whether the parent has let go of the channels of all that have ended; `before` as for `kept`."""
    ended, widest = 0, 0
    for event, _, state in stage.watch.timeline().states():
        ended += isinstance(event, Ended)
        widest = max(widest, len(state.live))
    return kept(stage, before, ended=ended, widest=widest)


def kept(stage: Stage, before: int, *, ended: int, widest: int) -> Kept | None:
    """See whether the parent has let go of the channels of `ended` children; it may do so at its next round.

    `before` is what `beyond_children` gave; None where nothing is shown.
    """
    if before < 0:
        return None

    def now() -> Kept:
        after = beyond_children(stage.watch.parent, stage.watch.live)
        return Kept(ended=ended, before=before, after=after, widest=widest)

    stage.until(lambda: not any(judge_kept(now())), within=stage.pace.step)
    return now()
