"""The scene of a pool that nobody comes to for seconds: as long as other scenes take that are played beside it.

A rest of one round shows neither a parent that exchanges a child every few seconds, nor a child that is idle for a few
and goes. A longer one of its own would be paid for with the whole check; beside others, it costs a launch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from conformance.regulation import Stopped, rest, settle_start
from conformance.stage import Stage, SubjectEnded
from spec.event import Collapsed, Phase, Rested, Timeline
from spec.parameters import Parameters
from spec.pool import POOL_1
from spec.verdict import Blocked

LOOK_EVERY = 0.05  # seconds: this one is in no hurry, and takes no time from those beside it


@dataclass(frozen=True)
class LeftAlone:
    """A launch's timeline, and for how many seconds nobody came to it after the first round of rest."""

    parameters: Parameters
    timeline: Timeline
    seconds: float


def play(stage: Stage, *, until: Sequence[Event]) -> LeftAlone:
    """Leave the pool alone until all these have happened. Raises Blocked where there is none to begin with."""
    try:
        settle_start(stage)
        rest(stage, Phase.START)
    except Stopped:
        if stage.watch.parent_ended or not stage.watch.live:
            raise Blocked(POOL_1.id, seen="there was no pool after the start") from None
        # Who rests outside the bounds does not churn.
        stage.watch.write(Rested(stage.clock(), Phase.START))
    before, began = stage.watch.live, stage.clock()
    # A zombie from before may be reaped at any time, and would pass for a child that lived between two samples.
    reaping_tells = not stage.watch.zombies()
    stage.watch.watch_reaping()
    try:
        for event in until:
            while not event.wait(LOOK_EVERY):
                stage.step()
                stage.check_parent()
    except SubjectEnded as error:
        stage.watch.write(Collapsed(stage.clock(), Phase.END, str(error)))
    if reaping_tells and stage.watch.live == before:
        stage.watch.has_reaped()
    stage.watch.leave_out_helpers()
    return LeftAlone(stage.parameters, stage.watch.timeline(), stage.clock() - began)
