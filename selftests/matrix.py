"""Checks servers of the corpus, several at a time, and prints clause by mutant what each verdict was.

`python -m selftests.matrix [mutants|variants|NAME|CLAUSE …] [--at-once N] [--out FOLDER] [--kept FILE] [--page FILE]`.
Each check takes the place of the last one of its server in the kept file, as it comes; the page is made of that file.
The exit status is 1 where the suite missed a mutant, caught one elsewhere, raised an alarm or broke.
"""

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from selftests import corpus, detection
from selftests.checked import WRONG, Checked, check, commit, counted, end_in_order, side_by_side
from selftests.corpus import Server


def main() -> int:
    """Check what was named; status 1 where the suite was wrong about any."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="mutants, variants, names of servers, or clauses (all)")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep what was built, and what was said of it")
    parser.add_argument("--kept", type=Path, default=detection.KEPT, metavar="FILE")
    parser.add_argument("--page", type=Path, default=detection.PAGE, metavar="FILE")
    options = parser.parse_args()
    end_in_order()
    servers = [server for name in options.names or ["mutants", "variants"] for server in _named(name)]
    by = commit()  # ahead of the first line that is kept, which makes the tree another one
    with tempfile.TemporaryDirectory(prefix="matrix-") as scratch:
        folder = options.out or Path(scratch)
        checks: list[Checked] = []
        for checked in side_by_side([partial(check, server, folder) for server in servers], at_once=options.at_once):
            checks.append(checked)
            detection.keep(checked, options.kept, commit=by)
            # In step with what is kept, however this run ends.
            options.page.write_text(detection.page(detection.kept(options.kept).values()), encoding="utf-8")
            print(f"{len(checks):3} of {len(servers)}  {checked}", flush=True)
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
