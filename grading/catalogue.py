"""The specification in print: as a table, one clause in full, and as `docs/clauses.md`.

`python -m grading.catalogue` prints the document; with `--check FILE` it tells whether the file is up to date.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from grading.page import Page
from grading.wording import beside
from spec.clause import Clause, Section
from spec.sections import SECTIONS, UnknownClause, selected

USAGE = 2
HEAD = """\
# The clauses

Generated from `spec/` by `python -m grading.catalogue > docs/clauses.md`: do not edit.

MUST: the original design says it. SHOULD: what a sound server does where the design is silent. *From* names the
section of the original design that a clause rests on. A clause that does not hold while one that it *needs* is broken
is blocked by that one: one root cause is told once.
"""


def show(selector: str | None) -> int:
    """Print the specification, one section of it, or one clause in full; gives the exit status."""
    try:
        clauses = selected((selector,) if selector is not None else ())
    except UnknownClause as error:
        sys.stderr.write(f"preforkspec clauses: {error}\n")
        return USAGE
    console = Page()
    if selector is not None and clauses[0].id == selector:
        _print_in_full(console, clauses[0])
        return 0
    for section in SECTIONS:
        if any(clause in clauses for clause in section):
            _print_section(console, section, whole=selector is not None)
    if selector is None:
        console.print(
            "\npreforkspec clauses ID shows one clause in full, preforkspec clauses SECTION a section", style="dim"
        )
    return 0


def _print_section(console: Console, section: Section, *, whole: bool) -> None:
    console.print(Text.assemble("\n", (section.title, "bold"), (f"  {section.name}", "dim")))
    if whole:
        console.print(Text(section.introduction))
        console.print()
    for clause in section:
        row = Text.assemble((f"  {clause.id:<14}", "cyan"), (f"{clause.level.value:<8}", "dim"))
        indent = len(row)
        # The table of all clauses has a line for each; what one says to its end is shown with its section.
        lines = Text(clause.text).wrap(console, max(20, console.width - indent - 1))
        if not whole:
            row.append(clause.text)
            row.truncate(console.width, overflow="ellipsis")
            console.print(row)
            continue
        for number, line in enumerate(lines):
            line.rstrip()
            console.print(Text.assemble(row if number == 0 else " " * indent, line))


def _print_in_full(console: Console, clause: Clause) -> None:
    console.print(Text.assemble((clause.id, "bold cyan"), f"  {clause.level.value.upper()}"))
    for label, words in _rows(clause):
        for line in beside(label, [words], console):
            console.print(line)


def _rows(clause: Clause) -> Iterator[tuple[str, str]]:
    yield "required", clause.text
    yield "observed", clause.observed
    yield "from", clause.source
    if clause.needs:
        yield "needs", ", ".join(clause.needs)
    if clause.ability is not None:
        yield "applies to", f"servers that claim the ability {clause.ability!r}"


def markdown() -> str:
    """Give `docs/clauses.md`."""
    return "\n".join([HEAD, *(part for section in SECTIONS for part in _section_in_markdown(section))])


def _section_in_markdown(section: Section) -> Iterator[str]:
    yield f"## {section.name}: {section.title}\n\n{section.introduction}\n"
    for clause in section:
        yield f"### {clause.id}\n\n**{clause.level.value.upper()}** {clause.text}\n"
        # The text stands above already.
        yield "".join(f"- *{label}*: {words}\n" for label, words in list(_rows(clause))[1:])


def main(arguments: list[str]) -> int:
    """Print the document, or with `--check FILE` compare it."""
    if not arguments:
        sys.stdout.write(markdown())
        return 0
    if len(arguments) != 2 or arguments[0] != "--check":
        sys.stderr.write("usage: python -m grading.catalogue [--check FILE]\n")
        return USAGE
    file = Path(arguments[1])
    if file.is_file() and file.read_text(encoding="utf-8") == markdown():
        return 0
    sys.stderr.write(f"{file} is out of date; make it with: python -m grading.catalogue > {file}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
