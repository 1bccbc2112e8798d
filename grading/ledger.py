"""The ledger: joins the findings of all tests to one verdict a clause, and decides whether the subject conforms.

A clause's verdict is the worst of its tests'. A failure that rests on another clause that failed is blocked by that
one: one root cause is told once.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grading.finding import Finding
from spec.clause import Clause, ClauseId, Level
from spec.sections import CLAUSES
from spec.verdict import Verdict, worst


@dataclass(frozen=True)
class Judged:
    """The verdict on one clause, with what the deciding test saw."""

    clause: Clause
    verdict: Verdict
    seen: str = ""
    blocked_by: ClauseId | None = None
    rests_on: tuple[ClauseId, ...] = ()
    by_machine: bool = False
    plan: str = ""
    tests: tuple[str, ...] = ()
    output: str = ""
    evidence: Mapping[str, Any] | None = None
    seconds: float = 0.0


@dataclass
class Ledger:
    """Collects findings while the tests run. `selected` are the clauses to be judged; the others are not-run."""

    selected: frozenset[ClauseId]
    findings: list[Finding] = field(default_factory=list)
    expected: Counter[ClauseId] = field(default_factory=Counter)  # tests that will report, by clause
    suite_errors: list[str] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Take in one test's finding."""
        self.findings.append(finding)

    def judged(self) -> list[Judged]:
        """Give the verdict on every clause, in the specification's order."""
        direct = {clause.id: self._joined(clause) for clause in CLAUSES.values()}
        return [_with_cause(judged, direct) for judged in direct.values()]

    def done(self) -> int:
        """Count the clauses whose tests have all reported, or of which one has failed: no other makes that good."""
        reported = Counter(finding.clause for finding in self.findings)
        failed = {finding.clause for finding in self.findings if finding.verdict is Verdict.FAIL}
        return sum(clause in failed or reported[clause] >= count for clause, count in self.expected.items())

    def _joined(self, clause: Clause) -> Judged:
        findings = [finding for finding in self.findings if finding.clause == clause.id]
        if not findings:
            return Judged(clause, Verdict.NOT_RUN)
        verdict = worst(finding.verdict for finding in findings)
        # A clause of which a test never reported was not judged whole: it can't pass.
        missing = self.expected[clause.id] - len(findings)
        if verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) and missing > 0:
            return Judged(clause, Verdict.NOT_RUN, seen=f"{missing} of its tests did not run")
        deciding = next(finding for finding in findings if finding.verdict is verdict)
        return Judged(
            clause,
            verdict,
            seen=deciding.seen,
            blocked_by=deciding.blocked_by,
            rests_on=deciding.rests_on,
            by_machine=any(finding.by_machine for finding in findings),
            plan=deciding.plan,
            tests=tuple(finding.test for finding in findings),
            output=deciding.output,
            evidence=deciding.evidence,
            seconds=sum(finding.seconds for finding in findings),
        )


def _with_cause(judged: Judged, others: Mapping[ClauseId, Judged]) -> Judged:
    """Block what rests on a clause that failed, and name the root: that one may rest on another itself."""
    cause, root, seen = _cause(judged, others), None, {judged.clause.id}
    while cause is not None and cause not in seen:
        root = cause
        seen.add(root)
        cause = _cause(others[root], others)
    if root is None or cause == judged.clause.id:
        # In a circle nobody is the root of another: all stand as they were judged.
        return judged
    if others[root].verdict is Verdict.PASS:
        # Something stood in the way that its own clause did not find: what the clause rests on may be broken instead.
        broken = next((need for need in judged.clause.needs if others[need].verdict is Verdict.FAIL), None)
        if broken is not None:
            return replace(judged, verdict=Verdict.BLOCKED, blocked_by=broken)
        return replace(judged, verdict=Verdict.INCONCLUSIVE, blocked_by=None)
    return replace(judged, verdict=Verdict.BLOCKED, blocked_by=root)


def _cause(judged: Judged, others: Mapping[ClauseId, Judged]) -> ClauseId | None:
    if judged.verdict is Verdict.BLOCKED:
        return judged.blocked_by
    if judged.verdict is Verdict.INCONCLUSIVE and judged.by_machine:
        return None
    # What could not be decided while a clause that it rests on is broken could not be decided for that reason.
    # So is what could not be brought about; an error of any other kind is the suite's alone.
    if judged.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE) or (judged.verdict is Verdict.ERROR and judged.rests_on):
        # A clause that names this one as the cause of its failure is not the cause of this one's, though this needs it.
        needs = (need for need in judged.clause.needs if judged.clause.id not in others[need].rests_on)
        return next((need for need in (*needs, *judged.rests_on) if others[need].verdict is Verdict.FAIL), None)
    return None


def deciding(judged: Iterable[Judged], level: Level) -> list[Judged]:
    """Give the clauses that decide at a level: should takes in must."""
    return [each for each in judged if level is Level.SHOULD or each.clause.level is Level.MUST]


def conforms(ledger: Ledger, level: Level) -> bool | None:
    """Tell whether the subject conforms at a level: None where it could not be decided.

    Clauses that were not selected, or that the subject does not claim, decide nothing; but nothing judged at all
    decides nothing either (no vacuous pass). A clause that was selected and never judged leaves the matter open.
    """
    verdicts = Counter(each.verdict for each in deciding(ledger.judged(), level) if each.clause.id in ledger.selected)
    if verdicts[Verdict.FAIL]:
        return False
    settled = verdicts[Verdict.PASS] + verdicts[Verdict.NOT_APPLICABLE]
    if ledger.suite_errors or settled < verdicts.total() or not verdicts[Verdict.PASS]:
        return None
    return True
