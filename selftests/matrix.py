"""Checks servers of the corpus, several at a time, and prints clause by mutant what each verdict was.

`python -m selftests.matrix [mutants|variants|NAME|CLAUSE …] [--at-once N] [--out FOLDER] [--page FILE]`. With --page,
`docs/detection.md` is written from all that FOLDER has, of earlier runs too. The exit status is 1 where the suite
missed a mutant, caught one elsewhere, raised an alarm or broke.
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from selftests import corpus, detection
from selftests.checked import WRONG, Checked, check, counted
from selftests.corpus import Server


def main() -> int:
    """Check what was named; status 1 where the suite was wrong about any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="mutants, variants, names of servers, or clauses (all)")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep what was built, and what was said of it")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page of all that FOLDER has")
    options = parser.parse_args()
    servers = [server for name in options.names or ["mutants", "variants"] for server in _named(name)]
    with tempfile.TemporaryDirectory(prefix="matrix-") as scratch, ThreadPoolExecutor(options.at_once) as executor:
        folder = options.out or Path(scratch)
        checks: list[Checked] = []
        for checked in executor.map(lambda server: check(server, folder), servers):
            checks.append(checked)
            print(f"{len(checks):3} of {len(servers)}  {checked}", flush=True)
        if options.page:
            unknown = detection.write(options.page, folder)
            print(f"{options.page} is written" + (f"; not checked yet: {', '.join(unknown)}" if unknown else ""))
    print(counted(checks))
    return int(any(checked.outcome in WRONG for checked in checks))


def _named(name: str) -> list[Server]:
    if name == "mutants":
        return corpus.mutants()
    if name == "variants":
        return corpus.variants()
    everyone = corpus.mutants() + corpus.variants()
    found = [server for server in everyone if name in (server.name, server.clause)]
    if not found:
        raise SystemExit(f"{name!r}: no server of the corpus has this name, and no mutant breaks such a clause")
    return found


if __name__ == "__main__":
    sys.exit(main())
