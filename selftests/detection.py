"""`docs/detection.md`: what the suite catches, clause by clause, and what it lets pass, from checks that were kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from selftests import corpus
from selftests.checked import WRONG, Checked, counted, kept
from selftests.markdown import table
from spec.sections import SECTIONS

HEAD = """\
# What the suite catches

Written by `tox run -e mutants`: do not edit. Every server of ours was judged by the whole check, and each clause has
mutants: servers with one thing wrong, which that clause must find. A mutant is *caught* where its clause fails, and no
clause fails that the defect does not break as well (*fails too*: those that did); *caught+* where one more fails;
*elsewhere* where only others fail; *MISSED* where nothing does. A variant is sound and built otherwise than the
reference: any verdict on it but *pass* and *not applicable* is an *ALARM*.
"""


def write(page: Path, folder: Path) -> list[str]:
    """Write the page from what a folder has kept; gives the names of servers of which it has nothing."""
    everyone = corpus.mutants() + corpus.variants()
    checks = {server.name: checked for server in everyone if (checked := kept(server, folder))}
    page.write_text("\n".join(_lines(list(checks.values()))) + "\n", encoding="utf-8")
    return [server.name for server in everyone if server.name not in checks]


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
        ([f"`{each.server.name}`", each.server.why, _outcome(each), f"{each.seconds:.0f}"] for each in variants),
    )


def _summary(name: str, checks: Sequence[Checked]) -> list[str]:
    seconds = sorted(each.seconds for each in checks) or [0.0]
    return [name, str(len(checks)), counted(checks), f"{seconds[len(seconds) // 2]:.0f} (median)", f"{seconds[-1]:.0f}"]


def _row(checked: Checked) -> list[str]:
    server = checked.server
    others = ", ".join(each for each in checked.failed if each != server.clause)
    return [server.clause, f"`{server.name}`", server.why, _outcome(checked), others]


def _outcome(checked: Checked) -> str:
    """Say the outcome; for one that is wrong, with what was said instead."""
    if checked.outcome not in WRONG:
        return checked.outcome
    return f"**{checked.outcome}** {', '.join(f'{clause}: {verdict}' for clause, verdict in checked.odd.items())}"
