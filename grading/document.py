"""The verdict document: what `--json` writes, as `verdict.schema.json` describes it."""

import os
import platform
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grading.ledger import Ledger, conforms
from spec.clause import Level
from spec.verdict import Verdict

SCHEMA = 1
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Run:
    """When a check began and how long it took, in seconds; what it drew its numbers by, and which clauses decided."""

    began: datetime
    seconds: float
    seed: int
    level: Level


def document(
    ledger: Ledger, *, subject: Mapping[str, Any], environment: Mapping[str, Any], run: Run, replay: str
) -> dict[str, Any]:
    """Give the document, with every clause whatever was selected. `replay` is the command that judges all."""
    judged = ledger.judged()
    counts = Counter(each.verdict for each in judged)
    return {
        "schema": SCHEMA,
        "suite": {"version": version()},
        "environment": dict(environment),
        "subject": dict(subject),
        "run": {
            "began": run.began.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds": round(run.seconds, 3),
            "seed": run.seed,
            "level": run.level.value,
        },
        "clauses": [
            {
                "id": each.clause.id,
                "level": each.clause.level.value,
                "verdict": each.verdict.value,
                "required": each.clause.text,
                "seen": each.seen,
                "blocked_by": each.blocked_by,
                "tests": list(each.tests),
                "seconds": round(each.seconds, 3),
                "replay": f"{replay} --clause {each.clause.id}{_with_plan(each.plan)}",
            }
            for each in judged
        ],
        "evidence": [
            {"clause": each.clause.id, "output": each.output, "timeline": each.evidence}
            for each in judged
            if each.verdict is not Verdict.PASS and (each.output or each.evidence)
        ],
        "summary": {
            **{verdict.value: counts[verdict] for verdict in Verdict},
            "conforms": conforms(ledger, run.level),
        },
    }


def _with_plan(plan: str) -> str:
    """Give the option that performs one plan again: the plan is its own file, by the shell's leave."""
    return f" --replay <(echo {shlex.quote(plan)})" if plan else ""


def version() -> str:
    """Give the suite's version, which stands in a file of its own beside this package."""
    return (ROOT / "VERSION").read_text(encoding="ascii").strip()


def environment(*, isolation: str) -> dict[str, Any]:
    """Describe the machine on which a verdict was reached."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "user": "root" if os.geteuid() == 0 else "ordinary",
        "isolation": isolation,
    }
