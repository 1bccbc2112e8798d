"""Waiting for facts, and telling processes apart: what the tests of launches and observers stand on.

No test sleeps: it looks at a fact every millisecond, and a fact that does not come true in time is a failure.
"""

import os
import select
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from spec.event import Pid

NOBODY = Pid(2**22 + 1)  # above the highest pid that the kernel gives
IN_TROUBLE = 20.0  # seconds that anything may take on a machine that has much else to do
# Any interpreter that starts quickly; the subjects of these tests need the standard library only.
PYTHON = (sys.executable, "-I", "-S", "-c")


def settle(fact: Callable[[], object], *, what: str, within: float = IN_TROUBLE) -> None:
    """Wait until a fact is true; raises AssertionError that says what was waited for."""
    deadline = time.monotonic() + within
    nothing = select.poll()
    while not fact():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so after {within} s")
        nothing.poll(1)


@dataclass(frozen=True)
class Identity:
    """One process, not confused with a later one of the same pid."""

    pid: Pid
    started: int


def identity(pid: int) -> Identity | None:
    """Tell who has a pid now; None where nobody does."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Identity(Pid(pid), int(fields[19]))


def identities(pids: Iterable[int]) -> set[Identity]:
    """Tell who has these pids now."""
    return {found for found in map(identity, pids) if found is not None}


def remains(everyone: Iterable[Identity]) -> list[str]:
    """Tell which of these processes are still there, zombies too, unless nobody is left who should reap them."""
    left = []
    for each in everyone:
        if identity(each.pid) != each:
            continue
        state, parent = _state_and_parent(each.pid)
        # PID 1 of a container need not reap what was left to it.
        if state != "" and not (state in "ZX" and parent == 1):
            left.append(f"{each.pid} ({state}, child of {parent})")
    return left


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0], int(fields[1])


def ended(pid: int) -> bool:
    """Tell whether a process is gone or a zombie."""
    return _state_and_parent(pid)[0] in ("", "Z", "X")


def namespace(kind: str, pid: int) -> int:
    """Tell which namespace a process is in, by its inode."""
    return Path(f"/proc/{pid}/ns/{kind}").stat().st_ino


def with_namespace(kind: str, inode: int) -> list[int]:
    """Give the processes that are in a namespace."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and namespace(kind, int(name)) == inode:
                found.append(int(name))
        except OSError:
            continue
    return found
