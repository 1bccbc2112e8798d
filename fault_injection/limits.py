"""Faults by resource limits of running processes: out of descriptors, processes or memory; lifted again at the end.

`prlimit` reaches any process of the same user, and needs no help from it. RLIMIT_NOFILE bounds a descriptor's *number*:
the lowest free one is where the next would go.
"""

import os
import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from fault_injection.fault import DidNotTakeHold, FaultRefused
from spec.event import Pid

# What lets one do to processes of another user what anybody may do to their own; bits of CapEff, <linux/capability.h>.
_PRIVILEGES = {"CAP_SYS_PTRACE": 19, "CAP_SYS_RESOURCE": 24}


class Prlimit(Protocol):
    """What reads or sets a limit as `resource.prlimit` does: itself, or who may where it may not."""

    def __call__(self, pid: int, kind: int, limits: tuple[int, int] = ..., /) -> tuple[int, int]:
        """Give the soft and the hard limit that stood before."""


@contextmanager
def out_of_descriptors(pids: Iterable[Pid], *, by: Prlimit = resource.prlimit) -> Iterator[None]:
    """Leave no descriptor free in each process, for as long as the block lasts.

    Taken hold: read back, the limit is the lowest free number. Raises DidNotTakeHold and FaultRefused.
    """
    lowest = {pid: free for pid in pids if (free := lowest_free(pid)) is not None}
    with _lowered(resource.RLIMIT_NOFILE, lowest, by):
        for pid, free in lowest.items():
            _follow_down(pid, free, by)
        yield


def _follow_down(pid: Pid, limit: int, by: Prlimit) -> None:
    """Lower the limit once more for a process that let go of a descriptor while it was set, until it agrees."""
    while (now := lowest_free(pid)) is not None and now < limit:
        limit = now
        with suppress(ProcessLookupError):
            by(pid, resource.RLIMIT_NOFILE, (limit, by(pid, resource.RLIMIT_NOFILE)[1]))


@contextmanager
def no_more_processes(pids: Iterable[Pid], *, by: Prlimit = resource.prlimit) -> Iterator[None]:
    """Have the system refuse these processes any fork, for as long as the block lasts.

    It counts a user's processes, and does not bind root: FaultRefused there.
    """
    if os.geteuid() == 0:
        raise FaultRefused("RLIMIT_NPROC does not bind root; what would help: refuse forks by seccomp (syscalls.py)")
    with _lowered(resource.RLIMIT_NPROC, dict.fromkeys(pids, 1), by):
        yield


@contextmanager
def no_more_memory(pids: Iterable[Pid], *, by: Prlimit = resource.prlimit) -> Iterator[None]:
    """Bound each process to the address space that it has, for as long as the block lasts."""
    with _lowered(resource.RLIMIT_AS, {pid: size for pid in pids if (size := _address_space(pid))}, by):
        yield


@contextmanager
def _lowered(kind: int, limits: dict[Pid, int], by: Prlimit) -> Iterator[None]:
    """Lower the soft limits alone: raising a hard one again would take a privilege."""
    before: dict[Pid, tuple[int, int]] = {}
    try:
        for pid, limit in limits.items():
            try:
                before[pid] = by(pid, kind)
                by(pid, kind, (limit, before[pid][1]))
            except ProcessLookupError:
                continue
            except PermissionError as error:
                raise FaultRefused(f"prlimit is refused: {_what_is_missing(pid, 'CAP_SYS_RESOURCE')}") from error
        if not before:
            raise DidNotTakeHold("none of the processes lived to be limited")
        yield
    finally:
        for pid, both in before.items():
            try:
                by(pid, kind, both)
            except ProcessLookupError:
                continue


def _what_is_missing(pid: Pid, privilege: str) -> str:
    """Say why the suite may not do something to a process, and what would help: being root alone need not."""
    ours, theirs = _status("self"), _status(str(pid))
    who = f"process {pid} runs as user {theirs.get('Uid')}, group {theirs.get('Gid')}"
    suite = f"the suite as user {ours.get('Uid')}, group {ours.get('Gid')}"
    if int(ours.get("CapEff", "0"), 16) >> _PRIVILEGES[privilege] & 1:
        return (
            f"{who}, {suite} with {privilege}; what would help: a security module or a seccomp filter that permits it"
        )
    return (
        f"{who}, {suite} without {privilege}; what would help: the same user and group for both, or that privilege "
        f"(in a container --cap-add {privilege.removeprefix('CAP_')})"
    )


def _status(pid: str) -> dict[str, str]:
    """Read the first word of each line of a process's status: of its users and groups the real one."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {name: rest.split()[0] for name, _, rest in (line.partition(":") for line in lines) if rest.split()}


def lowest_free(pid: Pid) -> int | None:
    """Give the number that the next descriptor of a process would get; None for one that is gone."""
    try:
        taken = set(map(int, os.listdir(f"/proc/{pid}/fd")))
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError as error:
        raise FaultRefused(f"descriptors are not shown: {_what_is_missing(pid, 'CAP_SYS_PTRACE')}") from error
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _address_space(pid: Pid) -> int:
    """Give the bytes of address space that a process has; 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0
