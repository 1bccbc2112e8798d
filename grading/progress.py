"""One line that says what is being judged: live on a terminal, rare plain lines elsewhere."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

# Seconds between two lines where there is no terminal, such as in CI.
PLAIN_LINE_EVERY = 10.0


class Progress:
    """Shows the clause being judged, n of m, and the seconds. After `end` nothing of it stays on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = self._printed = time.monotonic()
        self._of = self._done = 0
        self._clauses = ""
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None

    def start(self, *, of: int) -> None:
        """Begin, with the number of clauses to be judged."""
        self._of = of
        self._began = self._printed = time.monotonic()
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._line,
                console=self._console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def judging(self, clauses: Iterable[str], *, done: int) -> None:
        """Say what is being judged now."""
        self._clauses = ", ".join(clauses)
        self.judged(done=done)

    def judged(self, *, done: int) -> None:
        """Say how many clauses are done."""
        self._done = done
        now = time.monotonic()
        if self._live is None and now - self._printed >= PLAIN_LINE_EVERY:
            self._printed = now
            self._console.print(self._words(), soft_wrap=True)

    def end(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self) -> Spinner:
        self._spinner.update(text=self._words())
        return self._spinner

    def _words(self) -> Text:
        seconds = f"{time.monotonic() - self._began:.0f} s"
        if not self._clauses:
            return Text(f"starting … {seconds}", no_wrap=True, overflow="ellipsis")
        count = f"{self._done} of {self._of} clauses judged, {seconds}"
        return Text.assemble((f"{self._clauses:<12}", "bold"), f" {count}", no_wrap=True, overflow="ellipsis")
