"""Programs of a few lines, run beside a test for it to look at."""

import os
import signal
import subprocess
from contextlib import suppress

from selftests.facts import PYTHON
from spec.event import Pid


class Program:
    """A program of a few lines, which says a line when it is ready and goes on with each line that it is given."""

    def __init__(self, source: str) -> None:
        # For tests that leave descriptors to it; none of the suite's own.
        self.process = subprocess.Popen(
            [*PYTHON, source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.pid = Pid(self.process.pid)

    def end(self) -> None:
        """End it and all that it started in its session."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with self.process:
            pass

    def says(self) -> str:
        """Read its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self, line: str = "") -> None:
        """Give it a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
