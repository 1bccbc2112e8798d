"""The pages of a class: a submission's, which is its verdict's with the points, and the index of all."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from grading.document import version
from grading.reports.page import environment, told
from spec.sections import SECTIONS

HEADINGS = {
    "not built": "Not built",
    "unacceptable": "Unacceptable: it could not be laid out",
    "broken": "Could not be graded",
}
PAGES = "pages"


def points_by_section(result: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Give what was earned in each section, and what it was worth; nothing where nothing was judged."""
    points: dict[str, tuple[float, float]] = {}
    for line in result["score"]["lines"]:
        section = line["clause"].rpartition("-")[0]
        earned, worth = points.get(section, (0.0, 0.0))
        points[section] = round(earned + line["earned"], 2), round(worth + line["worth"], 2)
    return points


def render(result: Mapping[str, Any]) -> str:
    """Give the page of one submission's result (`grade_one`)."""
    document = result["verdict"]
    by_section = points_by_section(result)
    known: dict[str, Any] = told(document) if document is not None else {"version": version()}
    if document is None:
        known["outcome"] = "fails", HEADINGS[result["outcome"]]
    known |= {
        "title": result["submission"]["name"],
        "judged": document is not None,
        "score": result["score"],
        "kind": result["outcome"],
        "file": result["submission"]["file"],
        "together": [round(sum(column), 2) for column in zip((0, 0), *by_section.values(), strict=True)],
        "costs": _costs(result) if document is not None else [],
        "left_out": result["submission"]["left_out"],
        "why": result["why"],
        "output": result["output"].splitlines(),
        "sandbox": result["sandbox"],
        "seed": result["seed"],
        # What does not apply is worth nothing.
        "by_section": [
            (each.title, *by_section[each.name]) for each in SECTIONS if by_section.get(each.name, (0, 0))[1]
        ],
    }
    return environment().get_template("grade.html.j2").render(**known)


def _costs(result: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """Give what each root cause cost, the dearest first: its clause, how many are blocked by it, points in all."""
    blocked_by = {each["id"]: each["blocked_by"] for each in result["verdict"]["clauses"]}
    lost: dict[str, float] = {}
    behind: Counter[str] = Counter()
    for line in result["score"]["lines"]:
        if line["earned"] < line["worth"]:
            cause = blocked_by[line["clause"]] or line["clause"]
            lost[cause] = lost.get(cause, 0.0) + line["worth"] - line["earned"]
            behind[cause] += cause != line["clause"]
    return sorted(
        ((cause, behind[cause], round(points, 2)) for cause, points in lost.items()), key=lambda each: -each[2]
    )


def render_class(results: Sequence[Mapping[str, Any]]) -> str:
    """Give the index of a class."""
    return environment().get_template("class.html.j2").render(version=version(), rows=[_row(each) for each in results])


def _row(result: Mapping[str, Any]) -> dict[str, Any]:
    document = result["verdict"]
    fails = [each["id"] for each in document["clauses"] if each["verdict"] == "fail"] if document else []
    return {
        "name": result["submission"]["name"],
        "page": f"{PAGES}/{result['submission']['name']}.html",
        "points": result["score"]["points"],
        "outcome": result["outcome"],
        "fails": ", ".join(fails),
        "flags": len(result["score"]["flags"]) or "",
    }
