"""The fault that hits the one child which knows of a connection: it is killed between its waking and its accept."""

from collections.abc import Callable

import pytest

from conformance.launches import Launches
from conformance.lost_wakeup import is_woken_with_others
from conformance.seats import asleep, settle_down, wait
from drivers.client import Client
from drivers.one_processor import NotPinned, one_processor
from fault_injection.scenes.ordeal import Ordeal, ordeal
from fault_injection.signals import killed
from spec import recovery
from spec.event import Pid
from spec.verdict import Inconclusive

TRIALS, ENOUGH = 16, 3  # in all, and of those that were met

Seen = Callable[[str], None]


def woken_next(told: Ordeal) -> Pid:
    """Find whom the next connection wakes, by as many as there are children: with the parent stopped, to keep the pool.

    Mostly the same one is woken each time; where children queue up anew after each connection, they take turns.
    """
    stage, line = told.stage, []
    with told.quiet():
        for _ in told.live:
            client = stage.hold_connections(1)[0]
            if not is_decided(told, client, within=stage.pace.reaction):
                raise Inconclusive("nobody took a connection while the parent was stopped")
            if not client.open:
                raise Inconclusive(f"children can't be kept busy: a silent client: {client.why_lost()}")
            line.append(stage.holders[client.number])
            stage.let_go([client])
            wait(stage, lambda: stage.all_let_go() and all(map(asleep, stage.watch.live)), within=stage.pace.answer)
    # What was said meanwhile is heard first: it would have the parent look at its pool when the fault has happened.
    settle_down(stage)
    told.comes_back()
    in_turn = len(set(line)) == len(line)
    return line[0] if in_turn else line[-1]


def is_decided(told: Ordeal, client: Client, *, within: float) -> bool:
    """Wait until somebody has taken a connection, or it has ended; False where neither comes."""
    stage = told.stage
    return wait(stage, lambda: client.number in stage.holders or not client.open, within=within)


@pytest.mark.clause("recovery-14")
def test_a_connection_whose_woken_child_was_killed_is_taken_by_its_replacement(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_14, tight=True) as told:
        stage, met = told.stage, 0
        for trial in range(1, TRIALS + 1):
            hot = woken_next(told)
            others = [pid for pid in told.live if pid != hot]
            if not others:
                raise Inconclusive("there is only one child")
            try:
                with one_processor(told.live):
                    # In one go, on the processor on which the child would run: it is woken, and never gets there.
                    client = stage.hold_connections(1)[0]
                    with killed([hot]):
                        told.happens(
                            f"trial {trial}: a client had come, and child {hot}, which it woke, got SIGKILL", ended=1
                        )
            except NotPinned as error:
                raise Inconclusive(str(error)) from error
            if not is_decided(told, client, within=stage.pace.answer):
                told.fails(
                    f"nobody took the connection in {stage.pace.answer:.1f} s, with {len(told.live)} children live, "
                    f"{len(told.live) - len(others)} of them new"
                )
            # Where it has ended, the child had run after all, and took it along: its victim, and no trial.
            met += stage.holders.get(client.number, hot) not in (hot, *others)
            stage.let_go([client])
            stage.broken_holds.clear()
            told.comes_back()
            if met == ENOUGH:
                break
        told.recovers()
        if not met and not herd(told):
            raise Inconclusive(f"in {TRIALS} trials the child that a connection woke was never killed before it ran")
        seen(f"{told}: {met} connections were taken by a replacement")


def herd(told: Ordeal) -> bool:
    """Tell whether a connection wakes more than one child: then nobody's end takes a wake-up along."""
    return any(is_woken_with_others(pid) for pid in told.live)
