"""Plans performed on real parents, and, where one fails, cut down to the shortest that still does."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import pytest

from conformance import voices
from conformance.actor import NOBODY, Actor, PlanFailed, Row
from conformance.descriptors import Crest
from conformance.launches import Launches
from conformance.seats import GAVE_WAY, settled_channels
from conformance.stage import Stage
from spec.channel import Kept
from spec.clause import Clause, ClauseId
from spec.parameters import Parameters
from spec.parent import BROKEN_WITH
from spec.plan import Connect, Finish, Plan, Rest, Step, one_by_one, shorter, simpler
from spec.pool import SECTION as POOL_SECTION
from spec.protocol import PROTOCOL_8
from spec.recycle import RECYCLE_3
from spec.verdict import Blocked, Decision, Inconclusive, NotApplicable, Violated, Violation

Launched = Callable[[Parameters], AbstractContextManager[Stage]]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How many plans of how many steps, and the seconds for all of them, and for cutting one down."""

    plans: int = 30
    steps: int = 20
    seconds: float = 16.0
    shrinking: float = 8.0


# Load that comes in: children are born for it, and told K when it has gone, as each plan's has at its end.
TIDE: tuple[Step, ...] = (Connect(0), Connect(0), Rest()) * 4

# What the options of a check come to.
EFFORT = pytest.StashKey[Effort]()
REPLAYED = pytest.StashKey[Plan | None]()
DEEP = Effort(plans=400, steps=60, seconds=240.0, shrinking=40.0)


@dataclass
class Planned:
    """What came of all plans."""

    plans: int = 0
    steps: int = 0
    seconds: float = 0.0
    violation: Violation | None = None
    rests_on: tuple[ClauseId, ...] = ()  # where this one fails elsewhere too, it is the cause
    plan: Plan | None = None  # the shortest that fails
    rows: list[Row] = field(default_factory=list)  # of its performance, or of the last plan's
    reproduced: bool = False  # it failed on a launch of its own, too
    why_not: Decision | None = None
    kept: Kept | None = None  # the parent's channels when the tide was in again, against those at the first time

    def after(self, other: "Planned") -> "Planned":
        """Give this with the counts of another one, which went before, added."""
        return replace(
            self,
            plans=self.plans + other.plans,
            steps=self.steps + other.steps,
            seconds=self.seconds + other.seconds,
            kept=self.kept or other.kept,
        )

    def __str__(self) -> str:
        pace = f", {self.steps / self.seconds:.0f} steps a second" if self.seconds else ""
        plans = "1 plan" if self.plans == 1 else f"{self.plans} plans"
        return f"{plans} performed, {self.steps} steps in all{pace}"


def perform_all(launches: Launches, *, effort: Effort, replayed: Plan | None) -> Planned:
    """Draw and perform plans with two sets of parameters, or the one plan that is to be seen again."""
    whole = Planned()
    try:
        voices.insist_on(launches)
        if replayed is not None:
            return perform(launches.launched, [replayed], effort=replace(effort, shrinking=0.0), seconds=effort.seconds)
        # Only the worker that draws needs Hypothesis: a third of a second to import, and 12 MiB.
        from conformance.drawing import draw

        half = replace(effort, plans=(effort.plans + 1) // 2)
        for number, parameters in enumerate(launches.plan_sets()):
            drawn = draw(parameters, seed=launches.seed, plans=half.plans, steps=half.steps, home=launches.folder)
            plans = drawn if number else [Plan(parameters, TIDE), Plan(parameters, TIDE), *drawn]
            whole = perform(launches.launched, plans, effort=effort, seconds=effort.seconds / 2).after(whole)
            if whole.violation or whole.why_not:
                break
    except Decision as error:
        whole.why_not = error
    return whole


def perform(launched: Launched, plans: Sequence[Plan], *, effort: Effort, seconds: float) -> Planned:
    """Perform plans one after another on one launch, for as long as there is time; one that fails is cut down."""
    left = Planned()
    done: list[Step] = []  # on this launch
    begun = 0  # where in that the plan under way begins
    parameters = plans[0].parameters
    failed: PlanFailed | None = None
    longest = 0.0  # that a plan took, with the way back
    with launched(parameters) as stage:
        try:
            actor = Actor(stage, settled_channels(stage))
            first_tide: Crest | None = None
            end = stage.clock() + seconds
            for plan in plans:
                began, begun = stage.clock(), len(done)
                if left.plans and began + longest > end:
                    break
                actor.begin_anew()
                for step in (*plan.steps, Rest()):
                    done.append(step)
                    actor.perform_step(step)
                left.plans, left.steps = left.plans + 1, left.steps + len(plan.steps)
                left.seconds += stage.clock() - began
                left.rows = list(actor.rows)
                if plan.steps == TIDE:
                    left.kept = first_tide.kept_at_the_next(stage) if first_tide else None
                    first_tide = first_tide or Crest.of(stage)
                # Back to where the next plan begins: with nobody busy.
                back: list[Step] = [*[Finish(0)] * len(actor.model.busy), Rest()]
                for step in back:
                    done.append(step)
                    actor.perform_step(step)
                longest = max(longest, stage.clock() - began)
        except PlanFailed as error:
            failed = error
            left.rows = list(actor.rows)
        except (Blocked, Inconclusive) as error:
            left.why_not = error
        except GAVE_WAY as error:
            left.why_not = Inconclusive(str(error))
    if failed is not None:
        left.violation, left.plan = failed.violation, Plan(parameters, tuple(done))
        last = Plan(parameters, tuple(done[begun:]))
        _cut_down(launched, left, last, reaction=actor.slowest, seconds=effort.shrinking)
    return left


def _cut_down(launched: Launched, left: Planned, last: Plan, *, reaction: float, seconds: float) -> None:
    """Look for a shorter plan that fails by the same clause, on fresh launches; what is found stands in `left`.

    While it looks, the parent is given ten times as long as it has needed at most until now (`reaction`); then the plan
    that was found is performed once more with all the patience that there is.
    """
    assert left.plan is not None and left.violation is not None  # noqa: S101, PT018 - for the types
    end, clause = time.monotonic() + seconds, left.violation.clause

    def fails(plan: Plan, *, within: float | None = None) -> bool:
        again = _performed(launched, plan, within=within)
        if again is None or again[0].clause is not clause:
            return False
        left.violation, left.rows = again
        left.plan, left.reproduced = plan, True
        return True

    if not fails(last) and not fails(left.plan):
        return
    sure, brief = replace(left), max(SHORTEST_WAIT, 10 * reaction)
    while time.monotonic() < end:
        for candidate in (*shorter(left.plan), *simpler(left.plan)):
            if time.monotonic() > end or fails(candidate, within=brief):
                break
        else:
            break
    if left.plan is not sure.plan and not fails(left.plan):
        left.violation, left.plan, left.rows = sure.violation, sure.plan, sure.rows
    if clause in POOL_SECTION.clauses and left.plan is not None:
        _find_cause(launched, left, left.plan)


def _find_cause(launched: Launched, left: Planned, plan: Plan) -> None:
    """Tell a pool that is wrong only where children are recycled, or where messages come together, by that clause."""
    assert left.violation is not None  # noqa: S101 - for the types
    apart = one_by_one(plan)
    endless = replace(plan, parameters=replace(plan.parameters, max_connections=ENDLESS))
    if any(row.sent != NOBODY for row in left.rows) and _performed(launched, endless) is None:
        # Where no child has its last connection, the same messages do no harm. The model may have recycled nobody yet:
        # a parent that counts for its children may be too early with it.
        left.rests_on = (left.violation.clause.id,)
        left.violation = Violation(RECYCLE_3, f"only where children are recycled: {left.violation.seen}")
    elif apart is not None and _performed(launched, apart) is None:
        # One by one the same messages do no harm: it is their coming together.
        left.violation = Violation(PROTOCOL_8, left.violation.seen)


def _performed(launched: Launched, plan: Plan, *, within: float | None = None) -> tuple[Violation, list[Row]] | None:
    """Perform one plan on a launch of its own; gives what it violates."""
    with launched(plan.parameters) as stage:
        try:
            actor = Actor(stage, settled_channels(stage), within=within)
            actor.begin_anew()
            for step in (*plan.steps, Rest()):
                actor.perform_step(step)
        except PlanFailed as failed:
            return failed.violation, list(actor.rows)
        except (Decision, *GAVE_WAY):
            return None
    return None


MOST_ROWS = 12
SHORTEST_WAIT = 0.1  # seconds
ENDLESS = 10_000  # connections a child, which no plan comes to


def told(planned: Planned) -> str:
    """Put a plan that failed in words: what was seen, and its steps as a table."""
    if planned.violation is None:
        return table(planned.rows)
    return f"{planned.violation.seen}\n{table(planned.rows)}"


def table(rows: Sequence[Row]) -> str:
    """Lay out steps, the last ones of many: what was sent, what is expected of the parent then, and what was seen."""
    told_of = [row for row in rows if row.sent != NOBODY]
    shown = [Row("sent", "live, busy, idle: expected", ["seen"]), *told_of[-MOST_ROWS:]]
    numbers = ["step", *map(str, range(len(told_of) - len(shown) + 2, len(told_of) + 1))]
    cells = [
        (number, row.sent, row.expected, ", ".join(row.seen) or "nothing")
        for number, row in zip(numbers, shown, strict=True)
    ]
    widths = [max(len(cell[column]) for cell in cells) for column in range(3)]
    return "\n".join(
        "  ".join((*(text.ljust(width) for text, width in zip(cell, widths, strict=False)), cell[3])) for cell in cells
    )


def decide_plans(clause: Clause, planned: Planned) -> None:
    """Raise what plans showed against the clause.

    They are a second opinion: where none could be performed, another clause ended them, or the same plan went well on a
    fresh launch, they add nothing to what the clause's other tests found.
    """
    if planned.violation is not None and not planned.reproduced:
        raise NotApplicable(f"seen once, and not again with the same plan: {planned.violation.seen}")
    broken = None if planned.violation is None else planned.violation.clause
    if broken is not None and clause in {broken, BROKEN_WITH.get(broken)}:
        cause = planned.rests_on if clause is broken else ()
        raise Violated(clause, seen=told(planned), plan=str(planned.plan), rests_on=cause)
    if planned.violation is not None:
        raise NotApplicable(f"the plans ended at {planned.violation.clause.id}: {planned.violation.seen}")
    if planned.why_not:
        raise NotApplicable(f"no plan could be performed: {planned.why_not}")
