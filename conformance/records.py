"""What is left of a launch for those who read of a failure: what it was told, its timeline, what it printed last."""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from conformance.stage import Stage, last_lines
from spec.event import Pid, Timeline
from spec.parameters import Parameters
from subject.launch import LaunchRefused

LINES = 8
MOST_LAUNCHES = 16  # of a scene, that are remembered


@dataclass(frozen=True)
class Record:
    """The parameters and the timeline of one launch, the last lines of its output, and who its parent was."""

    parameters: Parameters | None = None
    timeline: Timeline = field(default_factory=lambda: Timeline(()))
    output: str = ""
    parent: Pid | None = None

    @staticmethod
    def of(stage: Stage, *, output: str) -> "Record":
        """Make a record of a launch; `output` stands where its own can't be had: no reason to lose the rest."""
        with suppress(LaunchRefused):
            output = last_lines(stage.report().output, lines=LINES, joined_by="\n")
        timeline = replace(stage.watch.timeline(), until=stage.clock())
        return Record(stage.parameters, timeline, output, stage.watch.parent)

    def is_about(self, pids: frozenset[int]) -> bool:
        """Tell whether one of these was a process of this launch."""
        own = {self.parent, *(getattr(event, "pid", None) for event in self.timeline)}
        return not own.isdisjoint(pids)


class Records:
    """The records of one launch after another, as a test or a scene had them."""

    def __init__(self, kept: Iterable[Record] = ()) -> None:
        """Begin with some, oldest first."""
        self._kept = deque(kept, MOST_LAUNCHES)

    def __iter__(self) -> Iterator[Record]:
        """Give all, oldest first."""
        return iter(self._kept)

    @property
    def last(self) -> Record:
        """The latest one."""
        return self._kept[-1] if self._kept else Record()

    def note(self, stage: Stage) -> None:
        """Keep a record of a launch that still has its warden, in place of an earlier one of the same launch."""
        last = self.last
        record = Record.of(stage, output=last.output)
        if last.parent == record.parent and self._kept:
            self._kept.pop()
        self._kept.append(record)

    def shown_by(self, seen: str) -> Record:
        """Give the latest one whose processes a text names; of a text that names nobody, the latest of all."""
        pids = frozenset(int(number) for number in re.findall(r"[0-9]+", seen))
        return next((record for record in reversed(self._kept) if record.is_about(pids)), self.last)
