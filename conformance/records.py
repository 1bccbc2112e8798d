"""What is left of a launch for those who read of a failure: what it was told, its timeline, what it printed last."""

from contextlib import suppress
from dataclasses import dataclass, field

from conformance.stage import Stage, last_lines
from spec.event import Timeline
from spec.parameters import Parameters
from subject.launch import LaunchRefused

LINES = 8


@dataclass(frozen=True)
class Record:
    """The parameters and the timeline of one launch, and the last lines of its output."""

    parameters: Parameters | None = None
    timeline: Timeline = field(default_factory=lambda: Timeline(()))
    output: str = ""

    @staticmethod
    def of(stage: Stage, *, output: str) -> "Record":
        """Make a record of a launch; `output` stands where its own can't be had: no reason to lose the rest."""
        with suppress(LaunchRefused):
            output = last_lines(stage.report().output, lines=LINES, joined_by="\n")
        return Record(stage.parameters, stage.watch.timeline(), output)
