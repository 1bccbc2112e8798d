"""What a teacher and the students get: a page for each submission, an index of the class, and a gradebook as CSV.

Everything of a submission is data: in the CSV no cell begins with what a spreadsheet would take for a formula.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grading.reports import grade_page, writing
from grading.reports.cases import in_one_line
from grading.reports.grade_page import PAGES, points_by_section
from spec.sections import SECTIONS

GRADEBOOK, INDEX, RESULTS = "gradebook.csv", "index.html", "results"
FOLDERS = RESULTS, PAGES
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def has_page(result: Mapping[str, Any], out: Path) -> bool:
    """Tell whether there is a page of a submission that is no older than its result."""
    try:
        made, graded = page_of(result, out).stat(), result_of(result["submission"]["name"], out).stat()
    except OSError:
        return False
    return made.st_mtime_ns >= graded.st_mtime_ns


def page_of(result: Mapping[str, Any], out: Path) -> Path:
    """Give where the page of a submission is."""
    return out / PAGES / f"{result['submission']['name']}.html"


def result_of(name: str, out: Path) -> Path:
    """Give where the result of a submission is."""
    return out / RESULTS / f"{name}.json"


def write_page(result: Mapping[str, Any], out: Path) -> None:
    """Write the page of one submission."""
    (out / PAGES).mkdir(parents=True, exist_ok=True)
    writing.put(page_of(result, out), grade_page.render(result))


def write(results: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write the gradebook and the index of all."""
    writing.put(out / GRADEBOOK, as_csv(results))
    writing.put(out / INDEX, grade_page.render_class(results))


def as_csv(results: Sequence[Mapping[str, Any]]) -> str:
    """Give the gradebook: a line for each submission, with its points by section, and what a person should look at."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    names = [section.name for section in SECTIONS]
    writer.writerow(["submission", "file", "points", "out_of", "outcome", *names, "flags", "notes", "seed", "digest"])
    for result in results:
        score, by_section = result["score"], points_by_section(result)
        writer.writerow(
            [
                cell(result["submission"]["name"]),
                cell(result["submission"]["file"]),
                score["points"],
                score["out_of"],
                result["outcome"],
                *(by_section[name][0] if name in by_section else "" for name in names),
                cell("; ".join(score["flags"])),
                cell("; ".join(score["notes"])),
                result["seed"],
                result["submission"]["digest"],
            ]
        )
    return written.getvalue()


def cell(text: str) -> str:
    """Give text that a spreadsheet takes for text."""
    clean = in_one_line(text)
    return f"'{clean}" if clean.startswith(FORMULA) else clean
