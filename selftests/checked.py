"""One check of one server of the corpus: how it is run, what it said, and whether the suite was right.

What a check said stays beside the server that was built.
"""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from selftests import corpus
from selftests.corpus import Server

Done = TypeVar("Done")

ROOT = Path(__file__).resolve().parent.parent
# A check of a failing server is cut short; a sound one that regulates once a second and sleeps in each service is not.
LONGEST = 600
WRONG = ("MISSED", "elsewhere", "ALARM", "BROKEN")  # outcomes with which the suite was not right


@dataclass(frozen=True)
class Checked:
    """What a check said of one server: the clauses by verdict, and what it took."""

    server: Server
    verdicts: dict[str, str]
    seen: dict[str, str]
    seconds: float
    trouble: str = ""

    @property
    def failed(self) -> list[str]:
        """The clauses that fail."""
        return [clause for clause, verdict in self.verdicts.items() if verdict == "fail"]

    @property
    def unexpected(self) -> list[str]:
        """The clauses that fail, and need not."""
        expected = {self.server.clause, *self.server.also}
        return [] if corpus.EVERYTHING in expected else [clause for clause in self.failed if clause not in expected]

    @property
    def odd(self) -> dict[str, str]:
        """The verdicts that a sound server must not get."""
        fine = ("pass", "not-applicable", "not-run")
        return {clause: verdict for clause, verdict in self.verdicts.items() if verdict not in fine}

    @property
    def outcome(self) -> str:
        """Say in a word whether the suite was right: caught, caught+ (others too), or sound; else one of WRONG."""
        if self.trouble or "error" in self.verdicts.values():
            return "BROKEN"
        if not self.server.clause:
            return "ALARM" if self.odd else "sound"
        if self.server.clause in self.failed:
            return "caught+" if self.unexpected else "caught"
        return "elsewhere" if self.failed else "MISSED"

    def __str__(self) -> str:
        """The outcome, and in a line each the clauses that matter."""
        server = self.server
        lines = [f"{self.outcome:10} {server.name:34} {server.clause:12} {self.seconds:5.1f} s {self.trouble}"]
        for clause, verdict in self.verdicts.items():
            odd = verdict in ("fail", "error", "inconclusive") or (verdict == "blocked" and not server.clause)
            if odd or (clause == server.clause and verdict != "fail"):
                expected = "" if clause == server.clause or clause in server.also else "(not expected) "
                lines.append(f"    {clause:12} {verdict:12} {expected}{self.seen[clause][:200]}")
        return "\n".join(lines)


def check(
    server: Server, folder: Path, *, clauses: Sequence[str] = (), workers: int = 3, options: Sequence[str] = ()
) -> Checked:
    """Build one server into a folder of its own and judge it, by all clauses or by some."""
    began = time.monotonic()
    where = folder / server.name
    document = where / "verdict.json"
    try:
        profile = server.built(where)
        command = [
            *(sys.executable, "-m", "pytest", "-c", "tox.ini", "--rootdir", "."),
            "conformance",
            "fault_injection",
        ]
        chosen = [*(f"--clause={clause}" for clause in clauses), *options]
        asked = [*("-p", "no:terminal", "--verdict"), *("-n", str(workers)), *("--subject", str(profile)), *chosen]
        done = subprocess.run(
            [*command, *asked, "--json", str(document)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        (where / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
        judged = json.loads(document.read_text(encoding="utf-8"))["clauses"]
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return Checked(server, {}, {}, time.monotonic() - began, trouble=f"{type(error).__name__}: {error}"[:300])
    verdicts, seen = ({clause["id"]: clause[key] for clause in judged} for key in ("verdict", "seen"))
    trouble = "" if clauses else not_whole(verdicts)
    return Checked(server, verdicts, seen, time.monotonic() - began, trouble)


def not_whole(verdicts: Mapping[str, str]) -> str:
    """Say how many clauses a check of all did not come to, or nothing where it came to all."""
    missing = list(verdicts.values()).count("not-run")
    return f"{missing} clauses were not run" if missing else ""


def end_in_order() -> None:
    """Have SIGTERM end this program as Ctrl-C does: what was begun is waited for, and no folder is left behind."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def side_by_side(jobs: Iterable[Callable[[], Done]], *, at_once: int) -> Iterator[Done]:
    """Do jobs, so many at once, and give what comes of each as it is done.

    Whoever ends a run of hours waits for what has begun, and for nothing else.
    """
    executor = ThreadPoolExecutor(at_once)
    try:
        for done in as_completed([executor.submit(job) for job in jobs]):
            yield done.result()
    finally:
        executor.shutdown(cancel_futures=True)


def counted(checks: Sequence[Checked]) -> str:
    """Say how many there are of each outcome."""
    counts = Counter(each.outcome for each in checks)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def commit() -> str:
    """Give the commit of the suite that judges, `-dirty` where it is not all of it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
