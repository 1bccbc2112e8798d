"""What an autograder leaves for Gradescope: `results.json`, a test for each clause with its points."""

import json
from collections.abc import Mapping
from typing import Any

from grading.reports.cases import Case, cases_by_section, in_one_line
from grading.terminal import IN_WORDS
from spec.verdict import Verdict

STATUS = {Verdict.PASS: "passed", Verdict.FAIL: "failed"}  # of the others Gradescope knows none


def render(result: Mapping[str, Any]) -> str:
    """Give the results of one submission, of its result (`grade_one`)."""
    score, document = result["score"], result["verdict"]
    told = [*score["notes"], *(f"for a person to look at: {flag}" for flag in score["flags"])]
    told += result["output"].splitlines()
    results: dict[str, Any] = {
        "score": score["points"],
        "output_format": "text",
        "output": "\n".join(in_one_line(line) for line in told),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [],
        "extra_data": {"seed": result["seed"], "out_of": score["out_of"], "outcome": result["outcome"]},
    }
    if document is not None:
        results["execution_time"] = round(document["run"]["seconds"])
        cases = {case.clause: case for _, of_it in cases_by_section(document) for case in of_it}
        results["tests"] = [_test(cases[line["clause"]], line) for line in score["lines"]]
    return json.dumps(results, indent=2, ensure_ascii=False) + "\n"


def _test(case: Case, line: Mapping[str, Any]) -> dict[str, Any]:
    told = IN_WORDS[case.verdict] + (f" ({line['why']})" if line["why"] else "")
    test: dict[str, Any] = {
        "name": f"{case.clause}: {case.required}",
        "number": case.clause,
        "score": line["earned"],
        "max_score": line["worth"],
        "output_format": "text",
        "output": told if case.verdict is Verdict.PASS else f"{told}\n{case.in_full}",
        "tags": [case.level],
        "visibility": "visible",
    }
    if case.verdict in STATUS:
        test["status"] = STATUS[case.verdict]
    return test
