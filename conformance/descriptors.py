"""How many descriptors the parent and its children have; -1 where the system refuses to show them."""

from dataclasses import dataclass

from conformance.stage import Stage
from observers import procfs
from spec.channel import Kept, judge_kept
from spec.event import Ended


def beyond_children(stage: Stage) -> int:
    """Count the parent's descriptors beyond one for each live child."""
    try:
        return len(procfs.descriptors(stage.watch.parent)) - len(stage.watch.live)
    except PermissionError:
        return -1


def most_of_a_child(stage: Stage) -> int:
    """Give the most that a child has."""
    try:
        return max((len(procfs.descriptors(pid)) for pid in stage.watch.live), default=-1)
    except PermissionError:
        return -1


def kept_since_start(stage: Stage, before: int) -> Kept | None:
    """See whether the parent has let go of the channels of all that have ended; `before` as for `kept`."""
    widest = max(len(state.live) for _, _, state in stage.watch.timeline().states())
    return kept(stage, before, ended=have_ended(stage), put_by=widest // 2)


def have_ended(stage: Stage) -> int:
    """Count the children that have ended."""
    return sum(isinstance(event, Ended) for event in stage.watch.timeline())


def kept(stage: Stage, before: int, *, ended: int, put_by: int) -> Kept | None:
    """See whether the parent has let go of the channels of `ended` children; it may do so at its next round.

    `before` is what `beyond_children` gave; None where nothing is shown.
    """
    if before < 0:
        return None

    def now() -> Kept:
        return Kept(ended=ended, before=before, after=beyond_children(stage), put_by=put_by)

    stage.until(lambda: not any(judge_kept(now())), within=stage.pace.step)
    return now()


@dataclass(frozen=True)
class Crest:
    """What the parent has where load stands high. Nothing is put by for places then: they are taken."""

    beyond: int
    ended: int

    @classmethod
    def of(cls, stage: Stage) -> "Crest":
        """Count now."""
        return cls(beyond_children(stage), have_ended(stage))

    def kept_at_the_next(self, stage: Stage) -> Kept | None:
        """See, when load stands as high again, what is kept of those that ended between."""
        return kept(stage, self.beyond, ended=have_ended(stage) - self.ended, put_by=0)
