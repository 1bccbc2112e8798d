"""What is printed: the report on Ctrl-C, the changes of the pool, the accepts. Optional; judged where it is claimed.

Owns the clauses `console-1` … `console-3` and their judges. Wordings are as many as servers, so only numbers count, and
where they stand. A pid is the one that the server itself knows a process by.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise, takewhile

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Pid
from spec.verdict import Violation

CONSOLE_1 = Clause(
    id=ClauseId("console-1"),
    level=Level.SHOULD,
    text=(
        "On Ctrl-C the server reports as many children as live, and for each how many connections it has served; "
        "together they are all that were served."
    ),
    source="coursework of old (docs/assignment.md); the original design asks for nothing of it",
    observed=(
        "Children serve different numbers of connections, others have ended; SIGINT goes to all that the terminal "
        "would send it to, and the numbers in what is printed then are compared."
    ),
    needs=ids("lifecycle-1", "accept-1", "pool-1", "pool-3"),
    ability="console",
)
CONSOLE_2 = Clause(
    id=ClauseId("console-2"),
    level=Level.SHOULD,
    text="A line tells of each change of the pool: whose, or how many children there are now.",
    source="coursework of old (docs/assignment.md); the original design asks for nothing of it",
    observed="The pool grows, and sheds; each time all who came or went are to be named, or their new number.",
    needs=ids("lifecycle-1", "accept-1", "pool-2", "pool-3"),
    ability="console",
)
CONSOLE_3 = Clause(
    id=ClauseId("console-3"),
    level=Level.SHOULD,
    text="At each accept, the child's pid and the client's address and port are printed.",
    source="coursework of old (docs/assignment.md); the original design asks for nothing of it",
    observed="Clients come from different addresses, one after another; the three are to be printed together.",
    needs=ids("lifecycle-1", "accept-1", "pool-1"),
    ability="console",
)

SECTION = Section(
    name="console",
    title="What is printed",
    introduction=(
        "What assignments ask a server to print, so that its author sees the pool at work. A profile claims it by the "
        "ability `console`; else it does not apply. The wording is the server's: numbers are looked for, in whatever "
        "was printed on the terminal."
    ),
    clauses=(CONSOLE_1, CONSOLE_2, CONSOLE_3),
)

# Lines that belong together: who needs two or three for one accept says them in one go.
TOGETHER = 3
QUOTED = 3  # lines in what was seen
_NUMBER = re.compile(r"\d+")
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# Titles of windows, movements of the cursor, other sets of letters: they part what they stand between.
_ESCAPE = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|\[[0-?]*[ -/]*[@-~]|[ -/]+[0-~]|[0-~])")


def lines_of(printed: str) -> list[str]:
    """Give what was printed line by line, without colours and other control characters, and without empty lines."""
    plain = _ESCAPE.sub(" ", _COLOUR.sub("", printed)).splitlines()
    clean = ("".join(sign if sign.isprintable() else " " for sign in line).strip() for line in plain)
    return [line for line in clean if line]


def numbers(line: str) -> list[int]:
    """Give the numbers in a line, in their order; a number of 20 digits and more is none."""
    return [int(found) for found in _NUMBER.findall(line) if len(found) < 20]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What was printed after Ctrl-C, `waited` seconds long; what each live child had `served`; who had `ended`."""

    lines: Sequence[str]
    waited: float
    served: Mapping[Pid, int]
    ended: Collection[Pid] = ()

    @cached_property
    def rows(self) -> list[list[int]]:
        """The numbers in it, line by line."""
        return [numbers(line) for line in self.lines]

    @cached_property
    def found(self) -> Counter[int]:
        """The numbers in it, and how often each is there."""
        return Counter(chain.from_iterable(self.rows))

    @cached_property
    def named(self) -> frozenset[int]:
        """The pids of children, live and ended, that are in it."""
        return frozenset({*self.served, *self.ended}.intersection(self.found))


def judge_report(reported: Reported) -> Iterator[Violation]:
    """Judge console-1."""
    truth = f"{len(reported.served)} children had served {_listed(reported.served.values())}"
    if not reported.lines:
        yield Violation(CONSOLE_1, f"{truth}; in the {reported.waited:.1f} s after Ctrl-C nothing was printed")
    elif wrong := _by_pid(reported) if reported.named & set(reported.served) else _by_counts(reported):
        yield Violation(CONSOLE_1, f"{truth}; {wrong}: {quoted(reported.lines)}")


def _by_pid(reported: Reported) -> str | None:
    """Say what is wrong with a report that tells its children by their pids."""
    if missing := sorted(set(reported.served) - reported.named):
        return f"the report leaves out {_listed(missing)}"
    if ended := sorted(reported.named - set(reported.served)):
        return f"the report has {_listed(ended)} as well, who had ended"
    layouts = (_in_line, _below, _above, _in_columns)
    near = {layout: {pid: layout(pid, reported) for pid in reported.served} for layout in layouts}
    if any(all(_has(found[pid], count) for pid, count in reported.served.items()) for found in near.values()):
        return None
    for pid, served in reported.served.items():
        found = next((each[pid] for each in near.values() if each[pid]), [])
        if not _has(found, served):
            has = f"has {_listed(found)} for it" if found else "has no number for it"
            return f"child {pid} had served {served}, and the report {has}"
    return "the numbers are there, and not beside the children that they are of"


def _has(found: Sequence[int], served: int) -> bool:
    """Tell whether a count is among numbers; that a child has served nobody may be said in words."""
    return served in found or not (served or found)


# The ways in which a report may be laid out. In one of them each child must have its count.


def _in_line(pid: Pid, reported: Reported) -> list[int]:
    """Give the numbers in a child's lines, up to other children."""
    near: list[int] = []
    for found in reported.rows:
        if pid in found:
            place = found.index(pid)
            after = _until_a_child(found[place + 1 :], reported)
            if not after or found[0] not in reported.named:  # else what is before it is another's
                near += _until_a_child(found[:place][::-1], reported)[::-1]
            near += after
    return near


def _below(pid: Pid, reported: Reported) -> list[int]:
    """Give the numbers after a child, in its line and below it, up to the next line with a child."""
    return _beside(pid, reported, reported.rows, lambda found: found[found.index(pid) + 1 :])


def _above(pid: Pid, reported: Reported) -> list[int]:
    """Give the numbers ahead of a child, in its line and above it, up to the line before with a child."""
    return _beside(pid, reported, reported.rows[::-1], lambda found: found[: found.index(pid)])


def _beside(
    pid: Pid, reported: Reported, rows: Sequence[list[int]], rest: Callable[[list[int]], list[int]]
) -> list[int]:
    near: list[int] = []
    its = False
    for found in rows:
        if pid in found:
            # What stands below several of them is nobody's.
            its = len(reported.named.intersection(found)) == 1
            near += rest(found) if its else []
        elif reported.named.intersection(found):
            its = False
        elif its:
            near += found
    return near


def _in_columns(pid: Pid, reported: Reported) -> list[int]:
    """Give the number below a child, where a line has nothing but children, and the next one as many numbers."""
    for line, below in pairwise(reported.rows):
        children = reported.named.issuperset(line) and not reported.named.intersection(below)
        if pid in line and len(line) == len(below) and children:
            return [below[line.index(pid)]]
    return []


def _until_a_child(found: Sequence[int], reported: Reported) -> list[int]:
    return list(takewhile(lambda number: number not in reported.named, found))


def _by_counts(reported: Reported) -> str | None:
    """Say what is wrong with a report that names no child: each count must be there, as often as children have it."""
    missing = Counter(reported.served.values()) - reported.found
    return f"the report lacks {_listed(sorted(missing.elements()))}" if missing else None


@dataclass(frozen=True, kw_only=True)
class Changed:
    """The pool before and after a change, by pids; what was printed, and the ports of the clients that came."""

    before: frozenset[Pid]
    after: frozenset[Pid]
    idle: int
    lines: Sequence[str]
    ports: Collection[int] = ()


def judge_change(changed: Changed) -> Iterator[Violation]:
    """Judge console-2: all that came or went must be told by their pids, or how many there are now. Not by accepts."""
    came, went = changed.after - changed.before, changed.before - changed.after
    own = [line for line in changed.lines if not set(numbers(line)).intersection(changed.ports)]
    told = {number for line in own for number in numbers(line)}
    if len(changed.after) not in told and not told.issuperset(came | went):
        what = f"the pool went from {len(changed.before)} to {len(changed.after)} children, {changed.idle} idle"
        yield Violation(CONSOLE_2, f"{what}, and no line says so: {quoted(own) if own else 'nothing was printed'}")


@dataclass(frozen=True, kw_only=True)
class Told:
    """An accept, and what was printed since: by child `pid`, of a client at `address` and `port`."""

    pid: Pid
    address: str
    port: int
    lines: Sequence[str]


def judge_accept(told: Told) -> Iterator[Violation]:
    """Judge console-3."""
    fewest: list[str] | None = None
    for first in range(max(1, len(told.lines) - TOGETHER + 1)):
        missing = _missing(told, told.lines[first : first + TOGETHER])
        if not missing:
            return
        if fewest is None or len(missing) < len(fewest):
            fewest = missing
    what = f"child {told.pid} accepted a client at {told.address}, port {told.port}"
    said = quoted(told.lines) if told.lines else "nothing was printed"
    yield Violation(CONSOLE_3, f"{what}; what is missing: {', '.join(fewest or [])}; printed: {said}")


def _missing(told: Told, lines: Sequence[str]) -> list[str]:
    found = {number for line in lines for number in numbers(line)}
    missing = [] if told.pid in found else ["its pid"]
    if told.address not in {_without_zeros(found) for line in lines for found in _ADDRESS.findall(line)}:
        missing.append("the address")
    if told.port not in found:
        swapped = int.from_bytes(told.port.to_bytes(2, "big"), "little")
        missing.append("the port" if swapped not in found else f"the port ({swapped} is it in network byte order)")
    return missing


def _without_zeros(address: str) -> str:
    return ".".join(str(int(part)) for part in address.split("."))


def quoted(lines: Sequence[str]) -> str:
    """Give the last lines, cut to size."""
    return " / ".join(line[:120] for line in lines[-QUOTED:])


def _listed(found: Collection[int]) -> str:
    words = [str(number) for number in found]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
