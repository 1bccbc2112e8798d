"""Faults by number: storms of clients that come and go at once, and a crowd past the backlog."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from conformance.launches import Launches
from conformance.seats import wait
from fault_injection.floods import Leave, crowd, storm
from fault_injection.scenes.ordeal import Ordeal, ordeal
from spec import recovery

Seen = Callable[[str], None]
STORM = 400  # clients
# A server that sleeps in each service has to be through with all of them before it can be judged.
UNHURRIED_STORM = 12
# Small: a classical server grows under a flood, and sheds one a round afterwards.
FEW_CHILDREN = 8
MOST_BEYOND_BACKLOG, BEYOND = 1100, 64


def is_over(told: Ordeal, clients: int) -> None:
    """Wait until the queue of the listening socket is empty."""
    stage = told.stage

    def empty() -> bool:
        return not any(each.queued for each in stage.diag.listening() if each.port == stage.port)

    share = clients * stage.pace.service_time / max(1, stage.parameters.min_spare)
    if not stage.until(empty, within=stage.pace.answer + share * stage.pace.patience):
        told.fails(f"connections still wait in the queue {stage.pace.answer + share:.1f} s later")


@pytest.mark.clause("recovery-9")
@pytest.mark.parametrize("leave", [Leave.CLOSE, Leave.RESET], ids=["close", "reset"])
def test_the_pool_comes_back_after_a_storm(launches: Launches, seen: Seen, leave: Leave) -> None:
    with ordeal(launches, recovery.RECOVERY_9, max_children=FEW_CHILDREN) as told:
        told.insist_on_silent_connections()
        stage = told.stage
        count = UNHURRIED_STORM if stage.pace.unhurried else STORM
        with storm(stage.launch.socket, stage.port, count, leave=leave, network=told.parent) as counted:
            told.happens(f"{count} clients had come, each to {leave.value} its connection at once")
            stage.check_parent()
            is_over(told, counted.accepted)
        told.recovers()
        seen(f"{told}: {counted.accepted} connections were completed, {counted.overflowed} found the backlog full")


@pytest.mark.clause("recovery-9")
def test_the_pool_comes_back_after_a_crowd_past_the_backlog(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_9, max_children=FEW_CHILDREN) as told:
        told.insist_on_silent_connections()
        stage = told.stage
        backlog = max((each.backlog for each in stage.watch.listeners.values()), default=0)
        count = min(MOST_BEYOND_BACKLOG, backlog + BEYOND)
        if stage.pace.unhurried:
            count = UNHURRIED_STORM
        # Without a limit a child for each of them would be right, and a thousand are too many for a machine: so the
        # parent is stopped, and whom no child has room for waits in the queue, as where there is a limit.
        unlimited = stage.parameters.max_children is None
        with (
            told.quiet() if unlimited else nullcontext(),
            crowd(stage.launch.socket, stage.port, count, network=told.parent) as counted,
        ):
            told.happens(f"{count} clients had come at once, and gone again")
            stage.hold(0.1)
        is_over(told, count)
        wait(stage, stage.all_let_go, within=stage.pace.reaction)
        told.recovers()
        seen(f"{told}: {counted.accepted} were completed, {counted.overflowed} found the backlog of {backlog} full")
