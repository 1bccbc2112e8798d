"""The scenario that judges the size of the pool: load comes in, stands high, and goes out.

Each run plays one launch from its first child to its last client, and leaves a timeline that the judges of
`spec/pool.py` read. It stops at the first phase in which the pool does not come within its bounds: what comes later
could not be told from that.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from conformance.pace import Patience
from conformance.passers import Passers
from conformance.regulation import QuietRound, Stopped, await_reaping, rest, settle, settle_start, want
from conformance.stage import Stage, SubjectEnded
from drivers.client import Client
from spec.accept import ACCEPT_4, judge_holders
from spec.event import Collapsed, Inode, Lost, Phase, Pid, Stranded, Timeline, Wanted
from spec.http import HTTP_3
from spec.parameters import Parameters
from spec.pool import judge
from spec.verdict import Blocked, Decision, Inconclusive

# Clients that come while the pool sheds (pool-9), so many at once: the first ones in haste; the others show a parent
# that looks at the clock only when nothing is said.
MOST_CLIENTS, IN_HASTE, AT_ONCE = 1800, 120, 2
QUEUED_AT_THE_TOP = 3  # clients beyond max_children


@dataclass
class Tide:
    """What one run left: its timeline, and how far it came."""

    parameters: Parameters
    parent: Pid
    timeline: Timeline
    phases: list[Phase] = field(default_factory=list)
    silent_answered: str | None = None  # a silent client was answered: connections can't be held
    silent_ended: str | None = None  # a silent client's connection was ended without a byte
    refused: str | None = None  # a client that came while load went up was turned away, and no child ever had it
    quiet: list[QuietRound] = field(default_factory=list)  # without load: after the start, and at the end
    full: QuietRound | None = None  # with as many clients as there may be children, who say nothing
    deaf: tuple[Pid, ...] = ()  # idle children that slept in accept when too many were idle, and none was shed
    clients_served: int = 0
    listeners: dict[Inode, str] = field(default_factory=dict)  # on the port, with their addresses; under load
    zombies: tuple[Pid, ...] = ()
    zombies_after: float = 0.0
    completed: bool = False

    def reached(self, *phases: Phase) -> bool:
        """Tell whether all these phases were played to their end."""
        return all(phase in self.phases for phase in phases)


def why_stopped(tide: Tide) -> Decision:
    """Give what ends a test that could not be judged, as the tide stopped before."""
    violations = [*judge_holders(tide.timeline, parent=tide.parent), *judge(tide.timeline, tide.parameters)]
    if tide.silent_answered is not None:
        return Blocked(HTTP_3.id, seen=tide.silent_answered)
    if tide.refused is not None:
        return Blocked(ACCEPT_4.id, seen=tide.refused)
    if tide.silent_ended is not None:
        return Inconclusive(f"children can't be kept busy: {tide.silent_ended}")
    for event in tide.timeline:
        if isinstance(event, Stranded):
            return Blocked(ACCEPT_4.id, seen=f"{event.waiting} connections were not accepted in {event.after:.1f} s")
    if violations:
        return Blocked(violations[0].clause.id, seen=violations[0].seen)
    played = ", ".join(phase.value for phase in tide.phases)
    return Inconclusive(f"load could not go up and down; what could be played: {played or 'nothing'}")


def play(stage: Stage) -> Tide:
    """Play the whole tide on a subject that was just started."""
    tide = Tide(stage.parameters, stage.watch.parent, Timeline(()))
    acts: list[tuple[Phase, Callable[[Stage, Tide], None]]] = [
        (Phase.START, _start),
        (Phase.SHORTAGE, _shortage),
        (Phase.FLOOD_TIDE, _flood),
        (Phase.HIGH_WATER, _high_water),
        (Phase.EXCESS, _excess),
        (Phase.EBB, _ebb),
        (Phase.END, _end),
    ]
    try:
        for phase, act in acts:
            try:
                act(stage, tide)
            except SubjectEnded as error:
                # Between two waits for the pool: it fails what this phase is there to show, all the same.
                stage.watch.write(Collapsed(stage.clock(), phase, str(error)))
                raise Stopped from error
            except Stopped:
                # A pool that starts outside its bounds may still grow and shed as it should: that is judged too.
                if phase is not Phase.START or not stage.watch.live or stage.watch.parent_ended:
                    raise
            tide.phases.append(phase)
        tide.completed = True
    except Stopped:
        _look_at_listeners(stage, tide)
    _look_at_broken(stage, tide)
    tide.deaf = stage.deaf
    stage.watch.leave_out_helpers()  # one that came late is no child that was too many
    tide.timeline = stage.watch.timeline()
    tide.parent = stage.watch.parent
    return tide


def _start(stage: Stage, tide: Tide) -> None:
    settle_start(stage)
    tide.quiet.append(rest(stage, Phase.START))


def _shortage(stage: Stage, _: Tide) -> None:
    idle = len(stage.watch.live) - len(stage.busy())
    want(stage, Phase.SHORTAGE, max(1, idle - stage.parameters.min_spare + 1))
    settle(stage, Phase.SHORTAGE)
    # One was missing. Who counts a newborn only when it is heard from goes on for as long: more load would hide that.
    stage.hold(stage.pace.moment)


def _flood(stage: Stage, _tide: Tide) -> None:
    """Go up in two steps, each by more clients than are idle, but leave room for the idle ones below the limit."""
    for _ in range(2):
        room = _top(stage.parameters) - stage.parameters.min_spare - len(stage.held)
        want(stage, Phase.FLOOD_TIDE, max(1, min(room, stage.parameters.max_spare)))
        settle(stage, Phase.FLOOD_TIDE)
    if stage.parameters.max_children is not None:
        # At the limit nobody is idle; a server that counts the total instead shows itself on the way there.
        rest(stage, Phase.FLOOD_TIDE)


def _high_water(stage: Stage, tide: Tide) -> None:
    room = _top(stage.parameters) - len(stage.held)
    beyond = 0 if stage.parameters.max_children is None else QUEUED_AT_THE_TOP
    want(stage, Phase.HIGH_WATER, room + beyond)
    tide.full = rest(stage, Phase.HIGH_WATER)
    stage.recheck_holders()
    _look_at_listeners(stage, tide)


def _look_at_listeners(stage: Stage, tide: Tide) -> None:
    with suppress(PermissionError):
        tide.listeners |= {each.inode: each.address for each in stage.own_listeners() if each.port == stage.port}


def _excess(stage: Stage, _: Tide) -> None:
    """Let go of just so many that one idle child is too many."""
    spare = len(stage.watch.live) - len(stage.busy())
    accepted = [client for client in stage.held.values() if client.number in stage.holders]
    queued = [client for client in stage.held.values() if client.number not in stage.holders]
    leaving = max(1, stage.parameters.max_spare + 1 - spare)
    stage.watch.write(Wanted(stage.clock(), Phase.EXCESS, len(accepted) - leaving))
    stage.let_go([*queued, *_but_the_kept(stage, accepted)[:leaving]])
    settle(stage, Phase.EXCESS)


def _ebb(stage: Stage, tide: Tide) -> None:
    """Let go of all but a few, and send short clients for as long as the pool sheds."""
    kept = {client.number for client in _kept(stage, list(stage.held.values()))}
    leaving = [client for client in stage.held.values() if client.number not in kept]
    stage.watch.write(Wanted(stage.clock(), Phase.EBB, len(kept)))
    stage.let_go(leaving)
    clients = Passers(stage, most=MOST_CLIENTS, at_once=AT_ONCE, in_haste=IN_HASTE)
    settle(stage, Phase.EBB, meanwhile=clients.come)
    tide.clients_served = clients.leave()
    settle(stage, Phase.EBB)
    stage.recheck_holders()


def _end(stage: Stage, tide: Tide) -> None:
    """Serve those that were held all the time, and see the pool at rest."""
    held = list(stage.held.values())
    stage.watch.write(Wanted(stage.clock(), Phase.END, 0))
    stage.ask(held)
    stage.await_end(held)
    for client in held:
        if not client.served:
            stage.watch.write(Lost(stage.clock(), client.number, client.why_lost()))
            stage.drop(client)
    tide.quiet.append(rest(stage, Phase.END))
    tide.zombies, tide.zombies_after = await_reaping(stage)


def _top(parameters: Parameters) -> int:
    """Give the highest number of busy children: the limit where there is one."""
    if parameters.max_children is not None:
        return parameters.max_children
    return 2 * parameters.max_spare + parameters.min_spare


def _kept(stage: Stage, clients: list[Client]) -> list[Client]:
    """Choose those to hold on to: on the oldest child, the newest, and two between, since a pool sheds from an end."""
    ages = {pid: age for age, pid in enumerate(stage.watch.live)}
    by_age = sorted(clients, key=lambda client: ages.get(stage.holders.get(client.number, Pid(0)), 0))
    places = {0, 1, len(by_age) - 2, len(by_age) - 1}
    return [client for place, client in enumerate(by_age) if place in places]


def _but_the_kept(stage: Stage, clients: list[Client]) -> list[Client]:
    kept = {client.number for client in _kept(stage, clients)}
    return [client for client in clients if client.number not in kept]


def _look_at_broken(stage: Stage, tide: Tide) -> None:
    for client in stage.broken_holds:
        if stage.holders.get(client.number) in stage.watch.live or client.number not in stage.holders:
            growing = {Phase.SHORTAGE, Phase.FLOOD_TIDE, Phase.HIGH_WATER}.difference(tide.phases)
            patience = Patience(stage.pace.reaction if client.received and growing else 0.0)
            while len(stage.busy()) < len(stage.watch.live) and not patience.over():
                stage.step()
            busy, live = len(stage.busy()), len(stage.watch.live)
            # Where all are busy with others, no child can have answered it.
            if client.number not in stage.holders and growing and (not client.received or busy == live):
                answer = f", after {bytes(client.received[:40])!r}" if client.received else ""
                tide.refused = f"with {busy} of {live} children busy, a client was {client.why_lost()}{answer}"
            elif client.received:
                tide.silent_answered = f"a silent client was answered with {bytes(client.received[:40])!r}"
            else:
                tide.silent_ended = f"a silent client: {client.why_lost()}"
