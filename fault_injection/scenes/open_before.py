"""What the parent and its children had open before a fault, and whether they have more open after it."""

from collections.abc import Callable
from dataclasses import dataclass

from conformance import descriptors
from conformance.seats import wait
from conformance.stage import Stage
from drivers.client import Client
from spec.channel import judge_kept
from spec.event import Pid
from subject.stopping import stopped

# Descriptors by which a child that came after the fault may differ from those before it.
MORE = 3

# Lets load come in, as many silent clients as said or just so high that children are born; then has somebody look, and
# lets it go out again.
Load = Callable[[Callable[[], None], int], None]


@dataclass(frozen=True)
class OpenBefore:
    """How many there were; -1 where the system refuses to show them."""

    beyond: int = -1  # channels of the parent, beyond one for each child
    childs: int = -1  # the most descriptors that a child had

    @classmethod
    def of(cls, stage: Stage) -> "OpenBefore":
        """Count them now."""
        return cls(descriptors.beyond_children(stage), descriptors.most_of_a_child(stage))

    def leaked(self, stage: Stage, *, ended: int, load: Load) -> str:
        """Say what was left behind since, where `ended` children were killed; nothing where nothing was."""
        kept = descriptors.kept(stage, self.beyond, ended=ended, put_by=len(stage.watch.live) // 2)
        for violation in judge_kept(kept) if kept is not None else ():
            return "" if _closes_as_places_are_taken(stage, load) else violation.seen
        now = descriptors.most_of_a_child(stage)
        more = now - self.childs - MORE
        if self.childs >= 0 and more > 0 and not _opens_at_first_request(stage, load, more):
            return f"a child has {now} descriptors of its own open, where none had more than {self.childs} before"
        return ""


def _closes_as_places_are_taken(stage: Stage, load: Load) -> bool:
    """Tell whether the parent has let go of one dead child's channel for each child that was born since."""
    before, live = descriptors.beyond_children(stage), set(stage.watch.live)
    closed = False

    def look() -> None:
        nonlocal closed
        born = len(set(stage.watch.live) - live)
        closed = 0 < born <= before - descriptors.beyond_children(stage)

    load(look, 0)
    return closed


def _opens_at_first_request(stage: Stage, load: Load, many: int) -> bool:
    """Tell whether a child opens so many descriptors for good when it serves for the first time.

    Before the fault nobody had served. So one who is born now is made to, with more clients than there are others; the
    parent is stopped meanwhile, so that nobody is shed.
    """
    before, opens = set(stage.watch.live), False

    def look() -> None:
        nonlocal opens
        newborns, busy = set(stage.watch.live) - before, stage.busy()
        theirs = {pid: stage.held[number] for number, pid in stage.holders.items() if number in stage.held}
        # Before its request: the connection itself is one of those that a busy one has open.
        fewest = min((descriptors.of_a_child(stage, pid) - (pid in busy) for pid in newborns), default=0)
        opens = any(
            _has_after_its_request(stage, pid, theirs[pid], fewest + many) for pid in sorted(newborns & busy)[:1]
        )

    load(look, len(before) + 1)
    return opens


def _has_after_its_request(stage: Stage, pid: Pid, client: Client, count: int) -> bool:
    """Have a child serve the client that it has; tells whether it has so many descriptors then."""
    with stopped([stage.watch.parent]):
        stage.ask([client])
        stage.await_close(client, within=stage.pace.answer)
        # What it opens it may open after the connection's end, before it says F, or after that.
        return wait(
            stage,
            lambda: stage.all_let_go() and descriptors.of_a_child(stage, pid) >= count,
            within=stage.pace.reaction,
        )
