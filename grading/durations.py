"""Where the time of a check went, clause by clause: a table for a person, the slowest first.

Seconds of all workers together. A scene that several clauses are judged by counts for the first that needed it.
"""

from collections.abc import Iterable, Sequence

from rich.text import Text

from grading.finding import Finding
from grading.wording import LABEL

TESTS = "tests"  # what no other purpose is known of
_WIDTH = 10  # columns
_SHOWN = 0.005  # seconds


def durations(findings: Iterable[Finding], *, most: int) -> Text:
    """Give the table of the `most` slowest clauses, and of all together."""
    findings = list(findings)
    purposes = list(dict.fromkeys(purpose for finding in findings for purpose in finding.spent))
    by_clause: dict[str, list[Finding]] = {}
    for finding in findings:
        by_clause.setdefault(finding.clause, []).append(finding)
    rows = {clause: _sums(tests, purposes) for clause, tests in by_clause.items()}
    slowest = sorted(rows, key=lambda clause: -rows[clause][0])[:most]
    # A test that decides two clauses took its time once.
    everything = _sums({finding.test: finding for finding in findings}.values(), purposes)
    lines = [Text(f"  {'seconds':<{LABEL + 3}} " + _cells(["in all", *purposes, TESTS]), style="dim")]
    lines += [
        Text(f"  {clause:<{LABEL + 3}} " + _cells(_numbers(rows[clause])))
        for clause in slowest
        if rows[clause][0] > _SHOWN
    ]
    lines.append(Text(f"  {'all':<{LABEL + 3}} " + _cells(_numbers(everything)), style="bold"))
    return Text("\n").join([Text("\nWhere the time went", style="bold"), *lines])


def _sums(findings: Iterable[Finding], purposes: Sequence[str]) -> list[float]:
    """Give the seconds in all, for each purpose, and those that are left."""
    findings = list(findings)
    spent = [sum(finding.spent.get(purpose, 0.0) for finding in findings) for purpose in purposes]
    seconds = sum(finding.seconds for finding in findings)
    return [seconds, *spent, max(0.0, seconds - sum(spent))]


def _numbers(seconds: Iterable[float]) -> list[str]:
    return [f"{each:.2f}" for each in seconds]


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"{cell:>{_WIDTH}}" for cell in cells)
