"""`preforkspec grade` and `grade-one`: makes sure that the request makes sense, then has the submissions graded."""

import argparse
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from preforkspec import house, remote
from preforkspec.keeper import UNDECIDED, Keeper
from preforkspec.options import USAGE
from preforkspec.request import BadRequest, examine_folder, examine_target

WORKERS_OF_MANY = 2
DEFAULT_SEED = 1  # the same for all of a class, and the same tomorrow


def run(asked: argparse.Namespace) -> int:
    """Grade, and give the exit status: 0 once all was graded, 3 where a person must look at some."""

    def tell(why: str) -> int:
        import_module("grading.page").Page(file=sys.stderr).show_cursor()
        stands = "; what is graded stands, and the next run goes on from there" if asked.command == "grade" else ""
        sys.stderr.write(f"\npreforkspec {asked.command}: {why}{stands}\n")
        return UNDECIDED

    keeper = Keeper(tell)
    folder = house.move_in()
    try:
        examine_folder()
        assignment = _assignment(asked, folder)
        handed_in = _handed_in(asked)
        _insist_on_target(asked, handed_in)
    except BadRequest as error:
        sys.stderr.write(f"preforkspec {asked.command}: {error}\n")
        return USAGE
    try:
        scratch = keeper.move_in()
        # A subject that is somebody else has to get to its own folder.
        scratch.chmod(0o711)
        # For all that is ours below, too: one folder to remove, however we end.
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        return _grade(asked, handed_in, assignment, scratch)
    finally:
        keeper.leave()


def _grade(asked: argparse.Namespace, handed_in: list[Any], assignment: Any, scratch: Path) -> int:  # noqa: ANN401
    commands, cluster = import_module("grading.commands"), import_module("grading.cluster")
    if asked.command == "grade-one":
        return int(commands.one(handed_in[0], assignment, asked.out, for_gradescope=asked.gradescope))
    if asked.scheduler is not None:
        where = cluster.Where(scheduler=asked.scheduler, remote=remote.grade)
    else:
        where = _here(asked, assignment, scratch)
    try:
        return int(commands.all_of(handed_in, assignment, asked.out, where=where))
    except cluster.NoCluster as error:
        sys.stderr.write(f"preforkspec grade: {error}\n")
        return USAGE


def _here(asked: argparse.Namespace, assignment: Any, scratch: Path) -> Any:  # noqa: ANN401 - the suite's
    # All are graded by the rules of now: the file may be a pipe, or be edited meanwhile.
    given = [f"--seed={assignment.seed}", *remote.rules(assignment.texts, scratch)]
    if asked.allow_unsandboxed:
        given.append("--allow-unsandboxed")
    if assignment.rung == "partial" and os.geteuid() != 0 and asked.workers > 1:
        # All are one user, and without a user namespace a limit on processes is all of the user's.
        sys.stderr.write("a partial sandbox: one submission at a time, as they share a limit on processes\n")
        asked.workers = 1
    if asked.workers > len(os.sched_getaffinity(0)) and not assignment.profile.service_time:
        # Many checks of two workers each are quicker in all than as many of three (docs/benchmarks.md).
        given.append(f"-n={WORKERS_OF_MANY}")
    return import_module("grading.commands").Here(workers=asked.workers, options=given)


def _assignment(asked: argparse.Namespace, folder: Path) -> Any:  # noqa: ANN401 - a type of the suite's
    profiles, rubrics = import_module("subject.profile"), import_module("grading.rubric")
    grade_one = import_module("grading.grade_one")
    subject = asked.subject or folder / "subjects" / "assignment" / "profile.toml"
    try:
        profile = profiles.from_file(subject)
        texts = {
            name: (path.name, _text(name, path))
            for name, path in (("subject", subject), ("rubric", asked.rubric))
            if path
        }
        rubric = rubrics.from_text(texts["rubric"][1], asked.rubric) if asked.rubric else rubrics.read(None)
    except (profiles.ProfileError, rubrics.RubricError) as error:
        raise BadRequest(str(error)) from error
    return grade_one.Assignment(
        profile=profile,
        rubric=rubric,
        seed=DEFAULT_SEED if asked.seed is None else asked.seed,
        command=remote.command(),
        texts=texts,
        rung=_rung(asked),
        workers=asked.workers if asked.command == "grade-one" else None,
    )


def _text(name: str, path: Path) -> str:
    """Read a file once, which may be a pipe."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"--{name} {path}: {error.strerror}; expected a file in TOML") from error
    except UnicodeDecodeError as error:
        raise BadRequest(f"--{name} {path}: {error}; expected UTF-8") from error


def _rung(asked: argparse.Namespace) -> str | None:
    isolation, sandbox = import_module("subject.isolation"), import_module("subject.sandbox")
    if asked.command == "grade" and asked.scheduler is not None:
        # What there is in all is each worker's own matter.
        return None if asked.allow_unsandboxed else str(sandbox.PARTIAL)
    rung: str | None = isolation.rung()
    if rung is None and not asked.allow_unsandboxed:
        why = f"full: {isolation.why_not_sandboxed()}; partial: {isolation.why_not_partly()}"
        raise BadRequest(f"no sandbox can be had here ({why}); expected one, or --allow-unsandboxed")
    return rung


def _handed_in(asked: argparse.Namespace) -> list[Any]:
    submissions = import_module("grading.submissions")
    try:
        if asked.command == "grade":
            found = list(submissions.found(asked.path))
            for each in submissions.left_out(asked.path):
                sys.stderr.write(f"preforkspec grade: left out: {each}\n")
            return found
        if not (asked.path.is_dir() or asked.path.is_file()):
            raise BadRequest(f"{asked.path}: no such file or folder; expected a submission")
        name = asked.name or submissions.name_of(asked.path)
        return [submissions.Submission(name, asked.path, asked.changed)]
    except submissions.Unacceptable as error:
        raise BadRequest(str(error)) from error
    except OSError as error:
        raise BadRequest(f"{asked.path}: {error.strerror}; expected submissions that can be read") from error


def _insist_on_target(asked: argparse.Namespace, handed_in: list[Any]) -> None:
    try:
        if asked.command == "grade-one":
            _insist_on_files(asked, handed_in[0].name)
        else:
            _insist_on_folder(asked)
    except OSError as error:
        raise BadRequest(f"--out {asked.out}: {error.strerror}; expected a place that can be written to") from error


def _insist_on_files(asked: argparse.Namespace, name: str) -> None:
    if asked.out.is_dir():
        asked.out = asked.out / f"{name}.json"
    taken = {asked.path.resolve(): "the submission"}
    for option in ("out", "gradescope"):
        if (path := getattr(asked, option)) is None:
            continue
        where = examine_target(option, path).resolve()
        if where in taken and (not where.exists() or where.is_file()):
            raise BadRequest(f"--{option} {path}: is {taken[where]}; expected a file of its own")
        taken[where] = f"--{option}"


def _insist_on_folder(asked: argparse.Namespace) -> None:
    out, work = asked.out.resolve(), asked.path.resolve()
    if out.exists() and not out.is_dir():
        raise BadRequest(f"--out {asked.out}: is a file; expected a folder, or one that can be made")
    if out == work or work in out.parents:
        raise BadRequest(f"--out {asked.out}: is within the submissions; expected a folder of its own")
    if asked.scheduler is not None:
        cluster = import_module("grading.cluster")
        try:
            cluster.insist_on_somebody(asked.scheduler)
        except cluster.NoCluster as error:
            raise BadRequest(str(error)) from error
    for folder in (out, *(out / name for name in import_module("grading.gradebook").FOLDERS)):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise BadRequest(f"--out {asked.out}: {folder} may not be written; expected a folder that may")
