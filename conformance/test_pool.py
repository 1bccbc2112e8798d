"""Section pool: one tide of load a parameter set, judged clause by clause."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from conformance import tide, turnover
from conformance.applicable import insist_on
from conformance.launches import Launches
from conformance.leaving_alone import LeftAlone
from conformance.lost_wakeup import Races
from conformance.parameter_sets import MANY, NARROW, ONE
from conformance.plans import Planned, decide_plans
from conformance.regulation import Stopped, rest, settle, settle_start, want
from conformance.seats import Heard, settle_down
from conformance.stage import Stage, SubjectEnded
from conformance.tide import Tide
from conformance.turnover import Turnover
from spec import pool
from spec.clause import Clause
from spec.event import Phase, Rested
from spec.parameters import Parameters
from spec.protocol import judge_orders
from spec.regulation import Owed, owed
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violated, raise_first

A_FEW = 2  # children: a wrapper has one


def decide(clause: Clause, played_tide: Tide, *phases: Phase) -> None:
    """Raise what the timeline says against the clause; else the phases that judge it must have been played_tide."""
    raise_first(pool.judge(played_tide.timeline, played_tide.parameters), clause)
    if not played_tide.reached(*phases):
        raise tide.why_stopped(played_tide)


@pytest.mark.clause("pool-1")
def test_at_rest_after_the_start_the_idle_children_are_within_the_bounds(played_tide: Tide) -> None:
    decide(pool.POOL_1, played_tide, Phase.START)


@pytest.mark.clause("pool-2")
def test_the_pool_grows_while_too_few_children_are_idle(played_tide: Tide) -> None:
    decide(pool.POOL_2, played_tide, Phase.SHORTAGE, Phase.FLOOD_TIDE)


@pytest.mark.clause("pool-3")
def test_the_pool_sheds_while_too_many_children_are_idle(played_tide: Tide) -> None:
    decide(pool.POOL_3, played_tide, Phase.EXCESS, Phase.EBB, Phase.END)


@pytest.mark.clause("pool-4")
def test_nobody_comes_or_goes_at_rest(played_tide: Tide) -> None:
    decide(pool.POOL_4, played_tide, Phase.START, Phase.END)


@pytest.mark.clause("pool-4")
def test_nobody_comes_or_goes_for_as_long_as_a_pool_is_left_alone(left_alone: LeftAlone) -> None:
    raise_first(pool.judge(left_alone.timeline, left_alone.parameters), pool.POOL_4)


@pytest.mark.clause("pool-4")
def test_nobody_comes_or_goes_at_rest_where_both_bounds_are_one_number(launches: Launches) -> None:
    insist_on(launches.profile, "min_spare", "max_spare")
    with launches.launched(launches.limited(NARROW)) as stage:
        try:
            settle_start(stage)
            rest(stage, Phase.START)
        except Stopped:
            if stage.watch.parent_ended:
                raise Blocked(pool.POOL_1.id, seen=stage.how_it_ended()) from None
            # Who rests elsewhere does not churn; httpd takes max_spare for min_spare + 1 here.
            stage.watch.write(Rested(stage.clock(), Phase.START))
            stage.hold(stage.pace.round)
        raise_first(pool.judge(stage.watch.timeline(), stage.parameters), pool.POOL_4)


@pytest.mark.clause("pool-2")
@pytest.mark.parametrize("parameters", [NARROW, ONE], ids=["narrow", "one"])
def test_the_pool_grows_from_the_narrowest_bounds_too(launches: Launches, parameters: Parameters) -> None:
    insist_on(launches.profile, "min_spare", "max_spare")
    with launches.launched(launches.limited(parameters)) as stage:
        try:
            settle_start(stage)
            want(stage, Phase.SHORTAGE, 1)
            settle(stage, Phase.SHORTAGE)
        except Stopped:
            live, busy = len(stage.watch.live), len(stage.busy())
            if owed(live=live, busy=busy, parameters=stage.parameters) is Owed.GROWTH:
                seen = f"{live} live, {busy} busy, and no growth for {stage.pace.step:.1f} s ({stage.parameters})"
                raise Violated(pool.POOL_2, seen=seen) from None


@pytest.mark.clause("pool-5")
def test_a_busy_child_is_never_shed(played_tide: Tide) -> None:
    decide(pool.POOL_5, played_tide, Phase.EXCESS, Phase.EBB, Phase.END)


@pytest.mark.clause("pool-5")
def test_a_child_that_is_busy_for_long_is_not_ended_for_it(left_alone: LeftAlone) -> None:
    raise_first(pool.judge(left_alone.timeline, left_alone.parameters), pool.POOL_5)
    raise_first(judge_orders(left_alone.orders), pool.POOL_5)


@pytest.mark.clause("pool-6")
def test_the_pool_never_exceeds_its_limit(played_tide: Tide) -> None:
    if played_tide.parameters.max_children is None:
        raise NotApplicable("the command has no {max_children}")
    decide(pool.POOL_6, played_tide, Phase.HIGH_WATER)


@pytest.mark.clause("pool-6")
def test_the_limit_holds_too_while_children_are_recycled(played_single: Turnover) -> None:
    single = played_single.parameters
    if single.max_children is None:
        raise NotApplicable("the command has no {max_children}")
    raise_first(pool.judge(played_single.at_the_limit or played_single.timeline, single), pool.POOL_6)
    if not played_single.counted:
        raise turnover.why_stopped(played_single)


@pytest.mark.clause("pool-7")
def test_the_bounds_hold_at_every_level_of_load(played_tide: Tide) -> None:
    decide(pool.POOL_7, played_tide, Phase.FLOOD_TIDE, Phase.HIGH_WATER, Phase.EXCESS, Phase.EBB, Phase.END)


@pytest.mark.clause("pool-8")
def test_growth_overshoots_by_no_more_than_its_last_step(played_tide: Tide) -> None:
    decide(pool.POOL_8, played_tide, Phase.FLOOD_TIDE, Phase.HIGH_WATER)


@pytest.mark.clause("pool-8")
def test_after_a_quiet_round_growth_begins_with_small_steps_again(left_alone: LeftAlone) -> None:
    raise_first(pool.judge(left_alone.timeline, left_alone.parameters), pool.POOL_8)


@pytest.mark.clause("pool-8")
def test_the_start_overshoots_by_no_more_than_a_step_where_many_are_to_be_idle(launches: Launches) -> None:
    insist_on(launches.profile, "min_spare", "max_spare")
    try:
        with launches.launched(launches.limited(MANY)) as stage:
            await_many(stage)
            found = list(pool.judge(stage.watch.timeline(), stage.parameters))
    except (Blocked, SubjectEnded) as error:
        # It may have no room for so many.
        raise NotApplicable(f"with {MANY}: {error}") from error
    raise_first(found, pool.POOL_8)


def await_many(stage: Stage) -> None:
    """Wait until min_spare children live, and for who else is born along with the last of them; two rounds at most."""

    def come() -> bool:
        # A look for the parent takes longer than some of the children live: only while it may be another one.
        if len(stage.watch.live) < A_FEW:
            stage.watch.find(stage.port)
        return len(stage.watch.live) >= stage.parameters.min_spare

    stage.until(come, within=stage.pace.round)
    with suppress(Inconclusive):
        settle_down(stage)
    stage.watch.leave_out_helpers()


@pytest.mark.clause("pool-9")
def test_no_client_is_lost_while_the_pool_sheds(played_tide: Tide, seen: Callable[[str], None]) -> None:
    decide(pool.POOL_9, played_tide, Phase.EBB, Phase.END)
    if not played_tide.clients_served:
        raise Inconclusive("the pool had shed before the first client was served")
    seen(f"{played_tide.clients_served} clients were served while the pool shed")


@pytest.mark.clause("pool-9")
def test_no_client_is_lost_who_comes_as_a_child_is_shed(races: Races) -> None:
    if races.lost:
        raise Violated(pool.POOL_9, seen=races.lost)
    if not races.met:
        raise NotApplicable("no client was seen to meet a K")


# --- once more, from the child's seat: what the parent makes of plans of messages ----------------------------------


@pytest.mark.parametrize(
    "clause",
    [
        pytest.param(clause, id=clause.id, marks=pytest.mark.clause(clause.id))
        for clause in (pool.POOL_2, pool.POOL_3, pool.POOL_4, pool.POOL_5, pool.POOL_6, pool.POOL_7, pool.POOL_8)
    ],
)
def test_the_parent_regulates_by_what_it_is_told(clause: Clause, planned: Planned, seen: Callable[[str], None]) -> None:
    decide_plans(clause, planned)
    seen(str(planned))


@pytest.mark.parametrize(
    "clause",
    [pytest.param(clause, id=clause.id, marks=pytest.mark.clause(clause.id)) for clause in (pool.POOL_5, pool.POOL_6)],
)
def test_children_that_serve_count_whatever_they_were_told(clause: Clause, ordered: Heard) -> None:
    raise_first(ordered.violations, clause)
    if clause.id not in ordered.judged:
        why_not = ordered.why_not or "no child that was told K lived on"
        raise NotApplicable(f"what children are told while they serve could not be judged: {why_not}")
