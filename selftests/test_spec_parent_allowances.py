"""What the parent's account allows, to the number: births and ends, whatever of several messages it has read."""

from selftests.accounts import BOUNDS, C, F, clauses, parent
from spec.event import Pid
from spec.parameters import Parameters
from spec.parent import Parent


def test_within_the_bounds_it_may_shed_once_after_an_f_and_not_after_a_c() -> None:
    account = parent(4)
    account.tell(Pid(1), C)
    assert clauses(account.ended(Pid(2))) == ["pool-7"], "three are idle"
    account = parent(3)
    account.tell(Pid(1), C)
    account.up_to_date()
    account.tell(Pid(1), F)
    assert clauses(account.ended(Pid(3))) == [], "three are idle, which it had not known"
    assert clauses(account.ended(Pid(2))) == ["pool-7"]


def test_a_newborn_has_been_idle_and_never_busy() -> None:
    account = parent(1)
    assert clauses(account.came(Pid(2))) == []
    assert account.children[Pid(2)].was_idle
    assert not account.children[Pid(2)].was_busy


def test_when_all_wait_with_nothing_to_read_no_k_is_on_its_way_to_who_said_c() -> None:
    account = parent(5)
    account.tell(Pid(1), C)
    account.nobody_is_ending()
    assert clauses(account.ended(Pid(1))) == ["protocol-7"]


def test_who_was_busy_before_is_no_victim_of_any_order() -> None:
    account = parent(4)
    account.tell(Pid(1), C)
    account.up_to_date()
    account.tell(Pid(2), C)
    account.tell(Pid(2), F)
    assert clauses(account.ended(Pid(1))) == ["protocol-7"], "one of the others may be shed, and not this one"


def test_without_births_before_the_first_step_of_growth_is_one() -> None:
    account = parent(2, Parameters(min_spare=2, max_spare=2, max_connections=3, max_children=20))
    account.tell(Pid(1), C)
    assert clauses(account.came(Pid(3))) == []
    assert clauses(account.came(Pid(4))) == ["pool-7"]


def test_from_the_beginning_nobody_may_come_within_the_bounds() -> None:
    assert clauses(parent(3).came(Pid(4))) == ["pool-7"]


def test_a_shortage_after_all_k_were_obeyed_is_answered_as_any() -> None:
    account = parent(2)
    account.nobody_is_ending()
    account.tell(Pid(1), C)
    assert clauses(account.came(Pid(3))) == []


def test_each_of_those_who_ended_after_n_may_be_replaced() -> None:
    account = parent(4, Parameters(min_spare=2, max_spare=4, max_connections=1, max_children=8))
    for pid in (1, 2):
        account.tell(Pid(pid), C)
        assert account.spent == [Pid(number) for number in range(1, pid)], "it has not said F yet"
        account.tell(Pid(pid), F)
    account.nobody_is_ending()
    account.up_to_date()
    assert [clauses(account.ended(Pid(pid))) for pid in (1, 2)] == [[], []]
    assert [clauses(account.came(Pid(pid))) for pid in (5, 6)] == [[], []]
    assert clauses(account.came(Pid(7))) == ["pool-7"]


def test_steps_double_with_the_births_that_there_were_and_no_faster() -> None:
    account = parent(2, Parameters(min_spare=2, max_spare=2, max_connections=3, max_children=20))
    for pid in (1, 2):
        account.tell(Pid(pid), C)
        assert clauses(account.came(Pid(pid + 2))) == []
        account.up_to_date()
    account.tell(Pid(3), C)
    # One is lacking: with the two before it, a third one is born in a step of two.
    assert [clauses(account.came(Pid(pid))) for pid in (5, 6)] == [[], []]
    assert clauses(account.came(Pid(7))) != []


def test_two_messages_that_are_unread_may_be_read_in_either_order() -> None:
    account = parent(4)
    account.tell(Pid(1), C)
    account.up_to_date()
    account.tell(Pid(2), C)
    account.tell(Pid(1), F)
    assert [clauses(account.ended(Pid(pid))) for pid in (4, 3)] == [[], []], "F first, and four are idle"


def test_a_single_message_has_no_order() -> None:
    account = parent(5)
    for pid in (1, 2, 3, 4):
        account.up_to_date()
        account.tell(Pid(pid), C)
    account.up_to_date()
    account.tell(Pid(5), C)
    assert clauses(account.ended(Pid(5))) == ["protocol-7"], "one was idle, and none was to be told K"


def test_who_was_not_busy_meanwhile_is_idle_in_any_order() -> None:
    account = parent(4)
    for pid in (1, 2):
        account.tell(Pid(pid), C)
    assert clauses(account.came(Pid(5))) == ["pool-7"], "two are idle whatever it reads first"
    account = parent(5, Parameters(min_spare=2, max_spare=5, max_connections=3, max_children=8))
    account.tell(Pid(1), C)
    account.up_to_date()
    for pid in (2, 3):
        account.tell(Pid(pid), C)
    assert clauses(account.came(Pid(6))) == ["pool-7"], "and so they are beside one that was busy before"


def test_at_the_limit_no_shortage_allows_a_birth() -> None:
    account = parent(8)
    for pid in range(1, 9):
        account.tell(Pid(pid), C)
    account.up_to_date()
    assert clauses(account.came(Pid(9))) == ["pool-6", "pool-7"]
    unlimited = Parent(BOUNDS.unlimited(), [Pid(1), Pid(2)])
    unlimited.tell(Pid(1), C)
    assert clauses(unlimited.came(Pid(3))) == []


def test_who_has_said_its_last_f_may_be_idle_for_it_after_a_single_message_too() -> None:
    account = parent(5, Parameters(min_spare=2, max_spare=5, max_connections=1, max_children=8))
    account.tell(Pid(1), C)
    account.up_to_date()
    account.tell(Pid(1), F)
    assert [clauses(account.ended(Pid(pid))) for pid in (2, 3, 4)] == [[], [], []]


def test_a_k_may_be_on_its_way_where_one_is_too_many() -> None:
    account = parent(5, Parameters(min_spare=4, max_spare=4, max_connections=3, max_children=8))
    account.tell(Pid(1), C)
    assert clauses(account.ended(Pid(1))) == []
