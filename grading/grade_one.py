"""Grades one submission: the stateless unit of a batch, `preforkspec grade-one PATH --out result.json`.

Lays it out, builds it and has it judged, the last two in a sandbox; scores the verdict. The same submission, profile,
rubric and seed give the same grade. Whatever is wrong with the submission is its result, and no error of ours.
"""

import hashlib
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from grading import laying_out, submissions
from grading import rubric as rubrics
from grading.document import version
from grading.laying_out import LaidOut, Unacceptable
from grading.rubric import Rubric, Score
from grading.submissions import Submission
from grading.wording import last_lines
from subject.build import BuildFailed, build
from subject.profile import Profile
from subject.sandbox import FULL, UNSANDBOXED, hand_over

SCHEMA = 1
# A check that hangs is ended. A server that fails takes minutes at most, though it is judged to the end.
JUDGED_WITHIN = 1800.0  # seconds
BUILT_WITHIN = 120.0
SECONDS_A_DAY = 86_400
MOST_LINES = 60  # of what a build said


class Outcome(Enum):
    """How far a submission came."""

    JUDGED = "judged"
    NOT_BUILT = "not built"
    UNACCEPTABLE = "unacceptable"  # it could not even be laid out
    BROKEN = "broken"  # the suite could not judge it: for a person


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How far a submission came, why no further, and what its build had said by then."""

    outcome: Outcome
    why: str = ""
    output: str = ""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What all submissions of a class are graded by.

    `command` is how this program is called again, `texts` are what profile and rubric were read from: the name and the
    contents of a file, by its option.
    """

    profile: Profile
    rubric: Rubric
    seed: int
    command: Sequence[str]
    texts: Mapping[str, tuple[str, str]]
    workers: int | None = None  # of each check; None: as many as a check has by itself
    rung: str | None = FULL  # how much of a sandbox there is for them at least (`isolation.rung`)

    def digest(self) -> str:
        """Give what a grade depends on beside the submission, in a few letters."""
        given = [
            version(),
            self.profile.model_dump_json(exclude={"cwd", "name"}),
            self.rubric.model_dump_json(),
            str(self.seed),
        ]
        return hashlib.sha256("\0".join(given).encode()).hexdigest()[:16]


def grade(submission: Submission, assignment: Assignment) -> dict[str, Any]:
    """Grade one submission; gives its result as plain values."""
    with tempfile.TemporaryDirectory(prefix="preforkspec-", ignore_cleanup_errors=True) as scratch:
        # The subject is somebody else, and has to get there.
        Path(scratch).chmod(0o711)
        work = _Work(submission, assignment, Path(scratch))
        try:
            return work.result()
        finally:
            submissions.remove(Path(scratch) / "handed in")


def as_text(result: Mapping[str, Any]) -> str:
    """Give a result as it is written."""
    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"


def result_of(
    submission: Submission,
    assignment: Assignment,
    ending: Ending,
    score: Score,
    *,
    left_out: Sequence[str] = (),
    verdict: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Give a result as plain values."""
    changed = datetime.fromtimestamp(submission.changed_at, UTC)
    return {
        "schema": SCHEMA,
        "submission": {
            "name": submission.name,
            "digest": digest(submission),
            "changed": changed.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "left_out": list(left_out),
        },
        "assignment": assignment.digest(),
        "seed": assignment.seed,
        "sandbox": assignment.rung or UNSANDBOXED,
        "outcome": ending.outcome.value,
        "why": ending.why,
        # The last lines, as text.
        "output": "\n".join(last_lines(ending.output, MOST_LINES)),
        "score": asdict(score) | {"lines": [_line(line) for line in score.lines]},
        "verdict": verdict,
    }


class _Work:
    """One submission on its way."""

    def __init__(self, submission: Submission, assignment: Assignment, scratch: Path) -> None:
        self.submission = submission
        self.assignment = assignment
        self.scratch = scratch
        self.left_out: list[str] = []

    def result(self) -> dict[str, Any]:
        """Go as far as it comes."""
        try:
            laid_out = submissions.lay_out(self.submission, self._folder("handed in"))
        except Unacceptable as error:
            return self._not_judged(Ending(outcome=Outcome.UNACCEPTABLE, why=str(error)))
        self.left_out = laid_out.left_out
        try:
            folder = self._built(laid_out)
        except (OSError, RecursionError) as error:
            why = f"what its build made can't be read: {getattr(error, 'strerror', None) or type(error).__name__}"
            return self._not_judged(Ending(outcome=Outcome.NOT_BUILT, why=why))
        except BuildFailed as error:
            return self._not_judged(Ending(outcome=Outcome.NOT_BUILT, why=error.how, output=error.output))
        except Unacceptable as error:
            return self._not_judged(Ending(outcome=Outcome.NOT_BUILT, why=str(error)))
        verdict, why = self._judged(folder)
        rubric = self.assignment.rubric
        if verdict is None:
            score = Score(points=0, out_of=rubric.out_of, flags=(f"could not be judged: {why}",))
            return self._told(Ending(outcome=Outcome.BROKEN, why=why), score)
        score = rubrics.score(verdict, rubric, days_late=self._days_late())
        return self._told(Ending(outcome=Outcome.JUDGED), score, verdict=verdict)

    def _not_judged(self, ending: Ending) -> dict[str, Any]:
        return self._told(ending, rubrics.unbuilt(self.assignment.rubric, ending.why, days_late=self._days_late()))

    def _folder(self, name: str) -> Path:
        folder = self.scratch / name
        folder.mkdir(mode=0o755)
        return folder

    def _built(self, laid_out: LaidOut) -> Path:
        """Build it, and give the folder with what came of it. Raises BuildFailed and Unacceptable."""
        profile = self.assignment.profile
        if profile.build is None:
            return laid_out.folder
        if self.assignment.rung is None:
            build(profile.model_copy(update={"cwd": laid_out.folder}), within=BUILT_WITHIN)
            return laid_out.folder
        made = LaidOut(self._folder("built"), self.left_out)
        hand_over(laid_out.folder, self.assignment.rung)
        build(
            profile.sandboxed(laid_out.folder, rung=self.assignment.rung),
            within=BUILT_WITHIN,
            then=lambda folder: submissions.copy(folder, made),
        )
        hand_over(made.folder, self.assignment.rung)
        return made.folder

    def _judged(self, folder: Path) -> tuple[dict[str, Any] | None, str]:
        """Have it judged; gives the verdict document, or why there is none."""
        profile, document = self.scratch / "profile.toml", self.scratch / "verdict.json"
        profile.write_text(_as_toml(self.assignment.profile, folder, self.submission.name), encoding="utf-8")
        asked = ["check", "--subject", str(profile), "--json", str(document), "--seed", str(self.assignment.seed)]
        # Where a check would stop depends on how quick the machine is, and a grade must not.
        asked.append("--to-the-end")
        if self.assignment.rung is not None:
            asked += ["--sandboxed", str(folder)]
        if self.assignment.workers is not None:
            asked += ["-n", str(self.assignment.workers)]
        # As a student would, with the profile that was handed out, in the folder of the work.
        handed_out, _ = self.assignment.texts["subject"]
        asked += ["--again", shlex.join(["preforkspec", "check", "--subject", handed_out])]
        try:
            done = subprocess.run(
                [*self.assignment.command, *asked],
                cwd=self.scratch,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=JUDGED_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"it was not judged after {JUDGED_WITHIN:.0f} s"
        try:
            verdict: dict[str, Any] = json.loads(document.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None, f"the check ended with status {done.returncode}: {last_words(done.stderr)}"
        return verdict, ""

    def _days_late(self) -> int:
        late = self.assignment.rubric.late
        if late is None:
            return 0
        after = self.submission.changed_at - late.due.timestamp()
        return max(0, -int(-after // SECONDS_A_DAY))

    def _told(self, ending: Ending, score: Score, *, verdict: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return result_of(self.submission, self.assignment, ending, score, left_out=self.left_out, verdict=verdict)


def last_words(complaints: bytes) -> str:
    """Give the last line of what a program wrote to its standard error."""
    return next(iter(last_lines(complaints.decode("utf-8", "replace"), 1)), "it said nothing")


def _line(line: rubrics.Line) -> dict[str, Any]:
    return {**asdict(line), "verdict": line.verdict.value}


def _as_toml(profile: Profile, folder: Path, name: str) -> str:
    """Write a profile down for a check, without its build, which is done: JSON's texts and numbers are TOML's."""
    kept = profile.model_dump(mode="json", exclude={"build", "cwd", "name"}, exclude_none=True)
    plain = {"name": name, "cwd": str(folder), **kept}
    tables = {key: plain.pop(key) for key in ("env", "settle") if key in plain}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for key, table in tables.items():
        lines += [f"[{key}]", *(f"{json.dumps(each)} = {json.dumps(value)}" for each, value in table.items())]
    return "\n".join(lines) + "\n"


def digest(submission: Submission) -> str:
    """Give what tells one submission's contents from others: of a folder, its files' names, contents and rights."""
    known = hashlib.sha256()
    path = submission.path
    if not path.is_dir():
        _add_file(known, path)
        return known.hexdigest()[:16]
    for where, folders, files in os.walk(path, followlinks=False):
        folders.sort()
        for name in sorted(files):
            entry = Path(where) / name
            known.update(f"{entry.relative_to(path)!s}\0{entry.lstat().st_mode}\0".encode("utf-8", "backslashreplace"))
            if entry.is_symlink():
                known.update(os.fsencode(entry.readlink()))
            elif entry.is_file():
                _add_file(known, entry)
    return known.hexdigest()[:16]


def _add_file(known: "hashlib._Hash", path: Path) -> None:
    with path.open("rb") as file:
        while chunk := file.read(laying_out.CHUNK):
            known.update(chunk)
