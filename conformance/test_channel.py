"""Section channel: what joins each child to the parent, at rest, after growth, and over many recycled children."""

import pytest

from conformance import turnover
from conformance.joining import Joinings
from conformance.lost_wakeup import Races
from conformance.plans import Planned
from conformance.turnover import Turnover
from spec import channel
from spec.clause import Clause
from spec.verdict import Inconclusive, NotApplicable, Violated, raise_first


def decide(clause: Clause, joinings: Joinings) -> None:
    """Raise the first violation of the clause."""
    for when, joined in joinings.looks:
        for judged in (channel.judge_links, channel.judge_makers, channel.judge_names, channel.judge_holders):
            for violation in judged(joined):
                if violation.clause is clause:
                    raise Violated(clause, seen=f"{when}: {violation.seen}")


@pytest.mark.clause("channel-1")
def test_each_child_has_a_stream_of_its_own_to_the_parent(joinings: Joinings) -> None:
    decide(channel.CHANNEL_1, joinings)


@pytest.mark.clause("channel-2")
def test_the_parent_makes_each_channel_ahead_of_the_fork(joinings: Joinings) -> None:
    if joinings.refused:
        raise Inconclusive(joinings.refused)
    decide(channel.CHANNEL_2, joinings)


@pytest.mark.clause("channel-3")
def test_no_channel_has_a_name(joinings: Joinings) -> None:
    decide(channel.CHANNEL_3, joinings)


@pytest.mark.clause("channel-4")
def test_nobody_else_holds_an_end_of_a_channel(joinings: Joinings) -> None:
    decide(channel.CHANNEL_4, joinings)


@pytest.mark.clause("channel-4")
def test_nor_does_anybody_once_children_have_been_recycled(played_turnover: Turnover) -> None:
    decide_in_passing(channel.CHANNEL_4, played_turnover.joinings)


@pytest.mark.clause("channel-4")
def test_nor_does_anybody_where_many_children_live(races: Races) -> None:
    decide_in_passing(channel.CHANNEL_4, races.joinings)


def decide_in_passing(clause: Clause, joinings: Joinings | Inconclusive | None) -> None:
    """Decide by a look in a scene about something else, which may have stopped before."""
    if joinings is None:
        raise NotApplicable("the scene stopped before anybody looked")
    if isinstance(joinings, Inconclusive):
        raise joinings
    decide(clause, joinings)


@pytest.mark.clause("channel-5")
def test_the_parent_lets_go_of_the_channels_of_ended_children(played_turnover: Turnover) -> None:
    if played_turnover.kept is None:
        raise turnover.why_stopped(played_turnover)
    raise_first(channel.judge_kept(played_turnover.kept))
    if played_turnover.kept.ended < channel.ENOUGH_ENDED:
        raise Inconclusive(f"only {played_turnover.kept.ended} children ended")


@pytest.mark.clause("channel-5")
def test_the_parent_lets_go_of_the_channels_of_children_that_it_ended(planned: Planned) -> None:
    if planned.kept is None or planned.kept.ended < channel.ENOUGH_ENDED:
        raise NotApplicable("too few children ended in plans of messages")
    raise_first(channel.judge_kept(planned.kept))
