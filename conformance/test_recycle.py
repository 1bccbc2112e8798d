"""Section recycle: connections counted child by child, then load, then the corner cases N = 1 and all at once."""

from collections.abc import Callable

import pytest

from conformance.launches import Launches
from conformance.long_life import LongLife
from conformance.plans import Planned, decide_plans
from conformance.seats import Heard
from conformance.together import Together
from conformance.turnover import Turnover, still_live, why_stopped
from spec import recycle
from spec.event import Collapsed
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violated, raise_first


@pytest.mark.clause("recycle-1")
def test_a_child_ends_after_its_last_connection(played_turnover: Turnover, seen: Callable[[str], None]) -> None:
    raise_first(recycle.judge_counts(played_turnover.counting, played_turnover.parameters), recycle.RECYCLE_1)
    if played_turnover.still_live:
        raise Violated(recycle.RECYCLE_1, seen=still_live(played_turnover))
    if not played_turnover.counted:
        raise why_stopped(played_turnover)
    for violation in recycle.judge_counts(played_turnover.counting, played_turnover.parameters):
        raise Blocked(violation.clause.id, seen=violation.seen)
    if not played_turnover.recycled and recycle.ended_early(played_turnover.counting, played_turnover.parameters):
        raise Blocked(recycle.RECYCLE_2.id, seen="children ended, and none of them had its last connection before")
    if not played_turnover.recycled:
        raise Violated(
            recycle.RECYCLE_1,
            seen=f"no child ended in {played_turnover.served} connections ({played_turnover.parameters})",
        )
    seen(
        f"{played_turnover.recycled} children ended after {played_turnover.parameters.max_connections} connections each"
    )


@pytest.mark.clause("recycle-1")
def test_a_child_ends_after_its_last_connection_though_another_waits(all_at_once: Together) -> None:
    if all_at_once.violation:
        raise all_at_once.violation.raised()
    if all_at_once.ended_early:
        raise Blocked(recycle.RECYCLE_2.id, seen=all_at_once.why_not)
    if all_at_once.why_not:
        raise Inconclusive(f"the children could not be brought to their last connection: {all_at_once.why_not}")


@pytest.mark.clause("recycle-1")
def test_a_child_that_is_told_k_with_its_last_connection_takes_no_other(played_single: Turnover) -> None:
    told = played_single.parting
    if told is None or recycle.RECYCLE_1.id not in told.judged:
        raise NotApplicable("no child could be told K together with its last connection")
    raise_first(told.violations, recycle.RECYCLE_1)


@pytest.mark.clause("recycle-1")
def test_a_child_ends_after_its_last_connection_though_a_byte_could_not_count_them(
    long_life: LongLife, seen: Callable[[str], None]
) -> None:
    last = long_life.parameters.max_connections
    if not long_life.ended:
        raise Violated(
            recycle.RECYCLE_1,
            seen=f"child {long_life.child} still lived {long_life.within:.1f} s after its connection number {last} "
            f"({long_life.parameters})",
        )
    seen(f"a child ended after {last} connections")


@pytest.mark.clause("recycle-2")
def test_a_child_does_not_end_before_its_last_connection(played_turnover: Turnover) -> None:
    raise_first(recycle.judge_counts(played_turnover.counting, played_turnover.parameters), recycle.RECYCLE_2)
    if not played_turnover.counted:
        raise why_stopped(played_turnover)


@pytest.mark.clause("recycle-2")
def test_with_the_parent_stopped_no_child_ends_before_its_last_connection(all_at_once: Together) -> None:
    if early := all_at_once.interrupted or all_at_once.why_not * all_at_once.ended_early:
        raise Violated(recycle.RECYCLE_2, seen=f"{early} ({all_at_once.parameters})")
    if all_at_once.violation is None and all_at_once.why_not:
        raise Inconclusive(f"the children could not be brought to their last connection: {all_at_once.why_not}")


@pytest.mark.clause("recycle-2")
def test_at_full_speed_no_child_ends_before_its_last_connection(at_full_speed: Heard) -> None:
    raise_first(at_full_speed.violations, recycle.RECYCLE_2)
    if not at_full_speed.connections:
        raise NotApplicable(f"nobody was served there, and other scenes decide: {at_full_speed.why_not}")


@pytest.mark.clause("recycle-3")
def test_another_child_takes_the_place_of_a_recycled_one(played_turnover: Turnover) -> None:
    raise_first(recycle.judge_replacement(played_turnover.timeline, played_turnover.parameters), recycle.RECYCLE_3)
    if not played_turnover.replaced:
        raise why_stopped(played_turnover)


@pytest.mark.clause("recycle-3")
def test_a_child_that_is_recycled_where_no_more_may_be_is_replaced(played_single: Turnover) -> None:
    if played_single.at_the_limit is None:
        raise NotApplicable("no child was recycled with as many busy as there may be")
    raise_first(recycle.judge_replacement(played_single.at_the_limit, played_single.parameters), recycle.RECYCLE_3)


@pytest.mark.clause("recycle-3")
def test_by_what_it_is_told_too_the_parent_replaces_recycled_children(planned: Planned) -> None:
    decide_plans(recycle.RECYCLE_3, planned)


@pytest.mark.clause("recycle-4")
def test_no_client_is_lost_while_children_are_recycled(played_turnover: Turnover, seen: Callable[[str], None]) -> None:
    if played_turnover.lost:
        raise Violated(
            recycle.RECYCLE_4,
            seen=f"after {played_turnover.served} clients were served: {played_turnover.lost[0]}",
        )
    if not played_turnover.loaded:
        raise why_stopped(played_turnover)
    seen(f"{played_turnover.served} clients were served")


@pytest.mark.clause("recycle-5")
def test_a_child_may_be_limited_to_one_connection(played_single: Turnover) -> None:
    single = played_single.parameters
    raise_first(recycle.judge_distinct(played_single.counting, single), recycle.RECYCLE_5)
    collapsed = [event.how for event in played_single.timeline if isinstance(event, Collapsed)]
    not_replaced = [violation.seen for violation in recycle.judge_replacement(played_single.timeline, single)]
    problems = [*played_single.lost, *collapsed, *not_replaced]
    if played_single.still_live:
        problems.append(still_live(played_single))
    if problems:
        raise Violated(
            recycle.RECYCLE_5, seen=f"after {played_single.served} clients were served: {problems[0]} ({single})"
        )
    if not played_single.replaced:
        raise why_stopped(played_single)


@pytest.mark.clause("recycle-6")
def test_all_children_may_reach_their_last_connection_together(
    all_at_once: Together, launches: Launches, seen: Callable[[str], None]
) -> None:
    together = all_at_once
    if together.violation:
        raise Blocked(together.violation.clause.id, seen=together.violation.seen)
    if together.ended_early:
        raise Blocked(recycle.RECYCLE_2.id, seen=together.why_not)
    if together.why_not:
        raise Inconclusive(f"the children could not be brought to their last connection together: {together.why_not}")
    longest = launches.pace.round + 0.3 * launches.pace.patience + launches.pace.service_time
    if together.gap is None:
        raise Violated(
            recycle.RECYCLE_6, seen=f"after all {together.children} children ended, a client had {together.unanswered}"
        )
    if together.gap > longest:
        raise Violated(
            recycle.RECYCLE_6,
            seen=f"{together.children} children ended; a client waited {together.gap:.2f} s, over {longest:.2f} s",
        )
    seen(f"after all {together.children} children ended, a client waited {together.gap:.3f} s")
