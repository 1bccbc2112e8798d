"""The judge of the pool's size: each clause found broken, by its own id and with numbers; sound histories pass."""

import pytest

from selftests.histories import History
from spec import pool
from spec.event import Phase
from spec.parameters import Parameters
from spec.regulation import Owed, last_doubling_step, owed

BOUNDS = Parameters(min_spare=2, max_spare=4, max_connections=1000, max_children=8)
UNLIMITED = BOUNDS.unlimited()


def broken(history: History, parameters: Parameters = BOUNDS) -> dict[str, str]:
    """Give what was seen against each clause that is broken."""
    return {violation.clause.id: violation.seen for violation in pool.judge(history.timeline(), parameters)}


def children(count: int) -> History:
    return History().spawned(*range(101, 101 + count))


def held(first: int, count: int) -> dict[int, int]:
    """Connections 1, 2 … on the children from `first` on."""
    return {number: first + number - 1 for number in range(1, count + 1)}


# --- what is owed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "busy", "what"),
    [
        (0, 0, Owed.GROWTH),
        (1, 0, Owed.GROWTH),
        (2, 0, Owed.REST),
        (4, 0, Owed.REST),
        (5, 0, Owed.SHEDDING),
        (5, 1, Owed.REST),
        (5, 4, Owed.GROWTH),
        (8, 7, Owed.REST),  # at the limit no growth is owed, however few are idle
        (8, 8, Owed.REST),
        (9, 2, Owed.SHEDDING),
    ],
)
def test_what_is_owed_is_told_by_the_idle_children_and_the_limit(live: int, busy: int, what: Owed) -> None:
    assert owed(live=live, busy=busy, parameters=BOUNDS) is what


def test_growth_is_owed_at_any_size_where_there_is_no_limit() -> None:
    assert owed(live=500, busy=499, parameters=UNLIMITED) is Owed.GROWTH


@pytest.mark.parametrize(
    ("shortage", "step"),
    [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (7, 4), (8, 8), (31, 16), (32, 32), (63, 32), (64, 32), (500, 32)],
)
def test_the_last_doubling_step_is_the_one_that_makes_up_for_the_shortage(shortage: int, step: int) -> None:
    assert last_doubling_step(shortage) == step


# --- sound histories -----------------------------------------------------------------------------------------------


def a_whole_tide() -> History:
    """Rest with three, one too few, growth by doubling to the limit, and down again with clients."""
    history = children(3).settled(Phase.START).rested(Phase.START)
    history.wanted(Phase.SHORTAGE, 2).accepted({1: 101, 2: 102}).spawned(104).settled(Phase.SHORTAGE)
    history.wanted(Phase.FLOOD_TIDE, 5).accepted({3: 103, 4: 104}).spawned(105).accepted({5: 105}).spawned(106, 107)
    history.settled(Phase.FLOOD_TIDE)
    history.wanted(Phase.HIGH_WATER, 9).accepted({6: 106, 7: 107}).spawned(108).accepted({8: 108}).rested(
        Phase.HIGH_WATER
    )
    history.wanted(Phase.EXCESS, 3).dropped(9, 8, 7, 6, 5, 4).ended(108).settled(Phase.EXCESS)
    history.wanted(Phase.EBB, 1).dropped(3, 2).accepted({10: 107}).served(10).ended(107, 106).settled(Phase.EBB)
    return history.wanted(Phase.END, 0).served(1).ended(105).settled(Phase.END).rested(Phase.END)


def test_a_sound_tide_passes() -> None:
    assert broken(a_whole_tide()) == {}


def test_nothing_at_all_breaks_no_clause() -> None:
    assert broken(History()) == {}


def test_a_pool_of_a_fixed_size_within_the_bounds_passes() -> None:
    assert broken(children(4).rested(Phase.START), Parameters(min_spare=4, max_spare=4, max_connections=9)) == {}


# --- bounds that are not reached -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "too_few", "too_many"),
    [
        (Phase.START, "pool-1", "pool-1"),
        (Phase.SHORTAGE, "pool-2", "pool-3"),
        (Phase.FLOOD_TIDE, "pool-2 pool-7", "pool-7"),
        (Phase.HIGH_WATER, "pool-2 pool-7", "pool-7"),
        (Phase.EXCESS, "pool-2", "pool-3"),
        (Phase.EBB, "pool-2", "pool-3"),
        (Phase.END, "pool-2", "pool-3"),
    ],
)
def test_a_pool_that_stays_outside_its_bounds_breaks_the_clause_of_the_phase(
    phase: Phase, too_few: str, too_many: str
) -> None:
    for count, clauses in ((1, too_few), (6, too_many)):
        found = broken(children(count).stalled(phase))
        assert list(found) == clauses.split()
        for seen in found.values():
            assert seen.startswith(phase.value)
            assert f"{count} children live, 0 busy, {count} idle" in seen
            assert "2.5 s" in seen
            assert str(BOUNDS) in seen


def test_a_pool_that_stands_still_within_its_bounds_breaks_nothing() -> None:
    assert broken(children(3).stalled(Phase.FLOOD_TIDE)) == {}


def test_a_full_pool_owes_no_growth() -> None:
    full = children(8).accepted(held(101, 8)).stalled(Phase.HIGH_WATER)
    assert broken(full) == {}
    assert list(broken(full, UNLIMITED)) == ["pool-2", "pool-7"]


def test_bounds_on_the_total_are_found_by_the_idle_that_are_missing() -> None:
    """Four children, as many as max_spare, but two of them busy and the third held too."""
    found = broken(
        children(4).rested(Phase.START).wanted(Phase.SHORTAGE, 3).accepted(held(101, 3)).stalled(Phase.SHORTAGE)
    )
    assert found == {
        "pool-2": "one idle child too few: 4 children live, 3 busy, 1 idle, and no growth for 2.5 s, "
        "but 4 children spawned and 0 ended (min_spare 2, max_spare 4, max_connections 1000, max_children 8)"
    }


def test_a_child_whose_client_was_served_may_end_before_that_is_seen() -> None:
    seen_late = children(4).accepted(held(101, 1)).ended(101).served(1)
    assert "pool-5" not in broken(seen_late)
    assert "pool-5" in broken(children(4).accepted(held(101, 1)).ended(101).dropped(1))


@pytest.mark.parametrize(
    ("phase", "clause"),
    [
        (Phase.START, "pool-1"),
        (Phase.SHORTAGE, "pool-2"),
        (Phase.HIGH_WATER, "pool-7"),
        (Phase.EBB, "pool-3"),
        (Phase.END, "pool-4"),
    ],
)
def test_a_parent_that_ends_breaks_the_clause_of_the_phase(phase: Phase, clause: str) -> None:
    found = broken(children(3).collapsed(phase, "the pool's parent 100 ended with signal 11"))
    assert list(found) == [clause]
    assert "signal 11" in found[clause]
    assert "3 children live" in found[clause]


# --- churn ---------------------------------------------------------------------------------------------------------


def test_a_child_spawned_at_rest_is_churn() -> None:
    found = broken(children(3).rested(Phase.START).spawned(104))
    seen = f"0.0 s at rest, then child 104 was spawned though 3 children live, 0 busy, 3 idle ({BOUNDS})"
    assert found == {"pool-4": seen}


def test_a_replaced_child_at_rest_is_churn() -> None:
    assert list(broken(children(2).rested(Phase.END).ended(101).spawned(103))) == ["pool-4"]


def test_a_pool_may_shed_once_down_to_min_spare_and_no_further() -> None:
    shedding = children(4).rested(Phase.START).ended(101, 102)
    assert broken(shedding) == {}
    assert "child 103 ended though 2 children live" in broken(shedding.ended(103))["pool-4"]


def test_a_child_that_only_the_parent_saw_is_churn() -> None:
    assert list(broken(children(3).rested(Phase.START).reaped())) == ["pool-4"]
    assert broken(children(3).reaped().rested(Phase.START)) == {}


def test_who_comes_after_the_load_has_changed_is_no_churn() -> None:
    assert broken(children(3).rested(Phase.START).wanted(Phase.SHORTAGE, 2).accepted(held(101, 2)).spawned(104)) == {}


def test_who_is_shed_when_the_server_has_sent_silent_clients_away_is_no_churn() -> None:
    full = children(6).accepted(held(101, 2)).rested(Phase.END)
    assert list(broken(full.ended(103, 104, 105))) == ["pool-4"]
    full = children(6).accepted(held(101, 2)).rested(Phase.END)
    assert broken(full.left(1).abandoned(1).ended(103, 104, 105)) == {}


def test_rest_at_the_highest_load_is_no_rest_for_churn() -> None:
    assert broken(children(3).rested(Phase.HIGH_WATER).ended(101).spawned(104)) == {}


@pytest.mark.parametrize(("phase", "clause"), [(Phase.START, "pool-4"), (Phase.END, "pool-4"), (Phase.EBB, "pool-7")])
def test_a_pool_without_a_quiet_round_breaks_the_clause_of_the_phase(phase: Phase, clause: str) -> None:
    found = broken(children(3).ended(101).spawned(104).ended(102).spawned(105).restless(phase, after=0.3))
    assert list(found) == [clause]
    assert "no quiet round in 0.3 s" in found[clause]
    assert "5 children spawned and 2 ended" in found[clause]


# --- busy children, the limit, lost clients ------------------------------------------------------------------------


def test_a_busy_child_that_ends_is_found() -> None:
    found = broken(children(6).accepted({1: 101}).ended(101))
    assert list(found) == ["pool-5"]
    assert "child 101 ended at 0.070 s" in found["pool-5"]
    assert "5 children live" in found["pool-5"]


def test_a_child_that_ends_with_the_silent_connection_that_it_ended_was_busy() -> None:
    assert list(broken(children(6).accepted({1: 101}).left(1).ended(101))) == ["pool-5"]


def test_where_a_child_outlives_a_silent_connection_that_it_ended_others_may_too() -> None:
    gone = children(6).accepted({1: 101, 2: 102, 3: 103}).left(1, 2).abandoned(1).ended(102)
    assert broken(gone) == {}
    assert list(broken(gone.ended(103))) == ["pool-5"]


def test_a_child_that_ends_once_its_client_has_left_is_no_busy_child() -> None:
    assert broken(children(6).accepted({1: 101}).dropped(1).ended(101)) == {}


def test_one_child_more_than_the_limit_is_found() -> None:
    assert "pool-6" not in broken(children(8).accepted(held(101, 8)))
    found = broken(children(8).accepted(held(101, 6)).spawned(109))
    assert "9 children live, 6 busy, 3 idle" in found["pool-6"]


def test_an_ended_child_makes_room_below_the_limit() -> None:
    assert "pool-6" not in broken(children(8).ended(101).spawned(109))


def test_a_subject_without_a_limit_has_none_to_exceed() -> None:
    assert "pool-6" not in broken(children(40), UNLIMITED)


def test_a_lost_client_is_found_with_the_child_that_held_it() -> None:
    found = broken(children(3).accepted({7: 102}).lost(7, "reset after 0 bytes"))
    assert list(found) == ["pool-9"]
    for number in ("connection 7", "child 102", "reset after 0 bytes", "0.040 s"):
        assert number in found["pool-9"]
    assert "child" not in broken(children(3).lost(7, "no answer in 5.0 s"))["pool-9"]


def test_the_first_violation_of_a_clause_is_the_one_that_is_told() -> None:
    found = broken(children(6).accepted({1: 101, 2: 102}).ended(101, 102))
    assert "child 101" in found["pool-5"]
