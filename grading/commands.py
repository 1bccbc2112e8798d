"""The two commands that grade: one submission, and a class; what they write, and what they tell."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from grading import batch, cluster, gradebook
from grading.grade_one import Assignment, Outcome, as_text, grade
from grading.page import Page
from grading.reports import gradescope, writing
from grading.submissions import Submission
from grading.wording import counted

GRADED, FOR_A_PERSON = 0, 3


@dataclass(frozen=True, kw_only=True)
class Here:
    """This machine grades, so many submissions at a time; `options` are those of `grade-one` that say what by."""

    workers: int
    options: Sequence[str]


def one(submission: Submission, assignment: Assignment, out: Path, *, for_gradescope: Path | None) -> int:
    """Grade one submission and write its result, and another for Gradescope where that is wanted."""
    result = grade(submission, assignment)
    writing.put(out, as_text(result))
    if for_gradescope is not None:
        writing.put(for_gradescope, gradescope.render(result))
    return FOR_A_PERSON if result["outcome"] == Outcome.BROKEN.value else GRADED


def all_of(handed_in: Sequence[Submission], assignment: Assignment, out: Path, *, where: Here | cluster.Where) -> int:
    """Grade a class and tell where everything is. Raises NoCluster."""
    with tempfile.TemporaryDirectory(prefix="preforkspec-") as scratch:
        if isinstance(where, Here):
            grader = partial(_here, assignment=assignment, where=where)
        else:
            grader = partial(_elsewhere, assignment=assignment, where=where, scratch=Path(scratch))
        graded = batch.run(handed_in, assignment, out, grade=grader)
    broken = [each for each in graded if each.result["outcome"] == Outcome.BROKEN.value]
    flagged = [each for each in graded if each.result["score"]["flags"]]
    page = Page()
    page.print(f"{counted(len(graded), 'submission')} graded: {out / gradebook.GRADEBOOK}, {out / gradebook.INDEX}")
    if flagged:
        page.print(f"for a person to look at: {', '.join(each.submission.name for each in flagged)}")
    return FOR_A_PERSON if broken else GRADED


def _here(
    work: Sequence[Submission], *, assignment: Assignment, where: Here
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    return batch.side_by_side(
        work, lambda each: batch.by_itself(each, assignment, options=where.options), workers=where.workers
    )


def _elsewhere(
    work: Sequence[Submission], *, assignment: Assignment, where: cluster.Where, scratch: Path
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    for submission, came in cluster.graded(work, where=where, assignment=assignment, scratch=scratch):
        yield submission, batch.broken(submission, assignment, came) if isinstance(came, str) else came
