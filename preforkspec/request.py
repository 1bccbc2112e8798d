"""From what a user asked for to pytest's options: everything that may be wrong is looked at before anything runs."""

import argparse
import itertools
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

# Tests mostly wait: three at a time need not half of two processors. A server that sleeps leaves room for another.
WORKERS, SLEEPERS_WORKERS = 3, 4
MOST_OF_A_PLAN = 1 << 20  # characters
REPORTS = ("json", "html", "junit", "ctrf")  # the options that name a file to write
SOAKED = "recovery-17"  # the clause that a soak decides


class BadRequest(Exception):
    """What was asked for can't be done; the text is one line for the user."""


def options(asked: argparse.Namespace) -> list[str]:
    """Give pytest's options for a check. Raises BadRequest."""
    examine_folder()
    _examine_texts(asked)
    selectors = [name for word in asked.clause for name in word.split(",") if name]
    if asked.replay is not None and not asked.clause:
        selectors = list(import_module("spec.parent").JUDGED)
    if asked.soak is not None:
        if asked.clause and set(selectors) != {SOAKED}:
            raise BadRequest(f"--soak: expected no --clause but {SOAKED}, which is all that a soak decides")
        selectors = [SOAKED]
    level = asked.level or _level_of(_examine_selection(asked, selectors))
    if asked.strict_baseline and asked.baseline is None:
        raise BadRequest("--strict-baseline: expected with --baseline FILE; nothing is known to fail")
    service_time = _service_time(asked)
    if asked.workers is None:
        asked.workers = SLEEPERS_WORKERS if service_time else WORKERS
    given = _subject_options(asked)
    if asked.patience != 1.0:
        given.append(("--patience", f"{asked.patience:g}"))
    if asked.soak is not None:
        given.append(("--soak", f"{asked.soak:g}"))
    # `=` joins them: a word that pytest does not know yet, and that is a path, would have it load a conftest.py there.
    decisive = (*given, ("--level", level), ("--again", asked.again or _again(given)))
    return [*(f"{name}={value}" for name, value in decisive), *_judging_options(asked, selectors)]


def _judging_options(asked: argparse.Namespace, selectors: list[str]) -> Iterator[str]:
    for name in selectors:
        yield f"--clause={name}"
    for name in REPORTS:
        if (path := getattr(asked, name)) is not None:
            yield f"--{name}={examine_target(name, path)}"
    if asked.replay is not None:
        yield f"--replay={_examine_plan(asked.replay)}"
    if asked.baseline is not None:
        yield f"--baseline={_examine_baseline(asked.baseline)}"
    flags = {"to-the-end": asked.to_the_end, "fail-fast": asked.fail_fast, "deep": asked.deep}
    flags["strict-baseline"] = asked.strict_baseline
    yield from (f"--{name}" for name, is_given in flags.items() if is_given)
    numbers = {"seed": asked.seed, "plans": asked.plans, "plan-length": asked.plan_length, "slowest": asked.durations}
    yield from (f"--{name}={number}" for name, number in numbers.items() if number is not None)
    # One worker is this process itself: nothing need be started, and a single clause is judged at once.
    if asked.workers > 1:
        yield from ("--tx", f"{asked.workers}*popen//python={_interpreter()}", "--dist", "load")
        yield from ("--max-worker-restart", "4")


def examine_folder() -> None:
    """Make sure that there is a current folder."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadRequest("the current folder is gone; expected to be started in one that exists") from None


def _examine_texts(asked: argparse.Namespace) -> None:
    """Refuse what is no text: it could not be told to the workers, nor written in the document."""
    for given in (asked.server, asked.subject, *(getattr(asked, name) for name in REPORTS)):
        if given is not None and any("\ud800" <= sign <= "\udfff" for sign in str(given)):
            raise BadRequest(f"{str(given)!a}: expected UTF-8")


def _examine_selection(asked: argparse.Namespace, selectors: list[str]) -> list[str]:
    """Give the levels of the selected clauses."""
    sections = import_module("spec.sections")
    if asked.clause and not selectors:
        raise BadRequest("--clause: expected an id such as pool-2, or a section; nothing was given")
    try:
        return [clause.level.value for clause in sections.selected(tuple(selectors))]
    except sections.UnknownClause as error:
        raise BadRequest(f"--clause: {error}") from error


def _level_of(levels: list[str]) -> str:
    """Choose a level: where no MUST was selected, the SHOULDs that were are what the user asks about."""
    return "must" if "must" in levels else "should"


def _service_time(asked: argparse.Namespace) -> float:
    """Examine the profile, and give the seconds that the server sleeps in each service. Raises BadRequest."""
    if asked.server is not None and asked.subject is not None:
        raise BadRequest("--server and --subject: expected one of the two, both were given")
    if asked.server is None and asked.subject is None and (asked.port, asked.service_time) != (None, None):
        raise BadRequest("--port and --service-time: expected only with --server or --subject")
    profiles = import_module("subject.profile")
    own = {"port": asked.port, "service_time": asked.service_time}
    try:
        if asked.server is not None:
            return float(profiles.from_command(asked.server, **own).service_time)
        if asked.subject is not None:
            return float(profiles.from_file(asked.subject, **own).service_time)
    except profiles.ProfileError as error:
        raise BadRequest(str(error)) from error
    return 0.0


def _subject_options(asked: argparse.Namespace) -> list[tuple[str, str]]:
    options = []
    if asked.server is not None:
        options.append(("--server", asked.server))
    if asked.subject is not None:
        options.append(("--subject", str(asked.subject)))
    if asked.sandboxed is not None:
        if not asked.sandboxed.is_dir():
            raise BadRequest(f"--sandboxed {asked.sandboxed}: no such folder; expected the server's own")
        options.append(("--sandboxed", str(asked.sandboxed)))
    if asked.port is not None:
        options.append(("--port", str(asked.port)))
    if asked.service_time is not None:
        options.append(("--service-time", f"{asked.service_time:g}"))
    return options


def _examine_plan(path: Path) -> str:
    """Read the plan to be performed, now: the file may be one that can be read only once."""
    plan = import_module("spec.plan")
    try:
        with path.open(encoding="utf-8") as file:
            return str(plan.read(file.read(MOST_OF_A_PLAN)))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise BadRequest(f"--replay {path}: {why}; expected a plan, as a check's `again` gives it") from error
    except plan.NoPlan as error:
        raise BadRequest(f"--replay {path}: {error}") from error


def _examine_baseline(path: Path) -> Path:
    baseline = import_module("grading.baseline")
    try:
        baseline.read(path)
    except baseline.NoBaseline as error:
        raise BadRequest(f"--baseline {error}") from error
    return path.absolute()


def examine_target(name: str, path: Path) -> Path:
    """Make sure that a report can be written at the end, so that no run is lost."""
    target = path.absolute()
    if target.is_dir():
        raise BadRequest(f"--{name} {path}: is a folder; expected a file")
    if not target.parent.is_dir():
        raise BadRequest(f"--{name} {path}: no folder {target.parent}; expected a file in a folder that exists")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise BadRequest(f"--{name} {path}: may not be written")
    return target


def _interpreter() -> str:
    """Give the workers' interpreter, in quotes; -P keeps a student's `socket.py` from standing in for the library's."""
    return f"{shlex.quote(os.path.normpath(sys.executable))} -P"


def _again(given: list[tuple[str, str]]) -> str:
    """Give the command that shows a verdict again, to paste into a shell in the same folder."""
    program = sys.argv[0]
    if Path(program).name == "__main__.py":
        words = [Path(sys.executable).name if _is_on_path(sys.executable) else sys.executable, "-m", "preforkspec"]
    else:
        words = ["preforkspec" if _is_on_path(program) else program]
    # What begins with a dash would be taken for an option of its own.
    options = [[f"{name}={value}"] if value.startswith("-") else [name, value] for name, value in given]
    return shlex.join([*words, "check", *itertools.chain(*options)])


def _is_on_path(program: str) -> bool:
    found = shutil.which(Path(program).name)
    return found is not None and Path(found).absolute() == Path(program).absolute()
