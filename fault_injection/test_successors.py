"""Who takes the place of a child that did not come to its N-th connection: nothing of that one's is left to it."""

from collections.abc import Callable

import pytest

from conformance.applicable import insist_on
from conformance.launches import Launches
from conformance.regulation import Stopped, settle
from conformance.seats import GAVE_WAY, asleep, settle_pool, wait
from conformance.stage import Stage
from drivers.client import Client
from fault_injection.fault import FaultRefused
from fault_injection.scenes.wording import named
from fault_injection.signals import killed
from spec.event import Phase, Pid
from spec.parameters import Parameters
from spec.recycle import RECYCLE_2
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violated

# All serve one of their two; as they are idle then, two are too many, and shed.
ONE_OF_TWO = Parameters(min_spare=2, max_spare=4, max_connections=2, max_children=6)
EVERYONE = 6


@pytest.mark.clause("recycle-2")
def test_a_newborn_counts_anew_where_another_was_shed_or_killed(
    launches: Launches, seen: Callable[[str], None]
) -> None:
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    try:
        with launches.launched(launches.limited(ONE_OF_TWO)) as stage:
            settle_pool(stage)
            _serve(stage, _keep_all_busy(stage))
            settle(stage, Phase.AFTERMATH)
            with killed(stage.watch.live):
                settle(stage, Phase.AFTERMATH)
            newborns = _all_live_on(stage, _keep_all_busy(stage))
    except Stopped as error:
        raise NotApplicable("the pool did not come within its bounds: others tell") from error
    except (Blocked, Inconclusive, FaultRefused, *GAVE_WAY) as error:
        # The clause is decided by scenes that need less of the system, too.
        raise NotApplicable(f"nobody was replaced here: {error}") from error
    seen(f"{len(newborns)} newborns served one connection each, and lived on")


def _all_live_on(stage: Stage, clients: list[Client]) -> set[Pid]:
    """Have all newborns serve their first clients; no more at once than may be idle, so that nobody is shed."""
    newborns: set[Pid] = set()
    while clients:
        at_once = stage.parameters.max_spare - (len(stage.watch.live) - len(stage.busy()))
        if at_once < 1:
            raise Inconclusive("as many were idle as may be")
        newborns |= _live_on(stage, clients[:at_once])
        clients = clients[at_once:]
        stage.hold_connections(at_once)
        settle(stage, Phase.AFTERMATH)
    return newborns


def _keep_all_busy(stage: Stage) -> list[Client]:
    clients = stage.hold_connections(EVERYONE)
    settle(stage, Phase.AFTERMATH)
    if any(client.number not in stage.holders for client in clients):
        raise Inconclusive("a silent client found no child")
    return clients


def _serve(stage: Stage, clients: list[Client]) -> set[Pid]:
    """Have these served; gives by whom."""
    children = {stage.holders[client.number] for client in clients}
    stage.ask(clients)
    stage.await_end(clients)
    if lost := [client.why_lost() for client in clients if not client.served]:
        raise Inconclusive(f"a client was {lost[0]}")
    return children


def _live_on(stage: Stage, clients: list[Client]) -> set[Pid]:
    """Have newborns serve these, their first ones; gives who they are. Raises Violated where one ends."""
    children = _serve(stage, clients)
    wait(stage, lambda: all(map(asleep, children)), within=stage.pace.reaction)
    stage.watch.sample()
    if gone := sorted(children.difference(stage.watch.live)):
        seen = f"{named(gone)} ended after one connection, as others had before them that were shed, or killed"
        raise Violated(RECYCLE_2, seen=f"{seen} ({stage.parameters})")
    return children
