"""The fault that hits the one child which knows of a connection: it is killed between its waking and its accept."""

from collections.abc import Callable

import pytest

from conformance.launches import Launches
from conformance.seats import settle_down, wait
from conformance.stage import Calls
from fault_injection.scenes.ordeal import Ordeal, ordeal
from fault_injection.syscalls import killed_at
from spec import recovery
from spec.verdict import Inconclusive

TRIALS, ENOUGH = 6, 3  # in all, and of those that were met

Seen = Callable[[str], None]


@pytest.mark.clause("recovery-14")
def test_a_connection_whose_woken_child_was_killed_is_taken_by_its_replacement(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_14, calls=Calls(watched=("accept",))) as told:
        met = 0
        for trial in range(1, TRIALS + 1):
            # As few are idle as may be: who ends now is to be replaced.
            told.hold(len(told.idle) - told.stage.parameters.min_spare)
            settle_down(told.stage)
            met += is_met(told, trial)
            told.comes_back()
            if met == ENOUGH:
                break
        told.stage.let_go(list(told.stage.held.values()))
        told.recovers()
        if not met:
            raise Inconclusive(f"in {TRIALS} trials no child that a connection woke called accept: they sleep in it")
        seen(f"{told}: {met} connections were taken by another child")


def is_met(told: Ordeal, trial: int) -> bool:
    """Let a client come, and kill the child that goes to accept it; tell whether there was one. Fails the clause."""
    stage, children = told.stage, list(told.live)
    with killed_at(stage.launch, "accept", pids=children) as kills:
        client = stage.hold_connections(1)[0]
        wait(stage, lambda: bool(kills.count) or stage.is_decided(client), within=stage.pace.answer)
    if kills.count:
        told.happens(f"trial {trial}: a client had come, and the child that it woke was killed as it accepted", ended=1)
        if not wait(stage, lambda: stage.is_decided(client), within=stage.pace.answer):
            new = set(told.live) - set(children)
            if not new and len(told.idle) >= stage.parameters.min_spare:
                stage.let_go([client])  # one more had been born than was seen: none is due
                return False
            told.fails(
                f"nobody took the connection in {stage.pace.answer:.1f} s, with {len(told.live)} children live, "
                f"{len(new)} of them new"
            )
    # One that has ended had been accepted before, elsewhere in the child: its victim, and no trial.
    stage.broken_holds.clear()
    return bool(kills.count) and client.open
