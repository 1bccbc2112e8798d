"""The verdict as CTRF (Common Test Report Format) JSON: a test for each clause."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from grading.reports.cases import Case, cases_by_section, subject_name
from spec.verdict import Verdict

SPECIFICATION = "0.0.0"  # the version of CTRF, as its schema wants one
STATUS = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.NOT_RUN: "pending"}
# Blocked, not applicable: nothing was decided. Inconclusive, and an error of the suite: something else.
OTHERWISE = {Verdict.BLOCKED: "skipped", Verdict.NOT_APPLICABLE: "skipped"}


def render(document: Mapping[str, Any]) -> str:
    """Give the report of one verdict document."""
    tests = [_test(section, case) for section, cases in cases_by_section(document) for case in cases]
    statuses = [test["status"] for test in tests]
    began = round(datetime.fromisoformat(document["run"]["began"]).timestamp() * 1000)
    report = {
        "reportFormat": "CTRF",
        "specVersion": SPECIFICATION,
        "generatedBy": "preforkspec",
        "results": {
            "tool": {"name": "preforkspec", "version": document["suite"]["version"]},
            "summary": {
                "tests": len(tests),
                **{name: statuses.count(name) for name in ("passed", "failed", "skipped", "pending", "other")},
                "start": began,
                "stop": began + round(document["run"]["seconds"] * 1000),
            },
            "tests": tests,
            "environment": {
                "appName": subject_name(document),
                "osPlatform": "linux",
                "osRelease": document["environment"]["kernel"],
                "extra": {"seed": document["run"]["seed"]},
            },
        },
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _test(section: str, case: Case) -> dict[str, Any]:
    status = STATUS.get(case.verdict) or OTHERWISE.get(case.verdict, "other")
    test: dict[str, Any] = {
        "name": f"{case.clause}: {case.required}",
        "status": status,
        "duration": round(case.seconds * 1000),
        "suite": ["preforkspec", section],
        "rawStatus": case.verdict.value,
        "tags": [case.level],
    }
    if case.verdict is not Verdict.PASS:
        test |= {"message": case.message, "trace": case.in_full}
    if case.output:
        test["stdout"] = case.output.splitlines()
    return test
