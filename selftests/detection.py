"""What the suite catches, clause by clause, and what it lets pass: the last check of each server, kept in a file.

`docs/detection.csv` has a line for each server, with the commit that judged it; `docs/detection.md` is made of that.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from selftests import corpus
from selftests.checked import ROOT, WRONG, Checked, counted
from selftests.markdown import table
from spec.sections import SECTIONS

HEAD = """\
# What the suite catches

Made of [detection.csv](detection.csv), which tells when each was judged, and by which commit; `tox run -e mutants`
adds to it: do not edit. Every server of ours was judged by the whole check, and each clause has mutants: servers with
one thing wrong, which that clause must find. A mutant is *caught* where its clause fails, and no clause fails that the
defect does not break as well (*fails too*: those that did); *caught+* where one more fails; *elsewhere* where only
others fail; *MISSED* where nothing does. A variant is sound and built otherwise than the reference: any verdict on it
but *pass* and *not applicable* is an *ALARM*.
"""
KEPT, PAGE = ROOT / "docs" / "detection.csv", ROOT / "docs" / "detection.md"
_FIELDS = ("server", "at", "commit", "seconds", "verdicts")  # seconds are empty where nobody noted them
_DULL = ("pass", "not-applicable", "not-run")


def keep(checked: Checked, file: Path, *, commit: str) -> None:
    """Put a check in the place of the last one of its server. A line names the verdicts that are of interest."""
    lines = {line["server"]: line for line in _read(file)}
    verdicts = [f"{clause} {verdict}" for clause, verdict in checked.verdicts.items() if verdict not in _DULL]
    lines[checked.server.name] = {
        "server": checked.server.name,
        "at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit,
        "seconds": f"{checked.seconds:.0f}",
        "verdicts": "; ".join([*verdicts, *([checked.trouble] if checked.trouble else [])]),
    }
    scratch = file.with_suffix(".part")
    with scratch.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, _FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines[name] for name in sorted(lines))
    scratch.replace(file)


def kept(file: Path) -> dict[str, Checked]:
    """Give the last check of each server of the corpus that has a line."""
    everyone = {server.name: server for server in [*corpus.mutants(), *corpus.variants()]}
    found = {}
    for line in _read(file):
        if server := everyone.get(line["server"]):
            words = [part.split(" ", 1) for part in line["verdicts"].split("; ") if part]
            verdicts = {word[0]: word[1] for word in words if len(word) > 1 and word[0][-1:].isdigit()}
            trouble = "" if len(verdicts) == len(words) else line["verdicts"]
            found[server.name] = Checked(server, verdicts, {}, float(line["seconds"] or "nan"), trouble)
    return found


def _read(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            return list(csv.DictReader(opened))
    except FileNotFoundError:
        return []


def page(checks: Iterable[Checked]) -> str:
    """Give the page, in the order of the corpus."""
    by_name = {each.server.name: each for each in checks}
    everyone = [server.name for server in [*corpus.mutants(), *corpus.variants()]]
    return "\n".join(_lines([by_name[name] for name in everyone if name in by_name])) + "\n"


def _lines(checks: Sequence[Checked]) -> Iterator[str]:
    mutants = [each for each in checks if each.server.clause]
    variants = [each for each in checks if not each.server.clause]
    yield HEAD
    yield table(
        ["", "servers", "outcomes", "seconds each", "slowest"],
        [_summary("mutants", mutants), _summary("variants", variants)],
    )
    for section in SECTIONS:
        yield f"\n## {section.name}: {section.title}\n"
        yield table(
            ["clause", "mutant", "what is wrong with it", "outcome", "fails too"],
            (_row(each) for clause in section for each in mutants if each.server.clause == clause.id),
        )
    yield "\n## Variants\n"
    yield table(
        ["variant", "what is different about it", "outcome", "seconds"],
        ([f"`{each.server.name}`", each.server.why, _outcome(each), _seconds(each)] for each in variants),
    )


def _summary(name: str, checks: Sequence[Checked]) -> list[str]:
    seconds = sorted(each.seconds for each in checks if each.seconds >= 0) or [0.0]
    return [name, str(len(checks)), counted(checks), f"{seconds[len(seconds) // 2]:.0f} (median)", f"{seconds[-1]:.0f}"]


def _seconds(checked: Checked) -> str:
    return f"{checked.seconds:.0f}" if checked.seconds >= 0 else ""


def _row(checked: Checked) -> list[str]:
    server = checked.server
    others = ", ".join(each for each in checked.failed if each != server.clause)
    return [server.clause, f"`{server.name}`", server.why, _outcome(checked), others]


def _outcome(checked: Checked) -> str:
    """Say the outcome; for one that is wrong, with what was said instead."""
    if checked.outcome not in WRONG:
        return checked.outcome
    return f"**{checked.outcome}** {', '.join(f'{clause}: {verdict}' for clause, verdict in checked.odd.items())}"
