"""How things are put: text made safe for a terminal, wrapped beside a label; ranges of clauses."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from spec.clause import ClauseId
from spec.sections import CLAUSES

if TYPE_CHECKING:
    from pydantic import ValidationError  # a tenth of a second that who only prints need not wait for

# Columns of a label such as `required` or `again`, and where the words beside it begin.
LABEL = 10
INDENT = 2 + LABEL + 2
NARROWEST = 20


def beside(label: str, lines: Iterable[str], console: Console) -> Iterator[Text]:
    """Give lines beside a label, wrapped between words, with a hanging indent.

    No table does this: one would pad each line with blanks.
    """
    for number, line in enumerate(lines):
        for part, wrapped in enumerate(Text(line).wrap(console, max(NARROWEST, console.width - INDENT - 1))):
            wrapped.rstrip()
            yield Text.assemble((labelled(label if number == part == 0 else ""), "dim"), wrapped)


def labelled(label: str) -> str:
    """Give a label with the blanks after it."""
    return f"  {label:<{LABEL}}  "


def plain(text: str) -> str:
    """Give text without control characters, so that nothing of a subject's output commands the terminal."""
    return "".join(each if each.isprintable() or each == "\n" else " " if each == "\t" else "" for each in text)


def last_lines(text: str, count: int) -> list[str]:
    """Give the last lines that have something in them."""
    return [line.rstrip() for line in map(plain, text.splitlines()) if line.strip()][-count:]


def shortened(line: str, width: int) -> str:
    """Cut a line to a width, visibly."""
    return line if len(line) <= width else f"{line[: width - 1]}…"


def first_error(error: "ValidationError") -> str:
    """Say where the first of the things is that pydantic found wrong, and what it expected there."""
    first: Mapping[str, Any] = dict(error.errors()[0])
    where = ".".join(str(part) for part in first["loc"])
    what = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def counted(count: int, noun: str, many: str = "") -> str:
    """Put a number and its noun together; `many` where that is not the noun with an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {many or noun + 's'}"


def in_ranges(ids: Iterable[ClauseId]) -> str:
    """Name clauses briefly: `pool-1 to 3, pool-7, recycle-2`."""
    chosen = list(dict.fromkeys(ids))
    register = list(CLAUSES)
    runs: list[list[ClauseId]] = []
    for each in chosen:
        last = runs[-1][-1] if runs else None
        follows = last is not None and register.index(each) == register.index(last) + 1
        if follows and CLAUSES[each].section == CLAUSES[runs[-1][0]].section:
            runs[-1].append(each)
        else:
            runs.append([each])
    return ", ".join(
        run[0] if len(run) == 1 else f"{run[0]} {'and' if len(run) == 2 else 'to'} {run[-1].rpartition('-')[2]}"
        for run in runs
    )
