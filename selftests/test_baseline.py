"""Regression mode: what is known to fail, and what two verdicts differ in."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from grading import comparison
from grading.baseline import Baseline, NoBaseline, holds, read
from grading.ledger import Ledger
from selftests.findings import documented, everything_passes, found
from spec.clause import ClauseId, Level
from spec.epoll import EPOLL_1, EPOLL_3
from spec.pool import POOL_1, POOL_8, POOL_9
from spec.sections import CLAUSES
from spec.verdict import Verdict

NOTHING = Baseline({})


def known(*clauses: ClauseId) -> Baseline:
    return Baseline(dict.fromkeys(clauses, ""))


def failing(*clauses: ClauseId) -> Ledger:
    return everything_passes(*(found(clause, Verdict.FAIL) for clause in clauses))


@pytest.mark.parametrize(
    ("fails", "listed", "strict", "expected"),
    [
        ((), (), False, True),
        ((POOL_9.id,), (), False, False),
        ((POOL_9.id,), (POOL_9.id,), False, True),
        ((POOL_9.id, EPOLL_1.id), (POOL_9.id,), False, False),
        ((POOL_8.id,), (), False, True),  # a SHOULD, which decides nothing at level must
        ((), (POOL_9.id,), False, True),
        ((), (POOL_9.id,), True, False),  # passes by now
        ((POOL_9.id,), (POOL_9.id,), True, True),
        ((EPOLL_1.id, EPOLL_3.id), (EPOLL_1.id,), False, True),  # epoll-3 is blocked by what is known
    ],
)
def test_only_what_newly_fails_is_red(
    fails: Sequence[ClauseId], listed: Sequence[ClauseId], *, strict: bool, expected: bool
) -> None:
    assert holds(failing(*fails), Level.MUST, known(*listed), strict=strict) is expected


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_what_could_not_be_decided_leaves_the_matter_open(verdict: Verdict) -> None:
    ledger = everything_passes(found(POOL_9.id, verdict))
    assert holds(ledger, Level.MUST, NOTHING, strict=False) is None
    assert holds(ledger, Level.MUST, known(POOL_9.id), strict=False) is None


def test_a_baseline_is_a_verdict_or_a_list_with_reasons(tmp_path: Path) -> None:
    verdict, listed = tmp_path / "v.json", tmp_path / "known.toml"
    verdict.write_text(json.dumps(documented(failing(POOL_9.id))), encoding="utf-8")
    listed.write_text('[[known]]\nclause = "pool-9"\nreason = "old"\n', encoding="utf-8")
    assert read(verdict).known == {POOL_9.id: ""}
    assert read(listed).known == {POOL_9.id: "old"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[known]]\nclause = "pool-99"\nreason = "x"\n', "'pool-99' is no clause"),
        ('[[known]]\nclause = "pool-9"\nreason = ""\n', "known.0.reason: "),
        ('[[known]]\nclause = "pool-9"\n', "known.0.reason: "),
        ('[[known]]\nclause = "pool-9"\nreason = "x"\nuntil = "y"\n', "known.0.until: "),
        ('[[known]]\nclause = "pool-9"\nreason = "x"\n' * 2, "pool-9 stands there twice"),
        ("known = 1", "known: "),
        ("???", "expected a verdict document, or [[known]] tables in TOML"),
        ("{", "expected a verdict document (check --json)"),
        ('{"schema": 2, "clauses": []}', "schema 2; expected 1"),
        ('{"schema": 1, "clauses": [{"id": "pool-99", "verdict": "fail"}]}', "'pool-99' is no clause"),
        ('{"schema": 1, "clauses": [{"id": "pool-9", "verdict": "bad"}]}', "clauses.0.verdict: "),
    ],
)
def test_what_is_wrong_with_a_baseline_is_told_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "b"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(NoBaseline) as caught:
        read(file)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_baseline_that_is_not_there_or_no_text_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(NoBaseline, match="No such file"):
        read(tmp_path / "none")
    (tmp_path / "b").write_bytes(b"\xff")
    with pytest.raises(NoBaseline, match="not UTF-8"):
        read(tmp_path / "b")


def test_compare_tells_what_newly_fails_and_what_newly_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    before.write_text(json.dumps(documented(failing(POOL_9.id))), encoding="utf-8")
    after.write_text(
        json.dumps(documented(everything_passes(found(POOL_1.id, Verdict.FAIL, seen="none")))), encoding="utf-8"
    )
    assert comparison.show(before, after) == 1
    said = capsys.readouterr().out
    assert "pool-1        pass → fail\n  seen        none\n" in said
    assert "pool-9        fail → pass\n" in said
    assert said.endswith("1 clause newly fails, 1 newly passes, 0 changed otherwise\n")
    assert comparison.show(after, before) == 1
    assert comparison.show(before, before) == 0
    assert capsys.readouterr().out.endswith("0 clauses newly fail, 0 newly pass, 0 changed otherwise\n")


def test_compare_refuses_what_is_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert comparison.show(tmp_path / "none", tmp_path / "none") == 2
    assert capsys.readouterr().err.startswith(f"preforkspec compare: {tmp_path}/none: No such file")


def test_a_verdict_lists_every_clause_so_that_none_is_known_by_omission() -> None:
    assert {each["id"] for each in documented(failing())["clauses"]} == set(CLAUSES)
