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
class Where:
    """Who grades: so many processes of this machine, or the workers of a cluster, by its scheduler's address."""

    workers: int
    scheduler: str | None
    remote: cluster.Remote


def one(submission: Submission, assignment: Assignment, out: Path, *, for_gradescope: Path | None) -> int:
    """Grade one submission and write its result, and another for Gradescope where that is wanted."""
    result = grade(submission, assignment)
    writing.put(out, as_text(result))
    if for_gradescope is not None:
        writing.put(for_gradescope, gradescope.render(result))
    return FOR_A_PERSON if result["outcome"] == Outcome.BROKEN.value else GRADED


def all_of(
    handed_in: Sequence[Submission], assignment: Assignment, out: Path, *, asked: Sequence[str], where: Where
) -> int:
    """Grade a class and tell where everything is. Raises NoCluster."""
    with tempfile.TemporaryDirectory(prefix="preforkspec-") as scratch:
        if where.scheduler is None:
            grader = partial(_here, assignment=assignment, asked=asked, workers=where.workers)
        else:
            cluster.insist_on_somebody(where.scheduler)
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
    work: Sequence[Submission], *, assignment: Assignment, asked: Sequence[str], workers: int
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    return batch.side_by_side(work, lambda each: batch.by_itself(each, assignment, options=asked), workers=workers)


def _elsewhere(
    work: Sequence[Submission], *, assignment: Assignment, where: Where, scratch: Path
) -> Iterator[tuple[Submission, dict[str, Any]]]:
    for submission, came in cluster.graded(
        work,
        scheduler=str(where.scheduler),
        remote=where.remote,
        assignment=assignment,
        scratch=scratch,
    ):
        yield submission, batch.broken(submission, assignment, came) if isinstance(came, str) else came
