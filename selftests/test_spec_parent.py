"""The parent's account: what it must, may and must not do, by what it was told and who came and went."""

import pytest

from selftests.accounts import BOUNDS, C, F, clauses, parent
from spec.event import Pid
from spec.parameters import Parameters
from spec.parent import JUDGED, UNPAID, Parent
from spec.protocol import Told
from spec.regulation import Owed
from spec.sections import CLAUSES


def test_what_is_not_paid_breaks_a_clause_that_plans_judge() -> None:
    assert {clause.id for clause in UNPAID.values()} <= set(JUDGED) <= set(CLAUSES)


def test_within_the_bounds_it_owes_nothing_and_may_do_nothing() -> None:
    account = parent(3)
    account.up_to_date()
    assert account.owes is Owed.REST
    assert clauses(account.came(Pid(9))) == ["pool-7"]
    assert clauses(account.ended(Pid(1))) == ["pool-7"]


def test_who_says_c_is_busy_and_in_its_place_another_is_owed() -> None:
    account = parent(2)
    account.tell(Pid(1), C)
    assert (account.busy, account.idle, account.owes) == ([Pid(1)], [Pid(2)], Owed.GROWTH)
    assert clauses(account.came(Pid(3))) == []
    account.up_to_date()
    assert account.owes is Owed.REST
    assert clauses(account.came(Pid(4))) == ["pool-7"]


def test_growth_may_go_to_max_spare_and_no_further() -> None:
    account = parent(3)
    for pid in (1, 2, 3):
        account.up_to_date()
        account.tell(Pid(pid), C)
    assert [clauses(account.came(Pid(pid))) for pid in (5, 6, 7, 8)] == [[], [], [], []]
    assert clauses(account.came(Pid(9))) != []


def test_growth_may_overshoot_by_its_last_doubling_step_and_no_further() -> None:
    account = parent(2, Parameters(min_spare=2, max_spare=2, max_connections=3, max_children=20))
    for pid in (1, 2):
        account.up_to_date()
        account.tell(Pid(pid), C)
    # Two are lacking: steps of 1 and 2 make three.
    assert [clauses(account.came(Pid(pid))) for pid in (3, 4, 5)] == [[], [], []]
    assert clauses(account.came(Pid(6))) == ["pool-8"]


def test_growth_goes_on_doubling_where_the_start_was_a_round_of_it() -> None:
    account = Parent(BOUNDS, [Pid(number) for number in range(1, 5)], born=4)
    for pid in (1, 2, 3):
        account.tell(Pid(pid), C)
    # One is lacking: after steps of 1, 2 and 4 the next would be the rest of 4, and not 1.
    assert [clauses(account.came(Pid(pid))) for pid in (5, 6, 7, 8)] == [[], [], [], []]


def test_a_shortage_that_is_over_may_still_be_answered_until_the_parent_is_up_to_date() -> None:
    account = parent(2)
    account.tell(Pid(1), C)
    account.tell(Pid(1), F)
    assert account.owes is Owed.REST
    assert clauses(account.came(Pid(3))) == []
    account = parent(2)
    account.tell(Pid(1), C)
    account.tell(Pid(1), F)
    account.up_to_date()
    assert clauses(account.came(Pid(3))) == ["pool-7"]


def test_above_the_limit_nobody_may_come() -> None:
    account = parent(8)
    for pid in range(1, 9):
        account.tell(Pid(pid), C)
    assert account.owes is Owed.REST, "at the limit no growth is owed"
    assert "pool-6" in clauses(account.came(Pid(9)))


def test_after_an_excess_it_may_shed_down_to_min_spare_and_no_further() -> None:
    account = parent(5)
    account.up_to_date()
    assert account.owes is Owed.SHEDDING
    assert [clauses(account.ended(Pid(pid))) for pid in (5, 4, 3)] == [[], [], []]
    assert clauses(account.ended(Pid(2))) == ["pool-7"]


def test_what_is_out_of_bounds_from_the_beginning_may_be_mended_before_it_hears_anything() -> None:
    account = parent(5)
    assert [clauses(account.ended(Pid(pid))) for pid in (5, 4, 3)] == [[], [], []]
    assert clauses(account.ended(Pid(2))) == ["pool-7"]
    account = parent(1)
    assert [clauses(account.came(Pid(pid))) for pid in (2, 3, 4)] == [[], [], []]
    assert clauses(account.came(Pid(5))) == ["pool-7"]


def test_who_is_busy_may_not_be_ended_even_in_an_excess() -> None:
    account = parent(4)
    for pid in (1, 2, 3):
        account.tell(Pid(pid), C)
    assert [clauses(account.came(Pid(pid))) for pid in (5, 6)] == [[], []]
    for pid in (2, 3):
        account.tell(Pid(pid), F)
    account.up_to_date()
    assert account.owes is Owed.SHEDDING
    (violation,) = account.ended(Pid(1))
    assert violation.clause.id == "protocol-7"
    assert "b'C'" in violation.seen


def test_who_has_had_its_n_connections_ends_and_may_be_replaced_once() -> None:
    account = parent(3)
    for _ in range(3):
        account.tell(Pid(1), C)
        account.tell(Pid(1), F)
    assert account.spent == [Pid(1)]
    assert account.may_say(Pid(1)) is None
    assert account.idle == [Pid(2), Pid(3)]
    account.up_to_date()
    assert clauses(account.ended(Pid(1))) == []
    account.nobody_is_ending()
    account.up_to_date()
    assert clauses(account.came(Pid(4))) == [], "replaced, though the bounds need nobody"
    assert clauses(account.came(Pid(5))) == ["pool-7"]


def test_what_a_child_may_say_next_follows_from_what_it_said_last() -> None:
    account = parent(2)
    assert account.may_say(Pid(1)) is C
    account.tell(Pid(1), C)
    assert account.may_say(Pid(1)) is F
    assert account.children[Pid(1)].told is Told.BUSY
    with pytest.raises(KeyError):
        account.tell(Pid(1), C)


def test_who_was_told_k_idles_for_nobody_as_only_the_parent_knows() -> None:
    account = parent(5)
    account.up_to_date()
    account.tell(Pid(1), C)  # one too many were idle until now, and one may have been told K
    account.tell(Pid(2), C)
    account.up_to_date()
    assert account.owes is Owed.REST
    assert clauses(account.came(Pid(6))) == []
    assert clauses(account.ended(Pid(5))) == [], "the K was on its way"


def test_when_all_wait_with_nothing_to_read_nobody_is_ending() -> None:
    account = parent(5)
    account.up_to_date()
    for pid in (1, 2, 3):
        account.tell(Pid(pid), C)
    account.nobody_is_ending()
    account.up_to_date()
    assert account.owes is Owed.REST
    assert clauses(account.ended(Pid(5))) == ["pool-7"]


def test_who_said_c_when_a_k_may_have_been_on_its_way_may_be_ended() -> None:
    account = parent(5)
    account.up_to_date()
    account.tell(Pid(1), C)
    assert clauses(account.ended(Pid(1))) == []


def test_a_k_may_be_on_its_way_only_while_min_spare_are_idle() -> None:
    account = parent(5)
    for pid in (1, 2, 3, 4, 5):  # with five, four, three, two and one idle
        account.up_to_date()
        account.tell(Pid(pid), C)
    account.up_to_date()
    assert clauses(account.ended(Pid(4))) == []
    assert clauses(account.ended(Pid(5))) == ["protocol-7"]


def test_what_came_together_may_be_read_in_any_order() -> None:
    account = parent(3)
    for pid in (1, 2, 3):  # C and F of each in turn; read a byte of each in turn, all are busy at once
        account.tell(Pid(pid), C)
        account.tell(Pid(pid), F)
    assert [clauses(account.came(Pid(pid))) for pid in (4, 5, 6, 7, 8)] == [[], [], [], [], []]
    account.up_to_date()
    assert account.owes is Owed.SHEDDING, "and when all is read, what is so now counts again"
    account = parent(4)
    for pid in (1, 2):
        account.tell(Pid(pid), C)
    account.up_to_date()
    account.tell(Pid(3), C)
    account.tell(Pid(1), F)
    account.tell(Pid(2), F)
    # The Fs first, and four are idle; within the bounds a parent may shed once, down to two.
    assert [clauses(account.ended(Pid(pid))) for pid in (4, 3)] == [[], []]
    assert clauses(account.ended(Pid(2))) == ["pool-7"]


def test_an_excess_that_is_over_may_still_be_answered() -> None:
    account = parent(4)
    account.up_to_date()
    assert clauses(account.came(Pid(5))) == ["pool-7"], "nobody asked for it"
    account.tell(Pid(1), C)
    assert clauses(account.ended(Pid(5))) == [], "five were idle when it came"


def test_an_end_makes_room_below_the_limit() -> None:
    account = parent(8)
    account.up_to_date()
    for pid in range(1, 9):
        account.tell(Pid(pid), C)
    assert clauses(account.ended(Pid(1))) == [], "eight were idle when it said C"
    assert clauses(account.came(Pid(9))) == [], "and none is now"


def test_who_has_said_its_last_f_may_be_idle_for_a_parent_that_does_not_count() -> None:
    account = parent(5, Parameters(min_spare=2, max_spare=4, max_connections=1, max_children=8))
    account.tell(Pid(1), C)
    account.tell(Pid(1), F)
    assert account.owes is Owed.REST
    assert clauses(account.ended(Pid(2))) == [], "five are idle, as far as it knows"
