"""Verdicts and how they join; the register of clauses and how it is searched."""

import itertools
import re

import pytest

from spec.clause import ClauseId, Level
from spec.pool import POOL_2, POOL_3, POOL_4
from spec.sections import CLAUSES, SECTIONS, UnknownClause, selected
from spec.verdict import Blocked, Inconclusive, NotApplicable, Verdict, Violated, Violation, raise_first, worst

BY_SEVERITY = [
    Verdict.NOT_RUN,
    Verdict.NOT_APPLICABLE,
    Verdict.PASS,
    Verdict.INCONCLUSIVE,
    Verdict.BLOCKED,
    Verdict.FAIL,
    Verdict.ERROR,
]


def test_nothing_at_all_is_not_run() -> None:
    assert worst([]) is Verdict.NOT_RUN


def test_the_worst_of_two_verdicts_stands_whatever_their_order() -> None:
    for mild, severe in itertools.combinations_with_replacement(BY_SEVERITY, 2):
        assert worst([mild, severe]) is severe
        assert worst([severe, mild]) is severe


def test_every_verdict_can_be_joined() -> None:
    assert set(BY_SEVERITY) == set(Verdict)
    assert worst(Verdict) is Verdict.ERROR


def test_joining_is_the_same_in_any_grouping() -> None:
    for one, two, three in itertools.product(Verdict, repeat=3):
        assert worst([worst([one, two]), three]) is worst([one, two, three])


def test_each_decision_carries_its_verdict_and_what_was_seen() -> None:
    violated = Violation(POOL_2, "3 idle").raised()
    assert isinstance(violated, Violated)
    assert (violated.verdict, violated.clause, violated.seen, str(violated)) == (
        Verdict.FAIL,
        POOL_2,
        "3 idle",
        "pool-2: 3 idle",
    )
    rests_on = (ClauseId("pool-5"),)
    assert (violated.rests_on, Violated(POOL_2, seen="", rests_on=rests_on).rests_on) == ((), rests_on)
    blocked = Blocked(ClauseId("lifecycle-1"), seen="it ended")
    assert (blocked.verdict, blocked.by, blocked.seen) == (Verdict.BLOCKED, "lifecycle-1", "it ended")
    assert str(blocked) == "blocked by lifecycle-1: it ended"
    assert Inconclusive("refused").verdict is Verdict.INCONCLUSIVE
    assert NotApplicable("no limit").verdict is Verdict.NOT_APPLICABLE


def test_of_several_violations_the_first_is_raised_or_the_first_of_one_clause() -> None:
    found = [Violation(POOL_3, "6 idle"), Violation(POOL_2, "1 idle"), Violation(POOL_2, "0 idle")]
    with pytest.raises(Violated, match="pool-3: 6 idle"):
        raise_first(found)
    with pytest.raises(Violated, match="pool-2: 1 idle"):
        raise_first(found, POOL_2)
    raise_first(found, POOL_4)
    raise_first([])


# --- the register --------------------------------------------------------------------------------------------------


def test_every_clause_has_an_id_of_its_section_and_appears_once() -> None:
    everyone = [clause for section in SECTIONS for clause in section]
    assert len(everyone) == len(CLAUSES)
    for section in SECTIONS:
        numbers = [int(clause.id.removeprefix(f"{section.name}-")) for clause in section]
        assert numbers == sorted(set(numbers))
        assert all(clause.section == section.name for clause in section)


def test_the_register_holds_the_clauses_that_the_clients_seat_can_judge() -> None:
    wanted = {"accept": [1, 2, 3, 4, 6, 7], "epoll": range(1, 6), "pool": range(1, 10), "recycle": range(1, 7)}
    wanted |= {"http": range(1, 5), "lifecycle": range(1, 6)}
    assert set(CLAUSES) >= {f"{section}-{number}" for section, numbers in wanted.items() for number in numbers}


def test_every_clause_says_what_it_asks_where_it_comes_from_and_how_it_is_observed() -> None:
    for clause in CLAUSES.values():
        for text in (clause.text, clause.source, clause.observed):
            assert text.strip() == text
            assert len(text) > 5
        assert clause.text[-1] == "."
        assert clause.level in Level


def test_a_source_is_a_section_of_the_original_design() -> None:
    for clause in CLAUSES.values():
        if clause.section != "console":
            assert re.match(r"[123] (Objective|Design|Implementation), \w+", clause.source), clause.source


def test_what_a_clause_needs_is_registered_and_never_itself() -> None:
    for clause in CLAUSES.values():
        assert set(clause.needs) <= set(CLAUSES)

        reached: set[ClauseId] = set()
        todo = list(clause.needs)
        while todo:
            needed = todo.pop()
            if needed not in reached:
                reached.add(needed)
                todo += CLAUSES[needed].needs
        assert clause.id not in reached, f"{clause.id} needs itself"


def test_every_clause_but_the_first_rests_on_a_server_that_listens() -> None:
    for clause in CLAUSES.values():
        assert clause.id == "lifecycle-1" or "lifecycle-1" in clause.needs


# --- selecting -----------------------------------------------------------------------------------------------------


def ids(*selectors: str) -> list[str]:
    return [str(clause.id) for clause in selected(selectors)]


def test_no_selector_means_every_clause_in_the_registers_order() -> None:
    assert ids() == list(CLAUSES)


def test_a_section_or_ids_select_in_the_registers_order() -> None:
    assert ids("recycle-3", "pool-2") == ["pool-2", "recycle-3"]
    assert ids("http") == [clause for clause in CLAUSES if clause.startswith("http-")]
    assert ids("pool-2", "pool") == ids("pool")


@pytest.mark.parametrize("selector", ["pool-99", "pools", "", "Pool-1", "pool-", "pool-1 ", "-1", "pool_1"])
def test_an_unknown_selector_is_refused_with_what_was_expected(selector: str) -> None:
    with pytest.raises(UnknownClause) as refused:
        selected(("pool-1", selector))
    assert repr(selector) in str(refused.value)
    assert "pool-2" in str(refused.value)
    for section in SECTIONS:
        assert section.name in str(refused.value)
