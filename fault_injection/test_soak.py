"""Everything together: random faults and load, for as long as is asked for."""

from collections.abc import Callable
from random import Random

import pytest

from conformance.launches import Launches
from fault_injection.scenes.ordeal import Ordeal, ordeal
from fault_injection.scenes.soak import Soak, await_quiet, memory
from fault_injection.scenes.wording import named
from fault_injection.signals import killed
from spec import recovery
from spec.pool import judge_limit

Seen = Callable[[str], None]


@pytest.mark.clause("recovery-17")
def test_faults_and_load_together_cost_only_their_victims(launches: Launches, soak_seconds: float, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_17, max_children=12) as told:
        kill_beside_a_client(told)
        before = memory(told.parent)
        soak = Soak(told, Random(f"soak {launches.seed}"))
        soak.run(soak_seconds)
        await_quiet(told)
        for violation in judge_limit(told.stage.watch.timeline(), told.stage.parameters):
            told.fails(violation.seen)
        told.recovers()
        seen(
            f"{soak.faults} faults in {soak_seconds:.0f} s: {soak.served} clients served, {soak.victims} lost with the "
            f"child that had them; {told.ended} children were killed; the parent's own memory went from "
            f"{before // 1024} to {memory(told.parent) // 1024} KiB"
        )


def kill_beside_a_client(told: Ordeal) -> None:
    """An idle child is killed while another serves: the client of that one has nothing to do with it."""
    client = told.hold(1)[0]
    victims = told.idle[:1]
    with killed(victims):
        told.happens(f"idle {named(victims)} got SIGKILL while another child had a client", ended=1)
        told.comes_back()
    told.stage.ask([client])
    told.stage.await_end([client])
    if not client.served:
        told.fails(f"that client was {client.why_lost()}")
