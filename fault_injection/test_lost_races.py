"""Races for a connection that a child is made to lose: an accept that finds none is all that it sees of one.

By themselves they are won and lost within microseconds. Here an accept is held back until the connection is another's;
or, where one child must lose many, it is answered EAGAIN, with the connection still there.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from conformance.applicable import insist_on
from conformance.launches import Launches
from conformance.parameter_sets import RECYCLE_A
from conformance.seats import asleep, parent_stopped, settle_pool, wait
from conformance.stage import Calls, Stage
from fault_injection.fault import FaultRefused
from fault_injection.scenes.lost_race import LostRaces, play_lost_races
from fault_injection.syscalls import held_back, refused
from observers.listening_socket import never_blocks
from spec.accept import ACCEPT_1, ACCEPT_6
from spec.clause import Clause
from spec.event import Pid
from spec.protocol import PROTOCOL_1, PROTOCOL_3
from spec.recycle import RECYCLE_2
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violated, raise_first
from subject.stopping import NotStopped

LIFE = 2  # connections a child: N
BEYOND = 2  # clients more than there are children: none is idle, and some wait until others are born


@pytest.mark.clause("recycle-2")
def test_a_connection_that_another_child_took_is_none_of_a_childs_own(
    launches: Launches, seen: Callable[[str], None]
) -> None:
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    parameters = launches.limited(replace(RECYCLE_A, max_connections=LIFE))
    try:
        with launches.launched(parameters, calls=Calls(watched=("accept",))) as stage:
            settle_pool(stage)
            if not never_blocks(stage.watch.live, stage.watch.listeners):
                raise NotApplicable("for a listening socket that blocks no child loses a race")
            with parent_stopped(stage) as children:
                lost = lose_races(stage, children)
                stage.close()
    except (Inconclusive, FaultRefused, NotStopped) as error:
        # The clause is decided by scenes that need less of the system, too.
        raise NotApplicable(f"no race could be lost here: {error}") from error
    seen(f"{lost} accepts found no connection, and no child ended")


def lose_races(stage: Stage, children: list[Pid]) -> int:
    """Let each accept find nothing, until some child must have lost N races; tells how many were lost.

    Raises Violated where one ends, and NotApplicable where nobody called accept.
    """

    def ended() -> list[Pid]:
        stage.watch.sample()
        return [pid for pid in children if pid not in stage.watch.live]

    most = LIFE * len(children)
    with refused(stage.launch, "accept", "EAGAIN", times=most) as races:
        # One client is enough where a connection that is still there wakes its child again; an edge tells of each once.
        for _ in range(most + 1):
            before, waiting = races.count, stage.queued()
            stage.hold_connections(1)

            def has_come_to_something(before: int = before, waiting: int = waiting) -> bool:
                lost = races.count > before and all(map(asleep, children))
                return lost or stage.queued() <= waiting or bool(stage.broken_holds) or bool(ended())

            wait(stage, has_come_to_something, within=stage.pace.reaction)
            if gone := ended():
                seen = f"child {gone[0]} ended before its last connection: {races.count} accepts had found none"
                raise Violated(RECYCLE_2, seen=f"{seen} ({stage.parameters})")
            if stage.queued() <= waiting or stage.broken_holds or races.count == before:
                break
        lost = races.count
    if not lost:
        raise NotApplicable("nobody was seen to call accept")
    return lost


@pytest.mark.clause("accept-1")
def test_the_parent_races_for_no_connection_though_no_child_is_idle(
    launches: Launches, seen: Callable[[str], None]
) -> None:
    insist_on(launches.profile, "min_spare", "max_spare")
    try:
        with launches.launched(launches.pool_set("first"), calls=Calls(watched=("accept",))) as stage:
            settle_pool(stage)
            parent, live = stage.watch.parent, len(stage.watch.live)
            # It would have the connection for an instant only, if it forks then: a newborn that has it from birth.
            with held_back(stage.launch, "accept", pids=[parent]) as accepts:
                with parent_stopped(stage):  # it learns of all of them at once
                    stage.hold_connections(live + BEYOND)
                    wait(stage, lambda: stage.queued() <= BEYOND, within=stage.pace.reaction)
                wait(stage, lambda: bool(accepts.callers()) or not stage.queued(), within=stage.pace.step)
                if accepts.callers():
                    told = f"{live + BEYOND} clients came to {live} children, and the parent {parent} called accept"
                    raise Violated(ACCEPT_1, seen=f"{told} ({stage.parameters})")
                waiting = stage.queued()
    except (Blocked, Inconclusive, FaultRefused, NotStopped) as error:
        # The clause is decided by scenes that need less of the system, too.
        raise NotApplicable(f"the parent's calls could not be told: {error}") from error
    seen(f"with {live + BEYOND} clients, {waiting} of whom waited at last, the parent called no accept")


@pytest.fixture(params=["lost-races"])
def lost_races(launches: Launches) -> LostRaces:
    """What came of races that were really lost; played once."""
    return launches.remember("lost races", lambda: play_lost_races(launches))


def decide(clause: Clause, races: LostRaces, seen: Callable[[str], None]) -> None:
    """Raise what was seen against a clause, which other scenes decide, too."""
    raise_first(races.violations, clause)
    if not races.lost:
        raise NotApplicable(f"no race could be lost here: {races.why_not}")
    seen(f"{races.lost} races were lost")


@pytest.mark.clause("accept-6")
def test_who_was_woken_and_came_late_goes_back_to_waiting(lost_races: LostRaces, seen: Callable[[str], None]) -> None:
    decide(ACCEPT_6, lost_races, seen)


@pytest.mark.clause("protocol-1")
def test_who_was_woken_and_came_late_says_no_c(lost_races: LostRaces, seen: Callable[[str], None]) -> None:
    decide(PROTOCOL_1, lost_races, seen)


@pytest.mark.clause("protocol-3")
def test_who_was_woken_and_came_late_says_nothing_at_all(lost_races: LostRaces, seen: Callable[[str], None]) -> None:
    decide(PROTOCOL_3, lost_races, seen)
