"""`preforkspec compare BEFORE.json AFTER.json`: what two verdicts differ in, clause by clause."""

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from grading.baseline import NoBaseline, Verdicts, read_verdicts
from grading.page import Page
from grading.terminal import IN_WORDS, STYLES
from grading.wording import beside, counted, plain
from spec.clause import ClauseId
from spec.sections import CLAUSES
from spec.verdict import Verdict

USAGE, SAME_OR_BETTER, WORSE = 2, 0, 1


def show(before: Path, after: Path) -> int:
    """Print the difference; gives the exit status: 1 where a clause newly fails."""
    try:
        old, new = read_verdicts(before), read_verdicts(after)
    except NoBaseline as error:
        sys.stderr.write(f"preforkspec compare: {error}\n")
        return USAGE
    page = Page()
    changed = list(changes(old, new))
    for clause, was, became in changed:
        row = Text.assemble(f"{clause:<14}", (IN_WORDS[was], STYLES[was]), " → ", (IN_WORDS[became], STYLES[became]))
        page.print(row)
        seen = new.seen.get(clause, "")
        if became is not Verdict.PASS and seen:
            for line in beside("seen", plain(seen).splitlines(), page):
                page.print(line)
    worse = sum(became is Verdict.FAIL for _, _, became in changed)
    better = sum(became is Verdict.PASS for _, _, became in changed)
    page.print(
        f"{counted(worse, 'clause')} newly {'fails' if worse == 1 else 'fail'}, {better} newly "
        f"{'passes' if better == 1 else 'pass'}, {len(changed) - worse - better} changed otherwise"
    )
    return WORSE if worse else SAME_OR_BETTER


def changes(before: Verdicts, after: Verdicts) -> Iterator[tuple[ClauseId, Verdict, Verdict]]:
    """Give the clauses whose verdicts differ, in the specification's order; one that is not listed was not run."""
    for clause in CLAUSES:
        was = before.by_clause.get(clause, Verdict.NOT_RUN)
        became = after.by_clause.get(clause, Verdict.NOT_RUN)
        if was is not became:
            yield clause, was, became
