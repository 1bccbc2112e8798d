"""A race for a connection that a child really loses: between its waking and its accept, a sibling takes it.

Its accept is held back meanwhile. A second client wakes the sibling, which takes the first connection, as that is at
the head of the queue; once it is through with it, it takes the second one too. Nothing is left for the one that comes
late, as happens to anybody who is kept from the processor for a moment.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from conformance.launches import Launches
from conformance.obedience import deaf_ones
from conformance.parameter_sets import FROZEN
from conformance.seats import GAVE_WAY, asleep, parents_seat, settle_pool, wait
from conformance.stage import Calls, Stage
from drivers.client import Client
from drivers.parent_seat import ParentSeat
from fault_injection.fault import FaultRefused
from fault_injection.syscalls import held_back
from observers import procfs
from spec.accept import ACCEPT_6
from spec.event import Pid
from spec.protocol import PROTOCOL_1, PROTOCOL_3, C, F, K, shown
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violation
from subject.stopping import stopped

RACES = 3
BACK_WITHIN = 0.5  # seconds: a child on its way back to waiting gets there at once


@dataclass
class LostRaces:
    """What came of it: how many races were lost, what was violated, and why there are no more."""

    lost: int = 0
    violations: list[Violation] = field(default_factory=list)
    why_not: str = ""


def play_lost_races(launches: Launches) -> LostRaces:
    """Have children lose races on a launch of its own, with the parent stopped; then tell the last loser K."""
    left = LostRaces()
    try:
        with launches.launched(launches.limited(FROZEN), calls=Calls(watched=("accept",))) as stage:
            settle_pool(stage)
            with _parent_stopped(stage, heard="channel" in launches.profile.abilities) as seat:
                _lose(stage, seat, left)
                # With the parent still stopped: how it takes being continued is judged elsewhere.
                stage.close()
    except (Blocked, Inconclusive, NotApplicable, FaultRefused, *GAVE_WAY) as error:
        left.why_not = str(error)
    return left


@contextmanager
def _parent_stopped(stage: Stage, *, heard: bool) -> Iterator[ParentSeat | None]:
    """Stop the parent, and take its seat where there is one."""
    with ExitStack() as undone:
        seat = None
        if heard:
            try:
                seat = undone.enter_context(parents_seat(stage))
            except (Blocked, Inconclusive, *GAVE_WAY):
                heard = False  # what is wrong with the channels is another clause's matter
        if not heard:
            undone.enter_context(stopped([stage.watch.parent]))
        yield seat


def _lose(stage: Stage, seat: ParentSeat | None, left: LostRaces) -> None:
    loser = None
    for _ in range(RACES):
        loser = _race(stage, seat, left)
        if loser is None or left.violations:
            return
    if seat is not None and loser is not None:
        _tell(stage, seat, left, loser)


def _race(stage: Stage, seat: ParentSeat | None, left: LostRaces) -> Pid | None:
    """Play one race; gives who lost it."""
    before = _said(seat)
    with held_back(stage.launch, "accept") as late:
        first = stage.hold_connections(1)[0]
        wait(stage, lambda: bool(late.callers()) or stage.is_decided(first), within=stage.pace.reaction)
        loser = next(
            (pid for pid in stage.watch.live for caller in late.callers() if procfs.has_thread(pid, caller)), None
        )
        if loser is None:
            left.why_not = "no child that a connection woke called accept: they sleep in it"
            return None
        second = stage.hold_connections(1)[0]
        # Where a lock is about accept, nobody else comes to it, and no race is ever lost.
        if not all(_is_served_by_another(stage, client, loser) for client in (first, second)):
            left.why_not = f"nobody else accepted while child {loser} was at it"
            return None
    calls = stage.launch.seen_calls()
    wait(stage, lambda: _is_back(loser), within=BACK_WITHIN * stage.pace.patience)
    # Who calls accept over and over waits there for the referee each time, and for nobody else.
    sleeps = "accept" in procfs.waiting_calls(loser) and stage.launch.seen_calls() == calls
    left.lost += 1
    earlier = before.get(loser, b"")
    said = _said(seat).get(loser, b"")[len(earlier) :]
    # Who sleeps in each service may have yet to say F for a client of an earlier race.
    _judge(stage, left, loser, said=said.removeprefix(F) if earlier.endswith(C) else said, sleeps=sleeps)
    return loser


def _is_served_by_another(stage: Stage, client: Client, loser: Pid) -> bool:
    wait(stage, lambda: stage.is_decided(client), within=stage.pace.reaction)
    if stage.holders.get(client.number, loser) == loser or not client.open:
        return False
    stage.ask([client])
    return stage.await_end([client])


def _is_back(pid: Pid) -> bool:
    return asleep(pid) and "accept" not in procfs.waiting_calls(pid)


def _said(seat: ParentSeat | None) -> dict[Pid, bytes]:
    if seat is None:
        return {}
    seat.hear()
    return {pid: bytes(said) for pid, said in seat.heard.items()}


def _judge(stage: Stage, left: LostRaces, loser: Pid, *, said: bytes, sleeps: bool) -> None:
    stage.watch.sample()
    if sleeps:
        seen = f"child {loser} was woken by a connection that another child took: it sleeps in accept, deaf to K"
        left.violations.append(Violation(ACCEPT_6, seen))
    if said:
        clause = PROTOCOL_1 if C in said else PROTOCOL_3
        seen = f"child {loser} was woken by a connection that another child took, and said {shown(said)}"
        left.violations.append(Violation(clause, seen))


def _tell(stage: Stage, seat: ParentSeat, left: LostRaces, loser: Pid) -> None:
    """Tell all idle children K: where nobody obeys, it is another clause's matter."""
    idle = [pid for pid in stage.watch.live if pid in seat.heard and pid not in stage.busy()]
    # One on its way back to waiting may look at its channel on that way, and never again.
    wait(stage, lambda: all(map(asleep, idle)), within=stage.pace.reaction)
    told = [pid for pid in idle if seat.say(pid, K)]
    deaf, _ = deaf_ones(stage, told)
    if loser in deaf and len(deaf) < len(told):
        calls = " / ".join(sorted(procfs.waiting_calls(loser)))
        seen = f"child {loser}, which had lost a race, was told K, and lived on: it waits in {calls}"
        left.violations.append(Violation(ACCEPT_6, seen))
