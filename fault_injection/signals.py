"""Faults by signals: processes killed, signalled at a bad moment, rained upon.

Sent through a pidfd, so that no pid is ever mistaken for the one that had it before. To stop and continue is
`subject.stopping.stopped`, which a legal look at a pool needs as well.
"""

import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fault_injection.fault import DidNotTakeHold
from spec.event import Pid

ENDS_WITHIN = 5.0  # seconds for a killed process to be gone, on a machine that is very busy
AGAIN = 100.0  # milliseconds until who has not ended gets the signal once more
INSISTING = 3  # so many times; who blocks it is then killed by one that nobody blocks
TAKES_WITHIN = 2.0  # seconds for a signal to be taken
LOOKS_APART = 1.0  # milliseconds


@contextmanager
def killed(pids: Iterable[Pid], number: signal.Signals = signal.SIGKILL) -> Iterator[None]:
    """End processes, all of them at once, by a signal that none survives twice; SIGKILL for who blocks it.

    There is nothing to undo.

    Taken hold: each pidfd tells the end of its process. Raises DidNotTakeHold; one that was gone before is left out.
    """
    with ExitStack() as opened:
        pidfds = [pidfd for pid in pids if (pidfd := _opened(opened, pid)) is not None]
        for pidfd in pidfds:
            _send(pidfd, number)
        _await_ends(pidfds, number)
    yield


def _await_ends(pidfds: list[int], number: signal.Signals) -> None:
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    left, tried = set(pidfds), 1
    deadline = time.monotonic() + ENDS_WITHIN
    while left:
        if time.monotonic() > deadline:
            raise DidNotTakeHold(f"{len(left)} processes still lived {ENDS_WITHIN} s after {number.name}")
        gone = poll.poll(AGAIN)
        for pidfd, _ in gone:
            poll.unregister(pidfd)
            left.discard(pidfd)
        if not gone:
            # Rust's runtime catches SIGSEGV, to tell of a stack that is used up. One that was sent, not caused, it lets
            # pass, but not without giving the signal back to the kernel: the next one ends the process.
            for pidfd in left:
                _send(pidfd, number if tried < INSISTING else signal.SIGKILL)
            tried += 1


@contextmanager
def signalled(pids: Iterable[Pid], number: signal.Signals) -> Iterator[None]:
    """Send a signal that a process may take as it likes, at once to all.

    Taken hold: none has it pending any more, or it is gone, or it sleeps and has the signal blocked, which is one way
    to take it. One that is stopped keeps it pending: DidNotTakeHold.
    """
    pids = list(pids)
    with ExitStack() as opened:
        for pid in pids:
            if (pidfd := _opened(opened, pid)) is not None:
                _send(pidfd, number)
    deadline, nothing = time.monotonic() + TAKES_WITHIN, select.poll()
    while any(_is_pending(pid, number) for pid in pids):
        if time.monotonic() > deadline:
            raise DidNotTakeHold(f"{number.name} was still pending {TAKES_WITHIN} s after it was sent")
        nothing.poll(LOOKS_APART)
    yield


@dataclass
class Rain:
    """Signals that fall on some processes; whoever owns the loop lets them `fall`."""

    numbers: tuple[signal.Signals, ...]
    fallen: int = 0
    _pidfds: dict[Pid, int] = field(default_factory=dict)

    def fall(self) -> None:
        """Send each signal once to each process that still lives."""
        for number in self.numbers:
            for pidfd in self._pidfds.values():
                self.fallen += _send(pidfd, number)


@contextmanager
def rain(pids: Iterable[Pid], numbers: Iterable[signal.Signals]) -> Iterator[Rain]:
    """Let signals rain for as long as the block lasts.

    Taken hold: the kernel took each for a process that lived. Raises DidNotTakeHold where it took none.
    """
    with ExitStack() as opened:
        pidfds = {pid: pidfd for pid in pids if (pidfd := _opened(opened, pid)) is not None}
        falling = Rain(tuple(numbers), _pidfds=pidfds)
        yield falling
    if not falling.fallen:
        raise DidNotTakeHold("no signal reached anybody")


def signal_first_sight(pid: Pid, number: signal.Signals) -> bool:
    """Send a signal to a newborn that was seen this moment; False where it is gone already."""
    with ExitStack() as opened:
        pidfd = _opened(opened, pid)
        return pidfd is not None and _send(pidfd, number)


def _opened(opened: ExitStack, pid: Pid) -> int | None:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    opened.callback(os.close, pidfd)
    return pidfd


def _send(pidfd: int, number: signal.Signals) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def _is_pending(pid: Pid, number: signal.Signals) -> bool:
    """Tell whether a process that lives has a signal that it is yet to take."""
    try:
        threads = [_status(thread) for thread in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return False

    def has(mask: str, thread: dict[str, str]) -> bool:
        return bool(int(thread[mask], 16) & 1 << number - 1)

    if all(thread["State"][0] in "ZX" for thread in threads):
        return False
    if all(thread["State"][0] == "S" and has("SigBlk", thread) for thread in threads):
        return False
    return any(has("SigPnd", thread) or has("ShdPnd", thread) for thread in threads)


def _status(process: Path) -> dict[str, str]:
    """Read the fields of a process or a thread."""
    text = (process / "status").read_text(encoding="utf-8", errors="replace")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
