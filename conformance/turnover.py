"""The scenarios that judge recycling: connections counted child by child, under load, with N = 1, and all at once."""

import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from conformance import descriptors, parting, watching
from conformance.ending import stopped_by
from conformance.joining import Joinings, looked_in_passing
from conformance.passers import Passers
from conformance.regulation import Stopped, await_reaping, settle, settle_start
from conformance.seats import Heard
from conformance.stage import Stage, SubjectEnded
from conformance.watching import Watched
from drivers.client import Client
from spec.accept import ACCEPT_4
from spec.channel import Kept
from spec.event import Collapsed, Lost, Phase, Pid, Stalled, Stranded, Timeline
from spec.http import HTTP_3
from spec.lifecycle import Stop
from spec.parameters import Parameters
from spec.pool import judge as judge_pool
from spec.recycle import RECYCLE_1, RECYCLE_4, judge_counts, judge_replacement, overdue, served_by_child
from spec.verdict import Blocked, Decision, Inconclusive

# At so many recycled children the counting ends; and in any case after so many connections.
ENOUGH_RECYCLED, MOST_COUNTED = 4, 160
LOAD, AT_ONCE = 240, 6
WAITING = 2  # clients beyond as many as there may be children


@dataclass
class Turnover:
    """What one run left."""

    parameters: Parameters
    timeline: Timeline = field(default_factory=lambda: Timeline(()))
    counting: Timeline = field(default_factory=lambda: Timeline(()))  # while the child of every connection was known
    recycled: int = 0
    still_live: tuple[Pid, ...] = ()  # served N connections and did not end
    waited: float = 0.0
    stopped: Decision | None = None  # what went wrong, where nothing on the timeline tells
    counted: bool = False
    replaced: bool = False
    loaded: bool = False
    served: int = 0
    last_of_a_child: list[Client] = field(default_factory=list)  # each was the N-th of its child, and served
    lost: list[str] = field(default_factory=list)
    replacements: Watched | Inconclusive | None = None  # how those wait that took the place of recycled children
    joinings: Joinings | Inconclusive | None = None  # how they are joined to the parent
    zombies: tuple[Pid, ...] = ()
    zombies_after: float = 0.0
    kept: Kept | None = None
    at_the_limit: Timeline | None = None  # up to where all were busy, and one of them had been recycled
    parting: Heard | None = None  # whether one that was told K with its last connection took another
    stop: Stop | None = None  # how it ended by SIGTERM, at the very end


def replacements_wait(left: Turnover) -> Watched:
    """Give how those wait that took the place of recycled children; raises what ends the test where it is not known."""
    if left.replacements is None:
        raise why_stopped(left)
    if isinstance(left.replacements, Inconclusive):
        raise left.replacements
    return left.replacements


def why_stopped(left: Turnover) -> Decision:
    """Give what ends a test that could not be judged, as the scenario stopped before."""
    violations = [
        *judge_counts(left.counting, left.parameters),
        *judge_replacement(left.timeline, left.parameters),
    ]
    if left.still_live:
        return Blocked(RECYCLE_1.id, seen=still_live(left))
    if violations:
        return Blocked(violations[0].clause.id, seen=violations[0].seen)
    if left.lost:
        return Blocked(RECYCLE_4.id, seen=left.lost[0])
    for event in left.timeline:
        if isinstance(event, Stranded):
            return Blocked(ACCEPT_4.id, seen=f"{event.waiting} connections were not accepted in {event.after:.1f} s")
        if isinstance(event, Stalled):
            for stalled in judge_pool(left.timeline, left.parameters):
                return Blocked(stalled.clause.id, seen=stalled.seen)
    return left.stopped or Inconclusive("children could not be counted: the pool did not settle")


def still_live(left: Turnover) -> str:
    """Tell of the children that did not end after their last connection."""
    pids = ", ".join(map(str, left.still_live))
    return (
        f"child {pids} still lived {left.waited:.1f} s after its connection number {left.parameters.max_connections} "
        f"({left.parameters})"
    )


def play(stage: Stage) -> Turnover:
    """Count connections by child until enough have been recycled; then many short clients."""
    return _played(stage, _turnover)


def play_single(stage: Stage) -> Turnover:
    """N = 1: pairs of connections whose children are known, then short clients."""
    return _played(stage, _single)


def _played(stage: Stage, scene: Callable[[Stage, Turnover], None]) -> Turnover:
    left = Turnover(stage.parameters)
    try:
        settle_start(stage)
        scene(stage, left)
    except Stopped:
        if left.lost:
            # For want of children that were not replaced, or for another reason? The timeline tells after this.
            with suppress(Stopped, SubjectEnded):
                settle(stage, Phase.TURNOVER)
    except SubjectEnded as error:
        stage.watch.write(Collapsed(stage.clock(), Phase.TURNOVER, str(error)))
    stage.watch.leave_out_helpers()
    if not left.timeline.events:
        left.timeline = stage.watch.timeline()
    left.counting = left.counting if left.counting.events else left.timeline
    return left


def _turnover(stage: Stage, left: Turnover) -> None:
    before = descriptors.beyond_children(stage)
    _count(stage, left)
    left.counted = True
    settle(stage, Phase.TURNOVER)
    left.replaced = True
    left.counting = stage.watch.timeline()
    _load(stage, left, most=LOAD, at_once=AT_ONCE)
    left.loaded = True
    settle(stage, Phase.TURNOVER)
    try:
        left.replacements = watching.look(stage)
    except Inconclusive as error:
        left.replacements = error
    left.joinings = looked_in_passing(stage, "after recycling", before=left.joinings)
    left.zombies, left.zombies_after = await_reaping(stage)
    left.kept = descriptors.kept_since_start(stage, before)
    left.timeline = stage.watch.timeline()  # up to here: what follows is the end of all
    left.stop = stopped_by(stage, signal.SIGTERM, within=stage.pace.stop)


def _single(stage: Stage, left: Turnover) -> None:
    for _ in range(2):
        _serve_batch(stage, left, 2)
        settle(stage, Phase.TURNOVER)
    left.counted = True
    left.counting = stage.watch.timeline()
    _load(stage, left, most=40, at_once=3)
    left.loaded = True
    settle(stage, Phase.TURNOVER)
    left.replaced = True
    left.timeline = stage.watch.timeline()  # up to here: what follows is about other things
    _recycle_one_of_all(stage, left)
    left.parting = parting.play(stage)


def _recycle_one_of_all(stage: Stage, left: Turnover) -> None:
    """With as many children busy as there may be, one ends: its own end is all that the parent has to go by."""
    if stage.parameters.max_children is None:
        return
    # And some who wait: whoever is not counted any more while it serves its last one makes room for too many.
    clients = stage.hold_connections(stage.parameters.max_children + WAITING)
    settle(stage, Phase.TURNOVER)
    first = next((client for client in clients if client.number in stage.holders), None)
    if first is None:
        raise Stopped
    child = stage.holders[first.number]
    stage.ask([first])
    stage.await_end([first])
    if not stage.until(lambda: child not in stage.watch.live, within=stage.pace.reaction):
        raise Stopped
    try:
        settle(stage, Phase.TURNOVER)
    finally:
        left.at_the_limit = stage.watch.timeline()
    stage.let_go([client for client in clients if client is not first])
    settle(stage, Phase.TURNOVER)


def _count(stage: Stage, left: Turnover) -> None:
    counted = highest = 0
    # More than the pool has above min_spare: so many can't end without that others take their places.
    while left.recycled < max(ENOUGH_RECYCLED, highest - stage.parameters.min_spare + 1) and counted < MOST_COUNTED:
        if next(judge_counts(stage.watch.timeline(), stage.parameters), None) is not None:
            break  # more would only show it again
        # So few that the pool, which may grow by min_spare meanwhile, need not shed after; and one child is left
        # out, so that not all end together: a server may wake up to its duty only when nobody is left.
        idle = len(stage.watch.live) - len(stage.busy())
        lanes = max(1, min(idle - 1, (stage.parameters.max_spare - stage.parameters.min_spare) // 2))
        _serve_batch(stage, left, lanes)
        counted += lanes
        highest = max(highest, len(stage.watch.live))
        settle(stage, Phase.TURNOVER)
        before, left.recycled = left.recycled, len(_ended_with_all_served(stage))
        if left.recycled > before:
            # While those who were there before are there still: what a newborn keeps of theirs goes with them.
            left.joinings = looked_in_passing(stage, f"after {left.recycled} were recycled", before=left.joinings)


def _serve_batch(stage: Stage, left: Turnover, lanes: int) -> None:
    """Hold some connections until their children are known, have them served, and see those at N end."""
    clients = stage.hold_connections(lanes)
    stage.until(lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.answer)
    for client in stage.broken_holds:
        if client.received:
            left.stopped = Blocked(HTTP_3.id, seen=f"a silent client: {client.why_lost()}")
        else:
            left.lost.append(client.why_lost())
        raise Stopped
    if stage.queued():
        seen = f"nobody was seen to take {stage.queued()} of {lanes} connections"
        left.stopped = Blocked(ACCEPT_4.id, seen=seen)
        raise Stopped
    stage.ask(clients)
    _see_off(stage, left, clients)
    served, last = served_by_child(stage.watch.timeline()), stage.parameters.max_connections
    left.last_of_a_child += [client for client in clients if served[stage.holders[client.number]] == last]
    due = overdue(stage.watch.timeline(), stage.parameters)
    began = stage.clock()
    if not stage.until(lambda: not due.intersection(stage.watch.live), within=stage.pace.reaction):
        left.still_live = tuple(due.intersection(stage.watch.live))
        left.waited = stage.clock() - began
        # One more client each may show whether they would go on.
        raise Stopped


def _see_off(stage: Stage, left: Turnover, clients: list[Client]) -> None:
    stage.await_end(clients)
    for client in clients:
        if client.served:
            left.served += 1
        else:
            left.lost.append(client.why_lost())
            stage.watch.write(Lost(stage.clock(), client.number, client.why_lost()))
            stage.drop(client)
    if left.lost:
        raise Stopped


def _ended_with_all_served(stage: Stage) -> set[Pid]:
    served: Counter[Pid] = served_by_child(stage.watch.timeline())
    live = set(stage.watch.live)
    return {pid for pid, count in served.items() if count >= stage.parameters.max_connections and pid not in live}


def _load(stage: Stage, left: Turnover, *, most: int, at_once: int) -> None:
    """Let short clients come; a subject that takes its time for each gets fewer of them."""
    passers = Passers(stage, most=most, at_once=at_once)
    end = stage.clock() + max(3.0, 3 * stage.pace.service_time) * stage.pace.patience
    while not passers.all_gone and stage.clock() < end and not passers.lost:
        passers.come()
        stage.step()
        stage.check_parent()
    left.served += passers.leave()
    left.lost += passers.lost
    if passers.lost:
        raise Stopped
