"""Brings some processes and the suite onto one processor, where what one of them does next can be decided.

A process that runs there goes on until it sleeps: what it wakes meanwhile waits for its turn, and finds all that was
done in one go. SCHED_BATCH keeps those who are woken from preempting the suite, and can be undone by an ordinary user.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from spec.event import Pid


class NotPinned(Exception):
    """The system does not let the suite choose a processor, or a scheduling policy, for its own descendants."""


@contextmanager
def one_processor(pids: Iterable[Pid]) -> Iterator[None]:
    """Hold the suite and these processes on one processor, these under SCHED_BATCH. Raises NotPinned."""
    pids = list(pids)
    ours = os.sched_getaffinity(0)
    chosen = {max(ours)}
    policies: dict[Pid, int] = {}
    affinities: dict[Pid, set[int]] = {}
    try:
        try:
            for pid in pids:
                affinities[pid] = os.sched_getaffinity(pid)
                os.sched_setaffinity(pid, chosen)
                policies[pid] = os.sched_getscheduler(pid)
                os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
            os.sched_setaffinity(0, chosen)
        except ProcessLookupError as error:
            raise NotPinned("a process ended while it was brought onto one processor") from error
        except OSError as error:
            raise NotPinned(f"processes can't be brought onto one processor: {error.strerror}") from error
        yield
    finally:
        os.sched_setaffinity(0, ours)
        for pid in pids:
            with suppress(OSError):  # it has ended meanwhile
                if pid in affinities:
                    os.sched_setaffinity(pid, affinities[pid])
                if pid in policies:
                    os.sched_setscheduler(pid, policies[pid], os.sched_param(0))
