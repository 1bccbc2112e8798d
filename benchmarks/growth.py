"""Time how quickly the reference server grows to many children on demand, and replaces a killed one.

    python benchmarks/growth.py [--children 200] [--rounds 9] [--hogs 4]

Growth: so many clients connect and stay silent, each of which keeps a child busy; the clock stops when there are as
many children, and the idle ones on top. Replacement: an idle child is killed where the bounds need another; the
clock stops when its successor exists. Loopback only. With --hogs, so many busy loops contend for the processors.
"""

import argparse
import contextlib
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from throughput import ROOT, free_port

MIN_SPARE = 4
PATIENCE = 10.0  # seconds


class Pool:
    """A launched server and its children, as /proc lists them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.watch = select.poll()
        self.watch.register(os.pidfd_open(process.pid))

    def children(self) -> set[int]:
        """Give the pids of the pool's children."""
        return set(map(int, Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()))

    def time_until(self, count: int, *, without: int = 0) -> float:
        """Return the seconds until there are so many children, and one of them is gone. Looks as often as it can."""
        begun = time.monotonic()
        while (past := time.monotonic() - begun) < PATIENCE:
            children = self.children()
            if len(children) == count and without not in children:
                return past
            if self.watch.poll(0):
                break
        sys.exit(f"no {count} children after {past:.1f} s")


@contextlib.contextmanager
def launched(port: int, children: int) -> Iterator[Pool]:
    """Run the server in a group of its own, and end it at last."""
    command = [sys.executable, "-m", "reference_server", "--port", str(port), "--min-spare", str(MIN_SPARE)]
    command += ["--max-spare", str(MIN_SPARE), "--max-connections", "1000", "--max-children", str(children + MIN_SPARE)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            pool = Pool(process)
            pool.time_until(MIN_SPARE)
            yield pool
        finally:
            process.terminate()


@contextlib.contextmanager
def hogging(count: int) -> Iterator[None]:
    """Keep so many busy loops running meanwhile."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def growth(pool: Pool, port: int, children: int) -> float:
    """Return the seconds from the first connection to the last child, and come back to rest."""
    begun = time.monotonic()
    with contextlib.ExitStack() as clients:
        for _ in range(children):
            clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        pool.time_until(children + MIN_SPARE)
        taken = time.monotonic() - begun
    pool.time_until(MIN_SPARE)
    return taken


def replacement(pool: Pool) -> float:
    """Return the seconds from a child's death to its successor's birth."""
    victim = min(pool.children())
    os.kill(victim, signal.SIGKILL)
    return pool.time_until(MIN_SPARE, without=victim)


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--children", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--hogs", type=int, default=0)
    chosen = parser.parse_args()
    port = free_port()
    with hogging(chosen.hogs), launched(port, chosen.children) as pool:
        grown = [growth(pool, port, chosen.children) for _ in range(chosen.rounds)]
        replaced = [replacement(pool) for _ in range(chosen.rounds * 10)]
    print(f"{'':<28} {'median':>9} {'worst':>9}")
    for name, times in ((f"growth to {chosen.children} children", grown), ("a killed child replaced", replaced)):
        print(f"{name:<28} {statistics.median(times) * 1000:>6.1f} ms {max(times) * 1000:>6.1f} ms")


if __name__ == "__main__":
    main()
