"""Grades a class: each submission once, several at a time, and a killed run goes on where it stopped.

A submission's result lands whole, or not at all, in `results/NAME.json`; whatever is there already, and was graded by
the same rules, is not graded again. Each is graded by a process of its own: what becomes of one is nobody else's.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from grading import contents, gradebook
from grading.grade_one import SCHEMA, Assignment, Ending, Outcome, as_text, last_words, result_of, scored
from grading.page import Page
from grading.reports import writing
from grading.submissions import Submission
from grading.wording import counted
from subject.sandbox import RUNGS, UNSANDBOXED


@dataclass(frozen=True)
class Graded:
    """One submission and what came of it, as plain values (`grade_one`)."""

    submission: Submission
    result: dict[str, Any]


# Seconds. What takes time in it has limits of its own; this is for what nobody thought of.
GRADED_WITHIN = 2400.0

# What comes of a result that somebody has edited, or that was written halfway.
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, IndexError, StopIteration)

# Grades submissions in whatever way; gives each with its result as it is done.
Grader = Callable[[Sequence[Submission]], Iterator[tuple[Submission, dict[str, Any]]]]


def run(handed_in: Sequence[Submission], assignment: Assignment, out: Path, *, grade: Grader) -> list[Graded]:
    """Grade all that are not graded yet, and write the pages and the gradebook; gives all results, by name."""
    (out / gradebook.RESULTS).mkdir(parents=True, exist_ok=True)
    known = {each.name: result for each in handed_in if (result := known_result(each, assignment, out)) is not None}
    left = [each for each in handed_in if each.name not in known]
    console = Page(file=sys.stderr)
    if known:
        console.print(f"{counted(len(known), 'submission')} graded before, {len(left)} to go")
    graded = [Graded(each, known[each.name]) for each in handed_in if each.name in known]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("grading", total=len(handed_in), completed=len(known))
        for submission, result in grade(left):
            graded.append(Graded(submission, result))
            keep(result, out)
            gradebook.write_page(result, out)
            # Of all that are graded so far: a run may be stopped.
            _write_gradebook(graded, out)
            score = result["score"]
            progress.console.print(
                f"{submission.name}: {score['points']:g} of {score['out_of']:g} ({result['outcome']})"
            )
            progress.advance(task)
    _write_gradebook(graded, out)
    return graded


def _write_gradebook(graded: list[Graded], out: Path) -> None:
    graded.sort(key=lambda each: each.submission.place)
    gradebook.write([each.result for each in graded], out)


def keep(result: Mapping[str, Any], out: Path) -> None:
    """Write a result where a later run finds it."""
    writing.put(gradebook.result_of(result["submission"]["name"], out), as_text(result))


def side_by_side(
    work: Sequence[Submission], grade: Callable[[Submission], dict[str, Any]], *, workers: int
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    """Grade so many at a time; gives each as it is done."""
    executor = ThreadPoolExecutor(workers)
    try:
        running = {executor.submit(grade, each): each for each in work}
        for done in as_completed(running):
            yield running[done], done.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def known_result(submission: Submission, assignment: Assignment, out: Path) -> dict[str, Any] | None:
    """Give what is there of a submission: of the same contents, by the same rules, in no lesser sandbox, decided.

    Its score is that by the rubric of now, and its page is there. None for whatever can't be understood.
    """
    path = gradebook.result_of(submission.name, out)
    try:
        if not path.is_file():
            return None
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = (
            result["schema"] == SCHEMA
            and result["assignment"] == assignment.digest()
            and result["submission"]["name"] == submission.name
            and result["submission"]["digest"] == contents.digest(submission.path)
            and RUNGS.index(result["sandbox"]) >= RUNGS.index(assignment.rung or UNSANDBOXED)
            and result["outcome"] != Outcome.BROKEN.value
        )
        if not same:
            return None
        now = scored(result, submission, assignment.rubric)
        if now != result:
            keep(now, out)
        if not gradebook.has_page(now, out):
            gradebook.write_page(now, out)
    except (OSError, RecursionError, *DAMAGED):
        return None
    return now


def by_itself(submission: Submission, assignment: Assignment, *, options: Sequence[str]) -> dict[str, Any]:
    """Grade one submission in a process of its own; `options` are those of `grade-one` that say what by."""
    with tempfile.TemporaryDirectory(prefix="preforkspec-") as scratch:
        target = Path(scratch) / "result.json"
        asked = [
            "grade-one",
            str(submission.path.absolute()),
            "--out",
            str(target),
            "--name",
            submission.name,
            *options,
        ]
        try:
            done = subprocess.run(
                [*assignment.command, *asked],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=GRADED_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return broken(submission, assignment, f"it was not graded after {GRADED_WITHIN:.0f} s")
        try:
            result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return broken(submission, assignment, f"status {done.returncode}: {last_words(done.stderr)}")
    return result


def broken(submission: Submission, assignment: Assignment, why: str) -> dict[str, Any]:
    """Give the result of a submission that the suite could not grade: it has no points yet, and is for a person."""
    return result_of(submission, assignment, Ending(outcome=Outcome.BROKEN, why=why))
