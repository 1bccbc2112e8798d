"""The ledger: how findings join to verdicts, what blocks what, and when a subject conforms."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from fault_injection.fault import DidNotTakeHold
from grading.finding import Finding, from_outcome
from grading.ledger import Ledger, conforms
from grading.reports import writing
from selftests.command_line import read
from selftests.findings import documented, everything_passes, found, ledger
from selftests.test_command_line import SCHEMA
from spec.accept import ACCEPT_1
from spec.clause import ClauseId, Level
from spec.epoll import EPOLL_1, EPOLL_3
from spec.lifecycle import LIFECYCLE_1
from spec.pool import POOL_1, POOL_8
from spec.recovery import RECOVERY_1, RECOVERY_4, RECOVERY_10
from spec.sections import CLAUSES
from spec.verdict import Blocked, Inconclusive, NotApplicable, Refused, Verdict, Violated

MUSTS = frozenset(each.id for each in CLAUSES.values() if each.level is Level.MUST)


def verdict_on(ledger: Ledger, clause: ClauseId) -> Verdict:
    return next(each.verdict for each in ledger.judged() if each.clause.id == clause)


def test_the_worst_finding_on_a_clause_stands() -> None:
    made = ledger(
        found(POOL_1.id, Verdict.PASS, seen="all well"), found(POOL_1.id, Verdict.FAIL, seen="none idle"), expected=2
    )
    judged = next(each for each in made.judged() if each.clause is POOL_1)
    assert (judged.verdict, judged.seen) == (Verdict.FAIL, "none idle")


def test_a_clause_of_which_a_test_is_missing_does_not_pass() -> None:
    assert verdict_on(ledger(found(POOL_1.id, Verdict.PASS), expected=2), POOL_1.id) is Verdict.NOT_RUN
    assert verdict_on(ledger(found(POOL_1.id, Verdict.FAIL), expected=2), POOL_1.id) is Verdict.FAIL


def test_a_failure_that_rests_on_another_is_blocked_by_it() -> None:
    assert EPOLL_1.id in EPOLL_3.needs
    made = everything_passes(found(EPOLL_1.id, Verdict.FAIL), found(EPOLL_3.id, Verdict.FAIL))
    judged = next(each for each in made.judged() if each.clause is EPOLL_3)
    assert (judged.verdict, judged.blocked_by) == (Verdict.BLOCKED, EPOLL_1.id)
    assert verdict_on(made, EPOLL_1.id) is Verdict.FAIL


def test_of_two_that_rest_on_each_other_the_one_that_says_so_of_this_failure_is_blocked() -> None:
    assert RECOVERY_1.id in RECOVERY_4.needs
    finding = found(RECOVERY_1.id, Verdict.FAIL)
    made = everything_passes(replace(finding, rests_on=(RECOVERY_4.id,)), found(RECOVERY_4.id, Verdict.FAIL))
    judged = {each.clause.id: each for each in made.judged()}
    assert judged[RECOVERY_4.id].verdict is Verdict.FAIL
    assert (judged[RECOVERY_1.id].verdict, judged[RECOVERY_1.id].blocked_by) == (Verdict.BLOCKED, RECOVERY_4.id)


@pytest.mark.parametrize("first", CLAUSES)
@pytest.mark.parametrize("second", [RECOVERY_1.id, RECOVERY_4.id, POOL_1.id, EPOLL_3.id])
def test_where_something_failed_some_clause_fails(first: ClauseId, second: ClauseId) -> None:
    pairs = ((first, second), (second, first))
    findings = [replace(found(clause, Verdict.FAIL), rests_on=(other,)) for clause, other in pairs]
    assert Verdict.FAIL in {judged.verdict for judged in everything_passes(*findings).judged()}


def test_what_could_not_be_decided_is_blocked_by_what_it_rests_on_and_is_broken() -> None:
    broken = found(EPOLL_1.id, Verdict.FAIL)
    undecided = everything_passes(broken, found(EPOLL_3.id, Verdict.INCONCLUSIVE))
    assert verdict_on(undecided, EPOLL_3.id) is Verdict.BLOCKED
    by_one_that_passes = Finding(clause=EPOLL_3.id, test="test", verdict=Verdict.BLOCKED, blocked_by=POOL_1.id)
    made = everything_passes(broken, by_one_that_passes)
    judged = next(each for each in made.judged() if each.clause is EPOLL_3)
    assert (judged.verdict, judged.blocked_by) == (Verdict.BLOCKED, EPOLL_1.id)


def test_what_this_machine_refuses_is_blocked_by_nothing() -> None:
    broken = found(EPOLL_1.id, Verdict.FAIL)
    refused = from_outcome(EPOLL_3.id, "test", Refused("no device"), seen="", output="", seconds=0.0, spent={})
    assert refused.verdict is Verdict.INCONCLUSIVE
    assert Finding.from_json(json.loads(json.dumps(refused.as_json()))) == refused
    assert verdict_on(everything_passes(broken, refused), EPOLL_3.id) is Verdict.INCONCLUSIVE


def test_a_fault_that_did_not_happen_is_blocked_by_what_it_rests_on_and_an_error_of_the_suite_is_not() -> None:
    broken = found(ACCEPT_1.id, Verdict.FAIL)
    assert ACCEPT_1.id in DidNotTakeHold.rests_on
    for error, verdict in ((DidNotTakeHold("no fork was refused"), Verdict.BLOCKED), (KeyError(7), Verdict.ERROR)):
        unmade = from_outcome(RECOVERY_10.id, "test", error, seen="", output="", seconds=0.0, spent={})
        assert unmade.verdict is Verdict.ERROR
        assert verdict_on(everything_passes(unmade), RECOVERY_10.id) is Verdict.ERROR
        assert verdict_on(everything_passes(broken, Finding.from_json(unmade.as_json())), RECOVERY_10.id) is verdict


def test_a_clause_that_holds_is_not_blocked_by_another_that_does_not() -> None:
    made = everything_passes(found(EPOLL_1.id, Verdict.FAIL))
    assert verdict_on(made, EPOLL_3.id) is Verdict.PASS


def test_a_subject_of_which_all_holds_conforms_at_both_levels() -> None:
    assert conforms(everything_passes(), Level.MUST) is True
    assert conforms(everything_passes(), Level.SHOULD) is True


def test_a_should_decides_only_at_its_own_level() -> None:
    made = everything_passes(found(POOL_8.id, Verdict.FAIL))
    assert conforms(made, Level.MUST) is True
    assert conforms(made, Level.SHOULD) is False


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.BLOCKED])
def test_what_is_open_leaves_the_matter_open(verdict: Verdict) -> None:
    assert conforms(everything_passes(found(POOL_1.id, verdict)), Level.MUST) is None


def test_what_does_not_apply_takes_nothing_away() -> None:
    assert conforms(everything_passes(found(POOL_1.id, Verdict.NOT_APPLICABLE)), Level.MUST) is True


def test_one_failure_outweighs_all_that_is_open() -> None:
    made = everything_passes(found(POOL_1.id, Verdict.FAIL), found(EPOLL_1.id, Verdict.ERROR))
    assert conforms(made, Level.MUST) is False


def test_a_clause_that_was_selected_and_never_judged_leaves_the_matter_open() -> None:
    assert conforms(ledger(found(POOL_1.id, Verdict.PASS), selected=MUSTS), Level.MUST) is None
    assert conforms(ledger(found(POOL_1.id, Verdict.FAIL), selected=MUSTS), Level.MUST) is False


def test_a_clause_that_was_not_selected_is_not_missed() -> None:
    assert conforms(ledger(found(POOL_1.id, Verdict.PASS), selected=frozenset([POOL_1.id])), Level.MUST) is True


def test_nothing_judged_at_all_decides_nothing() -> None:
    assert conforms(ledger(), Level.MUST) is None
    only = frozenset([POOL_1.id])
    assert conforms(ledger(found(POOL_1.id, Verdict.NOT_APPLICABLE), selected=only), Level.MUST) is None
    assert conforms(ledger(found(POOL_8.id, Verdict.PASS), selected=frozenset([POOL_8.id])), Level.MUST) is None


def test_an_error_of_the_suite_leaves_the_matter_open() -> None:
    made = everything_passes()
    made.suite_errors.append("a worker could not be started")
    assert conforms(made, Level.MUST) is None


@pytest.mark.parametrize(
    ("error", "verdict", "seen", "by"),
    [
        (None, Verdict.PASS, "all well", None),
        (Violated(POOL_1, seen="none idle"), Verdict.FAIL, "none idle", None),
        (Inconclusive("no /proc"), Verdict.INCONCLUSIVE, "no /proc", None),
        (NotApplicable("no {max_children}"), Verdict.NOT_APPLICABLE, "no {max_children}", None),
        (Blocked(LIFECYCLE_1.id, seen="it ended"), Verdict.BLOCKED, "it ended", LIFECYCLE_1.id),
        (KeyError("x"), Verdict.ERROR, "KeyError: 'x'", None),
    ],
    ids=["pass", "fail", "inconclusive", "not-applicable", "blocked", "error"],
)
def test_how_a_test_ended_says_what_it_found(
    error: BaseException | None, verdict: Verdict, seen: str, by: ClauseId | None
) -> None:
    finding = from_outcome(POOL_1.id, "test", error, seen="all well", output="", seconds=1.0, spent={})
    assert (finding.verdict, finding.seen, finding.blocked_by) == (verdict, seen, by)


def test_a_finding_travels_between_processes() -> None:
    finding = Finding(
        clause=POOL_1.id,
        test="test",
        verdict=Verdict.BLOCKED,
        seen="…",
        blocked_by=LIFECYCLE_1.id,
        output="a\nb",
        seconds=0.5,
        spent={"holding": 0.25},
    )
    assert Finding.from_json(finding.as_json()) == finding


def test_the_document_holds_to_its_schema_and_lists_every_clause(tmp_path: Path) -> None:
    made = everything_passes(found(EPOLL_1.id, Verdict.FAIL, seen="\udcff"), found(EPOLL_3.id, Verdict.FAIL))
    assert not list(writing.write(documented(made), {"json": tmp_path / "v.json"}))
    written = read(tmp_path / "v.json")
    jsonschema.validate(written, SCHEMA)
    assert [clause["id"] for clause in written["clauses"]] == list(CLAUSES)
    assert written["summary"]["fail"] == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "v.json"]


def test_each_clause_in_the_document_has_the_command_that_shows_it_again() -> None:
    for clause in documented(everything_passes())["clauses"]:
        assert clause["replay"] == f"preforkspec check --seed 1 --clause {clause['id']}"


def test_a_clause_is_done_when_all_of_its_tests_have_reported_or_one_has_failed() -> None:
    two_tests = frozenset({POOL_1.id, POOL_8.id})
    passed, failed = found(POOL_1.id, Verdict.PASS), found(POOL_8.id, Verdict.FAIL)
    assert ledger(passed, selected=two_tests, expected=2).done() == 0
    assert ledger(passed, passed, selected=two_tests, expected=2).done() == 1
    assert ledger(passed, failed, selected=two_tests, expected=2).done() == 1
    assert ledger(passed, passed, failed, failed, selected=two_tests, expected=2).done() == 2
