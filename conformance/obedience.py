"""What children make of what they are told: an unknown byte, `K` while they are busy, `K` while they are idle.

Played in the parent's seat, so that nobody is spawned in the place of who ends.
"""

from conformance.seats import Heard, asleep, held, wait
from conformance.stage import Stage
from drivers.parent_seat import ParentSeat
from spec.event import Pid
from spec.protocol import (
    OBEYS_WITHIN,
    PROTOCOL_2,
    PROTOCOL_3,
    PROTOCOL_5,
    PROTOCOL_6,
    PROTOCOL_9,
    UNKNOWN,
    C,
    F,
    K,
    shown,
)
from spec.verdict import Inconclusive, Violation

# How long a child that was told something it should not react to is watched; one that does reacts at once.
REACTS_WITHIN = 0.1


def examine(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Tell the children all that: first one that is idle, since where K is not obeyed the rest says nothing."""
    obeyed = _order_idle(stage, seat, left, most=1)
    if obeyed and not left.why_not:
        _order_busy(stage, seat, left)
    if obeyed and not left.why_not:
        _unknown_byte(stage, seat, left)
    stage.let_go(list(stage.held.values()))
    if obeyed:
        _order_idle(stage, seat, left)


def order_unused(stage: Stage, seat: ParentSeat, left: Heard) -> list[Pid]:
    """Protocol-5: the newest child is told K before it has served anybody; gives who was told."""
    told = [pid for pid in stage.watch.live[-1:] if seat.say(pid, K)]
    deaf, lived_on = deaf_ones(stage, told)
    if deaf:
        left.found(Violation(PROTOCOL_5, f"child {deaf[0]} was told K before it had served anybody, and {lived_on}"))
    return told


def deaf_ones(stage: Stage, told: list[Pid]) -> tuple[list[Pid], str]:
    """Wait for the ends of those that were told K; gives who still lives, and for how long they were waited for."""
    within = OBEYS_WITHIN * stage.pace.patience
    wait(stage, lambda: not set(told).intersection(stage.watch.live), within=within)
    return [pid for pid in told if pid in stage.watch.live], f"still lived {within:.1f} s later"


def _unknown_byte(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Protocol-9: one child is told what nobody says; then all must serve, as they did before."""
    children = [pid for pid in stage.watch.live if pid in seat.heard]
    if not children:
        left.why_not = Inconclusive("no child was left")
        return
    clients = held(stage, len(children), left)
    if left.why_not:
        return
    stage.ask(clients)
    stage.await_end(clients)
    if not _bears(stage, seat, left, children[-1]):
        return
    unheld = Heard()
    clients = held(stage, len(children), unheld)
    if unheld.why_not:
        left.found(Violation(PROTOCOL_9, f"after child {children[-1]} was told {UNKNOWN!r}: {unheld.why_not}"))
        return
    stage.ask(clients)
    stage.await_end(clients)
    if lost := [client.why_lost() for client in clients if not client.served]:
        left.found(Violation(PROTOCOL_9, f"after child {children[-1]} was told {UNKNOWN!r}, a client was {lost[0]}"))
        return
    # Nor may it swallow what comes along with it.
    seat.say(children[-1], UNKNOWN + K)
    deaf, lived_on = deaf_ones(stage, children[-1:])
    if deaf:
        left.found(Violation(PROTOCOL_9, f"child {deaf[0]} was told {UNKNOWN + K!r} at once, and {lived_on}"))
    left.judged.add(PROTOCOL_9.id)


def _bears(stage: Stage, seat: ParentSeat, left: Heard, child: Pid) -> bool:
    """Tell whether a child that is told what nobody says lives on, sleeps again, and says nothing new to it."""
    if not seat.say(child, UNKNOWN):
        left.why_not = Inconclusive("no child was left")
        return False
    stage.hold(REACTS_WITHIN)
    if child not in stage.watch.live:
        return not left.found(Violation(PROTOCOL_9, f"child {child} ended when it was told {UNKNOWN!r}"))
    if not wait(stage, lambda: asleep(child), within=stage.pace.reaction):
        return not left.found(Violation(PROTOCOL_9, f"child {child} never slept again when it was told {UNKNOWN!r}"))
    seat.hear([child])
    if answer := bytes(byte for byte in seat.heard[child] if byte not in C + F):
        return not left.found(Violation(PROTOCOL_3, f"child {child} was told {UNKNOWN!r}, and said {shown(answer)}"))
    return True


def _order_busy(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Protocol-6: a busy child is told K; then its client asks."""
    if not stage.watch.live:
        left.why_not = Inconclusive("no child was left")
        return
    clients = held(stage, 1, left)
    if left.why_not:
        return
    client, child = clients[0], stage.holders[clients[0].number]
    if not seat.say(child, K):
        left.why_not = Inconclusive(f"child {child}, which held a connection, could not be told K")
        return
    # A round: some give their client a second.
    stage.hold(stage.pace.round)
    if child not in stage.watch.live or not client.open:
        left.found(Violation(PROTOCOL_6, f"child {child} was busy when it was told K, and dropped its client"))
        stage.broken_holds.clear()
        return
    stage.ask(clients)
    stage.await_end(clients)
    if not client.served:
        seen = f"child {child} was busy when it was told K; its client was {client.why_lost()}"
        left.found(Violation(PROTOCOL_6, seen))
        return
    deaf, lived_on = deaf_ones(stage, [child])
    if deaf:
        seen = f"child {child} was busy when it was told K; it served its client, and {lived_on}"
        left.found(Violation(PROTOCOL_6, seen))
    else:
        seat.hear([child])
        said = bytes(seat.heard[child][-2:])
        if not said.endswith(F):
            seen = (
                f"child {child} was busy when it was told K; it served its client, and ended: at last it said {said!r}"
            )
            left.found(Violation(PROTOCOL_2, seen))
    left.judged.add(PROTOCOL_6.id)


def _order_idle(stage: Stage, seat: ParentSeat, left: Heard, *, most: int | None = None) -> bool:
    """Protocol-5: idle children are told K, so many or all of them; tells whether they end."""
    idle = [pid for pid in stage.watch.live if pid in seat.heard and pid not in stage.busy()]
    # One that is still on its way back to waiting may look at its channel on that way, and never again.
    wait(stage, lambda: all(asleep(pid) for pid in idle), within=stage.pace.reaction)
    told = [pid for pid in idle[::-1][:most] if seat.say(pid, K)]
    deaf, lived_on = deaf_ones(stage, told)
    if deaf:
        seen = f"of {len(told)} idle children that were told K, {len(deaf)} {lived_on}"
        left.found(Violation(PROTOCOL_5, f"{seen} (child {deaf[0]})"))
    if told:
        left.judged.add(PROTOCOL_5.id)
    return not deaf
