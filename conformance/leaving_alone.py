"""The scene of a pool that is left alone, but for silent clients, for as long as other scenes take beside it.

A rest of one round shows neither a parent that exchanges a child every few seconds, nor a child that is idle for a few
and goes; and clients that are held for one, no parent that takes their children for stuck. A longer wait of their own
would be paid for with the whole check; beside others, it costs a launch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from conformance.regulation import Quiet, Stopped, rest, settle, settle_start, step, want
from conformance.stage import Stage
from drivers import child_seat
from observers import channels as observed
from spec.event import Phase, Pid, Rested, Timeline
from spec.parameters import Parameters
from spec.pool import POOL_1
from spec.protocol import Order, Told
from spec.verdict import Blocked
from subject.duplicate import SeatRefused

LOOK_EVERY = 0.05  # seconds: this one is in no hurry, and takes no time from those beside it
FIRST_SHORTAGE = 9  # idle children that are lacking at first; later, after a rest, it is one
# Rounds: where all beside it is done sooner, a pool is left alone for longer than the three seconds of many a timer.
AT_LEAST = 2.6


@dataclass(frozen=True)
class LeftAlone:
    """A launch's timeline, and what each of its busy children was told meanwhile: nobody where that can't be seen."""

    parameters: Parameters
    timeline: Timeline
    orders: list[Order]


def play(stage: Stage, *, until: Sequence[Event]) -> LeftAlone:
    """Leave the pool alone until all these have happened. Raises Blocked where there is none to begin with."""
    orders: list[Order] = []
    try:
        settle_start(stage)
        _lack(stage, FIRST_SHORTAGE)
        _come_to_rest(stage)
        # A K that crossed a C on the way was for an idle child.
        untold = {pid for pid, written in _unread(stage).items() if not written}
        _leave(stage, until)
        unread = _unread(stage)
        orders = [Order(child=pid, written=unread[pid], told=Told.BUSY) for pid in untold & unread.keys()]
        # Last, as it ends the rest; whose round is longer than ours has had one without a shortage by now as well.
        _lack(stage, 1)
        settle(stage, Phase.END)
        stage.hold(stage.pace.moment)
    except Stopped:
        if not stage.watch.live:
            raise Blocked(POOL_1.id, seen="there was no pool any more") from None
    stage.watch.leave_out_helpers()
    return LeftAlone(stage.parameters, stage.watch.timeline(), orders)


def _lack(stage: Stage, lacking: int) -> None:
    """Have so many silent clients come that this many idle children are lacking."""
    idle = len(stage.watch.live) - len(stage.busy())
    want(stage, Phase.SHORTAGE, max(1, idle - stage.parameters.min_spare + lacking))


def _come_to_rest(stage: Stage) -> None:
    try:
        rest(stage, Phase.END)
    except Stopped:
        if stage.watch.parent_ended or stage.broken_holds:
            raise
        # Who rests outside the bounds does not churn.
        stage.watch.write(Rested(stage.clock(), Phase.END))


def _leave(stage: Stage, until: Sequence[Event]) -> None:
    """Look on until all these have happened, and for a few seconds at least. Raises Stopped."""
    quiet, until_then = Quiet(stage), stage.clock() + AT_LEAST * stage.pace.round
    for event in until:
        while not event.wait(LOOK_EVERY):
            step(stage, Phase.END)
    while stage.clock() < until_then:
        step(stage, Phase.END)
    quiet.has_reaped()


def _unread(stage: Stage) -> dict[Pid, bytes]:
    """Give what the parent wrote to each busy child, and was not read; nothing where that can't be seen."""
    watch = stage.watch
    try:
        channels = observed.channels(watch.parent, watch.live, stage.diag)
        written = {pid: child_seat.unread_orders(channels[pid]) for pid in stage.busy() if pid in channels}
    except (SeatRefused, PermissionError):
        return {}
    return {pid: words for pid, words in written.items() if words is not None}
