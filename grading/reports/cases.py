"""The clauses of a verdict document as other programs' formats want them: cases, each with a message safe to print.

Everything of a subject is data: without control characters, and cut to size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grading.wording import plain, shortened
from spec.sections import SECTIONS
from spec.verdict import Verdict

MOST_OF_A_MESSAGE = 1000  # characters
MOST_OF_THE_OUTPUT = 4000


@dataclass(frozen=True, kw_only=True)
class Case:
    """One clause: `message` says in a line what became of it, `in_full` all that helps."""

    clause: str
    level: str
    verdict: Verdict
    required: str
    message: str
    in_full: str
    output: str
    seconds: float


def cases_by_section(document: Mapping[str, Any]) -> Iterator[tuple[str, list[Case]]]:
    """Give the clauses of each section, in the specification's order."""
    outputs = {each["clause"]: each["output"] for each in document["evidence"]}
    for section in SECTIONS:
        of_it = [each for each in document["clauses"] if each["id"].rpartition("-")[0] == section.name]
        if of_it:
            yield section.name, [_case(each, outputs.get(each["id"], "")) for each in of_it]


def subject_name(document: Mapping[str, Any]) -> str:
    """Give the subject's name in one line."""
    return in_one_line(document["subject"]["name"])


def in_one_line(text: str) -> str:
    """Give text without control characters and line ends, cut to size."""
    return shortened(" ".join(plain(text).split()), MOST_OF_A_MESSAGE)


def _case(clause: Mapping[str, Any], output: str) -> Case:
    verdict = Verdict(clause["verdict"])
    said = shortened(plain(output), MOST_OF_THE_OUTPUT)
    message = _message(clause, verdict)
    lines = [f"required: {clause['required']}", f"seen: {message}"]
    if said:
        lines.append(f"it printed:\n{said}")
    return Case(
        clause=clause["id"],
        level=clause["level"],
        verdict=verdict,
        required=clause["required"],
        message=message,
        in_full="\n".join([*lines, f"again: {plain(clause['replay'])}"]),
        output=said,
        seconds=clause["seconds"],
    )


def _message(clause: Mapping[str, Any], verdict: Verdict) -> str:
    seen = " ".join(shortened(plain(clause["seen"]), MOST_OF_A_MESSAGE).split())
    if verdict is Verdict.BLOCKED:
        return f"blocked by {clause['blocked_by']}: it could only be judged through what that found broken"
    if verdict in (Verdict.FAIL, Verdict.PASS):
        return seen
    return f"{verdict.value}: {seen}" if seen else verdict.value
