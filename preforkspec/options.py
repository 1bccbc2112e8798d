"""The command line: what may be asked for, and one clear line for what may not."""

import argparse
import math
import os
from pathlib import Path
from typing import NoReturn

USAGE = 2
MOST_WORKERS = 64
EVERY_CLAUSE = 1_000_000  # more than there are
MOST_PLANS = 10_000
LONGEST_SOAK = 86_400  # seconds
LATEST = 253_402_300_799  # seconds of the epoch, in the year 9999
EPILOG = """\
exit status of check: 0 all clauses that decide pass; 1 one fails; 2 wrong usage; 3 none fails, but some could not be
decided, or the suite broke
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # One line: the usage would bury it.
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Give the parser of all commands. `serve` is not parsed: its options are the reference server's."""
    whole = _Parser(
        prog="preforkspec",
        description="The executable specification of pre-forking servers: judges any such server, clause by clause.",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="store_true", help="print the suite's version")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _check(commands.add_parser("check", help="judge a server", allow_abbrev=False, epilog=EPILOG))
    clauses = commands.add_parser("clauses", help="the specification, as a table, or one clause in full")
    clauses.add_argument("id", nargs="?", metavar="ID", help="a clause such as pool-2, or a section such as pool")
    _grade(commands.add_parser("grade", help="grade a class", allow_abbrev=False))
    _grade_one(commands.add_parser("grade-one", help="grade one submission", allow_abbrev=False))
    compare = commands.add_parser("compare", help="the difference between two verdicts", allow_abbrev=False)
    compare.description = "Tell what newly fails, and what newly passes; status 1 where something newly fails."
    compare.add_argument("before", metavar="BEFORE.json", type=Path, help="a verdict that check --json wrote")
    compare.add_argument("after", metavar="AFTER.json", type=Path, help="another one")
    commands.add_parser("serve", help="run the reference server", add_help=False)
    commands.add_parser("doctor", help="what this machine allows, and which clauses it could not judge")
    return whole


def _grade(grade: argparse.ArgumentParser) -> None:
    grade.description = "Grade each submission in a folder: a page for each, and a gradebook."
    grade.add_argument("path", metavar="PATH", type=Path, help="a folder with a folder, an archive or a file for each")
    grade.add_argument("--out", metavar="DIR", type=Path, required=True, help="where results, pages and gradebook go")
    _assignment(grade)
    grade.add_argument(
        "-n",
        metavar="WORKERS",
        dest="workers",
        type=_workers,
        default=min(MOST_WORKERS, 2 * len(os.sched_getaffinity(0))),
        help="submissions at a time; default: two for each processor",
    )
    grade.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a Dask cluster, whose workers grade in place of this one"
    )


def _grade_one(grade: argparse.ArgumentParser) -> None:
    grade.description = "Grade one submission, and write its result: the unit of which a batch is made."
    grade.add_argument("path", metavar="PATH", type=Path, help="a folder, an archive or a file")
    grade.add_argument(
        "--out", metavar="FILE", type=Path, required=True, help="where its result goes, as JSON; or a folder"
    )
    grade.add_argument("--name", metavar="NAME", type=_file_name, help="what it is called; default: as its file")
    grade.add_argument("--gradescope", metavar="FILE", type=Path, help="write a results.json for Gradescope as well")
    grade.add_argument("-n", metavar="WORKERS", dest="workers", type=_workers, help="of its check; default: 3")
    grade.add_argument("--changed", metavar="T", type=_time, help="when it was handed in, in seconds of the epoch")
    _assignment(grade)


def _assignment(grade: argparse.ArgumentParser) -> None:
    grade.add_argument("--subject", metavar="FILE", type=Path, help="how to build and start each, in TOML")
    grade.add_argument("--rubric", metavar="FILE", type=Path, help="what each clause is worth, in TOML")
    grade.add_argument("--seed", metavar="N", type=_whole, help="draws parameters, the same for all; default: 1")
    grade.add_argument(
        "--allow-unsandboxed", action="store_true", help="run submissions as you, where no sandbox can be had"
    )


def _file_name(text: str) -> str:
    if not text or "/" in text or "\0" in text or text.startswith("."):
        raise argparse.ArgumentTypeError(f"expected a name that is fit for a file, not {text!r}")
    return text


def _check(check: argparse.ArgumentParser) -> None:
    check.description = "Judge a server clause by clause; the reference server where none is given."
    subject = check.add_argument_group("the server")
    subject.add_argument(
        "--server",
        metavar="CMD",
        help="its command line, with {port} {min_spare} {max_spare} {max_connections} {max_children} where they go",
    )
    subject.add_argument("--subject", metavar="FILE", type=Path, help="a profile in TOML, in place of --server")
    subject.add_argument(
        "--sandboxed", metavar="DIR", type=Path, help="confine it: it finds this folder as its own, and little else"
    )
    subject.add_argument("--port", metavar="N", type=_port, help="the port of a server without {port} in its command")
    subject.add_argument("--service-time", metavar="S", type=_seconds, help="seconds that it sleeps in each service")
    judging = check.add_argument_group("judging")
    judging.add_argument(
        "--clause",
        metavar="ID",
        nargs="+",
        action="extend",
        default=[],
        help="judge only these: ids (pool-2) or sections (pool), with blanks or commas between",
    )
    judging.add_argument("--level", choices=["must", "should"], help="the clauses that decide the status: must alone")
    judging.add_argument(
        "--to-the-end", action="store_true", help="judge all clauses, also when minutes go into those that fail"
    )
    judging.add_argument("--fail-fast", action="store_true", help="stop at the first clause that fails")
    judging.add_argument(
        "--baseline",
        metavar="FILE",
        type=Path,
        help="what is known to fail, a verdict or a list: red only for more",
    )
    judging.add_argument(
        "--strict-baseline", action="store_true", help="what is known to fail, and passes by now, is a failure, too"
    )
    judging.add_argument("--patience", metavar="X", type=_patience, default=1.0, help="scale all waits; default: 1")
    judging.add_argument("--seed", metavar="N", type=_whole, help="draws the second set of parameters; default: random")
    judging.add_argument("--plans", metavar="N", type=_count, help="plans of messages to perform; default: 30")
    judging.add_argument("--plan-length", metavar="N", type=_count, help="the steps of each plan; default: 20")
    judging.add_argument("--deep", action="store_true", help="many long plans: minutes in place of seconds")
    judging.add_argument(
        "--soak", metavar="SECONDS", type=_long, help="random faults and load together, by the seed, and nothing else"
    )
    judging.add_argument("--replay", metavar="FILE", type=Path, help="perform the plan in this file, and no other")
    judging.add_argument(
        "-n", metavar="WORKERS", dest="workers", type=_workers, help="default: 3, or 4 for a server that sleeps"
    )
    # How whoever calls us would have a verdict seen again: a student has no folder of the grader's.
    judging.add_argument("--again", metavar="CMD", help=argparse.SUPPRESS)
    reports = check.add_argument_group("reports")
    reports.add_argument("--json", metavar="FILE", type=Path, help="write the verdict here")
    reports.add_argument("--html", metavar="FILE", type=Path, help="write a page that shows it, for people")
    reports.add_argument("--junit", metavar="FILE", type=Path, help="write it as JUnit XML")
    reports.add_argument("--ctrf", metavar="FILE", type=Path, help="write it as CTRF JSON")
    reports.add_argument(
        "--durations",
        metavar="N",
        type=_count,
        nargs="?",
        const=EVERY_CLAUSE,
        help="tell where the time went, for the N slowest clauses; without N: all",
    )


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, not {text!r}") from None


def _time(text: str) -> float:
    seconds = _number(text)
    if not 0 <= seconds <= LATEST:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to {LATEST}, the year 9999, not {text}")
    return seconds


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, not {text!r}") from None
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a finite number, not {text!r}")
    return number


def _port(text: str) -> int:
    port = _whole(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, not {port}")
    return port


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 <= seconds <= 60:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to 60, not {text}")
    return seconds


def _long(text: str) -> float:
    seconds = _number(text)
    if not 1 <= seconds <= LONGEST_SOAK:
        raise argparse.ArgumentTypeError(f"expected seconds from 1 to {LONGEST_SOAK}, not {text}")
    return seconds


def _patience(text: str) -> float:
    factor = _number(text)
    if not 0 < factor <= 100:
        raise argparse.ArgumentTypeError(f"expected a factor above 0 and up to 100, not {text}")
    return factor


def _count(text: str) -> int:
    count = _whole(text)
    if not 1 <= count <= MOST_PLANS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MOST_PLANS}, not {count}")
    return count


def _workers(text: str) -> int:
    workers = _whole(text)
    if not 1 <= workers <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MOST_WORKERS} workers, not {workers}")
    return workers
