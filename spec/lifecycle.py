"""From launch to end: the port, the signals, the parameters.

Owns the clauses `lifecycle-1` … `lifecycle-5` and the judges of a start that was refused and of a stop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Pid
from spec.verdict import Violation

LIFECYCLE_1 = Clause(
    id=ClauseId("lifecycle-1"),
    level=Level.MUST,
    text="The server listens on the port that it was given, and serves there.",
    source="1 Objective, first paragraph",
    observed="It is launched with different ports and parameters; a client connects to each.",
)
LIFECYCLE_2 = Clause(
    id=ClauseId("lifecycle-2"),
    level=Level.SHOULD,
    text="SIGTERM to the pool's parent, while no client is held, ends parent and children and frees the port.",
    source="2 Design, first paragraph (the parent regulates its children)",
    observed=(
        "The processes and the listening sockets after SIGTERM, once with forks refused. What SIGINT does is told, "
        "and decides nothing."
    ),
    needs=ids("lifecycle-1"),
)
LIFECYCLE_3 = Clause(
    id=ClauseId("lifecycle-3"),
    level=Level.SHOULD,
    text="Parameters out of range get a message and an exit status other than 0, and leave no process behind.",
    source="1 Objective, second paragraph (user specified parameters)",
    observed="Launched with max_spare < min_spare, with max_connections 0 and -1, and with port 70000.",
    needs=ids("lifecycle-1"),
)
LIFECYCLE_4 = Clause(
    id=ClauseId("lifecycle-4"),
    level=Level.SHOULD,
    text="A port that is in use gets a message and an exit status other than 0, and leaves no process behind.",
    source="1 Objective, first paragraph",
    observed="Launched while another process listens on the port.",
    needs=ids("lifecycle-1"),
)
LIFECYCLE_5 = Clause(
    id=ClauseId("lifecycle-5"),
    level=Level.SHOULD,
    text="Ended children are reaped: none stays a zombie.",
    source="2 Design, third paragraph (a child is terminated, a new one takes its place)",
    observed="Zombies among the parent's children, one round after some were shed or recycled.",
    needs=ids("lifecycle-1"),
)

SECTION = Section(
    name="lifecycle",
    title="From launch to end",
    introduction="What a server owes to whoever starts and stops it.",
    clauses=(LIFECYCLE_1, LIFECYCLE_2, LIFECYCLE_3, LIFECYCLE_4, LIFECYCLE_5),
)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What a launch that had to be refused came to, after `waited` seconds.

    `status` is the exit status of the launched process (negative: the signal that ended it), None while it runs;
    `left` are the processes still there, `listening` the ports listened on.
    """

    given: str
    status: int | None
    output: str
    left: Sequence[Pid]
    listening: Sequence[int]
    waited: float


def judge_refusal(clause: Clause, refusal: Refusal) -> Iterator[Violation]:
    """Judge lifecycle-3 or lifecycle-4 on one launch."""
    wrong = []
    if refusal.status is None:
        ports = f" and listens on port {', '.join(map(str, refusal.listening))}" if refusal.listening else ""
        wrong.append(f"it still runs after {refusal.waited:.1f} s{ports}")
    elif refusal.status < 0:
        wrong.append(f"it was ended by signal {-refusal.status}")
    elif refusal.status == 0:
        wrong.append("its exit status was 0")
    if refusal.status is not None and refusal.left:
        wrong.append(f"{len(refusal.left)} processes were left behind")
    if refusal.status is not None and not refusal.output.strip():
        wrong.append("it said nothing")
    if wrong:
        yield Violation(clause, f"launched with {refusal.given}: {'; '.join(wrong)}")


@dataclass(frozen=True, kw_only=True)
class Stop:
    """What was left `waited` seconds after a signal to the parent."""

    signal: str
    parent_lives: bool
    children: Sequence[Pid]
    listening: bool
    waited: float


def judge_stop(stop: Stop) -> Iterator[Violation]:
    """Judge lifecycle-2."""
    left = []
    if stop.parent_lives:
        left.append("the parent lives")
    if stop.children:
        left.append(f"{len(stop.children)} children live ({', '.join(map(str, stop.children[:4]))})")
    if stop.listening:
        left.append("the port is still listened on")
    if left:
        yield Violation(LIFECYCLE_2, f"{stop.waited:.1f} s after {stop.signal} to the parent: {', '.join(left)}")


def judge_zombies(zombies: Sequence[Pid], *, waited: float) -> Iterator[Violation]:
    """Judge lifecycle-5 at rest."""
    if zombies:
        pids = ", ".join(map(str, zombies[:6]))
        yield Violation(LIFECYCLE_5, f"{len(zombies)} ended children were still zombies after {waited:.1f} s ({pids})")
