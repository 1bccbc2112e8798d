"""Grading as a teacher does it: a folder in, pages and a gradebook out; and what one submission leads to."""

import csv
import json
import os
import shlex
import shutil
import subprocess
import time
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grading import batch, grade_one, gradebook, rubric
from grading.grade_one import Assignment
from grading.reports import grade_page, gradescope
from grading.submissions import Submission
from selftests.command_line import COMMAND, environment, preforkspec, read
from selftests.findings import documented, everything_passes, found
from selftests.test_report_page import Page
from selftests.test_reports import NASTY
from spec.epoll import EPOLL_1
from spec.pool import POOL_9
from spec.sections import CLAUSES
from spec.verdict import Verdict
from subject import isolation
from subject.profile import Profile

RUBRIC = rubric.read(None)
ASSIGNMENT = Assignment(
    profile=Profile(command="./a {port}"),
    rubric=RUBRIC,
    seed=1,
    command=COMMAND,
    texts={"subject": ("profile.toml", "")},
)
RESULTS = json.loads((Path(__file__).parent / "formats" / "gradescope.schema.json").read_text(encoding="utf-8"))
sandboxed = pytest.mark.skipif(
    isolation.why_not_sandboxed() is not None or shutil.which("cc") is None, reason="no sandbox, or no C compiler"
)

# Does what the shortest of submissions might: nothing that is asked for.
DONE_AT_ONCE = "int main(void) { return 0; }"


def result(name: str = "ada", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever stands in a result
    """Give the result of a submission that fails one clause, and of which one could not be decided."""
    document = documented(everything_passes(found(POOL_9.id, Verdict.FAIL), found(EPOLL_1.id, Verdict.INCONCLUSIVE)))
    score = rubric.score(document, RUBRIC)
    lines = [{**asdict(line), "verdict": line.verdict.value} for line in score.lines]
    plain = {
        "schema": 1,
        "submission": {"name": name, "file": f"{name}.c", "digest": "0", "changed": None, "left_out": []},
        "assignment": ASSIGNMENT.digest(),
        "seed": 1,
        "sandbox": "full",
        "outcome": "judged",
        "why": "",
        "output": "",
        "score": {**asdict(score), "lines": lines},
        "verdict": document,
    }
    return plain | more


def unbuilt(name: str, why: str) -> dict[str, Any]:
    score = {**asdict(rubric.unbuilt(RUBRIC, why)), "lines": []}
    return result(name, outcome="not built", why=why, verdict=None, score=score)


@pytest.mark.parametrize("given", [result(), unbuilt("bob", NASTY)], ids=["judged", "not built"])
def test_gradescope_gets_what_its_documentation_asks_for(given: dict[str, Any]) -> None:
    jsonschema.validate(json.loads(gradescope.render(given)), RESULTS)


def test_gradescope_gets_a_test_for_each_clause_and_scores_that_add_up() -> None:
    given = result()
    results = json.loads(gradescope.render(given))
    assert [test["number"] for test in results["tests"]] == list(CLAUSES)
    assert round(sum(test["score"] for test in results["tests"]), 2) == results["score"] == given["score"]["points"]
    status = {test["number"]: test.get("status") for test in results["tests"]}
    assert (status["pool-9"], status["pool-8"], status["epoll-1"]) == ("failed", "passed", None)
    assert "for a person to look at: epoll-1: inconclusive" in results["output"]


def test_the_gradebook_has_a_line_for_each_and_no_formula(tmp_path: Path) -> None:
    given = [result(), unbuilt("bob", "=HYPERLINK(1)\n@x")]
    gradebook.write(given, tmp_path)
    with (tmp_path / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["submission"], float(line["points"]), line["outcome"]) for line in lines] == [
        ("ada", given[0]["score"]["points"], "judged"),
        ("bob", 0.0, "not built"),
    ]
    sections = grade_page.points_by_section(given[0])
    assert sum(float(lines[0][name]) for name in sections) == pytest.approx(given[0]["score"]["points"])
    assert gradebook.cell("=1+1") == "'=1+1"
    assert gradebook.cell("a\x1b[2J\nb") == "a[2J b"


def test_a_students_page_has_the_points_and_the_verdict() -> None:
    text = " ".join(Page(grade_page.render(result())).text.split())
    cost = next(line for line in result()["score"]["lines"] if line["clause"] == POOL_9.id)["worth"]
    for part in (
        "ada",
        "of 100 points",
        "epoll-1: inconclusive",
        POOL_9.text,
        f"pool-9{cost:.2f}",
    ):
        assert part in text


def test_the_page_of_what_was_not_built_says_why_and_is_no_markup() -> None:
    page = grade_page.render(unbuilt("bob", NASTY) | {"output": f"cc -o prefork\n{NASTY}\nprefork.c:3: error"})
    assert "<script" not in page
    assert "prefork.c:3: error" in Page(page).text
    assert "Not built" in Page(page).text
    assert "alert(1)" in Page(page).text


def test_the_index_leads_to_each_page(tmp_path: Path) -> None:
    given = [result(), unbuilt("bob", "make: error")]
    for each in given:
        gradebook.write_page(each, tmp_path)
    gradebook.write(given, tmp_path)
    index = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    leads = [at["href"] for tag, at in index.elements if tag == "a" and at.get("href")]
    assert leads == ["pages/ada.html", "pages/bob.html"]
    assert all((tmp_path / str(each)).is_file() for each in leads)


def test_a_submission_that_is_gone_by_now_stops_nobody(tmp_path: Path) -> None:
    gone = batch.broken(Submission("ada", tmp_path / "ada"), ASSIGNMENT, "it went")
    assert gone["outcome"] == "broken"


@pytest.mark.parametrize("text", ["𠮷田", "a\x7fb", 'q"\\', "\t\n", "é"])
def test_a_profile_is_written_down_as_it_is(tmp_path: Path, text: str) -> None:
    profile = Profile(command="./a {port}", env={text: text})
    written = tomllib.loads(grade_one.as_toml(profile, tmp_path / text, text))
    assert (written["name"], written["cwd"], written["env"]) == (text, str(tmp_path / text), {text: text})


@sandboxed
def test_whatever_this_users_files_are_else_a_submission_can_be_built_and_started(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "prefork.c").write_text(DONE_AT_ONCE, encoding="utf-8")
    command = shlex.join([*COMMAND, "grade-one", "sub", "--out", "."])
    done = subprocess.run(
        ["sh", "-c", f"umask 077; exec {command}"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = read(tmp_path / "sub.json")
    assert (made["outcome"], made["submission"]["file"]) == ("judged", "sub")
    assert (tmp_path / "sub.json").stat().st_mode & 0o77 == 0, "a grade is nobody else's"


@sandboxed
def test_a_class_is_graded_with_one_command_and_not_again(tmp_path: Path) -> None:
    handed_in = tmp_path / "handed in"
    (handed_in / "broken").mkdir(parents=True)
    (handed_in / "broken" / "prefork.c").write_text("int main(void) {", encoding="utf-8")
    (handed_in / "done.c").write_text(DONE_AT_ONCE, encoding="utf-8")
    (handed_in / "no archive.zip").write_bytes(b"PK")
    (handed_in / "--help").mkdir()
    (handed_in / "--help" / "prefork.c").write_text("int", encoding="utf-8")
    (handed_in / "link").symlink_to("done.c")
    done = preforkspec("grade", ".", "--out", "../report", cwd=handed_in)
    assert done.status == 0, done.err
    assert "left out: 'link' is a link" in done.err
    with (tmp_path / "report" / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        outcomes = {line["submission"]: (line["outcome"], line["points"]) for line in csv.DictReader(file)}
    assert outcomes == {
        "broken": ("not built", "0.0"),
        "help": ("not built", "0.0"),
        "done": ("judged", "0.0"),
        "no_archive": ("unacceptable", "0.0"),
    }
    verdict = read(tmp_path / "report" / "results" / "done.json")["verdict"]
    (failed,) = [each for each in verdict["clauses"] if each["verdict"] == "fail"]
    command = "./prefork {port} {min_spare} {max_spare} {max_connections}"
    shown = f"preforkspec check --server '{command}' --seed 1 --clause lifecycle-1"
    assert (failed["id"], failed["replay"]) == ("lifecycle-1", shown)
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "gradebook.csv",
        "index.html",
        "pages",
        "results",
    ]
    again = preforkspec("grade", "handed in", "--out", "report", cwd=tmp_path)
    assert again.status == 0
    assert "\n4 submissions graded before, 0 to go\n" in again.err


@sandboxed
def test_what_is_late_costs_points_by_when_it_was_changed(tmp_path: Path) -> None:
    (tmp_path / "done.c").write_text("int main(void) { return 1 }", encoding="utf-8")
    os.utime(tmp_path / "done.c", (0, 0))
    rules = "build_failure = 50\n[late]\ndue = 1970-01-03T00:00:00Z\nper_day = 10\nat_most = 30\n"
    (tmp_path / "rubric.toml").write_text(rules, encoding="utf-8")
    for changed, points in ((0, 50), (2.5 * 86_400, 40), (time.time(), 20)):
        asked = ("grade-one", "done.c", "--out", "r.json", "--rubric", "rubric.toml", f"--changed={changed}")
        assert preforkspec(*asked, cwd=tmp_path).status == 0
        assert read(tmp_path / "r.json")["score"]["points"] == points


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("none", "--out", "r"), "none: no such file or folder"),
        (("empty", "--out", "r"), "empty: nothing in it"),
        (("work", "--out", "work/report"), "--out work/report: is within the submissions"),
        (("work", "--out", "file"), "--out file: is a file"),
        (("work", "--out", "link/report"), "--out link/report: is within the submissions"),
        (("work", "--out", "file/report"), "--out file/report: Not a directory"),
        (("work", "--out", "taken"), "--out taken: File exists"),
        (("pipe", "--out", "r"), "pipe: is no folder and no regular file"),
        (
            ("work", "--out", "r", "--scheduler", "tcp://127.0.0.1:1"),
            "--scheduler tcp://127.0.0.1:1: Connection refused",
        ),
        (("work", "--out", "r", "--rubric", "none.toml"), "--rubric none.toml: No such file"),
        (("work", "--out", "r", "--subject", "none.toml"), "none.toml: No such file"),
    ],
)
def test_what_can_not_be_graded_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "work" / "one").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "results").touch()
    (tmp_path / "link").symlink_to("work")
    os.mkfifo(tmp_path / "pipe")
    done = preforkspec("grade", *arguments, cwd=tmp_path)
    assert done.status == 2
    assert not (tmp_path / "r").exists()
    assert done.err.startswith(f"preforkspec grade: {expected}")
    assert done.err.count("\n") == 1
