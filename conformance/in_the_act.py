"""What a child says in which moment: it is stopped by its own word, or its parent before it can have heard it."""

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from conformance.clients import GET
from conformance.pace import Patience
from conformance.regulation import want
from conformance.seats import Heard, asleep, held, is_read, scene, settle_pool, wait
from conformance.stage import Stage, SubjectEnded
from drivers.channel_end import ChannelEnd
from drivers.client import Client
from drivers.parent_seat import ParentSeat
from observers import channels as observed
from observers import procfs
from spec.event import Phase, Pid
from spec.protocol import PROTOCOL_1, PROTOCOL_2, PROTOCOL_3, F, Voice, judge_voice, shown
from spec.regulation import Owed, owed
from spec.verdict import Violation
from subject.stopping import stopped

SHORTEST, LONGEST = 0.0001, 0.01  # seconds for which the parent goes on: a newborn's first word takes about as long
FIRST_WORDS = 3  # newborns that are heard from the first word on
MOST_BUSY = 10  # children that are made busy to this end
WATCHED_SERVICES = 10  # whose F is met in the act
PUT_OFF = 0.1  # seconds for which the kernel may keep back what was sent on loopback


@scene
def first_words(stage: Stage, left: Heard) -> None:
    """Protocol-2 and -3: children are caused to be born, and what they say before they have served anybody is heard.

    The parent goes on for an instant at a time, and is stopped again: mostly before it can have read what was said by
    those to whom it gave birth in that instant.
    """
    settle_pool(stage)
    # One that does not take being stopped and continued is for another clause to judge.
    with suppress(SubjectEnded):
        _hear_newborns(stage, left)
    left.judged |= {PROTOCOL_2.id, PROTOCOL_3.id}


def _hear_newborns(stage: Stage, left: Heard) -> None:
    """Hear them until some were stopped for on their way to their first sleep."""
    parent, known, in_time, instant = stage.watch.parent, set(stage.watch.live), 0, SHORTEST
    patience = Patience(stage.pace.reaction)
    want(stage, Phase.SHORTAGE, len(known))
    while in_time < FIRST_WORDS and not patience.over():
        with stopped([parent]):
            born = [pid for pid in procfs.children(parent) if pid not in known]
            in_time += sum(not asleep(pid) for pid in born)
            if left.found(*_unread_words(stage, born)):
                return
        if born:
            known.update(born)
            patience.renew()
            instant = SHORTEST
        else:
            instant = min(2 * instant, LONGEST)
        end = time.perf_counter() + instant
        while time.perf_counter() < end:
            stage.attend(within=0.0)
        if instant == LONGEST:
            stage.step()
            stage.check_parent()
            if not stage.queued() and _owes(stage) is not Owed.GROWTH:
                if len(stage.held) >= MOST_BUSY:
                    break
                want(stage, Phase.SHORTAGE, 1)
                instant = SHORTEST


def _unread_words(stage: Stage, born: list[Pid]) -> list[Violation]:
    """Judge what lies in the channels of newborns, and leave it there."""
    parent = stage.watch.parent
    wait(stage, lambda: all(asleep(pid) for pid in born), within=stage.pace.reaction)
    stage.watch.sample()
    stage.watch.leave_out_helpers()
    children = [pid for pid in born if pid in stage.watch.live]
    for pid, channel in observed.channels(parent, children, stage.diag).items():
        with ChannelEnd(parent, channel.parents_descriptor, inode=channel.parents_inode) as end:
            violations = list(judge_voice(Voice(child=pid, said=end.peek())))
        if violations:
            return [replace(each, seen=f"just born, {each.seen}") for each in violations]
    return []


def _owes(stage: Stage) -> Owed:
    return owed(live=len(stage.watch.live), busy=len(stage.busy()), parameters=stage.parameters)


def service_in_the_act(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Protocol-2: have a child stopped in the moment in which it says F, and see whether its client has the answer."""
    usual = 0  # bytes of an answer
    # Where each takes its time, the first one has shown it.
    for _ in range(1 if stage.pace.unhurried else WATCHED_SERVICES):
        taken = silent_client(stage, seat, left)
        if taken is None:
            return
        client, child = taken
        with seat.stopped_by_a_word(child) as has_spoken:
            stage.ask([client])
            wait(stage, lambda: has_spoken() or not client.open, within=stage.pace.answer)  # noqa: B023 - waited for here
            # What was sent is there at once on loopback, unless the kernel puts it off for a moment.
            answered = _received(stage, client, most=usual)
        stage.await_end([client])
        if answered < len(client.received) or not answered:
            seat.hear([child])
            had = f"{answered} of {len(client.received)} bytes of its answer" if answered else "any answer"
            seen = f"child {child} said {shown(bytes(seat.heard[child][-2:]))} before its client had {had}"
            left.found(Violation(PROTOCOL_2, seen))
            return
        if not client.served:
            break
        usual = len(client.received)
    left.judged.add(PROTOCOL_2.id)


def _received(stage: Stage, client: Client, *, most: int) -> int:
    """Wait until a client whose child is stopped has so many bytes, or no more come; gives how many it has."""
    patience, before = Patience(PUT_OFF), -1
    while client.open and not 0 < most <= len(client.received) and not patience.over():
        if len(client.received) > before:
            before = len(client.received)
            patience.renew()
        stage.step()
    return len(client.received)


def c_in_the_act(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Protocol-1: have whoever accepts stopped in the moment in which it says C: its client can't have an answer yet.

    The request is there before anybody can look for it: a child that says both when all is over is found, too.
    """
    wait(stage, lambda: all(asleep(pid) for pid in seat.heard), within=stage.pace.reaction)
    seat.hear()
    with ExitStack() as stops:
        children = [pid for pid in stage.watch.live if pid in seat.heard]
        spoken = [stops.enter_context(seat.stopped_by_a_word(pid)) for pid in children]
        with stopped(children):
            client = stage.connect(GET, follow=False)
            wait(stage, lambda: not is_read(stage, client) or not client.open, within=stage.pace.reaction)
        wait(stage, lambda: any(has() for has in spoken) or not client.open, within=stage.pace.answer)
        answered = _received(stage, client, most=1)
    stage.await_end([client])
    if answered:
        left.found(Violation(PROTOCOL_1, f"a client had {answered} bytes of its answer before any child said C"))


def answered_client_stays(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Protocol-2: who has said F is idle, and takes another connection, though its client has not closed its side."""
    taken = silent_client(stage, seat, left)
    if taken is None:
        return
    client, child = taken
    client.stays = True
    try:
        stage.ask([client])
        wait(stage, lambda: bool(client.received) or not client.open, within=stage.pace.answer)
        wait(stage, lambda: _has_said_f(seat, child), within=PUT_OFF)
        if not client.received or not _has_said_f(seat, child) or child not in stage.watch.live:
            return  # it waits for its client, and then says F
        others = stage.hold_connections(sum(pid in seat.heard for pid in stage.watch.live))
        # One that sleeps on has not been woken, however slow the machine: it waits for something else.
        wait(stage, lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.round)
        if stage.queued() and not stage.broken_holds and child not in stage.busy() and asleep(child):
            seen = f"child {child} had said F, and slept on for {stage.pace.round:.1f} s beside another connection"
            left.found(Violation(PROTOCOL_2, f"{seen}: its client, which had its answer, had not closed its side"))
        stage.let_go([other for other in others if other.open])
    finally:
        stage.drop(client)
    wait(stage, lambda: stage.all_let_go() and all(map(asleep, stage.watch.live)), within=stage.pace.reaction)
    stage.broken_holds.clear()
    seat.hear()


def _has_said_f(seat: ParentSeat, child: Pid) -> bool:
    seat.hear([child])
    return seat.heard[child].endswith(F)


def silent_client(stage: Stage, seat: ParentSeat, left: Heard) -> tuple[Client, Pid] | None:
    """Hold a silent connection, and hear its child up to its C; None where it is not kept: `left` says why."""
    clients = held(stage, 1, left)
    if left.why_not:
        return None
    child = stage.holders[clients[0].number]
    wait(stage, partial(asleep, child), within=stage.pace.reaction)
    seat.hear([child])
    return clients[0], child
