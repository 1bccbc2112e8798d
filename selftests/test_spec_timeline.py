"""A timeline, replayed: who lives, who holds what, how many are idle."""

from selftests.histories import History
from spec.event import Phase, State


def test_a_pool_is_empty_before_anything_was_seen() -> None:
    assert (State().live, State().busy, State().idle) == (frozenset(), frozenset(), 0)


def test_children_are_idle_until_they_hold_a_connection() -> None:
    state = History().spawned(11, 12, 13).accepted({1: 12}).state()
    assert (sorted(state.live), sorted(state.busy), state.idle) == ([11, 12, 13], [12], 2)


def test_a_child_is_idle_again_however_its_connection_ends() -> None:
    held = History().spawned(11, 12, 13).accepted({1: 11, 2: 12, 3: 13})
    assert held.state().idle == 0
    assert held.served(1).dropped(2).lost(3, "reset").state().idle == 3


def test_a_child_with_two_connections_counts_once_and_is_busy_until_the_last_ends() -> None:
    twice = History().spawned(11, 12).accepted({1: 11, 2: 11})
    assert twice.state().idle == 1
    assert twice.served(1).state().busy == {11}
    assert twice.served(2).state().busy == frozenset()


def test_an_ended_child_takes_its_connection_with_it() -> None:
    state = History().spawned(11, 12).accepted({1: 11}).ended(11).state()
    assert (sorted(state.live), len(state.holders), state.idle) == ([12], 0, 1)


def test_a_holder_that_is_no_child_is_not_counted_among_the_busy() -> None:
    state = History().spawned(11).accepted({1: 1}).state()
    assert (state.busy, state.idle) == (frozenset(), 1)


def test_a_new_holder_takes_the_place_of_the_old_one() -> None:
    state = History().spawned(11, 12).accepted({1: 11}).accepted({1: 12}).state()
    assert state.busy == {12}


def test_each_event_comes_with_the_state_before_and_after() -> None:
    timeline = History().spawned(11).connected(1).accepted({1: 11}).timeline()
    idle = [(before.idle, after.idle) for _, before, after in timeline.states()]
    assert idle == [(0, 1), (1, 1), (1, 0)]


def test_a_phase_is_reached_by_coming_within_the_bounds_or_to_rest_in_it() -> None:
    assert History().settled(Phase.EBB).timeline().reached(Phase.EBB)
    assert History().rested(Phase.END).timeline().reached(Phase.END)
    assert not History().settled(Phase.EBB).stalled(Phase.END).timeline().reached(Phase.END)
