"""The rubric: points for each clause, one root cause that costs no more than its cap, and what a person must see."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grading import rubric
from grading.rubric import Rubric, RubricError, Score
from selftests.findings import documented, everything_passes
from spec.clause import Clause, ClauseId
from spec.epoll import EPOLL_1
from spec.lifecycle import LIFECYCLE_1
from spec.pool import POOL_6, POOL_8, POOL_9
from spec.sections import CLAUSES

DEFAULT = rubric.read(None)
PLAIN = Rubric(must=1, should=1, out_of=len(CLAUSES), root_cause={"most": 1.0})  # a point for each clause, and no cap
NONE: Mapping[Any, str] = {}  # by the id of a clause


def scored(made: Rubric = PLAIN, verdicts: Mapping[Any, str] = NONE, *, cause: str = "", days_late: int = 0) -> Score:
    """Score a document in which some clauses have other verdicts than pass; `cause` blocks those that are blocked."""
    document = documented(everything_passes())
    for each in document["clauses"]:
        each["verdict"] = verdicts.get(each["id"], each["verdict"])
        each["blocked_by"] = cause if each["verdict"] == "blocked" else None
    return rubric.score(document, made, days_late=days_late)


def test_who_conforms_has_all_points_by_whatever_rubric() -> None:
    assert scored(DEFAULT).points == 100
    assert scored(PLAIN).points == len(CLAUSES)
    assert scored(Rubric(out_of=7, weights={"pool": 0})).points == 7


@pytest.mark.parametrize("clause", [POOL_8, POOL_9], ids=lambda clause: clause.level.value)
def test_a_clause_that_fails_costs_its_weight(clause: Clause) -> None:
    whole = sum(DEFAULT.weight(each) for each in CLAUSES.values())
    lost = 100 - scored(DEFAULT, {clause.id: "fail"}).points
    assert lost == pytest.approx(float(DEFAULT.weight(clause) / whole * 100), abs=0.006)


def test_a_weight_of_a_clause_comes_before_that_of_its_section_and_that_before_its_level() -> None:
    made = Rubric(must=1, should=1, weights={"pool": 2, "pool-9": 5})
    assert [made.weight(clause) for clause in (POOL_9, POOL_8, EPOLL_1)] == [5, 2, 1]


def test_the_lines_add_up_to_the_points_and_their_worth_to_the_whole() -> None:
    made = scored(DEFAULT, {"pool-9": "fail", "epoll-1": "fail", "epoll-2": "blocked"}, cause="epoll-1")
    assert sum(round(line.earned * 100) for line in made.lines) == round(made.points * 100)
    assert sum(round(line.worth * 100) for line in made.lines) == 10_000
    passed = [line for line in made.lines if line.verdict.value == "pass"]
    assert all(line.earned == line.worth for line in passed), "nothing that holds is worth a hundredth more or less"
    assert all(0 <= line.earned <= line.worth for line in made.lines)


BEHIND = {"epoll-1": "fail"} | {clause: "blocked" for clause in CLAUSES if clause.startswith("recovery")}


def test_what_is_blocked_costs_with_its_cause_no_more_than_the_cap() -> None:
    without = scored(PLAIN, BEHIND, cause="epoll-1")
    capped = Rubric(must=1, should=1, out_of=len(CLAUSES), root_cause={"most": 0.1})
    within = scored(capped, BEHIND, cause="epoll-1")
    assert without.points == len(CLAUSES) - len(BEHIND)
    assert within.points == pytest.approx(len(CLAUSES) * 0.9, abs=0.006)


def test_a_cause_never_costs_less_than_its_own_clause() -> None:
    capped = Rubric(must=1, should=1, out_of=len(CLAUSES), root_cause={"epoll-1": 0})
    assert scored(capped, BEHIND, cause="epoll-1").points == len(CLAUSES) - 1


def test_a_server_that_never_starts_earns_nothing_by_the_rubric_of_the_suite() -> None:
    nothing = dict.fromkeys(CLAUSES, "blocked") | {LIFECYCLE_1.id: "fail"}
    assert scored(DEFAULT, nothing, cause=LIFECYCLE_1.id).points == 0


@pytest.mark.parametrize("verdict", ["inconclusive", "error", "not-run"])
def test_what_could_not_be_decided_costs_nothing_and_is_flagged(verdict: str) -> None:
    made = scored(PLAIN, {"pool-9": verdict})
    assert made.points == made.out_of
    assert made.flags == (f"pool-9: {verdict}",)
    assert not scored().flags


def test_what_does_not_apply_is_worth_nothing_and_its_points_are_the_others() -> None:
    made = scored(PLAIN, {"pool-6": "not-applicable"})
    assert made.points == made.out_of
    assert {line.clause: line.worth for line in made.lines}[POOL_6.id] == 0


def test_what_a_rubric_leaves_out_is_as_in_the_one_that_comes_along() -> None:
    assert Rubric() == DEFAULT
    made = Rubric(root_cause={"pool-2": 0.5})
    assert [float(made.most_of(cause)) for cause in (POOL_9.id, LIFECYCLE_1.id, ClauseId("pool-2"))] == [0.25, 1, 0.5]


def test_a_day_is_late_as_soon_as_it_has_begun_and_costs_no_more_than_there_is() -> None:
    late = rubric.Late(due=datetime(1970, 1, 2, tzinfo=UTC), per_day=60)
    assert [late.days(changed) for changed in (0, 86_400, 86_401, 2 * 86_400, 2 * 86_400 + 1)] == [0, 0, 1, 1, 2]
    made = scored(Rubric(late=late), days_late=2)
    assert (made.points, made.notes) == (0, ("2 days late: 120 points less, and there are none below 0",))


@pytest.mark.parametrize(("days", "points"), [(0, 100), (1, 90), (3, 70), (9, 50)])
def test_lateness_costs_points_a_day_up_to_a_limit(days: int, points: float) -> None:
    late = Rubric.model_validate({"late": {"due": datetime(2026, 1, 1, tzinfo=UTC), "per_day": 10, "at_most": 50}})
    made = scored(late, days_late=days)
    assert made.points == points
    assert bool(made.notes) is (days > 0)


def test_what_can_not_be_built_has_the_points_that_the_rubric_says() -> None:
    assert rubric.unbuilt(DEFAULT, "not built: make: error").points == 0
    made = rubric.unbuilt(Rubric(build_failure=5), "not built: make: error")
    assert (made.points, made.notes) == (5, ("not built: make: error",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[weights]\npool-99 = 1", "'pool-99' is no clause and no section"),
        ("[root_cause]\npool = 1", "'pool' is no clause, and not `most`"),
        ("must = 0\nshould = 0", "all are 0"),
        ("must = -1", "must: "),
        ("out_of = 0", "out_of: "),
        ("points = 1", "points: "),
        ("[late]\nper_day = 1", "late.due: "),
        ("[late]\nper_day = 1\ndue = 2026-11-30", "late.due: expected a time with its zone"),
        ("[late]\nper_day = 1\ndue = 2026-11-30T12:00:00", "late.due: expected a time with its zone"),
        ("[late]\nper_day = 1\ndue = 20261130", "late.due: expected a time with its zone"),
        ("[late]\nper_day = inf\ndue = 2026-11-30T12:00:00Z", "late.per_day: "),
        ("must = true", "must: "),
        ("out_of = '7'", "out_of: "),
        ("must = " + "1" * 5000, "expected TOML"),
        ("must = " + "[" * 5000, "expected TOML"),
        ("must =", "expected TOML"),
    ],
)
def test_what_is_wrong_with_a_rubric_is_told_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "rubric.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RubricError) as caught:
        rubric.read(file)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
