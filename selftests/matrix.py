"""Checks servers of the corpus, several at a time, and prints what each verdict was.

`python -m selftests.matrix [mutants|variants|NAME …] [--at-once N] [--out FOLDER]`
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from selftests import corpus
from selftests.corpus import Server

ROOT = Path(__file__).resolve().parent.parent
# A check of a failing server is cut short; a sound one that regulates once a second and sleeps in each service is not.
LONGEST = 600


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
    def outcome(self) -> str:
        """Say in a word whether the suite was right: caught, elsewhere, MISSED, sound or ALARM."""
        fine = ("pass", "not-applicable", "not-run")
        odd = [clause for clause, verdict in self.verdicts.items() if verdict not in fine]
        if self.trouble or "error" in self.verdicts.values():
            return "BROKEN"
        if not self.server.clause:
            return "ALARM" if odd else "sound"
        if self.server.clause in self.failed:
            expected = {self.server.clause, *self.server.also}
            return "caught" if corpus.EVERYTHING in expected or set(self.failed) <= expected else "caught+"
        return "elsewhere" if self.failed else "MISSED"


def check(
    server: Server, folder: Path, *, clauses: Sequence[str] = (), workers: int = 4, options: Sequence[str] = ()
) -> Checked:
    """Build one server and judge it, by all clauses or by some, with more `options` of a check."""
    began = time.monotonic()
    where = folder / server.name
    try:
        profile = server.built(where)
        document = where / "verdict.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            "tox.ini",
            "--rootdir",
            ".",
            "conformance",
            "fault_injection",
            "-p",
            "no:terminal",
        ]
        selected = [*(f"--clause={clause}" for clause in clauses), *options]
        done = subprocess.run(
            [*command, "--verdict", "-n", str(workers), "--subject", str(profile), "--json", str(document), *selected],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        verdict = json.loads(document.read_text(encoding="utf-8"))
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return Checked(server, {}, {}, time.monotonic() - began, trouble=f"{type(error).__name__}: {error}"[:300])
    (where / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    return Checked(
        server,
        {clause["id"]: clause["verdict"] for clause in verdict["clauses"]},
        {clause["id"]: clause["seen"] for clause in verdict["clauses"]},
        time.monotonic() - began,
    )


def told(checked: Checked) -> str:
    """Put one outcome in a few lines."""
    server = checked.server
    lines = [f"{checked.outcome:10} {server.name:34} {server.clause:12} {checked.seconds:5.1f} s {checked.trouble}"]
    for clause, verdict in checked.verdicts.items():
        if verdict in ("fail", "error", "inconclusive") or (verdict == "blocked" and not server.clause):
            expected = "" if clause == server.clause or clause in server.also else "(not expected) "
            lines.append(f"    {clause:12} {verdict:12} {expected}{checked.seen[clause][:200]}")
    return "\n".join(lines)


def main() -> int:
    """Check what was named; status 1 where the suite was wrong about any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["mutants", "variants"])
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    servers = [server for name in options.names for server in _named(name)]
    with tempfile.TemporaryDirectory(prefix="matrix-") as scratch, ThreadPoolExecutor(options.at_once) as executor:
        folder = options.out or Path(scratch)
        outcomes: list[str] = []
        for checked in executor.map(lambda server: check(server, folder), servers):
            print(told(checked), flush=True)
            outcomes.append(checked.outcome)
    print(", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in sorted(set(outcomes))))
    return int(any(outcome in ("MISSED", "ALARM", "BROKEN", "elsewhere") for outcome in outcomes))


def _named(name: str) -> list[Server]:
    if name == "mutants":
        return corpus.mutants()
    if name == "variants":
        return corpus.variants()
    everyone = corpus.mutants() + corpus.variants()
    found = [server for server in everyone if name in (server.name, server.clause)]
    if not found:
        raise SystemExit(f"{name!r}: no server of the corpus has this name, and no mutant breaks such a clause")
    return found


if __name__ == "__main__":
    sys.exit(main())
