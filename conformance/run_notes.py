"""What the workers of one run tell each other, in files of the run's folder: what is known of the subject.

A subject that does not start is waited for once, by whoever meets it first. And where a clause is known to fail, a
check does not go on for ever: a server that answers nobody could cost minutes, and a root cause has been found by then.
What counts is the time that came to nothing, so that a slow server with one fault is judged to the end; and only where
everything takes long, the time in all.
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from spec.clause import ClauseId
from spec.verdict import Inconclusive

# Seconds that all workers together may spend on tests that do not pass, once a clause is known to fail; and that may go
# by in all. Then nothing more is launched.
ENOUGH, TOO_LONG = 120.0, 200.0


@dataclass(frozen=True)
class RunNotes:
    """The notes of one run; `folder` is shared by all its workers."""

    folder: Path

    def begin(self) -> None:
        """Note the beginning: without it, no time is too much. All workers read the same clock."""
        (self.folder / "began").write_text(str(time.monotonic()), encoding="ascii")

    def note_failure(self, clause: ClauseId) -> None:
        """Note that a clause fails; the first one stands."""
        with suppress(FileExistsError), (self.folder / "failed").open("x", encoding="ascii") as file:
            file.write(clause)

    def note_in_vain(self, seconds: float) -> None:
        """Note the time of a test that did not pass."""
        with (self.folder / "in-vain").open("a", encoding="ascii") as file:
            file.write(f"{seconds:.3f}\n")

    def raise_if_enough(self) -> None:
        """Raise Inconclusive where a clause is known to fail, and too much time has come to nothing.

        The clause that fails need not be the cause: the ledger knows what rests on what.
        """
        try:
            failed = (self.folder / "failed").read_text(encoding="ascii")
            in_vain = sum(map(float, (self.folder / "in-vain").read_text(encoding="ascii").split()))
            seconds = time.monotonic() - float((self.folder / "began").read_text(encoding="ascii"))
        except FileNotFoundError:
            return
        why = ""
        if in_vain > ENOUGH:
            why = f"{in_vain:.0f} s went into tests that did not pass"
        elif seconds > TOO_LONG:
            why = f"the check has taken {seconds:.0f} s"
        if failed and why:
            raise Inconclusive(f"not judged: {failed} fails, and {why}; --clause judges one clause alone")

    # --- a subject that does not start ------------------------------------------------------------------------------

    @property
    def _cannot_start(self) -> Path:
        return self.folder / "cannot-start.json"

    def why_it_cannot_start(self) -> str | None:
        """Say why the subject does not start, where that is known."""
        try:
            seen: str = json.loads(self._cannot_start.read_text(encoding="utf-8"))["seen"]
        except FileNotFoundError:
            return None
        return seen

    def note_that_it_cannot_start(self, seen: str) -> None:
        """Note it, whole or not at all."""
        scratch = self._cannot_start.with_suffix(".new")
        scratch.write_text(json.dumps({"seen": seen}), encoding="utf-8")
        scratch.replace(self._cannot_start)

    def note_that_it_starts(self, *, elsewhere: bool = False) -> None:
        """Note it, for all; `elsewhere` tells that it was waited for in vain on the port that it was given."""
        if elsewhere:
            (self.folder / "elsewhere").touch()
        (self.folder / "started").touch()

    @property
    def listens_elsewhere(self) -> bool:
        """Tell whether the subject is known to listen elsewhere: that need not be waited out again."""
        return (self.folder / "elsewhere").exists()

    @contextmanager
    def first_launch(self) -> Iterator[bool]:
        """Let only one worker find out whether the subject starts; True for that one, while the others wait here."""
        with (self.folder / "first-launch.lock").open("a") as lock:
            if not (self.folder / "started").exists():
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.why_it_cannot_start() is None and not (self.folder / "started").exists()
