"""What one test found of one clause, in a form that travels between processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spec.clause import ClauseId
from spec.verdict import Blocked, Decision, Refused, Verdict, Violated

# The name under which a finding travels in a pytest report.
PROPERTY = "finding"
# Likewise, the name of a set of parameters that a launch of the test used.
PARAMETERS = "parameters"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One test's verdict on one clause. `seen` says what was seen, also for a pass; `seconds` how long it took.

    `spent` are those of the seconds that a purpose is known of, by that: launching, settling …
    """

    clause: ClauseId
    test: str
    verdict: Verdict
    seen: str = ""
    blocked_by: ClauseId | None = None
    rests_on: tuple[ClauseId, ...] = ()
    by_machine: bool = False  # it was not decided, as this machine refuses what that takes
    plan: str = ""  # that shows a failure again, where one does
    output: str = ""
    evidence: Mapping[str, Any] | None = None  # the timeline of a failure, as `grading.evidence` writes it
    seconds: float = 0.0
    spent: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Give the finding as plain values."""
        return {**asdict(self), "verdict": self.verdict.value}

    @staticmethod
    def from_json(plain: dict[str, Any]) -> "Finding":
        """Read what `as_json` gave."""
        rests_on = tuple(plain["rests_on"])
        return Finding(**{**plain, "verdict": Verdict(plain["verdict"]), "rests_on": rests_on})


def from_outcome(
    clause: ClauseId,
    test: str,
    error: BaseException | None,
    *,
    seen: str,
    output: str,
    seconds: float,
    spent: Mapping[str, float],
) -> Finding:
    """Say what a test found, by how it ended: an exception that is no Decision is an error of the suite."""
    verdict, blocked_by, plan = Verdict.PASS, None, ""
    rests_on: tuple[ClauseId, ...] = ()
    if isinstance(error, Decision):
        verdict, seen, rests_on = error.verdict, str(error), error.rests_on
        if isinstance(error, Violated):
            seen, plan = error.seen, error.plan
        elif isinstance(error, Blocked):
            blocked_by, seen = error.by, error.seen
    elif error is not None:
        verdict, seen = Verdict.ERROR, f"{type(error).__name__}: {error}"
    return Finding(
        clause=clause,
        test=test,
        verdict=verdict,
        seen=seen,
        blocked_by=blocked_by,
        rests_on=rests_on,
        by_machine=isinstance(error, Refused),
        plan=plan,
        output=output,
        seconds=seconds,
        spent=spent,
    )
