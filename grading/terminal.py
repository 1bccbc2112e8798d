"""The verdict on a terminal: a table by section, each failure as required / seen / again, and one line that sums up.

Nothing of the subject's is ever read as markup, and no control character of its output reaches the terminal.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from grading.baseline import Baseline, difference
from grading.ledger import Judged, Ledger, deciding
from grading.page import Page
from grading.wording import INDENT, LABEL, beside, counted, in_ranges, labelled, last_lines, plain, shortened
from spec.clause import ClauseId, Level
from spec.sections import SECTIONS
from spec.verdict import Verdict

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "bold magenta",
    Verdict.BLOCKED: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.NOT_RUN: "dim",
}
# How the summary names them, in this order.
IN_WORDS = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.BLOCKED: "blocked",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.ERROR: "error",
    Verdict.NOT_APPLICABLE: "not applicable",
    Verdict.NOT_RUN: "not run",
}
OUTPUT_LINES = 8
ERROR_LINES = 12


class Terminal:
    """Prints for a person. After the reader is gone (a closed pipe or terminal) it prints nothing, and does no harm."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Page()

    def begin(self, title: str, *, version: str, seed: int) -> None:
        """Say what is judged."""
        words = Text.assemble(
            f"preforkspec {version} judges ", (" ".join(plain(title).split()), "bold"), f" (seed {seed})"
        )
        self.print(words, soft_wrap=True)

    def verdict(
        self, ledger: Ledger, document: dict[str, Any], *, level: Level, seed: int, seconds: float, stopped: str
    ) -> None:
        """Print all that is known."""
        judged = [each for each in ledger.judged() if each.clause.id in ledger.selected]
        again = {ClauseId(each["id"]): str(each["replay"]) for each in document["clauses"]}
        if ledger.findings:
            self._table(judged)
        for each in of(judged, Verdict.FAIL):
            self._failure(each, again[each.clause.id])
        self._blocked(of(judged, Verdict.BLOCKED), again, told={each.clause.id for each in of(judged, Verdict.FAIL)})
        self._undecided(of(judged, Verdict.INCONCLUSIVE), again)
        self._errors(of(judged, Verdict.ERROR), ledger.suite_errors, again)
        not_run = of(judged, Verdict.NOT_RUN)
        if not_run:
            self._heading(None, f"not run: {in_ranges(each.clause.id for each in not_run)}", "dim")
        if stopped:
            self.print(Text.assemble("\n", (stopped, "bold yellow"), ": what is known so far is told above"))
        self._summary(judged, level=level, conform=document["summary"]["conforms"], seconds=seconds, seed=seed)

    def _table(self, judged: Sequence[Judged]) -> None:
        for section in SECTIONS:
            rows = [
                each for each in judged if each.clause.section == section.name and each.verdict is not Verdict.NOT_RUN
            ]
            if not rows:
                continue
            self.print(Text.assemble("\n", (section.title, "bold")))
            for each in rows:
                row = Text.assemble(
                    f"  {each.clause.id:<{LABEL + 3}} ",
                    (f"{each.clause.level.value:<8}", "dim"),
                    (f"{IN_WORDS[each.verdict]:<16}", STYLES[each.verdict]),
                    plain(each.clause.text),
                )
                row.truncate(self.console.width, overflow="ellipsis")
                self.print(row)

    def _failure(self, judged: Judged, again: str) -> None:
        self._heading(judged, f"{judged.clause.level.value}, fails")
        self._paragraph("required", judged.clause.text)
        self._paragraph("seen", judged.seen)
        self._output(judged.output)
        self._again(again)

    def _blocked(self, judged: Sequence[Judged], again: dict[ClauseId, str], *, told: set[ClauseId]) -> None:
        for cause in dict.fromkeys(each.blocked_by for each in judged):
            blocked = [each for each in judged if each.blocked_by == cause]
            self._heading(None, f"blocked by {cause}", STYLES[Verdict.BLOCKED])
            which = in_ranges(each.clause.id for each in blocked)
            self._paragraph("", f"{counted(len(blocked), 'clause')} could only be judged once {cause} holds: {which}")
            if cause is not None and cause not in told:
                # It was not selected, so this is the only place where its failure is told.
                self._paragraph("seen", blocked[0].seen)
                self._output(blocked[0].output)
                self._again(again[cause])

    def _undecided(self, judged: Sequence[Judged], again: dict[ClauseId, str]) -> None:
        for reason in dict.fromkeys(each.seen for each in judged):
            same = [each for each in judged if each.seen == reason]
            which = in_ranges(each.clause.id for each in same)
            self._heading(None, f"{which}: could not be decided here", STYLES[Verdict.INCONCLUSIVE])
            self._paragraph("why", reason)
            self._again(again[same[0].clause.id])

    def _errors(self, judged: Sequence[Judged], suite_errors: Sequence[str], again: dict[ClauseId, str]) -> None:
        if not judged and not suite_errors:
            return
        self._heading(None, "The suite itself broke: this is our fault, not your server's", STYLES[Verdict.ERROR])
        for each in judged:
            self._paragraph(each.clause.id, each.seen)
            self._output(each.output)
            self._again(again[each.clause.id])
        for error in dict.fromkeys(suite_errors):
            lines = last_lines(error, ERROR_LINES)
            self._block("error", lines)

    def _summary(
        self, judged: Sequence[Judged], *, level: Level, conform: bool | None, seconds: float, seed: int
    ) -> None:
        counts = Counter(each.verdict for each in judged)
        # A subject of which all hold needs no qualification.
        whole = len(deciding(judged, level)) == len(judged) or not set(counts) - {Verdict.PASS, Verdict.NOT_APPLICABLE}
        scope = "" if whole else f" at level {level.value}"
        if conform is None:
            words = Text(f"not decided{scope}", style="bold yellow")
        elif conform:
            words = Text(f"conforms{scope}", style="bold green")
        else:
            words = Text(f"does not conform{scope}", style="bold red")
        words.append(": ", style="not bold default")
        parts = [Text(f"{counts[each]} {name}", style=STYLES[each]) for each, name in IN_WORDS.items() if counts[each]]
        summary = Text.assemble("\n", words, Text(", ").join(parts), f" ({seconds:.1f} s, seed {seed})")
        self.print(summary, soft_wrap=True)

    def against(self, ledger: Ledger, known: Baseline, *, strict: bool) -> None:
        """Say how that differs from what was known to fail."""
        verdicts = {each.clause.id: each.verdict for each in ledger.judged() if each.clause.id in ledger.selected}
        found = difference(verdicts, known)
        self._told(found.newly_failing, "newly fails", "bold red")
        self._told(found.still_failing, "fails, as is known", "dim")
        for clause in found.still_failing:
            if known.known[clause]:
                self._paragraph(clause, known.known[clause])
        self._told(found.newly_passing, "passes by now: take it out of the baseline", "bold red" if strict else "green")
        if not found.newly_failing:
            self.print(Text("nothing newly fails", style="bold green"))

    def _told(self, clauses: Sequence[ClauseId], words: str, style: str) -> None:
        if clauses:
            self.print(Text.assemble(("against the baseline: ", "dim"), (f"{in_ranges(clauses)} {words}", style)))

    # --- pieces ----------------------------------------------------------------------------------------------------

    def _heading(self, judged: Judged | None, words: str, style: str = "bold red") -> None:
        if judged is None:
            self.print(Text.assemble("\n", (words, style)))
        else:
            self.print(Text.assemble("\n", (judged.clause.id, style), f" ({words})"))

    def _paragraph(self, label: str, words: str) -> None:
        self._block(label, plain(words).splitlines() or [""])

    def _block(self, label: str, lines: Iterable[str]) -> None:
        for line in beside(label, lines, self.console):
            self.print(line)

    def _output(self, output: str) -> None:
        lines = last_lines(output, OUTPUT_LINES)
        if lines:
            width = max(20, self.console.width - INDENT - 3)
            self._block("it printed", (f"│ {shortened(line, width)}" for line in lines))

    def _again(self, command: str) -> None:
        # In one line however long, for it to be pasted as it stands.
        self.print(Text.assemble((labelled("again"), "dim"), plain(command)), soft_wrap=True)

    def print(self, what: Text, *, soft_wrap: bool = False) -> None:
        """Print, unless the reader is gone."""
        try:
            self.console.print(what, soft_wrap=soft_wrap)
        except OSError:
            self.console.file = None  # type: ignore[assignment]
            self.console.quiet = True


def of(judged: Iterable[Judged], verdict: Verdict) -> list[Judged]:
    """Give those with one verdict."""
    return [each for each in judged if each.verdict is verdict]
