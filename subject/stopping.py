"""Stops processes and lets them go on: the one stimulus by signal that a sound server does not feel.

A stopped parent disturbs nobody; a stopped child sends SIGCHLD to its parent, so the parent is stopped first.
"""

import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from spec.event import Pid
from subject.processes import fields

# A stop is at once for a process that sleeps; one that runs takes the signal at its next interrupt.
STOPS_WITHIN = 2.0
BETWEEN_LOOKS = 0.2  # milliseconds


class NotStopped(Exception):
    """A process did not stop in time."""


@contextmanager
def stopped(pids: Iterable[Pid]) -> Iterator[None]:
    """Hold processes stopped; all go on at the end, in one go. Raises NotStopped; one that is gone is left out."""
    pids = list(pids)
    try:
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        deadline = time.monotonic() + STOPS_WITHIN
        nothing = select.poll()
        while not all(_has_stopped(pid) for pid in pids):
            if time.monotonic() > deadline:
                raise NotStopped(f"a process was still running {STOPS_WITHIN} s after SIGSTOP")
            # Not by yielding: a process of a lesser policy on this processor would not get it.
            nothing.poll(BETWEEN_LOOKS)
        yield
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)


def _signal(pid: Pid, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _has_stopped(pid: Pid) -> bool:
    """Tell whether all threads of a process are stopped, or it is gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        states = [fields(f"/proc/{pid}/task/{thread}/stat")[0] for thread in threads]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return all(state in b"TtZX" for state in states)
