"""The scenes in the parent's seat: the parent is stopped, and the suite hears what its children really say.

`counted`: few connections a child, each told child by child, up to the last one. `at_full_speed`: thousands of them;
and then what children make of what they are told (`obedience.py`).
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from conformance import in_the_act, obedience
from conformance.clients import GET
from conformance.in_the_act import PUT_OFF
from conformance.launches import Launches
from conformance.passers import Passers
from conformance.regulation import Stopped, settle, want
from conformance.seats import Heard, asleep, held, parents_seat, scene, settle_down, settle_pool, wait
from conformance.stage import Stage
from drivers.parent_seat import ParentSeat
from spec.event import Phase, Pid
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
from spec.recycle import RECYCLE_2
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violation

# Short clients at full speed, so many at once; and for so many seconds at most.
MOST_CLIENTS, AT_ONCE, FULL_SPEED = 2000, 16, 2.0
# Clients that come to nothing: how, what they say, and whether they reset then; else they close.
ODD = (
    ("no word", b"", False),
    ("half a request", GET[:9], False),
    ("half a request and a reset", GET[:9], True),
    ("no request at all", b"\x00\x01garbage\r\n\r\n", False),
)


def insist_on(launches: Launches) -> None:
    """Raise Blocked where the children do not speak as a parent must expect: then nobody can speak to it for them."""
    if "channel" not in launches.profile.abilities:
        raise NotApplicable("the profile does not claim the ability 'channel'")
    heard = launches.play("counted first", launches.voice_set("first"), counted)
    if heard.violations:
        raise Blocked(heard.violations[0].clause.id, seen=heard.violations[0].seen)


@scene
def counted(stage: Stage, left: Heard) -> None:
    """Hear every child through all of its connections, one after another."""
    settle_pool(stage)
    with parents_seat(stage) as seat:
        left.children = len(seat.heard)
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
        amiss = _hear_out(stage, seat, accepted, serviced, within=stage.pace.reaction)
        stage.ask(clients)
        stage.await_end(clients)
        if lost := [client.why_lost() for client in clients if not client.served]:
            left.found(*amiss)
            left.why_not = Inconclusive(f"a client was {lost[0]}")
            return
        serviced.update(stage.holders[client.number] for client in clients)
        left.connections += len(clients)
        amiss_then = _hear_out(stage, seat, accepted, serviced, within=stage.pace.reaction)
        # Of one that was amiss before, more of its words say more.
        by_clause = {each.clause.id: each for each in (*amiss[::-1], *amiss_then[::-1])}
        if left.found(*by_clause.values()):
            return
    left.judged |= {PROTOCOL_1.id, PROTOCOL_2.id, PROTOCOL_3.id}


def _hear_out(
    stage: Stage, seat: ParentSeat, accepted: Counter[Pid], serviced: Counter[Pid], *, within: float
) -> list[Violation]:
    """Hear all children until they have said what is due, and have nothing more to say; gives what is amiss."""

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
    return [violation for voice in voices() for violation in judge_voice(voice)]


@scene
def at_full_speed(stage: Stage, left: Heard) -> None:
    """Hear thousands of connections; then say to the children what they should, and should not, react to."""
    settle_pool(stage)
    # Those that came later are heard as well: they come in the places of busy ones.
    want(stage, Phase.SHORTAGE, len(stage.watch.live))
    with suppress(Stopped):
        settle(stage, Phase.SHORTAGE)
    settle_down(stage)
    with parents_seat(stage) as seat:
        left.children = len(seat.heard)
        _from_here_on(stage, seat)
        unused = Heard()
        told = obedience.order_unused(stage, seat, unused)
        _full_speed(stage, seat, left, told=told)
        if not left.violations and not left.why_not:
            in_the_act.service_in_the_act(stage, seat, left)
        if not left.violations and not left.why_not:
            in_the_act.c_in_the_act(stage, seat, left)
        if not left.violations and not left.why_not:
            in_the_act.answered_client_stays(stage, seat, left)
        if not left.violations and not left.why_not:
            _odd_clients(stage, seat, left)
        left.found(*unused.violations)
        obedience.examine(stage, seat, left)
        stage.close()


def _from_here_on(stage: Stage, seat: ParentSeat) -> None:
    """Let all go, and forget what is said meanwhile."""
    stage.let_go(list(stage.held.values()))
    stage.broken_holds.clear()
    wait(stage, lambda: stage.all_let_go() and all(asleep(pid) for pid in seat.heard), within=stage.pace.answer)
    seat.hear()
    for said in seat.heard.values():
        said.clear()


def _full_speed(stage: Stage, seat: ParentSeat, left: Heard, *, told: Sequence[Pid]) -> None:
    passers = Passers(stage, most=MOST_CLIENTS, at_once=AT_ONCE)
    end = stage.clock() + max(FULL_SPEED, 2 * stage.pace.service_time)
    while not passers.all_gone and stage.clock() < end and not passers.lost:
        passers.come()
        stage.step()
        seat.hear()
    # Nobody needs the pool to grow first.
    left.connections = passers.leave(within=AT_ONCE * stage.pace.service_time + stage.pace.reaction)
    if left.found(*_ended_early(stage, seat, told)):
        left.why_not = Blocked(RECYCLE_2.id, seen=left.violations[-1].seen)
        return
    if passers.lost:
        left.why_not = Inconclusive(f"with the parent stopped, a client was {passers.lost[0]}")
        return

    def all_is_said() -> bool:
        seat.hear()
        return sum(said.count(F) for said in seat.heard.values()) >= left.connections

    wait(stage, all_is_said, within=stage.pace.reaction)
    wait(stage, lambda: all(asleep(pid) for pid in seat.heard), within=stage.pace.reaction)
    seat.hear()
    words = b"".join(seat.heard.values())
    for clause, letter in ((PROTOCOL_1, C), (PROTOCOL_2, F)):
        if words.count(letter) != left.connections:
            longest = max(seat.heard.values(), key=len)
            seen = (
                f"{left.connections} connections were serviced by {left.children} children, who said "
                f"{words.count(letter)} {letter.decode()} in all; one of them said {shown(bytes(longest))}"
            )
            left.found(Violation(clause, seen))
    counts_are_right = not left.violations
    for pid, said in seat.heard.items():
        voice = judge_voice(Voice(child=pid, said=bytes(said)))
        # Where the counts are wrong, so is the order, for the same reason.
        left.found(*(violation for violation in voice if counts_are_right or violation.clause is PROTOCOL_3))
    left.judged |= {PROTOCOL_1.id, PROTOCOL_3.id}


def _ended_early(stage: Stage, seat: ParentSeat, told: Sequence[Pid]) -> list[Violation]:
    """Recycle-2: with the parent stopped nobody else is told K, and nobody comes to N."""
    seat.hear()
    gone = seat.heard.keys() - set(stage.watch.live) - set(told)
    served = {pid: seat.heard[pid].count(F) for pid in sorted(gone)}
    return [
        Violation(
            RECYCLE_2, f"child {pid} ended after {count} connections, with the parent stopped ({stage.parameters})"
        )
        for pid, count in served.items()
        if 0 < count < stage.parameters.max_connections
    ]


def _odd_clients(stage: Stage, seat: ParentSeat, left: Heard) -> None:
    """Protocol-1 to -3: a client that comes to nothing is told of once, too; recovery-8 asks whether F comes at all."""
    for how, sent, reset in ODD:
        taken = in_the_act.silent_client(stage, seat, left)
        if taken is None:
            return
        client, child = taken
        seat.heard[child][:-1] = b""  # but for the C of this one
        stage.send(client, sent[client.greeted :])
        if not reset:
            client.finish_sending()
            wait(stage, lambda: not client.open, within=PUT_OFF)  # noqa: B023 - waited for here
        if client.open:
            stage.drop(client, reset=reset)
        wait(stage, lambda: stage.all_let_go() and asleep(child), within=stage.pace.reaction)  # noqa: B023
        stage.broken_holds.clear()  # a server may close the connection first: that breaks no hold
        if child not in stage.watch.live:
            return
        seat.hear([child])
        said = bytes(seat.heard[child])
        for violation in judge_voice(Voice(child=child, said=said)):
            left.found(Violation(violation.clause, f"of a client that came with {how}: {violation.seen}"))
            return
