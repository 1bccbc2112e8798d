"""Faults by the system, which refuses descriptors, processes or memory for a while, and gives them again."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conformance.clients import GET
from conformance.launches import Launches
from conformance.seats import wait
from conformance.stage import Calls
from fault_injection.limits import no_more_memory, no_more_processes, out_of_descriptors
from fault_injection.scenes.ordeal import A_MOMENT, Ordeal, ordeal
from fault_injection.signals import killed
from fault_injection.syscalls import refused
from spec import recovery
from spec.event import Pid
from spec.verdict import NotApplicable


def children_without_descriptors(launches: Launches) -> str:
    """Nobody ends or spins, and once they have some again all is well."""
    with ordeal(launches, recovery.RECOVERY_10) as told:
        stage, children = told.stage, list(told.live)
        with told.quiet(), out_of_descriptors(children):
            told.happens("all children had no descriptor left, and a client for each had come")
            # One for each, and one more: whom it makes deaf for good is not to be the only one.
            clients = [stage.connect(GET, follow=False) for _ in range(len(children) + 1)]
            told.bears(A_MOMENT, children=children)
            if any(client.served for client in clients):
                raise NotApplicable("its children need no further descriptor for a connection")
        for client in clients:
            stage.drop(client)
        told.is_over("all children had been without descriptors for a round")
        told.recovers()
        return str(told)


def grows_not(told: Ordeal) -> list[Pid]:
    """Hold one connection more than leaves enough idle: the pool has to grow, and can't. Gives who lived before."""
    stage = told.stage
    stage.hold_connections(len(told.idle) - stage.parameters.min_spare + 1)
    return list(told.live)


def parent_without_descriptors(launches: Launches) -> str:
    """It neither ends nor spins, and grows as soon as it has some again."""
    with ordeal(launches, recovery.RECOVERY_10) as told:
        stage = told.stage
        with out_of_descriptors([told.parent]):
            told.happens("the parent had no descriptor left when the pool had to grow")
            children = grows_not(told)
            told.bears(stage.pace.round, children=children)
            if len(told.live) > len(children):
                raise NotApplicable("its parent needs no further descriptor for a child")
        told.is_over("the parent had been without descriptors for a round in which the pool had to grow")
        told.comes_back()
        stage.let_go(list(stage.held.values()))
        told.recovers()
        return str(told)


@contextmanager
def no_forks(told: Ordeal) -> Iterator[None]:
    """Refuse the parent's forks: by the limit where it binds, else by the supervisor of system calls."""
    if told.stage.calls.watched:
        with refused(told.stage.launch, "fork", ("EAGAIN", "ENOMEM")) as refusals:
            yield
            refusals.insist()
    else:
        with no_more_processes([told.parent]):
            yield


def parent_that_may_not_fork(launches: Launches) -> str:
    """It neither ends nor spins, and grows as soon as it may; with no child left as well."""
    calls = Calls(watched=("fork",) if os.geteuid() == 0 else ())
    with ordeal(launches, recovery.RECOVERY_10, calls=calls) as told:
        stage = told.stage
        with no_forks(told):
            told.happens("forks were refused when the pool had to grow")
            told.bears(stage.pace.round, children=grows_not(told))
        told.is_over("forks had been refused for a round in which the pool had to grow")
        told.comes_back()
        stage.let_go(list(stage.held.values()))
        told.comes_back()
        everyone = list(told.live)
        with no_forks(told), killed(everyone):
            told.happens("forks were refused, and all children had got SIGKILL", ended=len(everyone))
            told.bears(stage.pace.round, children=())
        told.is_over("forks had been refused for a round in which all children had got SIGKILL")
        told.recovers()
        return str(told)


def children_without_memory(launches: Launches) -> str:
    """They may end, and are replaced."""
    with ordeal(launches, recovery.RECOVERY_10) as told:
        stage = told.stage
        with no_more_memory(told.live):
            told.happens("the children had no memory left")
            # Whoever comes now may be lost.
            clients = [stage.connect(GET, follow=False) for _ in range(2 * len(told.live))]
            wait(stage, lambda: not any(client.open for client in clients), within=stage.pace.reaction)
            for client in stage.clients():
                stage.drop(client)
        told.comes_back()
        told.recovers()
        return str(told)


# Most of each is waiting: they are played at the same time, on servers of their own.
SCENES = (children_without_descriptors, parent_without_descriptors, parent_that_may_not_fork, children_without_memory)


@pytest.mark.clause("recovery-10")
@pytest.mark.parametrize("scene", SCENES, ids=[each.__name__ for each in SCENES])
def test_what_the_system_refuses_ends_nobody_and_is_made_up_for(
    launches: Launches, seen: Callable[[str], None], scene: Callable[[Launches], str]
) -> None:
    launches.side_by_side({each.__name__: each for each in SCENES})
    seen(launches.remember(scene.__name__, lambda: scene(launches)))
