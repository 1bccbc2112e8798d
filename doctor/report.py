"""The doctor's findings as a table, and what they mean for a check."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from doctor.probes import everything
from doctor.trial import Trial
from grading.page import Page
from grading.wording import beside, in_ranges, plain
from spec.clause import ClauseId
from spec.sections import CLAUSES


def show() -> int:
    """Try everything, print what was found, and give the exit status."""
    console = Page()
    trials = list(everything())
    table = Table.grid(padding=(0, 2, 0, 0))
    for trial in trials:
        works = trial.refused is None
        table.add_row(
            Text("yes" if works else "no", style="green" if works else "bold yellow"),
            Text(trial.name),
            Text(plain(trial.works if works else f"{trial.refused}"), style="dim"),
        )
    console.print(table)
    for trial in trials:
        if trial.refused is not None and (trial.clauses or trial.without):
            _print_consequence(console, trial)
    lost = lost_clauses(trials)
    if lost:
        words = f"{len(lost)} of {len(CLAUSES)} clauses could not be judged here: {in_ranges(lost)}"
        console.print(Text(f"\n{words}", style="bold"))
    else:
        console.print(Text(f"\nAll {len(CLAUSES)} clauses can be judged here.", style="bold green"))
    return 0


def _print_consequence(console: Console, trial: Trial) -> None:
    console.print(Text.assemble("\n", (trial.name, "bold yellow")))
    lost = in_ranges(lost_clauses([trial]))
    for label, words in (("not judged", lost), ("without it", trial.without), ("would help", trial.remedy)):
        for line in beside(label, [words] if words else [], console):
            console.print(line)


def lost_clauses(trials: Iterable[Trial]) -> list[ClauseId]:
    """Give the clauses that could not be judged for want of what was refused, in the specification's order."""
    selectors = {selector for trial in trials if trial.refused is not None for selector in trial.clauses}
    return [each.id for each in CLAUSES.values() if each.id in selectors or each.section in selectors]
