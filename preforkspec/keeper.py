"""Sees to it that a command ends soon when it is told to, however it is told, and leaves no process or file behind.

pytest and its workers would take up to ten seconds, and print tracebacks, when they end in order after Ctrl-C. So the
launcher takes the signals itself: it has what is known told, ends every process below it, and exits. Who grades has
checks for children, and those have keepers of their own.
"""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn

UNDECIDED = 3
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1


class Keeper:
    """Owns the end of one command: its signals, its processes, and the folder of its run."""

    def __init__(self, tell: Callable[[str], int]) -> None:
        """Take the signals from now on; `tell` is called with the reason when one comes, and gives the status."""
        self.tell = tell
        self.folder: Path | None = None
        self._stopping = False
        for number in STOPPING:
            # SIGHUP stays ignored under nohup. SIGINT does not: a shell without job control ignores it for what it
            # runs in the background, and a check that nobody can stop is worse.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def move_in(self) -> Path:
        """Inherit all orphans below, and make the folder of the run. Raises OSError."""
        import_module("subject.namespaces").become_subreaper()
        folder = self.folder = Path(tempfile.mkdtemp(prefix="preforkspec-"))
        self.hold_back()
        try:
            _leave_a_janitor(folder)
        finally:
            self.let_come()
        return folder

    def hold_back(self) -> None:
        """Hold the signals back, until `let_come`; processes started meanwhile never get them.

        Ctrl-C goes to every process of the terminal. A worker must not answer it: the launcher does.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)

    def let_come(self) -> None:
        """Take the signals again, one that came meanwhile at once."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def stop(self, why: str) -> NoReturn:
        """Tell what is known, end everything, and exit."""
        self._stopping = True
        status = UNDECIDED
        # Whatever goes wrong in telling, the end comes.
        with suppress(Exception):
            status = self.tell(why)
        self._exit(status)

    def leave(self) -> None:
        """End what is still below, and take the folder along: the end of every run, also of one that was stopped."""
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        import_module("subject.namespaces").end_descendants()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping:
            # A second Ctrl-C: whoever is told may have stopped reading.
            self._exit(UNDECIDED)
        self.stop("interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}")

    def _exit(self, status: int) -> NoReturn:
        with suppress(Exception):
            self.leave()
        with suppress(Exception):
            sys.stdout.flush()
        # No unwinding: pytest, its workers' threads and atexit would each have their say.
        os._exit(status)


def end_with(parent: int) -> None:
    """Have this process told to end (SIGTERM) as soon as the thread that started it has, of process `parent`."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(UNDECIDED)


def _leave_a_janitor(folder: Path) -> None:
    """Fork a process that removes the folder when this one is gone, even by SIGKILL.

    It sees that by the end of a pipe. A session of its own keeps it from what ends the whole process group.
    """
    seen_by_janitor, _ours = os.pipe()
    if os.fork():
        os.close(seen_by_janitor)
        return
    with suppress(BaseException):
        os.setsid()
        os.chdir("/")
        os.dup2(seen_by_janitor, 0)
        os.closerange(1, 1 << 20)  # our own end of the pipe too
        os.read(0, 1)
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
