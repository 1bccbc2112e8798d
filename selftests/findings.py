"""Findings, ledgers and verdict documents made up for tests."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from grading.document import Run, document
from grading.finding import Finding
from grading.ledger import Ledger
from spec.clause import ClauseId, Level
from spec.sections import CLAUSES
from spec.verdict import Verdict

ALL = frozenset(CLAUSES)
RUN = Run(began=datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC), seconds=12.5, seed=1, level=Level.MUST)


def found(clause: ClauseId, verdict: Verdict, *, seen: str = "", test: str = "test", output: str = "") -> Finding:
    """Give what one test found."""
    return Finding(clause=clause, test=test, verdict=verdict, seen=seen, output=output)


def ledger(*findings: Finding, selected: frozenset[ClauseId] = ALL, expected: int = 1) -> Ledger:
    """Make a ledger in which each selected clause has `expected` tests."""
    made = Ledger(selected, expected=Counter(dict.fromkeys(selected, expected)))
    for finding in findings:
        made.add(finding)
    return made


def everything_passes(*but: Finding) -> Ledger:
    """Make a ledger in which all clauses pass but those that were found otherwise."""
    others = {finding.clause for finding in but}
    return ledger(*but, *(found(clause, Verdict.PASS) for clause in CLAUSES if clause not in others))


def documented(ledger: Ledger, *, name: str = "a") -> dict[str, Any]:
    """Give the verdict document of a ledger."""
    return document(
        ledger,
        subject={"name": name, "command": "./a {port}", "port": None, "parameters": []},
        environment={
            "kernel": "6.1",
            "machine": "x86_64",
            "processors": 2,
            "python": "3.11",
            "user": "root",
            "isolation": "namespaces",
        },
        run=RUN,
        replay="preforkspec check --seed 1",
    )
