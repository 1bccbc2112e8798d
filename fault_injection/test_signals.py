"""Faults by signals: children and parents killed, stopped, signalled as newborns, rained upon."""

import signal
from collections.abc import Callable

import pytest

from conformance.clients import GET
from conformance.launches import Launches
from conformance.seats import asleep, parent_stopped, settle_down, wait, why_not_held
from drivers import child_seat
from fault_injection.fault import DidNotTakeHold
from fault_injection.scenes.at_the_limit import channels_if_any
from fault_injection.scenes.half_a_request import HALF, half_a_request
from fault_injection.scenes.newborns import await_fate, newborns, present
from fault_injection.scenes.ordeal import Ordeal, ordeal
from fault_injection.scenes.wording import named
from fault_injection.signals import killed, rain, signal_first_sight, signalled
from spec import recovery
from spec.event import Pid
from spec.protocol import K
from subject.stopping import stopped

# Newborns that are killed at first sight, and the rounds that this may take a server that spawns one a round.
NEWBORNS, ROUNDS = 10, 4
LIMIT = 8  # children at the most: what is counted wrong at the limit, or up to it, shows there
RAIN, RAINING = 200, 0.5  # falls of all signals at the most, and seconds
FEWEST_ROUNDS, MOST_ROUNDS, FIRST_STEPS = 4, 16, 1.0  # newborns that get SIGTERM, and seconds for more than a few
MEANINGLESS = (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG)

Seen = Callable[[str], None]


def kill_idle(told: Ordeal, number: signal.Signals, *, newest: bool) -> None:
    """Kill one idle child, so that one is lacking, and wait for the pool to come back.

    Those beyond min_spare are made busy first: several deaths at once are recovery-3's.
    """
    beyond = len(told.idle) - told.stage.parameters.min_spare
    if beyond > 0:
        told.hold(beyond)
    victims = told.idle[-1:] if newest else told.idle[:1]
    # Who takes SIGTERM as it likes may do so; whoever ended by it is to be replaced.
    fault = signalled if number is signal.SIGTERM else killed
    with fault(victims, number):
        told.happens(f"idle {named(victims)} got {number.name}", ended=len(victims))
        told.comes_back()


@pytest.mark.clause("recovery-1")
def test_killed_idle_children_are_replaced(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_1) as told:
        # The newest and the oldest in turn; SIGTERM for the oldest, since a newborn may have its parent's handler yet.
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL):
            kill_idle(told, number, newest=told.faults % 2 == 0)
        told.stage.let_go(list(told.stage.held.values()))
        told.comes_back()
        told.recovers()
        seen(f"{told}: {told.ended} idle children were ended")


@pytest.mark.clause("recovery-2")
def test_killed_busy_children_are_counted_no_more(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_2, max_children=LIMIT) as told:
        stage = told.stage
        gap = stage.parameters.max_spare - stage.parameters.min_spare
        # The second time at the limit, where there is one: then with nobody idle beside them.
        for number, count in ((signal.SIGKILL, gap + 2), (signal.SIGSEGV, stage.parameters.max_children or gap + 2)):
            clients = told.hold(count)
            victims = [pid for pid in told.live if pid in stage.busy()][: gap + 2]
            lost = [client for client in clients if stage.holders.get(client.number) in victims]
            fault = f"busy {named(victims)}, {len(victims)} of {len(stage.busy())}, got {number.name}"
            with killed(victims, number):
                stage.await_end(lost)
                told.happens(fault, ended=len(victims))
                told.comes_back()
            stage.let_go(list(stage.held.values()))
            told.comes_back()
        told.recovers()
        seen(f"{told}: {told.ended} busy children were killed")


@pytest.mark.clause("recovery-2")
def test_of_the_words_of_a_killed_child_none_is_its_successors(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_2, max_children=LIMIT) as told:
        stage = told.stage
        with stopped([told.parent]):
            clients = stage.hold_connections(len(told.idle))
            wait(stage, lambda: not stage.queued() and all(map(asleep, told.live)), within=stage.pace.reaction)
            victims = [pid for pid in told.live if pid in stage.busy()]
            with killed(victims):
                stage.await_end(clients)
        told.happens(f"busy {named(victims)} got SIGKILL before the parent had read their C", ended=len(victims))
        told.recovers()
        seen(f"{told}: {told.ended} busy children were killed, their C unread")


@pytest.mark.clause("recovery-3")
def test_the_pool_comes_back_when_all_children_are_killed(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_3) as told:
        everyone = list(told.live)
        with killed(everyone):
            told.happens(f"all {len(everyone)} children got SIGKILL at once", ended=len(everyone))
            told.comes_back()
            told.serves()
        # What the dead have said, and nobody has heard yet, is recovery-2's.
        settle_down(told.stage)
        with parent_stopped(told.stage) as everyone, killed(everyone):
            pass
        told.happens(f"all {len(everyone)} children got SIGKILL while the parent was stopped", ended=len(everyone))
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-4")
def test_the_pool_comes_back_when_newborns_are_no_longer_killed(launches: Launches, seen: Seen) -> None:
    # More are killed than may live: who counts the dead has no room soon.
    with ordeal(launches, recovery.RECOVERY_4, max_children=LIMIT) as told:
        stage, known, found = told.stage, present(told), 0
        kill_at_first_sight = lambda pid: signal_first_sight(pid, signal.SIGKILL)  # noqa: E731 - as a verb
        victims = told.idle[: len(told.idle) - stage.parameters.min_spare + 1]
        end = stage.clock() + ROUNDS * stage.pace.round
        with killed(victims):
            told.happens(f"idle {named(victims)} got SIGKILL, and each newborn as well", ended=len(victims))
            while found < NEWBORNS and (stage.clock() < end or not found):
                came = newborns(told, known, within=stage.pace.step, each=kill_at_first_sight)
                if not came and not found:
                    told.fails(f"no child was spawned in {stage.pace.step:.1f} s, {len(told.live)} live")
                found += len(came)
                told.ended += len(came)
        # Who has learnt to wait a little longer after each death may go on to do so.
        told.comes_back(within=stage.pace.answer)
        told.recovers()
        seen(f"{told}: {found} newborns were killed at first sight")


@pytest.mark.clause("recovery-5")
def test_children_end_when_their_parent_was_killed(launches: Launches) -> None:
    with ordeal(launches, recovery.RECOVERY_5) as told:
        stage = told.stage
        clients = told.hold(2)
        # A newborn has its siblings' ends until it lets go of them: one that is stopped before would hold them up.
        settle_down(stage)
        *idle, stopped_one = told.idle
        busy, holders = stage.busy(), dict(stage.holders)

        def live(pids: list[Pid]) -> list[Pid]:
            stage.watch.sample()
            return [pid for pid in pids if pid in stage.watch.live]

        # The parent first: it is not to see a child stop.
        with stopped([told.parent]), stopped([stopped_one]), killed([told.parent]):
            told.happens(f"the parent {told.parent} got SIGKILL, while child {stopped_one} was stopped")
            if not wait(stage, lambda: not live(idle), within=stage.pace.reaction):
                told.fails(
                    f"{len(live(idle))} of {len(idle)} idle children still lived {stage.pace.reaction:.1f} s later"
                )
            stage.ask(clients)
            wait(stage, lambda: not any(client.open for client in clients), within=stage.pace.reaction)
            if lost := [client for client in clients if not client.served]:
                told.fails(f"the client of busy child {holders.get(lost[0].number)} was {lost[0].why_lost()}")
            for client in list(stage.clients()):
                stage.drop(client)
            if not wait(stage, lambda: not live(list(busy)), within=stage.pace.reaction):
                told.fails(
                    f"busy {named(live(list(busy)))} still lived {stage.pace.reaction:.1f} s after the client had gone"
                )
        if not wait(stage, lambda: not live([stopped_one]), within=stage.pace.reaction):
            told.fails(
                f"the stopped child {stopped_one} still lived {stage.pace.reaction:.1f} s after it was continued"
            )
        freed = lambda: not [each for each in stage.diag.listening() if each.port == stage.port]  # noqa: E731
        if not wait(stage, freed, within=stage.pace.reaction):
            told.fails(f"port {stage.port} was still listened on when all children had ended")


@pytest.mark.clause("recovery-6")
def test_a_stopped_child_stops_nobody_and_serves_on_when_it_is_continued(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_6) as told:
        stage = told.stage
        child = told.idle[0]
        channels = channels_if_any(told)
        with stopped([child]):
            told.happens(f"child {child} was stopped")
            told.serves(at_once=1)
            # So many that the pool has to grow. As it does, the stopped one may be told K, and then idles no more.
            clients = told.hold(len(told.idle) - stage.parameters.min_spare + 1, or_busy=1)
            shed = K in (child_seat.unread_orders(channels[child]) or b"") if child in channels else told.most_shed
        told.keeps([child], shed=int(shed))
        told.comes_back()
        stage.let_go(clients)
        told.comes_back()
        # Once more while the parent is stopped: the first one may have been told K, as one too many. And beside it one
        # in the middle of a request: a read that has a time-out ends with EINTR when its process is continued.
        with told.quiet():
            half = half_a_request(told)
            child, reader = told.idle[0], stage.holders[half.number]
            with stopped([child, reader]):
                told.happens(f"child {child} was stopped, and child {reader} in the middle of a request")
            told.happens(f"child {child} was stopped and continued, and child {reader} in the middle of a request")
            told.keeps([child, reader])
            stage.send(half, GET[HALF:])
            stage.await_end([half])
            if not half.served:
                told.fails(f"the client of child {reader} was {half.why_lost()}")
            others = stage.hold_connections(len(told.idle))
            if not wait(stage, lambda: child in stage.busy(), within=stage.pace.reaction):
                told.fails(f"it took none of {len(others)} connections in {stage.pace.reaction:.1f} s")
            stage.ask(others)
            stage.await_end(others)
            if lost := [client.why_lost() for client in others if not client.served]:
                told.fails(f"a client was {lost[0]}")
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-11")
def test_a_parent_that_was_stopped_under_load_regulates_again(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_11) as told:
        stage = told.stage
        told.hold(1)
        with stopped([told.parent]):
            told.serves(4)
            more = stage.hold_connections(max(1, len(told.idle) - 1))
            # Longer than a round, so that one who looks at the clock sees that time has gone by.
            stage.hold(stage.pace.round)
        told.happens(f"the parent was stopped for {stage.pace.round:.1f} s under load, and continued")
        told.comes_back()
        stage.let_go(more)
        stage.let_go(list(stage.held.values()))
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-13")
def test_meaningless_signals_disturb_nobody(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_13) as told:
        stage = told.stage
        numbers = (*MEANINGLESS, *(signal.Signals[name] for name in launches.profile.harmless_signals))
        # Who are in the middle of a service when it rains, and came so late that no server has had enough of them yet.
        clients, falls = stage.hold_connections(2), 0
        stage.until(lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.answer)
        if (why := why_not_held(stage)) is not None:
            raise why
        children = list(told.live)
        with rain([told.parent, *children], numbers) as falling:
            end = stage.clock() + RAINING
            told.happens(f"{', '.join(number.name for number in numbers)} rained on the parent and all children")
            while falls < RAIN and stage.clock() < end:
                falling.fall()
                falls += 1
                stage.step()
                stage.check_parent()
            # Their clients first: whose client is dropped is one too many, and rightly shed.
            if lost := [client.why_lost() for client in clients if not client.open]:
                told.fails(f"a client that had come before was {lost[0]}")
            if spoken := [bytes(client.received[:20]) for client in clients if client.received]:
                told.fails(f"a client that had come before, and was silent, was sent {spoken[0]!r}")
            # A pool that is within its bounds may still shed down to min_spare.
            told.keeps(children, shed=told.most_shed)
            falling.fall()
            told.serves(4)
        stage.ask(clients)
        stage.await_end(clients)
        if lost := [client.why_lost() for client in clients if not client.served]:
            told.fails(f"a client that had come before was {lost[0]}")
        told.recovers()
        seen(f"{told}: {falling.fallen} signals were sent")


@pytest.mark.clause("recovery-15")
def test_a_newborn_that_gets_sigterm_harms_nobody_else(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_15) as told:
        stage, signalled_ones, rounds, end = told.stage, 0, 0, told.stage.clock() + FIRST_STEPS
        # In its very first steps it has its parent's handlers: not every signal comes so early.
        while rounds < FEWEST_ROUNDS or (rounds < MOST_ROUNDS and stage.clock() < end):
            rounds += 1
            known = present(told)
            victims = told.idle[: len(told.idle) - stage.parameters.min_spare + 1]
            others = [pid for pid in told.live if pid not in victims]
            with killed(victims):
                told.happens(f"idle {named(victims)} got SIGKILL, and the newborn SIGTERM", ended=len(victims))
                came = newborns(
                    told,
                    known,
                    within=stage.pace.step,
                    each=lambda pid: signal_first_sight(pid, signal.SIGTERM),
                )
            if came:
                signalled_ones += len(came)
                told.fault = f"a newborn, {named(came)}, got SIGTERM at first sight"
            # First what becomes of the newborn: a pool is not whole with one in it that is about to end.
            await_fate(told, came)
            told.comes_back()
            told.keeps(others, shed=told.most_shed)
        if not signalled_ones:
            raise DidNotTakeHold("no newborn was seen before it was part of the pool")
        told.recovers()
        seen(f"{told}: {signalled_ones} newborns got SIGTERM at first sight")
