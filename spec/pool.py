"""The size of the pool: how many idle children there must be, and what the parent owes when there are not.

Owns the clauses `pool-1` … `pool-9` and the judge of a timeline; the rule by which the parent regulates is
`spec.regulation`.
"""

from collections.abc import Iterator

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import (
    Abandoned,
    Collapsed,
    Ended,
    Event,
    Left,
    Lost,
    Phase,
    Reaped,
    Rested,
    Restless,
    Served,
    Spawned,
    Stalled,
    State,
    Timeline,
    Wanted,
)
from spec.parameters import Parameters
from spec.regulation import LARGEST_STEP, Owed, last_doubling_step, owed
from spec.verdict import Violation

POOL_1 = Clause(
    id=ClauseId("pool-1"),
    level=Level.MUST,
    text="At rest after the start, at least min_spare and at most max_spare children are idle.",
    source="2 Design, first paragraph",
    observed="Children of the pool's parent are counted until the pool is within its bounds and quiet for one round.",
    needs=ids("lifecycle-1", "accept-2"),
)
POOL_2 = Clause(
    id=ClauseId("pool-2"),
    level=Level.MUST,
    text=(
        "While fewer than min_spare children are idle, and there are fewer than max_children, the pool grows, "
        "until min_spare are idle."
    ),
    source="1 Objective, second paragraph; 2 Design, first paragraph",
    observed="Just as many silent connections are held as leave min_spare - 1 idle children; then many at once.",
    needs=ids("lifecycle-1", "accept-1", "accept-3", "protocol-8"),
)
POOL_3 = Clause(
    id=ClauseId("pool-3"),
    level=Level.MUST,
    text="While more than max_spare children are idle, the pool sheds, until at most max_spare are idle.",
    source="1 Objective, second paragraph; 2 Design, first paragraph",
    observed="Held connections are let go of: first so many that one idle child is in excess, then nearly all.",
    needs=ids("lifecycle-1", "accept-1", "accept-3", "protocol-5", "protocol-8"),
)
POOL_4 = Clause(
    id=ClauseId("pool-4"),
    level=Level.MUST,
    text=(
        "Within the bounds and at rest, no child is spawned and none ends: no churn. "
        "A server may shed once, down to min_spare, and then rests."
    ),
    source="1 Objective, second paragraph",
    observed="The pids and the parent's count of reaped children are watched at rest: before load, after it, for long.",
    needs=ids("lifecycle-1"),
)
POOL_5 = Clause(
    id=ClauseId("pool-5"),
    level=Level.MUST,
    text="A busy child is never shed: it keeps its connection while idle ones end around it.",
    source="2 Design, first paragraph",
    observed="Connections on the oldest, the newest and other children are held while the pool sheds, then served.",
    needs=ids("lifecycle-1", "accept-1"),
)
POOL_6 = Clause(
    id=ClauseId("pool-6"),
    level=Level.MUST,
    text="There are never more than max_children live children, where the server has such a limit.",
    source="1 Objective, second paragraph",
    observed="Live children are counted with more clients than max_children, while some told K serve, after faults.",
    needs=ids("lifecycle-1"),
    ability="max_children",
)
POOL_7 = Clause(
    id=ClauseId("pool-7"),
    level=Level.MUST,
    text=(
        "The bounds are on the idle children, not on the total: they hold at every level of load, going up and going "
        "down, as far as max_children leaves room."
    ),
    source="2 Design, first paragraph",
    observed="The number of held connections goes up and down in steps; the pool settles at each, and rests at some.",
    needs=ids("lifecycle-1", "accept-1", "accept-3", "pool-4", "protocol-8"),
)
POOL_8 = Clause(
    id=ClauseId("pool-8"),
    level=Level.SHOULD,
    text=(
        "Growth overshoots max_spare by no more than its last doubling step, at most 32 children, and what was too "
        "much is shed."
    ),
    source="1 Objective, second paragraph",
    observed="The most idle children seen after each step up of the load, and at a start with many, against that step.",
    needs=ids("lifecycle-1", "pool-4"),
)
POOL_9 = Clause(
    id=ClauseId("pool-9"),
    level=Level.MUST,
    text="No client is lost while the pool sheds.",
    source="2 Design, first paragraph",
    observed="Short connections are made one after another for as long as the pool sheds; each must be answered.",
    needs=ids("lifecycle-1", "accept-1", "accept-3", "accept-4", "http-2"),
)

SECTION = Section(
    name="pool",
    title="The size of the pool",
    introduction=(
        "The parent keeps the number of idle children between min_spare and max_spare. The suite holds silent "
        "connections, so that it chooses how many children are busy, and counts."
    ),
    clauses=(POOL_1, POOL_2, POOL_3, POOL_4, POOL_5, POOL_6, POOL_7, POOL_8, POOL_9),
)


# Which clause a pool that never came within its bounds violates: by what it owed, and in which phase.
_STALLED: dict[tuple[Owed, Phase], tuple[Clause, ...]] = {
    (Owed.GROWTH, Phase.START): (POOL_1,),
    (Owed.SHEDDING, Phase.START): (POOL_1,),
    (Owed.GROWTH, Phase.FLOOD_TIDE): (POOL_2, POOL_7),
    (Owed.SHEDDING, Phase.FLOOD_TIDE): (POOL_7,),
    (Owed.GROWTH, Phase.HIGH_WATER): (POOL_2, POOL_7),
    (Owed.SHEDDING, Phase.HIGH_WATER): (POOL_7,),
}
_STALLED_ELSEWHERE = {Owed.GROWTH: (POOL_2,), Owed.SHEDDING: (POOL_3,), Owed.REST: ()}
# Which clause falls with a parent that ends: the one that the phase is there to judge.
_COLLAPSED: dict[Phase, Clause] = {
    Phase.START: POOL_1,
    Phase.SHORTAGE: POOL_2,
    Phase.FLOOD_TIDE: POOL_2,
    Phase.HIGH_WATER: POOL_7,
    Phase.EXCESS: POOL_3,
    Phase.EBB: POOL_3,
    Phase.END: POOL_4,
}
# Phases in which the load goes up; going down, who is on its way out is counted by nobody but us.
_RISING = (Phase.SHORTAGE, Phase.FLOOD_TIDE, Phase.HIGH_WATER)
# Phases without a load that changes: a pool that finds no rest there churns.
_AT_REST = (Phase.START, Phase.END)


def judge(timeline: Timeline, parameters: Parameters) -> list[Violation]:
    """Judge all clauses of the section on one timeline; the first violation of each clause is given."""
    found: dict[ClauseId, Violation] = {}
    for judged in (_bounds, _rest, _busy_children, judge_limit, _overshoot, _clients):
        for violation in judged(timeline, parameters):
            found.setdefault(violation.clause.id, violation)
    return list(found.values())


def described(state: State) -> str:
    """Put a state of the pool in words."""
    return f"{len(state.live)} children live, {len(state.busy)} busy, {state.idle} idle"


def _bounds(timeline: Timeline, parameters: Parameters) -> Iterator[Violation]:
    for event, before, state in timeline.states():
        if isinstance(event, Collapsed) and event.phase in _COLLAPSED:
            yield Violation(_COLLAPSED[event.phase], f"{event.phase.value}: {event.how}; before, {described(before)}")
        if isinstance(event, Stalled):
            what = owed(live=len(state.live), busy=len(state.busy), parameters=parameters)
            spawned, ended = _recent(timeline, event.at - event.after, event.at)
            meanwhile = f", but {spawned} children spawned and {ended} ended" if spawned or ended else ""
            seen = f"{event.phase.value}: {described(state)}, and no {what.value} for {event.after:.1f} s{meanwhile}"
            for clause in _STALLED.get((what, event.phase), _STALLED_ELSEWHERE[what]):
                yield Violation(clause, f"{seen} ({parameters})")


def _rest(timeline: Timeline, parameters: Parameters) -> Iterator[Violation]:
    """Churn: a driver that found no quiet round, or a child spawned or ended after one, before the load changed."""
    since: float | None = None  # when the pool came to rest, while it is there
    allowance: int  # how many may yet end then
    for event, before, state in timeline.states():
        match event:
            case Restless(phase=phase, after=after):
                clause = POOL_4 if phase in _AT_REST else POOL_7
                spawned, ended = _recent(timeline, event.at - after, event.at)
                yield Violation(
                    clause,
                    f"{phase.value}: no quiet round in {after:.1f} s, {spawned} children spawned and {ended} ended "
                    f"meanwhile; now {described(state)} ({parameters})",
                )
            case Rested(phase=phase):
                since = event.at if phase in _AT_REST else None
                allowance = state.idle - parameters.min_spare
            case Wanted() | Left():  # the load has changed, by us or by a server that tires of a silent client
                since = None
            case Spawned(pid=pid) if since is not None:
                yield _unrest(since, event, f"child {pid} was spawned though {described(before)}", parameters)
            case Reaped() if since is not None:
                yield _unrest(since, event, "the parent reaped a child that lived for an instant", parameters)
            case Ended(pid=pid) if since is not None:
                allowance -= 1
                if allowance < 0:
                    yield _unrest(since, event, f"child {pid} ended though {described(before)}", parameters)


def _unrest(since: float, event: Event, what: str, parameters: Parameters) -> Violation:
    return Violation(POOL_4, f"{event.at - since:.1f} s at rest, then {what} ({parameters})")


def _recent(timeline: Timeline, start: float, end: float) -> tuple[int, int]:
    kinds = [type(event) for event in timeline if start <= event.at <= end]
    return kinds.count(Spawned), kinds.count(Ended)


def _busy_children(timeline: Timeline, _: Parameters) -> Iterator[Violation]:
    """Who was served was not dropped; nor was a silent client by a server that ends such connections by itself."""
    fine = {event.connection for event in timeline if isinstance(event, Served)}
    if any(isinstance(event, Abandoned) for event in timeline):
        fine |= {event.connection for event in timeline if isinstance(event, Left)}
    for event, before, state in timeline.states():
        if isinstance(event, Ended) and any(
            pid == event.pid and connection not in fine for connection, pid in before.holders.items()
        ):
            seen = f"child {event.pid} ended at {event.at:.3f} s while it held a connection; then {described(state)}"
            yield Violation(POOL_5, seen)


def judge_limit(timeline: Timeline, parameters: Parameters) -> Iterator[Violation]:
    """Judge pool-6, which holds whatever happens."""
    limit = parameters.max_children
    for event, _, state in timeline.states():
        if limit is not None and isinstance(event, Spawned) and len(state.live) > limit:
            yield Violation(POOL_6, f"{described(state)} at {event.at:.3f} s ({parameters})")


def _overshoot(timeline: Timeline, parameters: Parameters) -> Iterator[Violation]:
    """Between two changes of the load, children beyond the held connections may be only those of the last step.

    Counted by the connections that are held, not by those seen to be accepted: a child is often busy, and replaced as
    an idle one, before the suite has found out who took which connection.
    """
    at_start = 0  # how many it starts with is its own matter, but not how often it starts them
    grown = 0  # since the last quiet round: without one, the next steps go on doubling
    load: tuple[int, int] | None = None  # connections held, and how many may be idle beside them
    for event, before, state in timeline.states():
        grown = 0 if isinstance(event, Rested) else grown + isinstance(event, Spawned)
        if isinstance(event, Wanted):
            # Going down, the idle children that the load leaves behind are no overshoot of growth.
            left_behind = len(before.live) - event.held
            step = last_doubling_step(grown + max(0, parameters.min_spare - left_behind))
            most = max(parameters.max_spare, left_behind) + (step if event.phase in _RISING else LARGEST_STEP)
            load = event.held, most
        elif not isinstance(event, Spawned):
            continue
        elif load is None:
            at_start += 1
            if at_start > parameters.max_spare + LARGEST_STEP:
                yield Violation(POOL_8, f"{at_start} children were spawned before there was any load ({parameters})")
        else:
            (held, most), live = load, len(state.live)
            if live - held > most:
                yield Violation(
                    POOL_8,
                    f"{live} children live at {event.at:.3f} s, {held} for the connections held: {live - held} idle, "
                    f"where growth by doubling goes no further than {most} ({parameters})",
                )


def _clients(timeline: Timeline, _: Parameters) -> Iterator[Violation]:
    for event, before, _after in timeline.states():
        if isinstance(event, Lost):
            holder = before.holders.get(event.connection)
            where = "" if holder is None else f" (child {holder} held it)"
            yield Violation(POOL_9, f"connection {event.connection}{where}: {event.how}, at {event.at:.3f} s")
