"""Wiring only: the options of a check, its fixtures, the clause mark, and the way from a test's end to the ledger."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from conformance import applicable, pace, plans
from conformance.backstop import Backstop
from conformance.launches import Launches
from conformance.records import Record
from conformance.run_notes import RunNotes
from conformance.scenes import place_of
from grading import evidence
from grading import finding as findings
from grading.bookkeeper import PLAN, Bookkeeper
from spec.clause import Clause, ClauseId
from spec.plan import NoPlan, Plan
from spec.plan import read as read_plan
from spec.sections import CLAUSES, UnknownClause, selected
from spec.verdict import Decision, NotApplicable, Verdict
from subject import namespaces
from subject import profile as profiles
from subject.build import BuildFailed, build
from subject.isolation import isolation_allowed, rung
from subject.sandbox import FULL

ROOT = Path(__file__).resolve().parent
FOLDERS = (ROOT / "conformance", ROOT / "fault_injection")  # where tests decide clauses
PROFILE = pytest.StashKey[profiles.Profile]()
FOLDER = pytest.StashKey[Path]()
SEEN = pytest.StashKey[str]()
SET_UP = pytest.StashKey[float]()  # seconds: the scene is played there


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of a check; `preforkspec check` passes them on."""
    group = parser.getgroup("check", "judging a server")
    group.addoption("--server", metavar="CMD", help="the server's command line, with {port} and other placeholders")
    group.addoption("--subject", metavar="FILE", type=Path, help="a profile in TOML, in place of --server")
    group.addoption(
        "--sandboxed", metavar="DIR", type=Path, help="confine the server to a sandbox, with this for a home"
    )
    group.addoption("--port", metavar="N", type=int, help="the port that a server without {port} listens on")
    group.addoption("--service-time", metavar="S", type=float, help="seconds that the server sleeps in each service")
    group.addoption("--clause", metavar="ID", action="append", default=[], help="judge only these clauses or sections")
    group.addoption("--level", choices=["must", "should"], default="must", help="the clauses that decide the status")
    group.addoption(
        "--patience", metavar="X", type=float, default=1.0, help="scale for all waits that end in a verdict"
    )
    group.addoption("--seed", metavar="N", type=int, help="draws the second set of parameters (default: random)")
    group.addoption("--json", metavar="FILE", type=Path, help="write the verdict document")
    group.addoption("--html", metavar="FILE", type=Path, help="write a page for people")
    group.addoption("--junit", metavar="FILE", type=Path, help="write a report as JUnit XML")
    group.addoption("--ctrf", metavar="FILE", type=Path, help="write a report as CTRF JSON")
    group.addoption("--baseline", metavar="FILE", type=Path, help="what is known to fail: red only for what newly does")
    group.addoption("--strict-baseline", action="store_true", help="red as well for what is listed there and passes")
    group.addoption("--to-the-end", action="store_true", help="judge all, however much time comes to nothing")
    group.addoption("--fail-fast", action="store_true", help="stop at the first clause that fails")
    group.addoption("--verdict", action="store_true", help="print a verdict in place of pytest's own report")
    group.addoption("--plans", metavar="N", type=int, help="plans of messages to perform on the parent")
    group.addoption("--plan-length", metavar="N", type=int, help="the steps of each plan")
    group.addoption("--deep", action="store_true", help="perform many long plans: minutes in place of seconds")
    group.addoption("--soak", metavar="SECONDS", type=float, help="random faults and load, for so long, and no more")
    group.addoption("--replay", metavar="PLAN", help="perform this plan, and no other")
    group.addoption("--again", metavar="CMD", default="preforkspec check", help="the command to see a verdict again")
    group.addoption("--slowest", metavar="N", type=int, help="tell where the time went, for the N slowest clauses")
    group.addoption("--run-folder", metavar="DIR", type=Path, help="the folder of the run; its owner removes it")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare a check, in the controller and in each worker."""
    config.addinivalue_line("markers", "clause(id): the clause that the test decides")
    config.pluginmanager.register(Backstop(), "backstop")
    try:
        chosen = _chosen(config)
        profile = _profile(config)
        sandboxed: Path | None = config.option.sandboxed
        config.stash[PROFILE] = (
            profile if sandboxed is None else profile.sandboxed(sandboxed.absolute(), rung=rung() or FULL)
        )
        config.stash[plans.EFFORT] = _effort(config)
        config.stash[plans.REPLAYED] = _replayed(config)
    except (UnknownClause, profiles.ProfileError, NoPlan) as error:
        raise pytest.UsageError(str(error)) from error
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is not None:
        _belong_to_controller()
        config.stash[FOLDER] = Path(worker["folder"])
        config.option.seed = worker["seed"]
        return
    config.stash[FOLDER] = config.option.run_folder or Path(tempfile.mkdtemp(prefix="preforkspec-"))
    if not config.option.to_the_end:
        RunNotes(config.stash[FOLDER]).begin()
    if config.option.seed is None:
        config.option.seed = secrets.randbelow(1_000_000)
    if config.option.verdict:
        bookkeeper = Bookkeeper(
            config, frozenset(clause.id for clause in chosen), config.stash[PROFILE], config.stash[FOLDER]
        )
        config.pluginmanager.register(bookkeeper, "bookkeeper")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build the subject, once, before any worker starts. One that can't be built is one that can't start."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    try:
        build(config.stash[PROFILE])
    except BuildFailed as failure:
        # Where each worker's launches look first.
        RunNotes(config.stash[FOLDER]).note_that_it_cannot_start(str(failure))


def _chosen(config: pytest.Config) -> tuple[Clause, ...]:
    return selected(tuple(name for option in config.option.clause for name in option.split(",")))


def _belong_to_controller() -> None:
    """End with the controller, and leave Ctrl-C to it: a worker that judged on would do so for nobody."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    ctypes.CDLL(None).prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _profile(config: pytest.Config) -> profiles.Profile:
    options = config.option
    if options.server is not None and options.subject is not None:
        raise profiles.ProfileError("--server and --subject: give one of the two")
    if options.server is not None:
        return profiles.from_command(options.server, port=options.port, service_time=options.service_time)
    if options.subject is not None:
        return profiles.from_file(options.subject, port=options.port, service_time=options.service_time)
    return profiles.reference_server(ROOT)


def _replayed(config: pytest.Config) -> Plan | None:
    return read_plan(config.option.replay) if config.option.replay else None


def _effort(config: pytest.Config) -> plans.Effort:
    options = config.option
    effort = plans.DEEP if options.deep else plans.Effort()
    return replace(effort, plans=options.plans or effort.plans, steps=options.plan_length or effort.steps)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of one scene on one worker: it is played there once."""
    from conformance.scheduling import by_scene

    # By our own order, and not by how many tests a scene has.
    config.option.loadscopereorder = False
    return by_scene(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker what all of them must agree on."""
    node.workerinput["folder"] = str(node.config.stash[FOLDER])
    node.workerinput["seed"] = node.config.option.seed


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if FOLDER in config.stash and not hasattr(config, "workerinput") and config.option.run_folder is None:
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bind tests to clauses: each test of these folders to a known one, each clause to a test; then select."""
    ours = [item for item in items if any(item.path.is_relative_to(folder) for folder in FOLDERS)]
    if not ours:
        return
    for item in ours:
        if not _clauses(item) or any(clause not in CLAUSES for clause in _clauses(item)):
            raise pytest.UsageError(f"{item.nodeid}: expected a mark with the id of a clause, found {_clauses(item)}")
    decided = {clause for item in ours for clause in _clauses(item)}
    everything = {path for folder in FOLDERS for path in folder.glob("test_*.py")}
    if {item.path for item in ours} == everything and decided != set(CLAUSES):
        raise pytest.UsageError(f"clauses without a test: {', '.join(sorted(set(CLAUSES) - decided))}")
    chosen = {clause.id for clause in _chosen(config)}
    kept = [item for item in items if item not in ours or chosen.intersection(_clauses(item))]
    if config.stash[plans.REPLAYED] is not None:
        kept = [item for item in kept if "planned" in getattr(item, "fixturenames", ())]
    if config.option.soak is not None:
        kept = [item for item in kept if "soak_seconds" in getattr(item, "fixturenames", ())]
    kept.sort(key=lambda item: place_of(item.nodeid))
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    _write_plan(config.stash[FOLDER], {item.nodeid: _clauses(item) for item in kept if item in ours})


def _write_plan(folder: Path, plan: dict[str, list[ClauseId]]) -> None:
    """Tell the controller which clauses each test decides; each worker writes the same, whole or not at all."""
    scratch = folder / f"{PLAN}.{os.getpid()}"
    scratch.write_text(json.dumps(plan), encoding="utf-8")
    scratch.replace(folder / PLAN)


def _clauses(item: pytest.Item) -> list[ClauseId]:
    return [ClauseId(mark.args[0]) for mark in item.iter_markers("clause") if mark.args]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave alone what the subject does not claim, or is not told."""
    for clause in _clauses(item):
        why = applicable.why_not(CLAUSES[clause], item.config.stash[PROFILE])
        if why is not None:
            raise NotApplicable(why)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the finding of a test that decides a clause into its report; what is undecided counts as skipped."""
    report = yield
    if call.when == "setup":
        item.stash[SET_UP] = call.duration
    ended = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
    if not ended or not _clauses(item):
        return report
    error = call.excinfo.value if call.excinfo is not None else None
    launches: Launches | None = getattr(item, "funcargs", {}).get("launches")
    told = getattr(error, "seen", None) or str(error)
    record = launches.record_of(told) if launches is not None and error is not None else Record()
    seconds = item.stash[SET_UP] + (call.duration if call.when == "call" else 0.0)
    spent = launches.account.close() if launches is not None else {}
    notes = RunNotes(item.config.stash[FOLDER])
    for clause in _clauses(item):
        finding = findings.from_outcome(
            clause,
            item.nodeid,
            error,
            seen=item.stash.get(SEEN, ""),
            output=record.output,
            seconds=seconds,
            spent=spent,
        )
        if finding.verdict is Verdict.FAIL:
            finding = replace(finding, evidence=evidence.plain(record.parameters, record.timeline))
        report.user_properties.append((findings.PROPERTY, finding.as_json()))
        if finding.verdict is Verdict.FAIL:
            notes.note_failure(clause)
    if finding.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE):
        notes.note_in_vain(seconds)
    for used in getattr(launches, "used", ()):
        report.user_properties.append((findings.PARAMETERS, asdict(used)))
    if isinstance(error, Decision) and error.verdict not in (Verdict.FAIL, Verdict.ERROR):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, str(error))
    return report


@pytest.fixture(scope="session")
def launches(request: pytest.FixtureRequest) -> Iterator[Launches]:
    """Give the launches of this worker; whatever still runs at the end is ended."""
    config = request.config
    profile = config.stash[PROFILE]
    handed_out = Launches(
        profile=profile,
        pace=pace.of(profile, patience=config.option.patience),
        seed=config.option.seed,
        folder=config.stash[FOLDER],
        isolate=isolation_allowed(),
        worker=getattr(config, "workerinput", {}).get("workerid", "main"),
    )
    yield handed_out
    handed_out.close()


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note what was seen, for the verdict document, also of a test that passes."""

    def note(text: str) -> None:
        request.node.stash[SEEN] = text

    return note
