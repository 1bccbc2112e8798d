"""The scenario with a stopped parent: nobody is spawned or shed, so what the children do by themselves shows.

The parent is not continued while anything is judged; the launch ends with it stopped, since a server may not take being
continued well, and that is another clause's matter.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from conformance.regulation import Stopped, settle_start
from conformance.seats import parent_stopped
from conformance.stage import Stage, SubjectEnded
from drivers.client import Client
from observers import procfs
from spec.accept import ACCEPT_1, ACCEPT_3, ACCEPT_4, ACCEPT_6, ACCEPT_7, BURST, judge_holders, judge_listeners
from spec.clause import ClauseId
from spec.event import Pid
from spec.verdict import Violation
from subject.stopping import NotStopped, stopped

RACES = 20
# Seconds for all races together: a server that sleeps in each service gets fewer of them.
RACING = 4.0
FEWEST_RACES = 3
QUEUED = 3


@dataclass
class Frozen:
    """What one run left: what was violated, what was judged at all, and why the rest was not."""

    violations: list[Violation] = field(default_factory=list)
    judged: set[ClauseId] = field(default_factory=set)
    why_not: str = ""
    unaccepted: str = ""
    answered: str = ""  # a silent client was answered: connections can't be held
    races: int = 0
    kept: str = ""  # a client that left is not let go of: a child is never idle again
    calls_shown: bool = True
    burst: int = 0
    backlog: int = 0


def play(stage: Stage) -> Frozen:
    """Play the whole scenario on a subject that was just started."""
    left = Frozen()
    try:
        settle_start(stage)
    except Stopped:
        if stage.watch.parent_ended or not stage.watch.live:
            left.why_not = "there was no pool after the start"
            return left
    try:
        with parent_stopped(stage) as children:
            _races(stage, left, children)
            if not left.kept and _hold_all(stage, left, children):
                _queue(stage, left)
            if not left.unaccepted and not left.kept:
                _burst(stage, left, children)
                # With the parent still stopped: how it takes being continued is judged elsewhere.
                stage.close()
    except NotStopped as error:
        left.why_not = str(error)
    if left.unaccepted:
        _blame(stage, left)
    return left


def _races(stage: Stage, left: Frozen, children: list[Pid]) -> None:
    """Accept-6: all children see the same connection at once; those that lose must go back to waiting."""
    end = stage.clock() + RACING * stage.pace.patience
    while left.races < RACES and (left.races < FEWEST_RACES or stage.clock() < end):
        with stopped(children):
            client = stage.hold_connections(1)[0]
            stage.await_connected([client], within=stage.pace.reaction)
        accepted = stage.until(lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.reaction)
        ended = set(children) - set(stage.watch.live)
        if ended or not accepted or stage.broken_holds:
            left.why_not = (
                f"{len(ended)} children ended when they were continued after a stop"
                if ended
                else "no child took a connection after all had been stopped and continued"
            )
            stage.let_go(list(stage.held.values()))
            return
        losers = [pid for pid in children if pid not in stage.busy()]
        try:
            deaf = _deaf(stage, losers)
        except PermissionError:
            left.calls_shown = False
            stage.let_go([client])
            return
        left.races += 1
        _see_off(stage, client)
        if deaf:
            left.violations.append(
                Violation(
                    ACCEPT_6,
                    f"race {left.races}: {', '.join(f'child {pid}' for pid in deaf[:3])} sleep in accept "
                    f"with nothing to accept, where K can't be heard",
                )
            )
            break
        if not stage.until(stage.all_let_go, within=stage.pace.reaction):
            left.kept = f"a connection was held for {stage.pace.reaction:.1f} s after its client had left"
            return
    left.judged.add(ACCEPT_6.id)


def _see_off(stage: Stage, client: Client) -> None:
    """Have a client served before it leaves: what a silent one's leaving costs a child is another clause's matter."""
    stage.ask([client])
    stage.await_end([client], within=stage.pace.reaction)
    if client.open:
        stage.let_go([client])


def _deaf(stage: Stage, losers: list[Pid]) -> list[Pid]:
    """Give those that stay in accept; a child on its way back to waiting gets there at once."""

    def in_accept() -> list[Pid]:
        return [pid for pid in losers if "accept" in procfs.waiting_calls(pid)]

    stage.until(lambda: not in_accept(), within=0.5 * stage.pace.patience)
    return in_accept()


def _hold_all(stage: Stage, left: Frozen, children: list[Pid]) -> bool:
    """Accept-1 and accept-3: every child takes one connection, without the parent's help."""
    stage.hold_connections(len(children))
    stage.until(lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.reaction)
    stage.recheck_holders()
    if stage.broken_holds:
        client = stage.broken_holds[0]
        if client.received:
            left.answered = f"a silent client was answered with {bytes(client.received[:40])!r}"
        else:
            left.why_not = f"a silent client: {client.why_lost()}"
        return False
    left.violations += judge_holders(stage.watch.timeline(), parent=stage.watch.parent)
    idle = [pid for pid in stage.watch.live if pid not in stage.busy()]
    addresses = {inode: each.address for inode, each in stage.watch.listeners.items()}
    several = list(judge_listeners({}, addresses))
    if stage.queued() and several:
        left.violations += several  # each connection waits at the socket that the kernel chose
        return False
    if stage.queued() and idle:
        left.unaccepted = (
            f"with the parent stopped, {stage.queued()} of {len(children)} connections were not accepted in "
            f"{stage.pace.reaction:.1f} s, though {len(idle)} children were idle"
        )
        return False
    left.judged |= {ACCEPT_1.id, ACCEPT_3.id}
    return not left.violations or all(each.clause is ACCEPT_6 for each in left.violations)


def _blame(stage: Stage, left: Frozen) -> None:
    """Tell whether it was the parent that was missing: now it goes on."""
    waiting = stage.queued()
    with suppress(SubjectEnded):
        stage.await_queue_below(waiting, within=stage.pace.reaction)
    if stage.queued() < waiting:
        left.violations.append(Violation(ACCEPT_1, f"{left.unaccepted}; they were when the parent went on"))
    else:
        left.violations.append(Violation(ACCEPT_4, f"{left.unaccepted}; nor were they when the parent went on"))


def _queue(stage: Stage, left: Frozen) -> None:
    """Accept-4: clients beyond the last child wait; each child that is let go takes one of them."""
    queued = stage.hold_connections(QUEUED)
    stage.await_connected(queued, within=stage.pace.reaction)
    stage.hold(stage.pace.moment)
    refused = [client for client in queued if not client.open]
    if refused or stage.broken_holds:
        problem = (refused or stage.broken_holds)[0]
        left.violations.append(Violation(ACCEPT_4, f"with all children busy, a client was {problem.why_lost()}"))
        return
    stage.recheck_holders()
    twice = list(judge_holders(stage.watch.timeline(), parent=stage.watch.parent))
    if twice:
        left.violations += twice
        return
    child: Pid | None = None
    # The newest one twice: one who was told of all of them by one edge may think that it has taken all.
    for whose in ("newest", "same", "oldest"):
        taken = [client for client in stage.held.values() if client.number in stage.holders]
        if whose == "same":
            taken = [client for client in taken if stage.holders[client.number] == child]
        if not taken or not stage.queued():
            break
        client = taken[0 if whose == "oldest" else -1]
        child = stage.holders[client.number]
        waiting = stage.queued()
        _see_off(stage, client)
        stage.await_queue_below(waiting, within=stage.pace.reaction)
        if child not in stage.watch.live:
            left.why_not = f"child {child} ended when its client had left, with the parent stopped"
            return
        if turned_away := [each for each in queued if not each.open and each.number not in stage.holders]:
            seen = f"as child {child} was let go of, a client that had waited was {turned_away[0].why_lost()}"
            left.violations.append(Violation(ACCEPT_4, seen))
            return
        if stage.queued() == waiting:
            left.violations.append(
                Violation(
                    ACCEPT_4,
                    f"child {child} was let go of, but took none of {waiting} queued connections in "
                    f"{stage.pace.reaction:.1f} s",
                )
            )
            return
    left.judged.add(ACCEPT_4.id)


def _burst(stage: Stage, left: Frozen, children: list[Pid]) -> None:
    """Accept-7: nobody accepts, so the backlog holds them all or does not."""
    stage.let_go(list(stage.held.values()))
    with stopped([pid for pid in children if pid in stage.watch.live]):
        listening = stage.watch.listeners
        left.backlog = max((each.backlog for each in listening.values()), default=0)
        clients = [stage.connect_silently(follow=False) for _ in range(BURST)]
        stage.await_connected(clients, within=0.5 * stage.pace.patience)
        left.burst = sum(client.connected and client.open for client in clients)
        if left.burst < BURST:
            left.violations.append(
                Violation(
                    ACCEPT_7,
                    f"{left.burst} of {BURST} connections were completed; the backlog is {left.backlog}",
                )
            )
        left.judged.add(ACCEPT_7.id)
