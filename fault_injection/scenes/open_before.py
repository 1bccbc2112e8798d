"""What the parent and its children had open before a fault, and whether they have more open after it."""

from collections.abc import Callable
from dataclasses import dataclass

from conformance import descriptors
from conformance.stage import Stage
from spec.channel import judge_kept

# Descriptors by which a child that came after the fault may differ from those before it.
MORE = 3

# Lets load come in, so high that children are born; then has somebody look, and lets it go out again.
Load = Callable[[Callable[[], None]], None]


@dataclass(frozen=True)
class OpenBefore:
    """How many descriptors there were; -1 where the system refuses to show them."""

    beyond: int = -1  # of the parent, beyond one for each child
    childs: int = -1  # the most that a child had

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
        if 0 <= self.childs < now - MORE:
            return f"a child has {now} descriptors open, where none had more than {self.childs} before"
        return ""


def _closes_as_places_are_taken(stage: Stage, load: Load) -> bool:
    """Tell whether the parent has let go of one dead child's channel for each child that was born since."""
    before, live = descriptors.beyond_children(stage), set(stage.watch.live)
    closed = False

    def look() -> None:
        nonlocal closed
        born = len(set(stage.watch.live) - live)
        closed = 0 < born <= before - descriptors.beyond_children(stage)

    load(look)
    return closed
