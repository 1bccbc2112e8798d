"""The console on which everything is printed."""

from typing import IO, NoReturn

from rich.console import Console


class Page(Console):
    """A console that reads nothing as markup, and leaves it to the caller what a reader who is gone means."""

    def __init__(self, *, file: IO[str] | None = None, width: int | None = None) -> None:
        super().__init__(file=file, width=width, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> NoReturn:
        """Tell the caller; rich itself would exit with status 1, which says that a clause fails."""
        raise BrokenPipeError
