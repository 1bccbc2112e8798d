"""The verdict document: what `--json` writes, as `verdict.schema.json` describes it."""

import json
import os
import platform
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grading.ledger import Ledger, conforms
from spec.clause import Level
from spec.verdict import Verdict

SCHEMA = 1
ROOT = Path(__file__).resolve().parent.parent


def document(
    ledger: Ledger, *, subject: Mapping[str, Any], environment: Mapping[str, Any], level: Level, replay: str
) -> dict[str, Any]:
    """Give the document, with every clause whatever was selected. `replay` is the command that judges all."""
    judged = ledger.judged()
    counts = Counter(each.verdict for each in judged)
    return {
        "schema": SCHEMA,
        "suite": {"version": version()},
        "environment": dict(environment),
        "subject": dict(subject),
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
        "summary": {
            **{verdict.value: counts[verdict] for verdict in Verdict},
            "conforms": conforms(ledger, level),
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


def write(path: Path, verdict: Mapping[str, Any]) -> None:
    """Write the document whole or not at all; into what is no regular file (a pipe, /dev/stdout), just write it."""
    # A command line may hold bytes that are no UTF-8; `\udcff`, as this writes them, is legal in JSON.
    text = (json.dumps(verdict, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
    if path.exists() and not path.is_file():
        path.write_bytes(text)
        return
    target = path.resolve()
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        scratch.write_bytes(text)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
