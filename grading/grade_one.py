"""Grades one submission: the stateless unit of a batch, `preforkspec grade-one PATH --out result.json`.

Lays it out, builds it and has it judged, the last two in a sandbox; scores the verdict. The same submission, profile,
rubric and seed give the same grade. Whatever is wrong with the submission is its result, and no error of ours.
"""

import errno
import hashlib
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from grading import contents, submissions
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
MOST_LINES = 60  # of what a build said
# What this machine lacks, and no submission can help.
LACKING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


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
        """Give what a verdict depends on beside the submission, in a few letters."""
        given = [version(), self.profile.model_dump_json(exclude={"cwd", "name"}), str(self.seed)]
        return hashlib.sha256("\0".join(given).encode()).hexdigest()[:16]


def grade(submission: Submission, assignment: Assignment) -> dict[str, Any]:
    """Grade one submission; gives its result as plain values."""
    with tempfile.TemporaryDirectory(prefix="preforkspec-", ignore_cleanup_errors=True) as scratch:
        # The subject is somebody else, and has to get there.
        Path(scratch).chmod(0o711)
        work = _Work(submission, assignment, Path(scratch))
        with _open_to_all():
            try:
                return work.result()
            finally:
                submissions.remove(Path(scratch) / "handed in")


@contextmanager
def _open_to_all() -> Iterator[None]:
    """Let everybody read what is made meanwhile, whatever this user's files are else: the subject is somebody else."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def as_text(result: Mapping[str, Any]) -> str:
    """Give a result as it is written."""
    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"


def result_of(
    submission: Submission,
    assignment: Assignment,
    ending: Ending,
    *,
    digest: str | None = None,
    left_out: Sequence[str] = (),
    verdict: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Give a result as plain values; the digest is that of the contents that were graded."""
    graded = {
        "schema": SCHEMA,
        "submission": {
            "name": submission.name,
            "digest": contents.digest(submission.path) if digest is None else digest,
            "left_out": list(left_out),
        },
        "assignment": assignment.digest(),
        "seed": assignment.seed,
        "sandbox": assignment.rung or UNSANDBOXED,
        "outcome": ending.outcome.value,
        "why": ending.why,
        # The last lines, as text.
        "output": "\n".join(last_lines(ending.output, MOST_LINES)),
        "verdict": verdict,
    }
    return scored(graded, submission, assignment.rubric)


def scored(result: dict[str, Any], submission: Submission, rubric: Rubric) -> dict[str, Any]:
    """Give a result with its score by a rubric, and by when the submission was last changed."""
    changed = submission.changed_at
    days = rubric.late.days(changed) if rubric.late is not None else 0
    match Outcome(result["outcome"]):
        case Outcome.JUDGED:
            score = rubrics.score(result["verdict"], rubric, days_late=days)
        case Outcome.BROKEN:
            score = Score(points=0, out_of=rubric.out_of, flags=(f"could not be graded: {result['why']}",))
        case outcome:
            why = f"{outcome.value}: {result['why']}"
            # What we can't read, somebody else may: an archive of another kind, or nothing by mistake.
            flags = (why,) if outcome is Outcome.UNACCEPTABLE else ()
            score = rubrics.unbuilt(rubric, why, days_late=days, flags=flags)
    when = datetime.fromtimestamp(changed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [{**asdict(line), "verdict": line.verdict.value} for line in score.lines]
    return result | {
        "submission": result["submission"] | {"file": submission.file, "changed": when},
        # As JSON has it: what is read again is to be the same.
        "score": asdict(score) | {"lines": lines, "flags": list(score.flags), "notes": list(score.notes)},
    }


class _Work:
    """One submission on its way."""

    def __init__(self, submission: Submission, assignment: Assignment, scratch: Path) -> None:
        self.submission = submission
        self.assignment = assignment
        self.scratch = scratch
        self.left_out: list[str] = []
        # Before anything of it is read: who changes it meanwhile is graded anew by the next run.
        self.digest = contents.digest(submission.path)

    def result(self) -> dict[str, Any]:
        """Go as far as it comes."""
        laid_out = self._laid_out()
        if isinstance(laid_out, Ending):
            return self._told(laid_out)
        folder = self._made(laid_out)
        if isinstance(folder, Ending):
            return self._told(folder)
        verdict, why = self._judged(folder)
        return self._told(Ending(outcome=Outcome.JUDGED if verdict else Outcome.BROKEN, why=why), verdict)

    def _laid_out(self) -> LaidOut | Ending:
        try:
            laid_out = submissions.lay_out(self.submission, self._folder("handed in"))
        except Unacceptable as error:
            return Ending(outcome=Outcome.UNACCEPTABLE, why=str(error))
        except OSError as error:
            return Ending(outcome=Outcome.BROKEN, why=f"it can't be read: {error.strerror or error}")
        self.left_out = laid_out.left_out
        return laid_out

    def _made(self, laid_out: LaidOut) -> Path | Ending:
        try:
            return self._built(laid_out)
        except (OSError, RecursionError) as error:
            why = f"what its build made can't be read: {getattr(error, 'strerror', None) or type(error).__name__}"
            ours = getattr(error, "errno", None) in LACKING
            return Ending(outcome=Outcome.BROKEN if ours else Outcome.NOT_BUILT, why=why)
        except BuildFailed as error:
            outcome = Outcome.NOT_BUILT if error.by_itself else Outcome.BROKEN
            return Ending(outcome=outcome, why=error.how, output=error.output)
        except Unacceptable as error:
            return Ending(outcome=Outcome.NOT_BUILT, why=str(error))

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
        profile.write_text(as_toml(self.assignment.profile, folder, self.submission.name), encoding="utf-8")
        asked = ["check", "--subject", str(profile), "--json", str(document), "--seed", str(self.assignment.seed)]
        # Where a check would stop depends on how quick the machine is, and a grade must not.
        asked.append("--to-the-end")
        if self.assignment.rung is not None:
            asked += ["--sandboxed", str(folder)]
        if self.assignment.workers is not None:
            asked += ["-n", str(self.assignment.workers)]
        asked += ["--again", shlex.join(["preforkspec", "check", *self._subject()])]
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

    def _subject(self) -> list[str]:
        """Give the options of a check that a student would use, in the folder of the work."""
        profile = self.assignment.profile
        kept = profile.model_dump(exclude={"build", "cwd", "name"}, exclude_defaults=True)
        options = {"command": "--server", "port": "--port", "service_time": "--service-time"}
        if not kept.keys() <= options.keys():
            # With the profile that was handed out.
            return ["--subject", self.assignment.texts["subject"][0]]
        return [word for key, value in kept.items() for word in (options[key], str(value))]

    def _told(self, ending: Ending, verdict: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return result_of(
            self.submission, self.assignment, ending, digest=self.digest, left_out=self.left_out, verdict=verdict
        )


def last_words(complaints: bytes) -> str:
    """Give the last line of what a program wrote to its standard error."""
    return next(iter(last_lines(complaints.decode("utf-8", "replace"), 1)), "it said nothing")


def as_toml(profile: Profile, folder: Path, name: str) -> str:
    """Write a profile down for a check, without its build, which is done."""
    kept = profile.model_dump(mode="json", exclude={"build", "cwd", "name"}, exclude_none=True)
    plain = {"name": name, "cwd": str(folder), **kept}
    tables = {key: plain.pop(key) for key in ("env", "settle") if key in plain}
    lines = [f"{key} = {_as_value(value)}" for key, value in plain.items()]
    for key, table in tables.items():
        lines += [f"[{key}]", *(f"{_as_value(each)} = {_as_value(value)}" for each, value in table.items())]
    return "\n".join(lines) + "\n"


def _as_value(value: object) -> str:
    """Write a value of TOML: as JSON has it, but for characters that JSON writes as halves, or need not escape."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
