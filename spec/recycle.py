"""Recycling: a child ends after its N-th connection, and another takes its place.

Owns the clauses `recycle-1` … `recycle-6`, what a child owes by the number of connections that it has served, and the
judge of a timeline. N stands for max_connections.
"""

from collections import Counter
from collections.abc import Iterator
from enum import Enum

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Accepted, Collapsed, ConnectionId, Ended, Pid, Served, Stalled, Timeline
from spec.parameters import Parameters
from spec.pool import described
from spec.regulation import Owed, owed
from spec.verdict import Violation

RECYCLE_1 = Clause(
    id=ClauseId("recycle-1"),
    level=Level.MUST,
    text="A child ends after its N-th connection: it serves not one more.",
    source="2 Design, third paragraph",
    observed=(
        "Each connection is held until its child is known, then served; a child with N of them must end. With small "
        "N, and with one above 255; and where K comes together with the last."
    ),
    needs=ids("lifecycle-1", "accept-1", "accept-3"),
    ability="recycle",
)
RECYCLE_2 = Clause(
    id=ClauseId("recycle-2"),
    level=Level.MUST,
    text="A child does not end before its N-th connection, unless it is shed.",
    source="2 Design, third paragraph",
    observed=(
        "As for recycle-1; and with the parent stopped, where nobody can be shed. By then one child was stopped and "
        "continued more than N times, and the client of another sent its head in more pieces than N; others called "
        "accept as often, and found no connection."
    ),
    needs=ids("lifecycle-1", "accept-1", "accept-3", "pool-4", "pool-5"),
    ability="recycle",
)
RECYCLE_3 = Clause(
    id=ClauseId("recycle-3"),
    level=Level.MUST,
    text="Another child takes the place of one that was recycled, at least where the bounds need one.",
    source="2 Design, third paragraph",
    observed=(
        "More children are recycled than the pool has above min_spare; then min_spare must be idle again. And one "
        "while as many are busy as there may be; and in plans of messages that the suite says for the children."
    ),
    needs=ids("lifecycle-1", "pool-2", "accept-1", "accept-2", "recycle-1", "recycle-2", "protocol-8"),
    ability="recycle",
)
RECYCLE_4 = Clause(
    id=ClauseId("recycle-4"),
    level=Level.MUST,
    text="No client is lost while children are recycled under load.",
    source="2 Design, third paragraph",
    observed="Many short connections, several at a time, through children that end after a few each; all are answered.",
    needs=ids("lifecycle-1", "accept-4", "accept-5", "http-2", "pool-2", "pool-4", "pool-5", "recycle-3"),
    ability="recycle",
)
RECYCLE_5 = Clause(
    id=ClauseId("recycle-5"),
    level=Level.MUST,
    text="N = 1 works: each child serves one connection, and every client is answered.",
    source="2 Design, third paragraph",
    observed="A server is started with max_connections 1; no two connections may have the same child.",
    needs=ids("lifecycle-1", "accept-1", "accept-4", "http-2", "pool-2", "recycle-1", "recycle-2", "recycle-3"),
    ability="recycle",
)
RECYCLE_6 = Clause(
    id=ClauseId("recycle-6"),
    level=Level.SHOULD,
    text="When all children reach their N-th connection together, service pauses for no longer than one round.",
    source="2 Design, third paragraph",
    observed=(
        "With the parent stopped, every child serves N connections side by side; the parent goes on, a client comes, "
        "and the time to its answer is taken."
    ),
    needs=ids("lifecycle-1", "accept-1", "http-2", "pool-2", "recycle-2", "recycle-3"),
    ability="recycle",
)

SECTION = Section(
    name="recycle",
    title="Recycling",
    introduction=(
        "Each child serves N connections (max_connections) and ends; memory that it may have leaked goes with it. "
        "The suite counts the connections of each child by the process that holds the server's side of each."
    ),
    clauses=(RECYCLE_1, RECYCLE_2, RECYCLE_3, RECYCLE_4, RECYCLE_5, RECYCLE_6),
)


class Due(Enum):
    """What a child may do next, by the number of connections that it has served."""

    SERVICE = "serve on"
    END = "end"


def due(*, served: int, parameters: Parameters) -> Due:
    """Say what a child owes after `served` connections."""
    return Due.END if served >= parameters.max_connections else Due.SERVICE


def served_by_child(timeline: Timeline) -> Counter[Pid]:
    """Count the connections that each child served to their end."""
    holders: dict[ConnectionId, Pid] = {}
    served: Counter[Pid] = Counter()
    for event in timeline:
        if isinstance(event, Accepted):
            holders[event.connection] = event.pid
        elif isinstance(event, Served) and event.connection in holders:
            served[holders[event.connection]] += 1
    return served


def judge_counts(timeline: Timeline, parameters: Parameters) -> Iterator[Violation]:
    """Judge recycle-1 and recycle-2 on a timeline whose every connection has a known child."""
    accepted: Counter[Pid] = Counter()
    for event, before, _ in timeline.states():
        if isinstance(event, Accepted):
            if due(served=accepted[event.pid], parameters=parameters) is Due.END:
                yield Violation(
                    RECYCLE_1,
                    f"child {event.pid} took connection number {accepted[event.pid] + 1} ({parameters})",
                )
            accepted[event.pid] += 1
        elif isinstance(event, Ended) and accepted[event.pid]:
            early = due(served=accepted[event.pid], parameters=parameters) is Due.SERVICE
            # More than min_spare may be shed, whatever they have served; who ends by itself shows where nobody sheds.
            if early and before.idle <= parameters.min_spare:
                yield Violation(
                    RECYCLE_2,
                    f"child {event.pid} ended after {accepted[event.pid]} connections; before, {described(before)} "
                    f"({parameters})",
                )


def overdue(timeline: Timeline, parameters: Parameters) -> frozenset[Pid]:
    """Give the live children that have served their N connections, and so must end."""
    live: frozenset[Pid] = frozenset()
    for _, _, state in timeline.states():
        live = state.live
    return frozenset(
        pid for pid, served in served_by_child(timeline).items() if pid in live and served >= parameters.max_connections
    )


def ended_early(timeline: Timeline, parameters: Parameters) -> list[Pid]:
    """Give the children that ended after some connections, but fewer than N: by themselves or not."""
    accepted: Counter[Pid] = Counter(event.pid for event in timeline if isinstance(event, Accepted))
    ended = [event.pid for event in timeline if isinstance(event, Ended)]
    return [pid for pid in ended if 0 < accepted[pid] < parameters.max_connections]


def judge_replacement(timeline: Timeline, parameters: Parameters) -> Iterator[Violation]:
    """Judge recycle-3: after children ended by recycling, the pool may not stay below min_spare."""
    ended = 0
    for event, before, state in timeline.states():
        ended += isinstance(event, Ended)
        if isinstance(event, Collapsed):
            yield Violation(RECYCLE_3, f"{event.how}, after {ended} children had ended; before, {described(before)}")
        elif isinstance(event, Stalled) and ended:
            what = owed(live=len(state.live), busy=len(state.busy), parameters=parameters)
            if what is Owed.GROWTH:
                yield Violation(
                    RECYCLE_3,
                    f"{ended} children had ended, {described(state)}, and none was spawned for {event.after:.1f} s "
                    f"({parameters})",
                )


def judge_distinct(timeline: Timeline, parameters: Parameters) -> Iterator[Violation]:
    """Judge recycle-5: with N = 1, no child is seen with a second connection."""
    accepted: Counter[Pid] = Counter(event.pid for event in timeline if isinstance(event, Accepted))
    for pid, count in accepted.items():
        if count > parameters.max_connections:
            yield Violation(RECYCLE_5, f"child {pid} took {count} connections ({parameters})")
