"""Section epoll: how parent and children wait, and what wakes them."""

from collections.abc import Callable

import pytest

from conformance import watching
from conformance.launches import Launches
from conformance.regulation import QuietRound
from conformance.seats import Heard
from conformance.stage import Stage
from conformance.tide import Tide, why_stopped
from conformance.turnover import Turnover, replacements_wait
from conformance.watching import Watched
from spec import epoll
from spec.clause import Clause
from spec.pool import POOL_2
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violated, raise_first


@pytest.fixture
def at_rest(stage: Stage, launches: Launches) -> Watched:
    """How everyone waits at rest; looked at once."""
    return launches.remember("waiting at rest", lambda: watching.look(stage))


@pytest.fixture
def grown(stage: Stage, launches: Launches) -> Watched:
    """How those wait that came when the pool grew; looked at once."""
    return launches.remember("waiting after growth", lambda: watching.look_after_growth(stage))


def decide_children(clause: Clause, watched: Watched, when: str) -> None:
    """Judge how the idle children wait."""
    if not watched.children:
        raise Blocked(POOL_2.id, seen=f"no child was idle {when}")
    violations = list(epoll.judge_children(watched.children, watched.listeners))
    for violation in violations:
        if violation.clause is clause:
            raise Violated(clause, seen=f"{when}: {violation.seen}")
    for violation in violations:
        # Of a child that has no epoll to wait in nobody can tell how it watches.
        if violation.clause is epoll.EPOLL_1 and clause is epoll.EPOLL_3:
            raise Blocked(violation.clause.id, seen=f"{when}: {violation.seen}")


def decide_parent(watched: Watched, when: str) -> None:
    """Judge how the parent waits."""
    for violation in epoll.judge_parent(watched.parent, watched.parent_waits, watched.children):
        raise Violated(violation.clause, seen=f"{when}: {violation.seen}")


@pytest.mark.clause("epoll-1")
def test_idle_children_wait_in_an_epoll_of_their_own(at_rest: Watched) -> None:
    decide_children(epoll.EPOLL_1, at_rest, "at rest")


@pytest.mark.clause("epoll-1")
def test_later_children_too_wait_in_an_epoll_of_their_own(grown: Watched) -> None:
    decide_children(epoll.EPOLL_1, grown, "after growth")


@pytest.mark.clause("epoll-1")
def test_replacements_too_wait_in_an_epoll_of_their_own(played_turnover: Turnover) -> None:
    decide_children(epoll.EPOLL_1, replacements_wait(played_turnover), "after recycling")


@pytest.mark.clause("epoll-2")
def test_the_parent_waits_in_epoll_on_every_channel(at_rest: Watched) -> None:
    decide_parent(at_rest, "at rest")


@pytest.mark.clause("epoll-2")
def test_the_parent_waits_on_the_channels_of_later_children_too(grown: Watched) -> None:
    decide_parent(grown, "after growth")


@pytest.mark.clause("epoll-2")
def test_the_parent_waits_on_the_channels_of_replacements_too(played_turnover: Turnover) -> None:
    decide_parent(replacements_wait(played_turnover), "after recycling")


def since_exclusive() -> None:
    """Raise NotApplicable on a kernel without the flag."""
    if watching.kernel() < epoll.FIRST_KERNEL_WITH_EXCLUSIVE:
        raise NotApplicable("this kernel has no EPOLLEXCLUSIVE")


@pytest.mark.clause("epoll-3")
def test_children_ask_for_exclusive_wakeups(at_rest: Watched) -> None:
    since_exclusive()
    decide_children(epoll.EPOLL_3, at_rest, "at rest")


@pytest.mark.clause("epoll-3")
def test_later_children_too_ask_for_exclusive_wakeups(grown: Watched) -> None:
    since_exclusive()
    decide_children(epoll.EPOLL_3, grown, "after growth")


@pytest.mark.clause("epoll-3")
def test_replacements_too_ask_for_exclusive_wakeups(played_turnover: Turnover) -> None:
    since_exclusive()
    decide_children(epoll.EPOLL_3, replacements_wait(played_turnover), "after recycling")


@pytest.mark.clause("epoll-4")
def test_one_connection_wakes_about_one_child(stage: Stage, seen: Callable[[str], None]) -> None:
    bystanders, switches = watching.switches_per_connection(stage)
    if stage.broken_holds:
        raise Blocked(epoll.SECTION.clauses[0].id, seen=stage.broken_holds[0].why_lost())
    if bystanders < 1:
        raise Inconclusive("there were never two idle children")
    raise_first(epoll.judge_wakeups(bystanders, switches))
    seen(f"of {bystanders} bystanders, a connection woke {sorted(switches)[len(switches) // 2]:.1f}")


@pytest.mark.clause("epoll-5")
def test_nobody_spins_at_rest(played_tide: Tide) -> None:
    quiet: list[QuietRound] = played_tide.quiet
    if not quiet:
        raise why_stopped(played_tide)
    for each in quiet:
        raise_first(epoll.judge_run_time(each.ran, seconds=each.seconds, parent=played_tide.parent))
    full, parent = played_tide.full, played_tide.parent
    # Nothing happens for the parent where all clients are silent, though too few children may be idle.
    if full is not None and parent in full.ran:
        for violation in epoll.judge_run_time({parent: full.ran[parent]}, seconds=full.seconds, parent=parent):
            raise Violated(violation.clause, seen=f"while load stood high: {violation.seen}")


@pytest.mark.clause("epoll-5")
def test_nobody_spins_while_children_that_were_told_to_end_serve(ordered: Heard) -> None:
    raise_first(ordered.violations, epoll.EPOLL_5)
    if epoll.EPOLL_5.id not in ordered.judged:
        raise NotApplicable(f"no child that was told K lived on: {ordered.why_not or 'they had gone'}")
