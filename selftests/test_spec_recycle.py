"""The judges of recycling: counts child by child, replacement, N = 1."""

import pytest

from selftests.histories import History
from spec import recycle
from spec.event import Phase, Timeline
from spec.parameters import Parameters
from spec.recycle import Due, due
from spec.verdict import Violation

WIDE = Parameters(min_spare=1, max_spare=9, max_connections=3)
SINGLE = Parameters(min_spare=1, max_spare=9, max_connections=1)


def counted(history: History, parameters: Parameters = WIDE) -> dict[str, str]:
    return in_short(list(recycle.judge_counts(history.timeline(), parameters)))


def in_short(violations: list[Violation]) -> dict[str, str]:
    return {violation.clause.id: violation.seen for violation in violations}


def with_connections(count: int, *, pid: int = 101) -> History:
    """Two children, of which one takes so many connections one after another."""
    history = History().spawned(pid, pid + 1)
    for number in range(1, count + 1):
        history.accepted({number: pid}).served(number)
    return history


@pytest.mark.parametrize(("served", "what"), [(0, Due.SERVICE), (2, Due.SERVICE), (3, Due.END), (4, Due.END)])
def test_a_child_owes_its_end_after_exactly_n_connections(served: int, what: Due) -> None:
    assert due(served=served, parameters=WIDE) is what


def test_a_child_that_ends_after_exactly_n_connections_passes() -> None:
    assert counted(with_connections(3).ended(101)) == {}


def test_one_connection_more_than_n_is_found() -> None:
    found = counted(with_connections(4).ended(101))
    assert list(found) == ["recycle-1"]
    assert "child 101 took connection number 4" in found["recycle-1"]
    assert str(WIDE) in found["recycle-1"]


def test_one_connection_fewer_than_n_is_found() -> None:
    found = counted(with_connections(2).ended(102, 101))
    assert list(found) == ["recycle-2"]
    assert "child 101 ended after 2 connections" in found["recycle-2"]


def test_an_early_end_while_more_than_min_spare_are_idle_may_be_shedding() -> None:
    assert counted(with_connections(2).spawned(*range(201, 209)).ended(101)) == {}
    assert counted(with_connections(2).ended(101)) == {}, "down to min_spare it may shed"


def test_a_child_that_served_nobody_may_end() -> None:
    assert counted(with_connections(2).ended(102)) == {}


def test_a_connection_that_was_dropped_counts_as_one() -> None:
    history = History().spawned(101, 102)
    for number in (1, 2, 3):
        history.accepted({number: 101}).dropped(number)
    assert counted(history.ended(101)) == {}
    assert list(counted(history.accepted({4: 101}))) == ["recycle-1"]


def test_connections_are_counted_child_by_child() -> None:
    history = History().spawned(101, 102)
    for number in range(1, 7):
        history.accepted({number: 101 + number % 2}).served(number)
    assert counted(history.ended(101, 102)) == {}


def test_every_further_connection_of_a_child_is_found() -> None:
    violations = list(recycle.judge_counts(with_connections(5).timeline(), WIDE))
    assert [violation.clause.id for violation in violations] == ["recycle-1", "recycle-1"]


def test_only_what_was_served_to_its_end_counts_towards_what_is_overdue() -> None:
    history = with_connections(3)
    assert recycle.overdue(history.timeline(), WIDE) == {101}
    assert recycle.overdue(with_connections(2).accepted({3: 101}).timeline(), WIDE) == frozenset()
    assert recycle.overdue(history.ended(101).timeline(), WIDE) == frozenset()
    assert recycle.served_by_child(history.timeline()) == {101: 3}


def test_a_connection_with_an_unknown_child_is_counted_for_nobody() -> None:
    assert recycle.served_by_child(History().spawned(101).served(1, 2).timeline()) == {}


def replaced(history: History, parameters: Parameters = WIDE) -> dict[str, str]:
    return in_short(list(recycle.judge_replacement(history.timeline(), parameters)))


def test_a_pool_that_stays_below_min_spare_after_children_ended_is_found() -> None:
    found = replaced(with_connections(3).ended(101, 102).stalled(Phase.TURNOVER))
    assert list(found) == ["recycle-3"]
    assert "2 children had ended" in found["recycle-3"]
    assert "0 children live" in found["recycle-3"]


def test_a_pool_that_is_large_enough_without_a_replacement_passes() -> None:
    assert replaced(with_connections(3).ended(101).stalled(Phase.TURNOVER)) == {}


def test_a_shortage_before_any_child_ended_is_not_for_recycling_to_judge() -> None:
    assert replaced(History().stalled(Phase.START)) == {}


def test_a_parent_that_ends_when_its_children_do_is_found() -> None:
    found = replaced(
        with_connections(3).ended(101).collapsed(Phase.TURNOVER, "the pool's parent 100 ended with signal 13")
    )
    assert "signal 13" in found["recycle-3"]
    assert "1 children had ended" in found["recycle-3"] or "1 child" in found["recycle-3"]


def test_with_n_of_one_a_second_connection_is_found() -> None:
    once = History().spawned(101, 102).accepted({1: 101}).served(1).ended(101).accepted({2: 102})
    assert list(recycle.judge_distinct(once.timeline(), SINGLE)) == []
    found = in_short(list(recycle.judge_distinct(with_connections(2).timeline(), SINGLE)))
    assert list(found) == ["recycle-5"]
    assert "child 101 took 2 connections" in found["recycle-5"]


@pytest.mark.parametrize(("connections", "early"), [(0, False), (1, True), (2, True), (3, False)])
def test_who_ended_after_some_connections_but_fewer_than_n_ended_early(connections: int, *, early: bool) -> None:
    history = with_connections(connections).ended(101)
    assert recycle.ended_early(history.timeline(), WIDE) == ([101] if early else [])


def test_where_nothing_happened_nobody_is_overdue() -> None:
    assert recycle.overdue(Timeline(()), WIDE) == frozenset()
