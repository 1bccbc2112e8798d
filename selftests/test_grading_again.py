"""What a later run makes of the results that are there: those that stand, those that are others', and damaged ones."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grading import batch, contents, rubric, submissions
from grading.grade_one import grade
from grading.submissions import Submission
from selftests.command_line import read
from selftests.test_grading import ASSIGNMENT, RUBRIC, result


@pytest.fixture
def ada(tmp_path: Path) -> tuple[Submission, dict[str, Any], Path]:
    """Give a submission, its result, and where that is kept."""
    work, out = tmp_path / "ada", tmp_path / "out"
    work.mkdir()
    (work / "a.c").write_text("1", encoding="utf-8")
    (out / "results").mkdir(parents=True)
    made = result()
    made["submission"]["digest"] = contents.digest(work)
    batch.keep(made, out)
    return Submission("ada", work), made, out


def test_a_result_of_the_same_files_by_the_same_rules_is_taken_and_no_other(
    ada: tuple[Submission, dict[str, Any], Path],
) -> None:
    handed_in, made, out = ada
    work = handed_in.path
    assert batch.known_result(handed_in, ASSIGNMENT, out) is not None
    other = replace(ASSIGNMENT, seed=2)
    assert batch.known_result(handed_in, other, out) is None
    assert batch.known_result(handed_in, replace(ASSIGNMENT, rung="partial"), out) is not None
    batch.keep(made | {"sandbox": "partial"}, out)
    assert batch.known_result(handed_in, ASSIGNMENT, out) is None
    batch.keep(made | {"outcome": "broken"}, out)
    assert batch.known_result(handed_in, ASSIGNMENT, out) is None
    batch.keep(made, out)
    (work / "a.c").write_text("2", encoding="utf-8")
    assert batch.known_result(handed_in, ASSIGNMENT, out) is None
    batch.keep(made | {"assignment": "another"}, out)


def test_a_result_that_stands_is_scored_by_the_rubric_and_the_times_of_now(
    ada: tuple[Submission, dict[str, Any], Path],
) -> None:
    handed_in, made, out = ada
    os.utime(handed_in.path / "a.c", (0, 10 * 86_400))
    late = rubric.Late(due=datetime(1970, 1, 10, tzinfo=UTC), per_day=10)
    stricter = replace(ASSIGNMENT, rubric=RUBRIC.model_copy(update={"late": late}))
    known = batch.known_result(handed_in, stricter, out)
    assert known is not None
    assert known["score"]["points"] == pytest.approx(made["score"]["points"] - 10)
    assert read(out / "results" / "ada.json") == known
    assert "1 day late: 10 points less" in (out / "pages" / "ada.html").read_text(encoding="utf-8")
    os.utime(handed_in.path / "a.c", (0, 0))
    known = batch.known_result(handed_in, stricter, out)
    assert known is not None
    assert known["score"]["points"] == pytest.approx(made["score"]["points"])


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("{", encoding="utf-8"),
        lambda path: path.write_text("[" * 100_000, encoding="utf-8"),
        lambda path: path.write_text("[]", encoding="utf-8"),
        lambda path: path.write_text(
            path.read_text(encoding="utf-8").replace('"ada"', '"../../bob"'), encoding="utf-8"
        ),
        lambda path: path.write_text(
            path.read_text(encoding="utf-8").replace('"pool-9"', '"pool-99"'), encoding="utf-8"
        ),
        lambda path: path.write_text(json.dumps(read(path) | {"verdict": {"clauses": [1]}}), encoding="utf-8"),
        lambda path: path.write_text(json.dumps(read(path) | {"verdict": None}), encoding="utf-8"),
        _fifo,
        _folder,
    ],
    ids=["cut", "deep", "list", "name", "clause", "clauses", "no verdict", "pipe", "folder"],
)
def test_a_result_that_can_not_be_understood_is_none(
    ada: tuple[Submission, dict[str, Any], Path], damage: Callable[[Path], object]
) -> None:
    handed_in, _, out = ada
    damage(out / "results" / "ada.json")
    assert batch.known_result(handed_in, ASSIGNMENT, out) is None
    assert not (out.parent / "bob.html").exists()


def test_what_this_machine_lacks_is_no_fault_of_a_submission(
    ada: tuple[Submission, dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(submissions, "lay_out", full)
    handed_in, _, _ = ada
    broken = grade(handed_in, ASSIGNMENT)
    assert (broken["outcome"], broken["why"]) == ("broken", "it can't be read: No space left on device")
    assert broken["score"]["flags"] == ["could not be graded: it can't be read: No space left on device"]
