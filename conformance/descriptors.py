"""How many channels to nobody the parent keeps, and how many descriptors children have; -1 where that is not shown."""

from collections import Counter
from dataclasses import dataclass

from conformance.stage import Stage
from observers import procfs
from spec.channel import Kept, judge_kept
from spec.event import Ended, Pid


def beyond_children(stage: Stage) -> int:
    """Count the parent's ends of channels at whose far side nobody else lives; what else it opens is its own matter.

    Of pipes no side is the far one: where there are no AF_UNIX sockets, those beyond one for each live child count.
    """
    parent = stage.watch.parent
    try:
        links = procfs.descriptors(parent)
        known = stage.diag.unix_sockets()
        ends = procfs.sockets_among(links).keys() & known.keys()
        if not ends:
            return sum(link.startswith("pipe:[") for link in links.values()) - len(stage.watch.live)
        elsewhere = {inode for pid in stage.processes() if pid != parent for inode in procfs.socket_inodes(pid)}
        return sum(known[end].peer not in elsewhere for end in ends)
    except PermissionError:
        return -1


def of_a_child(stage: Stage, pid: Pid) -> int:
    """Count those that a child has for itself: a newborn has what its parent has as well, as far as it lets it be."""
    return _beyond(_open(stage.watch.parent), pid)


def most_of_a_child(stage: Stage) -> int:
    """Give the most that a child has for itself."""
    parents = _open(stage.watch.parent)
    return max((_beyond(parents, pid) for pid in stage.watch.live), default=-1)


def _open(pid: Pid) -> Counter[str] | None:
    try:
        return Counter(procfs.descriptors(pid).values())
    except PermissionError:
        return None


def _beyond(parents: Counter[str] | None, pid: Pid) -> int:
    own = _open(pid)
    return -1 if parents is None or own is None else (own - parents).total()


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
