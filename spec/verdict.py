"""Verdicts, and the exceptions by which a test says anything but *pass*.

The order pass < inconclusive < fail < error is the order in which several verdicts on one clause are joined:
the worst one stands. Not-applicable, blocked and not-run stand apart: they say that nothing was decided.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from spec.clause import Clause, ClauseId


class Verdict(Enum):
    """What the suite says of one clause."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  # could not be decided here; says why
    ERROR = "error"  # the suite broke
    BLOCKED = "blocked"  # could only be judged through what another clause found broken
    NOT_APPLICABLE = "not-applicable"  # the subject declares no such ability
    NOT_RUN = "not-run"  # not selected, or the run ended before


# Joining order, the worst last. Blocked stands above inconclusive: a known root cause says more than not knowing.
_BY_SEVERITY = (
    Verdict.NOT_RUN,
    Verdict.NOT_APPLICABLE,
    Verdict.PASS,
    Verdict.INCONCLUSIVE,
    Verdict.BLOCKED,
    Verdict.FAIL,
    Verdict.ERROR,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Join verdicts on one clause; nothing at all is *not-run*."""
    return max(verdicts, key=_BY_SEVERITY.index, default=Verdict.NOT_RUN)


class Decision(Exception):
    """Base of what ends a test with a verdict other than *pass*; any other exception is an error of the suite."""

    verdict: Verdict
    rests_on: tuple[ClauseId, ...] = ()  # beside what the clause needs: where one of these fails, that is the cause


class Violated(Decision):
    """A clause does not hold. `seen` gives numbers, pids and times, as a sentence; `plan` shows it again, if any."""

    verdict = Verdict.FAIL

    def __init__(self, clause: Clause, *, seen: str, plan: str = "", rests_on: tuple[ClauseId, ...] = ()) -> None:
        super().__init__(f"{clause.id}: {seen}")
        self.rests_on = rests_on
        self.clause = clause
        self.seen = seen
        self.plan = plan


class Inconclusive(Decision):
    """The clause could not be decided here; the text says why, and what would help."""

    verdict = Verdict.INCONCLUSIVE


class Refused(Inconclusive):
    """This machine refuses what the clause is judged by, whatever the subject is: no failure of its is the cause."""


class Blocked(Decision):
    """The clause could only be judged through something that `by` found broken."""

    verdict = Verdict.BLOCKED

    def __init__(self, by: ClauseId, *, seen: str) -> None:
        super().__init__(f"blocked by {by}: {seen}")
        self.by = by
        self.seen = seen


class NotApplicable(Decision):
    """The subject declares no such ability."""

    verdict = Verdict.NOT_APPLICABLE


@dataclass(frozen=True)
class Violation:
    """What a judge found: the clause that does not hold, and what was seen instead."""

    clause: Clause
    seen: str

    def raised(self) -> Violated:
        """Give the violation as the exception that ends a test."""
        return Violated(self.clause, seen=self.seen)


def raise_first(violations: Iterable[Violation], clause: Clause | None = None) -> None:
    """Raise the first violation, or the first of one clause; nothing where there is none."""
    for violation in violations:
        if clause is None or violation.clause is clause:
            raise violation.raised()
