"""What a workflow of GitHub Actions shows: annotations on its page, and a summary of the job.

Annotations are commands on standard output; the summary is Markdown, into a file that the runner names. In both,
whatever comes from a subject is escaped: it can neither command the runner, nor make markup.
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grading.reports.cases import Case, cases_by_section, subject_name
from grading.terminal import IN_WORDS
from spec.verdict import Verdict

MOST_ANNOTATIONS = 10  # of each kind, as many as the runner shows
KINDS = {Verdict.FAIL: "error", Verdict.ERROR: "error", Verdict.INCONCLUSIVE: "warning"}


def annotations(document: Mapping[str, Any]) -> Iterator[str]:
    """Give the commands, a line each."""
    for kind in ("error", "warning"):
        of_it = [case for case in _cases(document) if KINDS.get(case.verdict) == kind]
        for case in of_it[:MOST_ANNOTATIONS]:
            yield f"::{kind} title={_property(f'{case.clause}: {case.required}')}::{_data(case.message)}"


def summary(document: Mapping[str, Any]) -> str:
    """Give the job's summary."""
    counts = document["summary"]
    outcome = {True: "conforms", False: "does not conform", None: "not decided"}[counts["conforms"]]
    found = ", ".join(f"{counts[each.value]} {words}" for each, words in IN_WORDS.items() if counts[each.value])
    lines = [f"## preforkspec: {_text(subject_name(document))} {outcome}", "", f"{found}.", ""]
    told = [case for case in _cases(document) if case.verdict in KINDS]
    if told:
        lines += ["| clause | level | verdict | required | seen |", "|---|---|---|---|---|"]
        lines += map(_row, told)
    return "\n".join(lines) + "\n"


def _row(case: Case) -> str:
    cells = (case.clause, case.level, IN_WORDS[case.verdict], _text(case.required), _text(case.message))
    return f"| {' | '.join(cells)} |"


def _cases(document: Mapping[str, Any]) -> Iterator[Case]:
    for _, cases in cases_by_section(document):
        yield from cases


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _text(text: str) -> str:
    """Escape what Markdown or HTML would read as markup."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
