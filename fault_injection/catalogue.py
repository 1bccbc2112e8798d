"""Prints the faults as docs/faults.md: `python -m fault_injection.catalogue [--check FILE]`."""

import argparse
import importlib
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from fault_injection.register import FAULTS, Fault

_HEAD = """\
# Faults

Generated from `fault_injection/register.py` by `python -m fault_injection.catalogue > docs/faults.md`: do not edit.

Each fault is a context manager of `fault_injection/` that undoes itself, and proves that it took hold. One that did not
is an error of the suite, never a pass; one that the system refuses leaves its clauses inconclusive, with the reason.
To stop processes and let them go on is `subject/stopping.py`. For tests of one's own, each is a fixture as well:
`fault_injection/fixtures.py`.
"""


def page() -> str:
    """Give the whole page."""
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for module, faults in groupby(FAULTS, key=lambda fault: fault.module):
        about = (importlib.import_module(f"fault_injection.{module}").__doc__ or "").partition("\n")[0]
        yield f"## {module}\n\n{about}\n"
        for fault in faults:
            yield from _told(fault)


def _told(fault: Fault) -> Iterator[str]:
    yield f"### {fault.name.partition('.')[2]}\n"
    yield f"- made: {fault.made}"
    yield f"- proven: {fault.proven}"
    yield f"- undone: {fault.undone}"
    yield f"- needs: {fault.needs}"
    yield f"- clauses: {', '.join(fault.clauses) or 'none; it is there for tests of others'}\n"


def main() -> int:
    """Print the page, or compare it with a file: status 1 where it is not the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", metavar="FILE", type=Path, help="say whether this file is what would be printed")
    asked = parser.parse_args()
    if asked.check is None:
        sys.stdout.write(page())
        return 0
    if asked.check.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write(f"{asked.check} is not what fault_injection/register.py says: make it anew\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
