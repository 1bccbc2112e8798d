"""How long a whole check takes, and how much memory the suite has at its peak.

`benchmarks/check.py [--rounds N] [--workers N] [--beside N]`: interleaved rounds of the reference server and the
example in C, with 2 workers by default. Memory is the sum of the suite's own processes (launcher, workers, wardens),
shared pages counted by halves and thirds (PSS), looked at every 50 ms; processor time is of all, the subjects too.
With --beside, every other round has so many processes more on the machine, which sleep.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What one check took: seconds by the clock and of the processors, MiB at the peak; and its exit status."""

    seconds: float
    processor: float
    peak: float
    status: int


def checked(options: list[str]) -> Checked:
    """Run one check."""
    began, used = time.monotonic(), processor_time()
    command = [sys.executable, "-m", "preforkspec", "check", *options]
    peak = 0.0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as check:
        while True:
            try:
                check.wait(0.05)
                break
            except subprocess.TimeoutExpired:
                peak = max(peak, sum(map(memory, suite(check.pid))))
    return Checked(
        seconds=time.monotonic() - began, processor=processor_time() - used, peak=peak, status=check.returncode
    )


def processor_time() -> float:
    """Give the seconds that the children which have ended used the processors for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def sleepers(count: int) -> Iterator[None]:
    """Have so many processes more on the machine."""
    # One of them starts the others, and ends them when its input ends, as it does with us at the latest.
    source = (
        "import os, signal, sys\n"
        "group = [os.fork() or os.execv('/bin/sleep', ['sleep', '3600']) for _ in range(int(sys.argv[1]))]\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
        "for pid in group: os.kill(pid, signal.SIGKILL)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        if starter.stdout:
            starter.stdout.readline()  # all are there
        yield
        starter.communicate()  # its input ends


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--beside", type=int, default=0, metavar="N", help="processes more in every other round")
    asked = parser.parse_args()
    results: dict[tuple[str, int], list[Checked]] = {}
    for _ in range(asked.rounds):
        for beside in sorted({0, asked.beside}):
            with sleepers(beside):
                for name, options in SUBJECTS.items():
                    results.setdefault((name, beside), []).append(checked(["-n", str(asked.workers), *options]))
    for (name, beside), each in results.items():
        seconds = [result.seconds for result in each]
        print(
            f"{name:18} {f'beside {beside}' if asked.beside else ''} median {statistics.median(seconds):5.1f} s, "
            f"worst {max(seconds):5.1f} s, processor {statistics.median(result.processor for result in each):5.1f} s, "
            f"peak {max(result.peak for result in each):4.0f} MiB, "
            f"exit status {sorted({result.status for result in each})}"
        )


if __name__ == "__main__":
    main()
