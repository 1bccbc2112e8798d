"""Faults on the channel: more messages than it holds, and one side of it shut."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from conformance.launches import Launches
from conformance.seats import asleep, settle_down, usable_channels, wait
from fault_injection.channel import deaf_parent, filled, said_to_child, shut_both_ways, shut_for_reading
from fault_injection.scenes.ordeal import ordeal
from fault_injection.scenes.wording import named
from spec import recovery
from spec.protocol import C, F, K
from spec.verdict import NotApplicable
from subject.stopping import stopped

Seen = Callable[[str], None]
FEWEST_CLIENTS = 40  # before, and though, the channels are full


def insist_on_channel(launches: Launches) -> None:
    """Raise NotApplicable where the subject does not claim to have the channel."""
    if "channel" not in launches.profile.abilities:
        raise NotApplicable("the profile does not claim the ability 'channel'")


@pytest.mark.clause("recovery-12")
def test_service_goes_on_though_the_channel_is_full(launches: Launches, seen: Seen) -> None:
    insist_on_channel(launches)
    with ordeal(launches, recovery.RECOVERY_12) as told:
        stage = told.stage
        channels = usable_channels(stage)
        few = len(told.idle) if stage.pace.unhurried else FEWEST_CLIENTS
        with ExitStack() as full:
            with told.quiet():
                told.serves(few, at_once=1)
                # The last F comes after its client has left: it is not to take the room for the next C.
                wait(stage, lambda: all(map(asleep, told.live)), within=stage.pace.reaction)
                messages = [full.enter_context(filled(channel, C + F)) for channel in channels.values()]
                told.happens(f"the parent was stopped, and the channels were full ({max(messages)} messages)")
                # Each child says one C that still finds room, and one F that does not.
                clients = stage.hold_connections(len(told.idle))
                wait(stage, lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.reaction)
                stage.ask(clients)
                stage.await_end(clients)
                if lost := [client.why_lost() for client in clients if not client.served]:
                    told.fails(f"a client was {lost[0]}")
                told.serves(few, at_once=min(2, len(told.idle)))
                told.keeps(list(channels))
            told.happens(f"the parent was stopped until the channels were full ({max(messages)} messages)")
            told.recovers()
        seen(f"{told}: {2 * few + len(clients)} clients were served, {max(messages)} messages fitted in")


@pytest.mark.clause("recovery-16")
def test_a_channel_that_hears_nothing_costs_nobody_but_its_child(launches: Launches, seen: Seen) -> None:
    insist_on_channel(launches)
    with ordeal(launches, recovery.RECOVERY_16) as told:
        stage = told.stage
        clients = told.hold(stage.parameters.max_spare + 1)
        settle_down(stage)
        oldest = next((client for client in clients if stage.holders.get(client.number) == told.live[0]), None)
        if oldest is not None:
            stage.let_go([oldest])
            told.comes_back()
        channels = usable_channels(stage)
        # Whom does the parent tell first that it is one too many? Mostly the newest, or the oldest.
        deaf = list(dict.fromkeys((told.idle[0], told.idle[-1])))
        with stopped(deaf):
            for pid in deaf:
                with shut_for_reading(channels[pid]):
                    told.happens(f"the end of child {pid} was shut for reading, so that K finds nobody")
            stage.let_go(list(stage.held.values()))
            # One round: who is told first, is told in it.
            stage.hold(stage.pace.round)
            stage.check_parent()
        told.happens(f"K had been said where nobody hears it, to {named(deaf)}", ended=len(deaf))
        wait(stage, lambda: not set(deaf) & set(told.live), within=stage.pace.reaction)
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-16")
@pytest.mark.parametrize("way", ["shut both ways", "shut for the parent's reading", "used to say K twice"])
def test_a_channel_that_fails_costs_nobody_but_its_child(launches: Launches, seen: Seen, way: str) -> None:
    insist_on_channel(launches)
    with ordeal(launches, recovery.RECOVERY_16) as told:
        stage = told.stage
        channels = usable_channels(stage)
        child = told.idle[0]
        others = [pid for pid in told.live if pid != child]
        faults = {
            "shut both ways": lambda: shut_both_ways(channels[child]),
            "shut for the parent's reading": lambda: deaf_parent(told.parent, channels[child]),
            "used to say K twice": lambda: said_to_child(told.parent, channels[child], K + K),
        }
        with faults[way]():
            told.happens(f"the channel of child {child} was {way}", ended=1)
            wait(stage, lambda: asleep(told.parent), within=stage.pace.reaction)
            told.comes_back()
            told.keeps(others, shed=told.most_shed)
            told.serves()
        told.recovers()
        seen(str(told))
