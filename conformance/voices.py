"""The scenes in the parent's seat: the parent is stopped, and the suite hears what its children really say.

`counted`: few connections a child, each told child by child, up to the last one. `at_full_speed`: thousands of them;
and then what children make of what they are told (`obedience.py`).
"""

import os
import select
from collections import Counter
from functools import partial

from conformance import obedience
from conformance.passers import Passers
from conformance.seats import Heard, asleep, held, scene, settled_channels, wait
from conformance.stage import Stage
from drivers.client import Client
from drivers.one_processor import NotPinned, one_processor
from drivers.parent_seat import ParentSeat, parent_seat
from drivers.stopping import stopped
from spec.event import Pid
from spec.protocol import (
    PROTOCOL_1,
    PROTOCOL_2,
    PROTOCOL_3,
    C,
    F,
    Voice,
    judge_voice,
    shown,
)
from spec.verdict import Inconclusive, Violation

# Short clients at full speed, so many at once; and for so many seconds at most.
MOST_CLIENTS, AT_ONCE, FULL_SPEED = 2000, 16, 2.0
WATCHED_SERVICES = 10  # whose F is met in the act
PUT_OFF = 0.1  # seconds for which the kernel may keep back what was sent on loopback


@scene
def counted(stage: Stage, left: Heard) -> None:
    """Hear every child through all of its connections, one after another."""
    channels = settled_channels(stage)
    left.children = len(channels)
    with parent_seat(stage.watch.parent, channels) as seat:
        _count(stage, seat, left)
        # With the parent still stopped: how it takes being continued is judged elsewhere.
        stage.close()


def _count(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    accepted: Counter[Pid] = Counter()
    serviced: Counter[Pid] = Counter()
    children = list(seat.heard)
    for _ in range(stage.parameters.max_connections):
        clients = held(stage, len(children), left)
        if left.why_not:
            return
        accepted.update(stage.holders[client.number] for client in clients)
        # Who has said its C waits for a request, or has more to say by itself.
        if _hear_out(stage, seat, left, accepted, serviced, within=stage.pace.reaction):
            return
        stage.ask(clients)
        stage.await_end(clients)
        if lost := [client.why_lost() for client in clients if not client.served]:
            left.why_not = Inconclusive(f"a client was {lost[0]}")
            return
        serviced.update(stage.holders[client.number] for client in clients)
        left.connections += len(clients)
        if _hear_out(stage, seat, left, accepted, serviced, within=stage.pace.reaction):
            return
    left.judged |= {PROTOCOL_1.id, PROTOCOL_2.id, PROTOCOL_3.id}


def _hear_out(
    stage: Stage, seat: ParentSeat, left: Heard, accepted: Counter[Pid], serviced: Counter[Pid], *, within: float
) -> bool:
    """Hear all children until they have said what is due, and have nothing more to say; tells of violations."""

    def voices() -> list[Voice]:
        seat.hear()
        return [
            Voice(
                child=pid,
                said=bytes(said),
                accepted=accepted[pid],
                serviced=serviced[pid],
                ended=pid not in stage.watch.live,
                within=within,
            )
            for pid, said in seat.heard.items()
        ]

    def all_due_is_said() -> bool:
        return not any(
            violation.clause in (PROTOCOL_1, PROTOCOL_2) for voice in voices() for violation in judge_voice(voice)
        )

    wait(stage, all_due_is_said, within=within)
    wait(stage, lambda: all(asleep(pid) for pid in seat.heard), within=within)
    return left.found(*(violation for voice in voices() for violation in judge_voice(voice)))


@scene
def at_full_speed(stage: Stage, left: Heard) -> None:
    """Hear thousands of connections; then say to the children what they should, and should not, react to."""
    channels = settled_channels(stage)
    left.children = len(channels)
    with parent_seat(stage.watch.parent, channels) as seat:
        _full_speed(stage, seat, left)
        if not left.violations and not left.why_not:
            _service_in_the_act(stage, seat, left)
        obedience.examine(stage, seat, left)
        stage.close()


def _full_speed(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    passers = Passers(stage, most=MOST_CLIENTS, at_once=AT_ONCE)
    end = stage.clock() + max(FULL_SPEED, 2 * stage.pace.service_time)
    while not passers.all_gone and stage.clock() < end and not passers.lost:
        passers.come()
        stage.step()
        seat.hear()
    # Nobody needs the pool to grow first.
    left.connections = passers.leave(within=AT_ONCE * stage.pace.service_time + stage.pace.reaction)
    if passers.lost:
        left.why_not = Inconclusive(f"with the parent stopped, a client was {passers.lost[0]}")
        return

    def all_is_said() -> bool:
        seat.hear()
        return sum(said.count(F) for said in seat.heard.values()) >= left.connections

    wait(stage, all_is_said, within=stage.pace.reaction)
    wait(stage, lambda: all(asleep(pid) for pid in seat.heard), within=stage.pace.reaction)
    seat.hear()
    told = b"".join(seat.heard.values())
    for clause, letter in ((PROTOCOL_1, C), (PROTOCOL_2, F)):
        if told.count(letter) != left.connections:
            longest = max(seat.heard.values(), key=len)
            seen = (
                f"{left.connections} connections were serviced by {left.children} children, who said "
                f"{told.count(letter)} {letter.decode()} in all; one of them said {shown(bytes(longest))}"
            )
            left.found(Violation(clause, seen))
    counts_are_right = not left.violations
    for pid, said in seat.heard.items():
        voice = judge_voice(Voice(child=pid, said=bytes(said)))
        # Where the counts are wrong, so is the order, for the same reason.
        left.found(*(violation for violation in voice if counts_are_right or violation.clause is PROTOCOL_3))
    left.judged |= {PROTOCOL_1.id, PROTOCOL_3.id}


def _service_in_the_act(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Protocol-2: stop a child in the moment in which it says F, and see whether its client has the answer.

    On one processor, and ahead of the child, the suite runs as soon as the F is there; the child has no time for
    anything between. On a machine where that can't be had, an F that is much too early is still met.
    """
    # Where each takes its time, the first one has shown it.
    for _ in range(1 if stage.pace.unhurried else WATCHED_SERVICES):
        clients = held(stage, 1, left)
        if left.why_not:
            return
        child = stage.holders[clients[0].number]
        wait(stage, partial(asleep, child), within=stage.pace.reaction)
        seat.hear([child])
        before = len(seat.heard[child])
        try:
            with one_processor([child]):
                os.sched_setscheduler(child, os.SCHED_IDLE, os.sched_param(0))  # never undone: it ends with the launch
                stage.ask(clients)
                answered = _answered_at_f(stage, seat, clients[0], child)
        except (NotPinned, PermissionError):
            break
        if not answered:
            seat.hear([child])
            seen = (
                f"child {child} said {shown(bytes(seat.heard[child][before - 1 :]))} before its client had any answer"
            )
            left.found(Violation(PROTOCOL_2, seen))
            return
        stage.await_end(clients)
    left.judged.add(PROTOCOL_2.id)


def _answered_at_f(stage: Stage, seat: ParentSeat, client: Client, child: Pid) -> bool:
    with seat.listening(child) as descriptor:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(stage.pace.answer * 1000):
            return True  # no F at all: that is found elsewhere
    with stopped([child]):
        # What was sent is there at once on loopback, unless the kernel puts it off for a moment.
        return wait(stage, lambda: bool(client.received) or not client.open, within=PUT_OFF)
