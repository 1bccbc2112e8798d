"""The verdict as JUnit XML: a suite for each section, a case for each clause.

The dialect is the one that both of its published schemas allow: that of Ant's reports, and that of Jenkins.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from grading.reports.cases import Case, cases_by_section, subject_name
from spec.verdict import Verdict

# What stands below a case that has not passed. Anything undecided is *skipped*: JUnit knows no other word for it.
BELOW = {Verdict.FAIL: "failure", Verdict.ERROR: "error"}
SKIPPED = "skipped"


def render(document: Mapping[str, Any]) -> str:
    """Give the report of one verdict document."""
    suites = ET.Element("testsuites")
    for number, (section, cases) in enumerate(cases_by_section(document)):
        suites.append(_suite(document, number, section, cases))
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _suite(document: Mapping[str, Any], number: int, section: str, cases: Sequence[Case]) -> ET.Element:
    below = [BELOW.get(case.verdict, SKIPPED) for case in cases if case.verdict is not Verdict.PASS]
    suite = ET.Element(
        "testsuite",
        name=section,
        package="preforkspec",
        id=str(number),
        tests=str(len(cases)),
        failures=str(below.count("failure")),
        errors=str(below.count("error")),
        skipped=str(below.count(SKIPPED)),
        time=f"{sum(case.seconds for case in cases):.3f}",
        # Without its zone: the schema allows none. It is UTC.
        timestamp=document["run"]["began"].removesuffix("Z"),
        hostname="localhost",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("subject", subject_name(document)), ("seed", document["run"]["seed"])):
        ET.SubElement(properties, "property", name=name, value=str(value))
    for case in cases:
        suite.append(_case(section, case))
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    return suite


def _case(section: str, case: Case) -> ET.Element:
    element = ET.Element("testcase", name=case.clause, classname=f"preforkspec.{section}", time=f"{case.seconds:.3f}")
    if case.verdict is not Verdict.PASS:
        kind = BELOW.get(case.verdict, SKIPPED)
        below = ET.SubElement(element, kind, message=case.message)
        if kind != SKIPPED:
            below.set("type", case.level)
            below.text = case.in_full
    return element
