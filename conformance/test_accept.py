"""Section accept: who holds which connection, with the parent running and stopped."""

from collections.abc import Callable

import pytest

from conformance.freeze import Frozen
from conformance.lost_wakeup import Races
from conformance.stage import Stage
from conformance.tide import Tide
from conformance.turnover import Turnover, replacements_wait
from observers import procfs
from spec import accept
from spec.clause import Clause
from spec.epoll import judge_children
from spec.event import Stranded
from spec.http import HTTP_2, HTTP_3
from spec.verdict import Blocked, Decision, Inconclusive, NotApplicable, Violated, raise_first


def decide_frozen(clause: Clause, frozen: Frozen) -> None:
    """Raise what the stopped pool showed against the clause; else it must have been judged."""
    raise_first(frozen.violations, clause)
    if clause.id in frozen.judged:
        return
    if frozen.answered:
        raise Blocked(HTTP_3.id, seen=frozen.answered)
    if frozen.kept:
        raise Blocked(HTTP_2.id, seen=frozen.kept)
    if frozen.violations:
        raise Blocked(frozen.violations[0].clause.id, seen=frozen.violations[0].seen)
    raise Inconclusive(frozen.why_not or "the scenario stopped before this was judged")


def decide_tide(clause: Clause, tide: Tide) -> None:
    """Raise what the tide showed against the clause."""
    raise_first(accept.judge_holders(tide.timeline, parent=tide.parent), clause)


@pytest.mark.clause("accept-1")
def test_the_children_accept_without_the_parent(frozen: Frozen) -> None:
    decide_frozen(accept.ACCEPT_1, frozen)


@pytest.mark.clause("accept-1")
def test_only_children_hold_connections(played_tide: Tide) -> None:
    decide_tide(accept.ACCEPT_1, played_tide)


@pytest.mark.clause("accept-2")
def test_all_children_have_one_listening_socket(stage: Stage) -> None:
    stage.watch.find(stage.port)
    try:
        held = {pid: procfs.socket_inodes(pid) for pid in stage.watch.live}
    except PermissionError as error:
        raise Inconclusive(f"the descriptors of the children are not shown: {error.strerror}") from error
    alive = {pid: inodes for pid, inodes in held.items() if not procfs.look(pid).ended}
    if not alive:
        raise Violated(accept.ACCEPT_2, seen=f"the process {stage.watch.parent} that listens has no children")
    listeners = {inode: each.address for inode, each in stage.watch.listeners.items()}
    raise_first(accept.judge_listeners(alive, listeners))


@pytest.mark.clause("accept-2")
def test_under_load_too_there_is_one_listening_socket(played_tide: Tide) -> None:
    raise_first(accept.judge_listeners({}, played_tide.listeners))
    if not played_tide.listeners:
        raise NotApplicable("load did not go up, or nobody was seen to listen then; at rest it is judged as well")


@pytest.mark.clause("accept-3")
def test_a_child_holds_one_connection_at_a_time(frozen: Frozen) -> None:
    decide_frozen(accept.ACCEPT_3, frozen)


@pytest.mark.clause("accept-3")
def test_under_load_too_a_child_holds_one_connection_at_a_time(played_tide: Tide) -> None:
    decide_tide(accept.ACCEPT_3, played_tide)


@pytest.mark.clause("accept-4")
def test_a_queued_connection_goes_to_the_child_that_is_idle_first(frozen: Frozen) -> None:
    decide_frozen(accept.ACCEPT_4, frozen)


@pytest.mark.clause("accept-4")
def test_no_connection_waits_while_a_child_is_idle(played_tide: Tide) -> None:
    if played_tide.refused is not None:
        raise Violated(accept.ACCEPT_4, seen=played_tide.refused)
    for event in played_tide.timeline:
        if isinstance(event, Stranded):
            raise Violated(
                accept.ACCEPT_4,
                seen=f"{event.phase.value}: {event.waiting} connections waited {event.after:.1f} s with children idle",
            )


@pytest.mark.clause("accept-5")
def test_a_connection_that_comes_with_k_is_accepted(races: Races, seen: Callable[[str], None]) -> None:
    violation = races.violation()
    if violation is not None:
        raise violation.raised()
    seen(f"{races.met} of {races.trials} times a connection and K met in one child, and somebody accepted it")


@pytest.mark.clause("accept-6")
def test_a_child_that_lost_the_race_does_not_sleep_in_accept(frozen: Frozen, seen: Callable[[str], None]) -> None:
    if not frozen.calls_shown or not procfs.calls_are_known():
        raise Inconclusive("the system calls in which the children wait are not shown on this machine")
    decide_frozen(accept.ACCEPT_6, frozen)
    seen(f"{frozen.races} races, and nobody was left in accept")


@pytest.mark.clause("accept-6")
def test_under_load_too_nobody_is_left_asleep_in_accept(played_tide: Tide) -> None:
    if played_tide.deaf:
        pids = ", ".join(f"child {pid}" for pid in played_tide.deaf[:4])
        raise Violated(accept.ACCEPT_6, seen=f"when the pool did not come within its bounds, {pids} slept in accept")


@pytest.mark.clause("accept-6")
def test_after_recycling_too_nobody_is_left_asleep_in_accept(played_turnover: Turnover) -> None:
    try:
        watched = replacements_wait(played_turnover)
    except Decision as error:
        raise NotApplicable(f"other scenes decide: {error}") from error
    raise_first(judge_children(watched.children, watched.listeners), accept.ACCEPT_6)


@pytest.mark.clause("accept-7")
def test_the_backlog_holds_a_burst_of_connections(frozen: Frozen, seen: Callable[[str], None]) -> None:
    decide_frozen(accept.ACCEPT_7, frozen)
    seen(f"{frozen.burst} connections were completed while nobody accepted; the backlog is {frozen.backlog}")
