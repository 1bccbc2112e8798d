"""How fast a class is graded, by one worker and by several, and that the grades are the same.

`benchmarks/classes.py [--workers N …] [--rounds N] [--out DIR] [NAME …]`: interleaved rounds over the class of
selftests/classroom, or some of it, with 1 and 2 workers by default. Tells submissions a minute, how many times faster
than the first, every result that is not what the class's table expects, and what was left running or written beside
--out. Given a folder, it keeps the report of each run there, as `ROUND-WORKERS`.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from selftests import classroom, leftovers  # noqa: E402 - found by the line above
from selftests.classroom import Pupil  # noqa: E402


def graded(pupils: Sequence[Pupil], workers: int, kept: Path | None) -> float:
    """Grade once; gives the seconds, prints what is not as expected, and moves the report to `kept`."""
    with leftovers.open_folder() as folder:
        classroom.hand_in(pupils, folder / "class")
        before = sorted(os.listdir(folder))
        command = [sys.executable, "-P", "-m", "preforkspec", "grade", "class", "--out", "report", "-n", str(workers)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), leftovers.MARK: str(folder)}
        began = time.monotonic()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            print(f"  exit status {done.returncode}: {done.stderr[-300:]}")
        for pupil in pupils:
            result = json.loads((folder / "report" / "results" / f"{pupil.name}.json").read_text(encoding="utf-8"))
            for difference in classroom.differences(pupil, result):
                print(f"  {pupil.name}: {difference}")
        if left := leftovers.processes(folder):
            print(f"  left running: {left}")
        if beside := sorted({*os.listdir(folder)} - {*before, "report"}):
            print(f"  written beside --out: {beside}")
        if kept:
            shutil.move(folder / "report", kept)
    return seconds


def main() -> None:
    """Print a line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of submissions (all)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the reports here")
    asked = parser.parse_args()
    if asked.out:
        if asked.out.exists():
            parser.error(f"{asked.out}: expected a folder that is not there yet")
        asked.out.mkdir(parents=True)
    pupils = [each for each in classroom.everyone() if not asked.names or each.name in asked.names]
    seconds: dict[int, list[float]] = {}
    for number in range(asked.rounds):
        for workers in asked.workers:
            taken = graded(pupils, workers, asked.out and asked.out / f"{number + 1}-{workers}")
            seconds.setdefault(workers, []).append(taken)
            print(f"round {number + 1}: {len(pupils)} submissions, {workers} at a time: {taken:.0f} s", flush=True)
    first = statistics.median(seconds[asked.workers[0]])
    for workers, each in seconds.items():
        median = statistics.median(each)
        print(f"{workers} at a time: {60 * len(pupils) / median:.1f} a minute, {first / median:.2f} times as fast")


if __name__ == "__main__":
    main()
