"""The scene of a pool that is left alone, but for one silent client, for as long as other scenes take beside it.

A rest of one round shows neither a parent that exchanges a child every few seconds, nor a child that is idle for a few
and goes; and a client that is held for one, no parent that takes its child for stuck. A longer wait of their own would
be paid for with the whole check; beside others, it costs a launch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from conformance.regulation import Stopped, rest, settle_start, step, want
from conformance.stage import Stage
from drivers import child_seat
from drivers.client import Client
from observers import channels as observed
from spec.event import Phase, Pid, Rested, Timeline
from spec.parameters import Parameters
from spec.pool import POOL_1
from spec.protocol import PROTOCOL_7, K
from spec.verdict import Blocked, Violation
from subject.duplicate import SeatRefused

LOOK_EVERY = 0.05  # seconds: this one is in no hurry, and takes no time from those beside it


@dataclass(frozen=True)
class LeftAlone:
    """A launch's timeline, and for how many seconds it was left alone with its one client.

    `ordered` is what the child of the silent client was told meanwhile, and None where nobody could see that.
    """

    parameters: Parameters
    timeline: Timeline
    seconds: float
    ordered: Violation | str | None


def play(stage: Stage, *, until: Sequence[Event]) -> LeftAlone:
    """Leave the pool alone until all these have happened. Raises Blocked where there is none to begin with."""
    client, began = _come_to_rest(stage)
    before = stage.watch.live
    # A K that crossed its C on the way was for an idle child.
    told_before = _unread(stage, client)
    # A zombie from before may be reaped at any time, and would pass for a child that lived between two samples.
    reaping_tells = not stage.watch.zombies()
    stage.watch.watch_reaping()
    ordered = None
    try:
        for event in until:
            while not event.wait(LOOK_EVERY):
                step(stage, Phase.END)
        if client is not None and told_before == b"":
            ordered = _ordered(stage.holders[client.number], _unread(stage, client), stage.clock() - began)
    except Stopped:
        pass  # the timeline says why
    if reaping_tells and stage.watch.live == before:
        stage.watch.has_reaped()
    stage.watch.leave_out_helpers()
    return LeftAlone(stage.parameters, stage.watch.timeline(), stage.clock() - began, ordered)


def _come_to_rest(stage: Stage) -> tuple[Client | None, float]:
    """Wait for the start, have a silent client come, and wait for what follows; gives it, if it was not sent away.

    And when it came: by the clock of the stage.
    """
    came = 0.0
    try:
        settle_start(stage)
        came = stage.clock()
        want(stage, Phase.SHORTAGE, 1)
        rest(stage, Phase.END)
    except Stopped:
        if stage.watch.parent_ended or not stage.watch.live:
            raise Blocked(POOL_1.id, seen="there was no pool after the start") from None
        # Who rests outside the bounds does not churn.
        stage.watch.write(Rested(stage.clock(), Phase.END))
    return next(iter(stage.held.values()), None), came


def _unread(stage: Stage, client: Client | None) -> bytes | None:
    """Give what the child that has the client was told and has not read; None where none has, or that can't be seen."""
    if client is None or not client.open or (child := stage.holders.get(client.number)) not in stage.watch.live:
        return None
    watch = stage.watch
    try:
        channel = observed.channels(watch.parent, watch.live, stage.diag).get(child)
        return None if channel is None else child_seat.unread_orders(channel)
    except (SeatRefused, PermissionError):
        return None


def _ordered(child: Pid, unread: bytes | None, seconds: float) -> Violation | str | None:
    if unread not in (b"", K):
        return None
    had = f"child {child} had one silent client for {seconds:.1f} s"
    return Violation(PROTOCOL_7, f"{had}, and was told K") if unread else f"{had}, and was told nothing"
