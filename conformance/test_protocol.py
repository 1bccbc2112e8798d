"""Section protocol: what children say, heard in the parent's seat; what the parent says, seen in the child's."""

from collections.abc import Callable

import pytest

from conformance.leaving_alone import LeftAlone
from conformance.lost_wakeup import Races
from conformance.plans import Planned, decide_plans
from conformance.seats import Heard, decide
from spec import protocol
from spec.clause import Clause
from spec.verdict import NotApplicable, raise_first


@pytest.mark.clause("protocol-1")
def test_a_child_says_c_for_each_connection_when_it_accepts_it(counted: Heard, seen: Callable[[str], None]) -> None:
    decide(protocol.PROTOCOL_1, counted)
    seen(f"{counted.connections} connections of {counted.children} children")


@pytest.mark.clause("protocol-1")
def test_at_full_speed_too_a_child_says_c_for_each_connection(at_full_speed: Heard) -> None:
    decide(protocol.PROTOCOL_1, at_full_speed)


@pytest.mark.clause("protocol-2")
def test_a_child_says_f_for_each_service_up_to_its_last_one(counted: Heard) -> None:
    decide(protocol.PROTOCOL_2, counted)


@pytest.mark.clause("protocol-2")
def test_a_child_does_not_say_f_before_the_client_has_its_answer(at_full_speed: Heard) -> None:
    decide(protocol.PROTOCOL_2, at_full_speed)


@pytest.mark.clause("protocol-3")
def test_a_child_says_nothing_else(counted: Heard) -> None:
    decide(protocol.PROTOCOL_3, counted)


@pytest.mark.clause("protocol-3")
def test_at_full_speed_too_a_child_says_nothing_else(at_full_speed: Heard, seen: Callable[[str], None]) -> None:
    decide(protocol.PROTOCOL_3, at_full_speed)
    seen(f"{at_full_speed.connections} connections of {at_full_speed.children} children")


@pytest.mark.parametrize(
    "clause",
    [
        pytest.param(clause, id=clause.id, marks=pytest.mark.clause(clause.id))
        for clause in (protocol.PROTOCOL_2, protocol.PROTOCOL_3)
    ],
)
def test_a_newborn_says_nothing(clause: Clause, newborns: Heard) -> None:
    decide(clause, newborns)


@pytest.mark.clause("protocol-4")
def test_the_parent_says_k_once_and_nothing_else(ordered: Heard, seen: Callable[[str], None]) -> None:
    decide(protocol.PROTOCOL_4, ordered)
    seen(f"{ordered.children} children were told K")


@pytest.mark.clause("protocol-5")
def test_an_idle_child_ends_on_k(at_full_speed: Heard) -> None:
    decide(protocol.PROTOCOL_5, at_full_speed)


@pytest.mark.clause("protocol-6")
def test_a_busy_child_that_gets_k_serves_its_client_first(at_full_speed: Heard) -> None:
    decide(protocol.PROTOCOL_6, at_full_speed)


@pytest.mark.parametrize(
    "clause",
    [
        pytest.param(clause, id=clause.id, marks=pytest.mark.clause(clause.id))
        for clause in (protocol.PROTOCOL_1, protocol.PROTOCOL_2, protocol.PROTOCOL_6)
    ],
)
def test_a_client_who_comes_together_with_k_is_served_as_any_other(clause: Clause, races: Races) -> None:
    raise_first(races.wrong_services, clause)


@pytest.mark.clause("protocol-7")
def test_the_parent_says_k_only_to_children_that_are_idle(ordered: Heard) -> None:
    decide(protocol.PROTOCOL_7, ordered)


@pytest.mark.clause("protocol-7")
def test_in_plans_too_only_idle_children_are_ended(planned: Planned, seen: Callable[[str], None]) -> None:
    decide_plans(protocol.PROTOCOL_7, planned)
    seen(str(planned))


@pytest.mark.clause("protocol-7")
def test_a_child_that_is_busy_for_long_is_not_told_to_end(left_alone: LeftAlone, seen: Callable[[str], None]) -> None:
    if not left_alone.orders:
        raise NotApplicable("no child kept a silent client, or nobody could see what it was told")
    raise_first(protocol.judge_orders(left_alone.orders), protocol.PROTOCOL_7)
    seen(f"{len(left_alone.orders)} children, each busy with a silent client, were told nothing")


@pytest.mark.clause("protocol-8")
def test_messages_that_arrive_together_count_one_by_one(said_together: Heard) -> None:
    decide(protocol.PROTOCOL_8, said_together)


@pytest.mark.clause("protocol-8")
def test_in_plans_too_messages_count_one_by_one(planned: Planned, seen: Callable[[str], None]) -> None:
    decide_plans(protocol.PROTOCOL_8, planned)
    seen(str(planned))


@pytest.mark.clause("protocol-9")
def test_a_child_bears_an_unknown_byte(at_full_speed: Heard) -> None:
    decide(protocol.PROTOCOL_9, at_full_speed)


@pytest.mark.clause("protocol-9")
def test_the_parent_bears_an_unknown_byte(mumbled: Heard) -> None:
    decide(protocol.PROTOCOL_9, mumbled)
