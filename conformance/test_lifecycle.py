"""Section lifecycle: how the subject starts, refuses to start, and ends."""

import signal
from collections.abc import Callable

import pytest

from conformance import refusal, turnover
from conformance.applicable import insist_on
from conformance.clients import GET
from conformance.ending import stopped_by
from conformance.launches import Launches
from conformance.parameter_sets import LEAST, NARROW
from conformance.stage import Stage
from conformance.tide import Tide, why_stopped
from conformance.turnover import Turnover
from spec import lifecycle
from spec.lifecycle import LIFECYCLE_1, LIFECYCLE_3, LIFECYCLE_4, Stop
from spec.parameters import Parameters
from spec.verdict import Blocked, NotApplicable, Violated, raise_first


@pytest.mark.clause("lifecycle-1")
@pytest.mark.parametrize("which", ["first", "drawn"])
def test_it_serves_on_the_port_that_it_was_given(launches: Launches, which: str) -> None:
    parameters = launches.pool_set(which)
    try:
        with launches.settled(parameters) as stage:
            if stage.wrong_port is not None:
                raise Violated(
                    LIFECYCLE_1, seen=f"it listens on port {stage.wrong_port}; its command was {' '.join(stage.given)}"
                )
            client = stage.connect(GET)
            stage.await_end([client])
            if not client.received:
                raise Violated(LIFECYCLE_1, seen=f"a client on port {stage.port} was not served: {client.why_lost()}")
    except Blocked as blocked:
        if blocked.by != LIFECYCLE_1.id:
            raise
        raise Violated(LIFECYCLE_1, seen=blocked.seen) from blocked


@pytest.mark.clause("lifecycle-1")
@pytest.mark.parametrize("parameters", [NARROW, LEAST], ids=["narrow", "least"])
def test_it_starts_with_any_legal_parameters(launches: Launches, parameters: Parameters) -> None:
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    try:
        with launches.launched(launches.limited(parameters)):
            pass
    except Blocked as blocked:
        if blocked.by != LIFECYCLE_1.id:
            raise
        raise Violated(LIFECYCLE_1, seen=blocked.seen) from blocked


@pytest.mark.clause("lifecycle-2")
def test_sigterm_ends_parent_and_children_and_frees_the_port(launches: Launches, seen: Callable[[str], None]) -> None:
    with launches.settled(launches.pool_set("first")) as stage:
        stop = served_and_stopped_by(stage, signal.SIGTERM, within=stage.pace.stop)
    raise_first(lifecycle.judge_stop(stop))
    with launches.settled(launches.pool_set("first")) as stage:
        interrupted = served_and_stopped_by(stage, signal.SIGINT, within=stage.pace.round)
    does = "goes on" if interrupted.parent_lives else "ends"
    seen(f"SIGTERM ended all in {stop.waited:.2f} s; after SIGINT (which decides nothing) it {does}")


def served_and_stopped_by(stage: Stage, number: signal.Signals, *, within: float) -> Stop:
    """Serve one client, and send the signal."""
    client = stage.connect(GET)
    stage.await_end([client])
    return stopped_by(stage, number, within=within)


@pytest.mark.clause("lifecycle-2")
def test_sigterm_ends_all_after_many_children_came_and_went(played_turnover: Turnover) -> None:
    if played_turnover.stop is None:
        raise turnover.why_stopped(played_turnover)
    for violation in lifecycle.judge_stop(played_turnover.stop):
        raise Violated(violation.clause, seen=f"after children had been recycled: {violation.seen}")


@pytest.mark.clause("lifecycle-3")
@pytest.mark.parametrize("case", range(4), ids=["spare", "connections-0", "connections-negative", "port"])
def test_parameters_out_of_range_are_refused(launches: Launches, case: int) -> None:
    cases = refusal.out_of_range(launches)
    if case >= len(cases):
        raise NotApplicable("its command line has no place for this")
    given, parameters, port = cases[case]
    raise_first(lifecycle.judge_refusal(LIFECYCLE_3, refusal.refused(launches, parameters, given=given, port=port)))


@pytest.mark.clause("lifecycle-4")
def test_a_port_in_use_is_refused(launches: Launches) -> None:
    sound = launches.pool_set("first")
    raise_first(
        lifecycle.judge_refusal(
            LIFECYCLE_4, refusal.refused(launches, sound, given="a port that another process listens on", occupied=True)
        )
    )


@pytest.mark.clause("lifecycle-5")
def test_shed_children_are_reaped(played_tide: Tide) -> None:
    if not played_tide.completed:
        raise why_stopped(played_tide)
    raise_first(lifecycle.judge_zombies(played_tide.zombies, waited=played_tide.zombies_after))


@pytest.mark.clause("lifecycle-5")
def test_recycled_children_are_reaped(played_turnover: Turnover) -> None:
    if not played_turnover.loaded:
        raise turnover.why_stopped(played_turnover)
    raise_first(lifecycle.judge_zombies(played_turnover.zombies, waited=played_turnover.zombies_after))
