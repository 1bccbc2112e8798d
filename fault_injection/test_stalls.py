"""Faults by clients: silent, slow, never reading, half-closed, reset, or dead before their request was read."""

import itertools
from collections.abc import Callable, Mapping

import pytest

from conformance.clients import GET
from conformance.launches import Launches
from conformance.seats import asleep, wait
from drivers.client import Client
from drivers.parent_seat import unheard
from fault_injection.scenes.at_the_limit import channels_if_any
from fault_injection.scenes.ordeal import Ordeal, ordeal
from fault_injection.stalls import dead, half_closed, never_reading, reset, silent, slow
from observers import procfs
from spec import recovery
from spec.channel import Channel
from spec.event import Pid
from spec.protocol import C, F, shown
from spec.verdict import Inconclusive
from subject.stopping import stopped

Seen = Callable[[str], None]
# Small, as a classical server sheds one a round: more silent clients than it may have children, and all of them leave.
FEW_CHILDREN, BEYOND = 6, 3
# Each kind of client comes twice: with the bounds as narrow as they are, a few that are never counted idle again show.
TWICE = 2


@pytest.mark.clause("recovery-7")
def test_silent_and_slow_clients_hold_only_their_own_children(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_7) as told:
        stage, make = told.stage, told.stage.launch.socket
        told.serves(4, at_once=1)  # as it does without them
        with (
            silent(make, stage.port, 1),
            slow(make, stage.port, 1, GET) as slow_ones,
            never_reading(make, stage.port, 1, GET),
        ):
            told.happens("a silent client, a slow one and one that never reads had come")
            with told.passing(2):
                told.serves(4, at_once=1, seen_as_such=True)
                # Those who served them are idle again; the third one's child may wait for it to close.
                told.comes_back(or_busy=1)
                for drops in itertools.count(1):
                    if not slow_ones.drip():
                        break
                    stage.step()
                    if drops == len(GET) // 2:
                        told.serves(2, at_once=1, seen_as_such=True)  # in the middle of a head as well
                told.serves(4, at_once=1, seen_as_such=True)
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-7")
def test_the_pool_comes_back_from_more_silent_clients_than_children(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_7, max_children=FEW_CHILDREN) as told:
        stage = told.stage
        clients = stage.hold_connections(FEW_CHILDREN + BEYOND)
        told.comes_back()
        told.happens(f"{len(clients)} silent clients had come, and gone again")
        stage.let_go(clients)
        wait(stage, stage.all_let_go, within=stage.pace.reaction)
        told.recovers()
        seen(str(told))


def busy_with(told: Ordeal, count: int = TWICE) -> list[tuple[Client, Pid]]:
    """Hold silent connections, each with the child that has it."""
    clients = told.stage.hold_connections(count)
    told.stage.until(lambda: not told.stage.queued() or bool(told.stage.broken_holds), within=told.stage.pace.answer)
    held = [(client, told.stage.holders[client.number]) for client in clients if client.number in told.stage.holders]
    if len(held) < count:
        raise Inconclusive(f"only {len(held)} of {count} silent connections kept a child busy")
    return held


def gone_without_harm(told: Ordeal, held: list[tuple[Client, Pid]]) -> None:
    """Let go of what is left of these clients; their children live on. Judged while the parent is stopped."""
    stage = told.stage
    wait(stage, lambda: all(asleep(pid) for _, pid in held), within=stage.pace.reaction)
    for client, _ in held:
        if client.open:
            stage.drop(client)
    stage.broken_holds.clear()  # the server may have had enough of them first
    wait(stage, stage.all_let_go, within=stage.pace.reaction)
    told.keeps([pid for _, pid in held])


def channels_with_f(told: Ordeal) -> dict[Pid, Channel]:
    """Find the channels where children are seen to say F for clients that are served; none where they do not."""
    channels = channels_if_any(told)
    with told.quiet():
        told.serves(2, at_once=1)
        words = [unheard(told.parent, channel) for channel in channels.values()]
    return channels if any(said and F in said for said in words) else {}


def insist_on_f(told: Ordeal, held: list[tuple[Client, Pid]], channels: Mapping[Pid, Channel]) -> None:
    """Each of these children has said F by now, for a client that is gone. Judged while the parent is stopped."""

    def said() -> dict[Pid, bytes]:
        return {pid: unheard(told.parent, channels[pid]) or b"" for _, pid in held if pid in channels}

    def without_f() -> list[Pid]:
        return [pid for pid, words in said().items() if words.endswith(C)]

    if not wait(told.stage, lambda: not without_f(), within=told.stage.pace.reaction):
        pid = without_f()[0]
        told.fails(f"child {pid} had said {shown(said()[pid])}, and no F", seen_as_such=True)


@pytest.mark.clause("recovery-8")
def test_clients_that_reset_cost_no_child(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_8) as told:
        stage = told.stage
        channels = channels_with_f(told)
        for said, when in ((b"", "without a word"), (GET[:9], "in the middle of their request")):
            with told.quiet():
                held = busy_with(told)
                for client, _ in held:
                    stage.send(client, said)
                    if client.open:  # else the server has answered what was no request yet, and was first
                        with reset(client, told.network):
                            stage.drop(client)
                            told.happens(f"{TWICE} clients reset their connections {when}")
                gone_without_harm(told, held)
                insist_on_f(told, held, channels)
            told.comes_back()
        with told.quiet():
            children = list(told.live)
            # In the middle of the reply, for the kernel: it resets what is closed with something unread.
            with never_reading(stage.launch.socket, stage.port, TWICE, GET):
                stage.hold(stage.pace.service_time + 0.05)
            told.happens(f"{TWICE} clients reset their connections with the reply unread")
            told.keeps(children)
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-8")
def test_a_reset_before_accept_costs_no_child(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_8) as told:
        stage, children = told.stage, list(told.live)
        with told.quiet():
            # An odd number in all: words that a reset swaps, a second one of the same child's puts right again.
            for count in (TWICE + 1, TWICE):
                with stopped(children):
                    clients = [stage.connect_silently(follow=False) for _ in range(count)]
                    stage.await_connected(clients, within=stage.pace.reaction)
                    for client in clients:
                        with reset(client, told.network):
                            stage.drop(client)
                told.happens(f"{count} clients reset their connections before they were accepted")
                told.keeps(children)
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-8")
def test_half_closed_connections_cost_no_child(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_8) as told:
        for said, when in ((b"", "before any byte"), (GET[:9], "in the middle of the request"), (GET, "after it")):
            with told.quiet():
                held = busy_with(told)
                for client, _ in held:
                    told.stage.send(client, said)
                    if client.open:
                        with half_closed(client, told.network):
                            told.happens(f"{TWICE} clients closed their half {when}")
                gone_without_harm(told, held)
            told.comes_back()
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-8")
def test_a_client_that_is_dead_when_it_is_answered_costs_no_child(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_8) as told:
        with told.quiet():
            held = busy_with(told)
            for client, pid in held:
                with stopped([pid, *procfs.descendants(pid)]), dead(client, told.network, GET):
                    told.stage.drop(client)
                told.happens("a client had asked, and was gone when its request was read")
                told.keeps([pid])
            gone_without_harm(told, held)
        told.recovers()
        seen(str(told))
