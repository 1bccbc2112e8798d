"""The controller's side of a check: takes findings out of pytest's reports, tells the verdict, sets the exit status."""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from grading import document as documents
from grading.baseline import holds, read
from grading.durations import durations
from grading.finding import PARAMETERS, PROPERTY, Finding
from grading.ledger import Ledger, conforms
from grading.progress import Progress
from grading.reports import writing
from grading.terminal import Terminal
from spec.clause import ClauseId, Level
from spec.sections import CLAUSES
from spec.verdict import Verdict
from subject import isolation
from subject.profile import Profile

# In the folder of the run: the clauses that each selected test decides, by the test's id.
PLAN = "plan.json"
CONFORMS, FAILS, UNDECIDED = 0, 1, 3


class Bookkeeper:
    """A pytest plugin of the controller, in place of pytest's own terminal report.

    `stop` ends the check early; the launcher brings one that ends it at once.
    """

    def __init__(self, config: pytest.Config, selected: frozenset[ClauseId], profile: Profile, folder: Path) -> None:
        self.options = config.option
        self.ledger = Ledger(selected)
        self.profile = profile
        self.folder = folder
        self.level = Level(config.option.level)
        # Read now, and not at the end of a check.
        self.baseline = None if config.option.baseline is None else read(config.option.baseline)
        self.stop: Callable[[str], object] = pytest.exit
        self.terminal = Terminal()
        self.progress = Progress(self.terminal.console)
        self.began, self.started = time.monotonic(), datetime.now(UTC)
        self.isolation = "not tried"
        self.parameters: list[dict[str, Any]] = []
        self._plan: dict[str, list[ClauseId]] = {}
        self._told: int | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Say what is judged, before the workers start."""
        self.terminal.begin(self.profile.title, version=documents.version(), seed=self.options.seed)
        self.progress.start(of=len(self.ledger.selected))
        # Tried now: a check that is stopped has no time for it.
        self.isolation = isolation.in_words()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Show what is being judged."""
        self.progress.judging(self._clauses_of(nodeid), done=self.ledger.done())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the findings of one test."""
        properties: list[tuple[str, Any]] = report.user_properties
        for name, value in properties:
            if name == PROPERTY and report.when != "teardown":
                self._take(Finding.from_json(value))
            elif name == PARAMETERS and value not in self.parameters:
                self.parameters.append(value)
        if report.when == "teardown" and report.failed:
            self.ledger.suite_errors.append(report.longreprtext)
        if report.when not in ("setup", "call", "teardown"):
            # What xdist says of a worker that ended in the middle of a test.
            for clause in self._clauses_of(report.nodeid):
                seen = "a process of the suite ended while it judged this"
                self._take(Finding(clause=clause, test=report.nodeid, verdict=Verdict.ERROR, seen=seen))

    def _take(self, finding: Finding) -> None:
        self.ledger.add(finding)
        self.progress.judged(done=self.ledger.done())
        deciding = self.level is Level.SHOULD or CLAUSES[finding.clause].level is Level.MUST
        if self.options.fail_fast and finding.verdict is Verdict.FAIL and deciding:
            self.stop(f"stopped at the first failure, {finding.clause}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file of the suite that can't be collected is the suite's error."""
        if report.failed:
            self.ledger.suite_errors.append(report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> bool:
        """So is pytest's own. True: it is told with the verdict, pytest need not print it."""
        self.ledger.suite_errors.append(str(excrepr))
        return True

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """A worker that ends before its time is the suite's error, with what is known of it."""
        if error:
            self.ledger.suite_errors.append(f"a worker of the suite ended: {node}: {error}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the verdict, and set the exit status by the contract of the command line."""
        session.exitstatus = self.tell()

    def tell(self, stopped: str = "") -> int:
        """Print the verdict on what was judged, write the document, and give the exit status; once.

        `stopped` says why not everything was judged.
        """
        if self._told is not None:
            return self._told
        seconds = time.monotonic() - self.began
        self._read_plan()
        run = documents.Run(began=self.started, seconds=seconds, seed=self.options.seed, level=self.level)
        document = documents.document(
            self.ledger,
            subject={
                "name": self.profile.title,
                "command": self.profile.command,
                "port": self.profile.port,
                "parameters": self.parameters,
            },
            environment=documents.environment(isolation=self.isolation),
            run=run,
            replay=f"{self.options.again} --seed {self.options.seed}",
        )
        # Before anything is printed: whoever reads the terminal may be gone.
        targets = {name: getattr(self.options, name) for name in writing.FORMATS}
        for error in writing.write(document, {name: path for name, path in targets.items() if path is not None}):
            self.ledger.suite_errors.append(error)
            document["summary"]["conforms"] = conforms(self.ledger, self.level)
        conform = self._conforms()
        self._told = UNDECIDED if conform is None else CONFORMS if conform else FAILS
        self.progress.end()
        self.terminal.verdict(
            self.ledger, document, level=self.level, seed=self.options.seed, seconds=seconds, stopped=stopped
        )
        if self.baseline is not None:
            self.terminal.against(self.ledger, self.baseline, strict=self.options.strict_baseline)
        writing.tell_github(document)
        if self.options.slowest:
            self.terminal.print(durations(self.ledger.findings, most=self.options.slowest))
        return self._told

    def _conforms(self) -> bool | None:
        """Tell what the exit status says: whether the subject conforms, or is no worse than its baseline."""
        if self.baseline is None:
            return conforms(self.ledger, self.level)
        return holds(self.ledger, self.level, self.baseline, strict=self.options.strict_baseline)

    def _clauses_of(self, nodeid: str) -> list[ClauseId]:
        if nodeid not in self._plan:
            self._read_plan()
        return self._plan.get(nodeid, [])

    def _read_plan(self) -> None:
        """Read what the collection wrote; there is nothing before it is over."""
        if not self._plan and (self.folder / PLAN).exists():
            self._plan = json.loads((self.folder / PLAN).read_text(encoding="utf-8"))
            self.ledger.expected = Counter(clause for clauses in self._plan.values() for clause in clauses)
