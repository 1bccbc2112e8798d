"""The verdict as one HTML page, which opens from disk: no network, no script that it could not do without.

Everything of a subject is data: Jinja2 escapes it, control characters are left out, and what is long is cut.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grading import evidence as evidences
from grading.reports import pool_lanes, pool_plot
from grading.terminal import IN_WORDS
from grading.wording import counted, in_ranges, plain, shortened
from spec.clause import ClauseId
from spec.event import Timeline
from spec.sections import CLAUSES, SECTIONS
from spec.verdict import Verdict

TEMPLATES = Path(__file__).with_name("templates")
MOST_OF_A_TEXT = 4000  # characters
MOST_OF_A_LINE, MOST_LINES = 400, 40
LAST_EVENTS = 60
# Before a verdict, so that colour is not all that tells them apart.
SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.BLOCKED: "⊘",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "!",
    Verdict.NOT_APPLICABLE: "○",
    Verdict.NOT_RUN: "·",
}


def render(document: Mapping[str, Any]) -> str:
    """Give the page of one verdict document."""
    return environment().get_template("page.html.j2").render(**told(document))


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the template is told of a verdict document."""
    clauses: Sequence[dict[str, Any]] = document["clauses"]
    shown = {each["clause"]: each for each in document.get("evidence", [])}
    return {
        "title": document["subject"]["name"],
        "version": document["suite"]["version"],
        "document": document,
        "outcome": _outcome(document),
        "counts": [
            (verdict, IN_WORDS[verdict], document["summary"][verdict.value])
            for verdict in IN_WORDS
            if document["summary"][verdict.value]
        ],
        "sections": _sections(clauses),
        "failures": [_failure(each, shown.get(each["id"])) for each in clauses if each["verdict"] == "fail"],
        "blocked": _by(clauses, "blocked", "blocked_by"),
        "undecided": _by(clauses, "inconclusive", "seen"),
        "errors": _by(clauses, "error", "seen"),
        "signs": {verdict.value: sign for verdict, sign in SIGNS.items()},
        "in_words": {verdict.value: words for verdict, words in IN_WORDS.items()},
    }


@cache
def environment() -> Environment:
    """Give the templates, in which everything is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"safe_text": safe_text, "counted": counted, "in_ranges": in_ranges}
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    made.globals["style"] = Markup(style)  # noqa: S704 - a file of ours
    return made


def safe_text(text: object, most: int = MOST_OF_A_TEXT) -> str:
    """Give text of a subject without control characters, cut to size; the template escapes it."""
    return shortened(plain(str(text)), most)


def _outcome(document: Mapping[str, Any]) -> tuple[str, str]:
    conforms = document["summary"]["conforms"]
    if conforms is None:
        return "undecided", "Not decided"
    if not conforms:
        return "fails", "Does not conform"
    return "conforms", "Conforms, in all that it must" if document["summary"]["fail"] else "Conforms"


def _sections(clauses: Sequence[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    listed = [
        (section.name, section.title, [each for each in clauses if each["id"].rpartition("-")[0] == section.name])
        for section in SECTIONS
    ]
    # A document of an older suite does not know all of them.
    return [each for each in listed if each[2]]


def _by(clauses: Sequence[dict[str, Any]], verdict: str, key: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Group the clauses with one verdict by their cause, or by what was seen."""
    of_it = sorted((each for each in clauses if each["verdict"] == verdict), key=lambda each: str(each[key]))
    order = {clause: place for place, clause in enumerate(CLAUSES)}
    groups = [
        (str(why), sorted(group, key=lambda each: order[each["id"]])) for why, group in groupby(of_it, lambda e: e[key])
    ]
    return sorted(groups, key=lambda group: order[group[1][0]["id"]])


def _failure(clause: dict[str, Any], shown: Mapping[str, Any] | None) -> dict[str, Any]:
    output = [safe_text(line, MOST_OF_A_LINE) for line in (shown or {}).get("output", "").splitlines()][-MOST_LINES:]
    written = (shown or {}).get("timeline")
    return {
        **clause,
        "source": CLAUSES[ClauseId(clause["id"])].source,
        "observed": CLAUSES[ClauseId(clause["id"])].observed,
        "output": output,
        "timeline": _timeline(clause["id"], written) if written else None,
    }


def _timeline(clause: str, written: Mapping[str, Any]) -> dict[str, Any]:
    timeline = evidences.read(written)
    lanes = pool_lanes.lanes(timeline)
    svg = pool_plot.draw(timeline, written["parameters"])
    return {
        # Two drawings on one page must not share the names of their parts.
        "svg": Markup(_named_apart(svg, clause)),  # noqa: S704 - drawn by us from numbers and cut words
        "parameters": [f"{name} {value}" for name, value in (written["parameters"] or {}).items() if value is not None],
        "summary": _summary(timeline, lanes),
        "left_out": written["left_out"],
        "beyond": max(0, len(lanes) - pool_plot.MOST_LANES),
        "marks": [(f"{at:.3f}", safe_text(what, MOST_OF_A_LINE)) for at, what in pool_lanes.marks(timeline)],
        "events": [
            (f"{event.at:.3f}", safe_text(pool_lanes.in_words(event), 200)) for event in timeline.events[-LAST_EVENTS:]
        ],
    }


def _named_apart(svg: str, prefix: str) -> str:
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    return re.sub(r'href="#', f'href="#{prefix}-', svg)


def _summary(timeline: Timeline, lanes: Sequence[pool_lanes.Lane]) -> str:
    states = [state for _, _, state in timeline.states()]
    most = max((len(state.live) for state in states), default=0)
    busy = max((len(state.busy) for state in states), default=0)
    ended = sum(lane.ended is not None for lane in lanes)
    last = states[-1] if states else None
    end = f"at the end {len(last.live)} live, {last.idle} idle" if last else ""
    born = "1 child" if len(lanes) == 1 else f"{len(lanes)} children"
    return f"{born} in {pool_lanes.end_of(timeline):.1f} s: at most {most} live and {busy} busy, {ended} ended; {end}"
