"""How long a whole check takes, and how much memory the suite has at its peak.

`benchmarks/check.py [--rounds N] [--workers N]`: interleaved rounds of the reference server and the example in C, with
2 workers by default. Memory is the sum of the suite's own processes (launcher, workers, wardens), shared pages counted
by halves and thirds (PSS), looked at every 50 ms.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUBJECTS = {
    "reference server": [],
    "example in C": ["--subject", str(ROOT / "subjects" / "example_c" / "profile.toml")],
}


def suite(pid: int) -> list[int]:
    """Give the suite's processes from one downwards; what a warden has below it is the subject's."""
    found = [pid]
    try:
        if b"subject.warden" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            for thread in os.listdir(f"/proc/{pid}/task"):
                for child in Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii").split():
                    found += suite(int(child))
    except OSError:
        pass
    return found


def memory(pid: int) -> float:
    """Give the MiB that one process has, its share of what it shares with others."""
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def checked(options: list[str]) -> tuple[float, float, int]:
    """Run one check; gives seconds, MiB at the peak, and the exit status."""
    began = time.monotonic()
    command = [sys.executable, "-m", "preforkspec", "check", *options]
    peak = 0.0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as check:
        while True:
            try:
                check.wait(0.05)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, sum(map(memory, suite(check.pid))))
    return time.monotonic() - began, peak, check.returncode


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    results: dict[str, list[tuple[float, float, int]]] = {name: [] for name in SUBJECTS}
    for _ in range(asked.rounds):
        for name, options in SUBJECTS.items():
            results[name].append(checked(["-n", str(asked.workers), *options]))
    for name, each in results.items():
        seconds = [result[0] for result in each]
        print(
            f"{name:18} median {statistics.median(seconds):5.1f} s, worst {max(seconds):5.1f} s, "
            f"peak {max(result[1] for result in each):4.0f} MiB, exit status {sorted({result[2] for result in each})}"
        )


if __name__ == "__main__":
    main()
