"""Faults by resource limits of running processes: out of descriptors, processes or memory; lifted again at the end.

`prlimit` reaches any process of the same user, and needs no help from it. RLIMIT_NOFILE bounds a descriptor's *number*:
the lowest free one is where the next would go.
"""

import os
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fault_injection.fault import DidNotTakeHold, FaultRefused
from spec.event import Pid

HELP = "processes of another user can't be limited: run the suite as the user whom the server runs as, or as root"


@contextmanager
def out_of_descriptors(pids: Iterable[Pid]) -> Iterator[None]:
    """Leave no descriptor free in each process, for as long as the block lasts.

    Taken hold: read back, the limit is the lowest free number. Raises DidNotTakeHold and FaultRefused.
    """
    lowest = {pid: free for pid in pids if (free := _lowest_free(pid)) is not None}
    with _lowered(resource.RLIMIT_NOFILE, lowest):
        for pid, free in lowest.items():
            if (now := _lowest_free(pid)) is not None and now < free:
                raise DidNotTakeHold(f"process {pid} let go of descriptor {now} while its limit was set to {free}")
        yield


@contextmanager
def no_more_processes(pids: Iterable[Pid]) -> Iterator[None]:
    """Have the system refuse these processes any fork, for as long as the block lasts.

    It counts a user's processes, and does not bind root: FaultRefused there.
    """
    if os.geteuid() == 0:
        raise FaultRefused("RLIMIT_NPROC does not bind root; what would help: refuse forks by seccomp (syscalls.py)")
    with _lowered(resource.RLIMIT_NPROC, dict.fromkeys(pids, 1)):
        yield


@contextmanager
def no_more_memory(pids: Iterable[Pid]) -> Iterator[None]:
    """Bound each process to the address space that it has, for as long as the block lasts."""
    with _lowered(resource.RLIMIT_AS, {pid: size for pid in pids if (size := _address_space(pid))}):
        yield


@contextmanager
def _lowered(kind: int, limits: dict[Pid, int]) -> Iterator[None]:
    """Lower the soft limits alone: raising a hard one again would take a privilege."""
    before: dict[Pid, tuple[int, int]] = {}
    try:
        for pid, limit in limits.items():
            try:
                before[pid] = resource.prlimit(pid, kind)
                resource.prlimit(pid, kind, (limit, before[pid][1]))
            except ProcessLookupError:
                continue
            except PermissionError as error:
                raise FaultRefused(f"prlimit is refused ({error.strerror}); what would help: {HELP}") from error
        if not before:
            raise DidNotTakeHold("none of the processes lived to be limited")
        yield
    finally:
        for pid, both in before.items():
            try:
                resource.prlimit(pid, kind, both)
            except ProcessLookupError:
                continue


def _lowest_free(pid: Pid) -> int | None:
    """Give the number that the next descriptor of a process would get; None for one that is gone."""
    try:
        taken = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError as error:
        raise FaultRefused(f"descriptors are not shown ({error.strerror}); what would help: {HELP}") from error
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _address_space(pid: Pid) -> int:
    """Give the bytes of address space that a process has; 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0
