"""Faults by the system, which refuses descriptors, processes or memory for a while, and gives them again."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from conformance.applicable import why_not
from conformance.clients import GET
from conformance.launches import Launches
from conformance.seats import wait
from conformance.stage import Calls
from fault_injection.limits import no_more_memory, no_more_processes, out_of_descriptors
from fault_injection.scenes.at_the_limit import LIMIT, fill_up, killed_at_the_limit, told_together_at_the_limit
from fault_injection.scenes.looks import Look, look_at_the_end, look_at_waiting, seen_on_the_way
from fault_injection.scenes.ordeal import A_MOMENT, Ordeal, ordeal
from fault_injection.scenes.wording import named
from fault_injection.signals import killed
from fault_injection.syscalls import Answers, refused
from spec import recovery
from spec.event import Pid
from spec.verdict import Blocked, Decision, Inconclusive, NotApplicable, Violated, raise_first

Seen = Callable[[str], None]


def children_without_descriptors(launches: Launches) -> str:
    """Nobody ends or spins, and once they have some again all is well."""
    with ordeal(launches, recovery.RECOVERY_10) as told:
        stage, children = told.stage, list(told.live)
        with told.quiet(), out_of_descriptors(children, by=told.stage.launch.prlimit):
            told.happens("all children had no descriptor left, and a client for each had come")
            # One for each, and one more: whom it makes deaf for good is not to be the only one.
            clients = [stage.connect(GET, follow=False) for _ in range(len(children) + 1)]
            told.bears(A_MOMENT, children=children)
            if any(client.served for client in clients):
                raise NotApplicable("its children need no further descriptor for a connection")
        for client in clients:
            stage.drop(client)
        told.is_over("all children had been without descriptors for a round")
        look_at_waiting(told, launches, Look.REFUSED_WAITING)
        told.recovers()
        return str(told)


def grows_not(told: Ordeal) -> list[Pid]:
    """Hold one connection more than leaves enough idle: the pool has to grow, and can't. Gives who lived before."""
    stage = told.stage
    stage.hold_connections(len(told.idle) - stage.parameters.min_spare + 1)
    return list(told.live)


def parent_without_descriptors(launches: Launches) -> str:
    """It neither ends nor spins, and grows as soon as it has some again; where the whole system had none, too."""
    with ordeal(launches, recovery.RECOVERY_10, calls=Calls(watched=("socketpair",))) as told:
        stage = told.stage
        with refused(stage.launch, "socketpair", "ENFILE"):
            told.happens("each socketpair failed with ENFILE when the pool had to grow")
            told.bears(stage.pace.round, children=grows_not(told))
        told.is_over("each socketpair had failed with ENFILE for a round in which the pool had to grow")
        told.comes_back()
        stage.let_go(list(stage.held.values()))
        told.comes_back()
        with out_of_descriptors([told.parent], by=told.stage.launch.prlimit):
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
def no_forks(told: Ordeal) -> Iterator[Answers | None]:
    """Refuse the parent's forks: by the limit where it binds, else by the supervisor of system calls, who counts."""
    if told.stage.calls.watched:
        with refused(told.stage.launch, "fork", ("EAGAIN", "ENOMEM")) as refusals:
            yield refusals
    else:
        with no_more_processes([told.parent], by=told.stage.launch.prlimit):
            yield None


def tries(told: Ordeal, refusals: Answers | None) -> bool:
    """Wait until the parent has tried to fork, for as long as a step of its may take: its round may be yet to come."""
    stage = told.stage
    return refusals is None or wait(stage, lambda: refusals.count > 0, within=stage.pace.step)


def insist_on_tries(refusals: Answers | None) -> None:
    """What became of a parent that tried none is told by then: one that does not try again either has failed."""
    if refusals is not None and not refusals.count:
        raise Inconclusive("the pool had to grow while forks were refused, and its parent tried none until then")


def parent_that_may_not_fork(launches: Launches) -> str:
    """It neither ends nor spins, and grows as soon as it may; with no child left as well."""
    calls = Calls(watched=("fork",) if os.geteuid() == 0 else ())
    with ordeal(launches, recovery.RECOVERY_10, max_children=LIMIT, calls=calls) as told:
        stage = told.stage
        with no_forks(told) as refusals:
            told.happens("forks were refused when the pool had to grow")
            children = grows_not(told)
            tries(told, refusals)
            told.bears(stage.pace.round, children=children)
        told.is_over("forks had been refused for a round in which the pool had to grow")
        told.comes_back()
        insist_on_tries(refusals)
        fill_up(told, launches, Look.REFUSED_FULL)
        everyone = list(told.live)
        with no_forks(told) as refusals, killed(everyone):
            told.happens("forks were refused, and all children had got SIGKILL", ended=len(everyone))
            tries(told, refusals)
            told.bears(stage.pace.round, children=())
        told.is_over("forks had been refused for a round in which all children had got SIGKILL")
        told.recovers()
        insist_on_tries(refusals)
        victims = told.idle[: len(told.idle) - stage.parameters.min_spare + 1]
        with no_forks(told) as refusals, killed(victims):
            told.happens(f"forks were refused, and idle {named(victims)} had got SIGKILL", ended=len(victims))
            if tries(told, refusals):
                look_at_the_end(told, launches, Look.REFUSED_AT_THE_END)
        return str(told)


def children_without_memory(launches: Launches) -> str:
    """They may end, and are replaced."""
    with ordeal(launches, recovery.RECOVERY_10) as told:
        stage = told.stage
        with no_more_memory(told.live, by=told.stage.launch.prlimit):
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


def played(launches: Launches, scene: Callable[[Launches], str]) -> str:
    """Play all that this file judges, once, and give what is told of one; or raise what ended that."""
    launches.side_by_side({each.__name__: each for each in (*SCENES, killed_at_the_limit)})
    return launches.remember(scene.__name__, lambda: scene(launches))


@pytest.mark.clause("recovery-10")
@pytest.mark.parametrize("scene", SCENES, ids=[each.__name__ for each in SCENES])
def test_what_the_system_refuses_ends_nobody_and_is_made_up_for(
    launches: Launches, seen: Seen, scene: Callable[[Launches], str]
) -> None:
    seen(played(launches, scene))


@pytest.mark.clause("recovery-1")
def test_children_that_were_killed_have_no_place_within_the_limit(launches: Launches, seen: Seen) -> None:
    seen(played(launches, killed_at_the_limit))


@pytest.mark.parametrize(
    ("scene", "look"),
    [
        pytest.param(killed_at_the_limit, Look.KILLED_FULL, marks=pytest.mark.clause("pool-6")),
        pytest.param(parent_that_may_not_fork, Look.REFUSED_FULL, marks=pytest.mark.clause("pool-6")),
        pytest.param(killed_at_the_limit, Look.KILLED_WAITING, marks=pytest.mark.clause("epoll-3")),
        pytest.param(children_without_descriptors, Look.REFUSED_WAITING, marks=pytest.mark.clause("epoll-3")),
        pytest.param(parent_that_may_not_fork, Look.REFUSED_AT_THE_END, marks=pytest.mark.clause("lifecycle-2")),
    ],
    ids=lambda each: each.name if isinstance(each, Look) else each.__name__,
)
def test_what_else_is_seen_when_a_fault_is_over(
    launches: Launches, scene: Callable[[Launches], str], look: Look
) -> None:
    if why := why_not(recovery.RECOVERY_10, launches.profile):
        raise NotApplicable(why)
    with suppress(Decision):
        played(launches, scene)
    raise_first(seen_on_the_way(launches, look))


@pytest.mark.clause("pool-6")
def test_the_limit_holds_for_those_who_are_wanted_all_at_once(launches: Launches) -> None:
    if why := why_not(recovery.RECOVERY_11, launches.profile):
        raise NotApplicable(why)
    try:
        violations = told_together_at_the_limit(launches)
    except (Violated, Blocked, Inconclusive) as error:
        raise NotApplicable(f"the pool was not brought to its limit: {error}") from error
    raise_first(violations)
