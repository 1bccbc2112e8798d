"""How often the suite cries wolf: full checks of sound servers on a machine that is busy in one way or another.

`python -m selftests.alarms [--rounds N] [--load NAME …] [--variant NAME …] [--at-once N] [--kept FILE] [--page FILE]
[--out FOLDER]`. A round is a check of every variant, each with a seed of its own.
Each verdict is added to the kept file as it comes, so that the numbers of many runs add up, and the page is made of
that file anew. The exit status is 1 after an alarm.
"""

import argparse
import csv
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from selftests import corpus
from selftests.checked import ROOT, check, commit, end_in_order, side_by_side
from selftests.corpus import Server
from selftests.loads import LOADS, load
from selftests.markdown import table

KEPT, PAGE = ROOT / "docs" / "alarms.csv", ROOT / "docs" / "alarms.md"
SOUND = "sound"
HEAD = """\
# False alarms

Made of [alarms.csv](alarms.csv), to which `tox run -e soak-suite` adds: do not edit. Each line there is a full check
of a sound server, with a seed of its own. An alarm is any verdict but *pass* and *not applicable*: an inconclusive one
too. It is a bug of the suite, and the last column of its line says which commit mended it.
Where none was seen in n checks, the true rate is below 3/n in 95 of 100 cases.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check of one variant, as it is kept."""

    at: str  # the time that it ended, UTC
    commit: str
    load: str
    at_once: int  # checks beside each other
    variant: str
    seed: int
    seconds: float
    verdict: str  # `sound`, or each clause that was odd and how
    mended: str = ""  # the commit that mended an alarm, by hand


_ROW = TypeAdapter(Row)


def main() -> int:
    """Check, keep, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="checks of each variant under each load")
    parser.add_argument("--load", action="append", choices=LOADS, help="one of the loads; may be repeated (all)")
    parser.add_argument("--variant", action="append", metavar="NAME", help="one of the variants (all)")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="checks beside each other")
    parser.add_argument("--kept", type=Path, default=KEPT, metavar="FILE")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep what each check said that raised an alarm")
    options = parser.parse_args()
    end_in_order()
    variants = [each for each in corpus.variants() if not options.variant or each.name in options.variant]
    if not variants:
        parser.error(f"no variant of these names: {', '.join(options.variant)}")
    alarms = 0
    for name in options.load or LOADS:
        with load(name):
            for row in _rounds(variants, name, rounds=options.rounds, at_once=options.at_once, out=options.out):
                keep(row, options.kept)
                options.page.write_text(page(list(read(options.kept))), encoding="utf-8")
                alarms += row.verdict != SOUND
                print(f"{row.at}  {row.load:10} {row.variant:24} {row.seconds:5.0f} s  {row.verdict}", flush=True)
    return int(alarms > 0)


def _rounds(variants: list[Server], name: str, *, rounds: int, at_once: int, out: Path | None) -> Iterator[Row]:
    by, drawn = commit(), random.Random()

    def one(server: Server) -> Row:
        seed = drawn.randrange(10**6)
        with tempfile.TemporaryDirectory(prefix="alarms-") as scratch:
            checked = check(server, Path(scratch), options=[f"--seed={seed}"])
            if out and checked.outcome != SOUND:
                shutil.copytree(Path(scratch) / server.name, out / f"{server.name}-{name}-{seed}")
        odd = "; ".join(f"{clause} {verdict}: {checked.seen[clause]}" for clause, verdict in checked.odd.items())
        return Row(
            at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            commit=by,
            load=name,
            at_once=at_once,
            variant=server.name,
            seed=seed,
            seconds=round(checked.seconds, 1),
            verdict=SOUND if checked.outcome == SOUND else odd or checked.trouble or checked.outcome,
        )

    # In an order of its own each time: who runs beside whom is a matter of chance.
    order = [each for _ in range(rounds) for each in drawn.sample(variants, len(variants))]
    yield from side_by_side([partial(one, each) for each in order], at_once=at_once)


def keep(row: Row, file: Path) -> None:
    """Add a row to the kept file."""
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, [field.name for field in fields(Row)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(asdict(row))


def read(file: Path) -> Iterator[Row]:
    """Read what was kept. Raises FileNotFoundError."""
    with file.open(encoding="utf-8", newline="") as opened:
        for line in csv.DictReader(opened):
            yield _ROW.validate_python(line)


def page(rows: list[Row]) -> str:
    """Give the page: checks, alarms and time under each load, and then each alarm."""
    names = [name for name in LOADS if any(row.load == name for row in rows)]
    lines = [_counts(name, [row for row in rows if row.load == name]) for name in names]
    head = ["load", "variants", "checks", "alarms", "since the last one", "rate", "hours"]
    parts = [HEAD, table(head, [*lines, _counts("all", rows)])]
    if alarms := [row for row in rows if row.verdict != SOUND]:
        cells = [[row.at, row.commit, row.load, f"`{row.variant}`", row.verdict, row.mended] for row in alarms]
        parts += ["\n## The alarms\n", table(["at", "commit", "load", "variant", "verdict", "mended by"], cells)]
    return "\n".join(parts) + "\n"


def _counts(name: str, rows: list[Row]) -> list[str]:
    verdicts = [row.verdict == SOUND for row in rows]
    alarms = verdicts.count(False)
    since = len(rows) if not alarms else verdicts[::-1].index(False)
    rate = f"{alarms / len(rows):.2%}" if alarms else f"< {min(1.0, 3 / len(rows)):.2%}"
    hours = sum(row.seconds for row in rows) / 3600
    variants = len({row.variant for row in rows})
    return [name, *map(str, (variants, len(rows), alarms, since)), rate, f"{hours:.1f}"]


if __name__ == "__main__":
    sys.exit(main())
