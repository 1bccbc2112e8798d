"""How the subject ends by a signal to the pool's parent."""

import os
import signal
from contextlib import suppress

from conformance.seats import settle_down
from conformance.stage import Stage
from spec.lifecycle import Stop
from spec.verdict import Inconclusive


def stopped_by(stage: Stage, number: signal.Signals, *, within: float) -> Stop:
    """Send a signal to the pool's parent once everyone waits, and wait for the end of everyone.

    A newborn that has not set up its own signals yet is another clause's matter.
    """
    with suppress(Inconclusive):
        settle_down(stage)
    os.kill(stage.watch.parent, number)
    began = stage.clock()
    # Not `until`: that the parent ends is what is waited for.
    while True:
        listening = bool(stage.own_listeners())
        gone = stage.watch.parent_ended and not stage.watch.live and not listening
        if gone or stage.clock() - began > within:
            break
        stage.step()
    return Stop(
        signal=number.name,
        parent_lives=not stage.watch.parent_ended,
        children=tuple(stage.watch.live),
        listening=listening,
        waited=stage.clock() - began,
    )
