"""Reports for other programs, made of one verdict document: JUnit XML, CTRF JSON, what GitHub Actions shows."""

import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema

from grading.reports import ctrf, github, junit, writing
from selftests.findings import documented, everything_passes, found
from spec.clause import Clause
from spec.epoll import EPOLL_1, EPOLL_3
from spec.http import HTTP_3
from spec.lifecycle import LIFECYCLE_5
from spec.pool import POOL_2, POOL_3, POOL_9
from spec.protocol import PROTOCOL_5
from spec.sections import CLAUSES, SECTIONS
from spec.verdict import Verdict

FORMATS = Path(__file__).with_name("formats")
JUNIT = xmlschema.XMLSchema(FORMATS / "junit.xsd")
CTRF = json.loads((FORMATS / "ctrf.schema.json").read_text(encoding="utf-8"))
# Whatever a server could print, or have for a name, to be read as something else than text.
NASTY = "a\x1b[31mred\x00\x07</pre><script>alert(1)</script> & ]]> `x` |b| ::error::no\r\n%0A\udcff"


def every_verdict(seen: str = "seen", name: str = "a") -> dict[str, Any]:
    """Give a document with each verdict that there is."""
    return documented(
        everything_passes(
            found(POOL_9.id, Verdict.FAIL, seen=seen, output=seen),
            found(PROTOCOL_5.id, Verdict.ERROR, seen=seen),
            found(LIFECYCLE_5.id, Verdict.INCONCLUSIVE, seen=seen),
            found(HTTP_3.id, Verdict.NOT_APPLICABLE, seen=seen),
            found(EPOLL_1.id, Verdict.FAIL, seen=seen),
            found(EPOLL_3.id, Verdict.FAIL, seen=seen),
        ),
        name=name,
    )


def parsed(report: str) -> ET.Element:
    return ET.fromstring(report)  # noqa: S314 - made by us, a moment ago


def cases(report: str) -> dict[str, ET.Element]:
    return {each.attrib["name"]: each for each in parsed(report).iter("testcase")}


@pytest.mark.parametrize("said", ["seen", NASTY, ""], ids=["plain", "nasty", "nothing"])
def test_junit_and_ctrf_are_as_their_schemas_have_them(said: str) -> None:
    JUNIT.validate(junit.render(every_verdict(said, name=said or "a")))
    jsonschema.validate(json.loads(ctrf.render(every_verdict(said, name=said or "a"))), CTRF)


def test_the_schemas_would_find_a_mistake() -> None:
    wrong = junit.render(every_verdict()).replace("<system-err />", "")
    assert not JUNIT.is_valid(wrong)
    report = json.loads(ctrf.render(every_verdict()))
    report["results"]["tests"][0]["status"] = "blocked"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, CTRF)


def test_junit_has_a_suite_for_each_section_and_a_case_for_each_clause() -> None:
    report = parsed(junit.render(every_verdict()))
    assert [suite.attrib["name"] for suite in report] == [section.name for section in SECTIONS]
    assert list(cases(junit.render(every_verdict()))) == list(CLAUSES)
    for suite in report:
        below = Counter(child.tag for case in suite.iter("testcase") for child in case)
        for kind, counted in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert suite.attrib[counted] == str(below[kind])
        assert suite.attrib["tests"] == str(len(list(suite.iter("testcase"))))


@pytest.mark.parametrize(
    ("clause", "below"),
    [
        (POOL_9, "failure"),
        (PROTOCOL_5, "error"),
        (LIFECYCLE_5, "skipped"),
        (HTTP_3, "skipped"),
        (EPOLL_3, "skipped"),  # blocked
        (POOL_2, None),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "id", "passes"),
)
def test_junit_tells_what_became_of_a_clause_by_what_stands_below_its_case(clause: Clause, below: str | None) -> None:
    found_below = [child.tag for child in cases(junit.render(every_verdict()))[clause.id]]
    assert found_below == ([below] if below else [])


def test_a_failure_in_junit_says_what_was_required_and_seen_and_how_to_see_it_again() -> None:
    failure = cases(junit.render(every_verdict("none idle")))[POOL_9.id][0]
    assert failure.attrib["message"] == "none idle"
    assert failure.text is not None
    for part in (POOL_9.text, "none idle", f"--clause {POOL_9.id}"):
        assert part in failure.text


def test_ctrf_counts_each_status_and_names_each_clause() -> None:
    results = json.loads(ctrf.render(every_verdict()))["results"]
    statuses = Counter(test["status"] for test in results["tests"])
    assert {name: results["summary"][name] for name in statuses} == statuses
    assert statuses == {"passed": len(CLAUSES) - 6, "failed": 2, "skipped": 2, "other": 2}
    assert [test["name"].split(":")[0] for test in results["tests"]] == list(CLAUSES)
    assert results["summary"]["stop"] - results["summary"]["start"] == 12_500


@pytest.mark.parametrize("name", [name for name in writing.FORMATS if name != "html"])
def test_what_a_server_says_is_text_in_every_report(name: str) -> None:
    report = writing.rendered(every_verdict(NASTY, name=NASTY), name)
    if name == "junit":
        assert "<script" not in report
        assert "\x1b" not in "".join(parsed(report).itertext())
    elif name == "ctrf":
        assert all(sign not in json.dumps(json.loads(report)) for sign in ("\\u001b", "\\u0000", "\\u0007"))


def test_annotations_are_a_line_each_and_command_nothing_more() -> None:
    lines = list(github.annotations(every_verdict(NASTY)))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::error", "::warning"]
    assert all("\n" not in line and "\r" not in line and line.isprintable() for line in lines)
    assert all(line.count("::") == 2 or "::error::no" in line.split("::", 2)[2] for line in lines)
    assert f"title={PROTOCOL_5.id}%3A" in lines[0]


def test_the_summary_of_a_job_is_a_table_whose_cells_stay_cells() -> None:
    summary = github.summary(every_verdict(NASTY, name=NASTY))
    rows = [line for line in summary.splitlines() if line.startswith("| ") and "---" not in line]
    bars = [row.replace("\\|", "").count("|") for row in rows]
    assert bars == [6] * 5  # the head, two failures, an error and what was not decided
    assert "<script" not in summary


def test_on_github_annotations_are_printed_and_the_summary_is_added_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    writing.tell_github(every_verdict())
    assert (capsys.readouterr().out, summary.read_text(encoding="utf-8")) == ("", "before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    writing.tell_github(every_verdict())
    assert capsys.readouterr().out.startswith("::error title=")
    assert summary.read_text(encoding="utf-8").startswith("before\n## preforkspec: a does not conform")


def test_a_report_that_cannot_be_written_is_told_and_the_others_are_written(tmp_path: Path) -> None:
    targets = {"junit": tmp_path / "none" / "r.xml", "ctrf": tmp_path / "r.json"}
    (wrong,) = writing.write(documented(everything_passes(found(POOL_3.id, Verdict.FAIL))), targets)
    assert wrong.startswith("--junit could not be written: ")
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
