"""The whole system, explored to the end: as specified it forgets nobody, and each rule left out is missed at once."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from spec.model.exploration import LOST, RESTLESS
from spec.model.exploration import explore as explore_anew
from spec.model.scope import SPECIFIED, Design, Scope, Victim
from spec.model.system import AS_SPECIFIED, Kind, Order, Stage, State, System
from spec.parameters import Parameters

explore = cache(explore_anew)
ENDLESS = 9  # connections a child: more than there are clients


def scope(
    *, clients: int, children: int, spare: tuple[int, int] = (1, 1), connections: int = ENDLESS, crashes: int = 0
) -> Scope:
    low, high = spare
    parameters = Parameters(min_spare=low, max_spare=high, max_connections=connections, max_children=children)
    return Scope(parameters=parameters, clients=clients, crashes=crashes)


TWO = scope(clients=2, children=2)
THREE = scope(clients=3, children=3)
WITHOUT_THE_RULE = Design(one_accept_after_k=False)


@pytest.mark.parametrize(
    "explored",
    [
        TWO,
        THREE,
        scope(clients=3, children=3, spare=(1, 2)),
        scope(clients=2, children=3, spare=(2, 2), connections=1),
        scope(clients=3, children=2, connections=1),
        scope(clients=3, children=3, connections=1),
        scope(clients=3, children=2, connections=2),
        scope(clients=2, children=3, crashes=1),
        scope(clients=2, children=2, spare=(1, 2), crashes=2),
    ],
    ids=str,
)
def test_as_specified_every_queued_connection_with_an_idle_child_is_accepted_in_the_end(explored: Scope) -> None:
    assert explore(SPECIFIED, explored).counterexample is None


def test_thousands_of_states_are_explored() -> None:
    explored = explore(SPECIFIED, THREE)
    assert explored.states > 10_000
    assert explored.transitions > 3 * explored.states
    assert explored.rests > 30


def test_without_one_accept_after_k_the_lost_wake_up_is_found() -> None:
    story = explore(WITHOUT_THE_RULE, TWO).counterexample
    assert story is not None
    assert story.kinds[-4:] == (Kind.CONNECT, Kind.SHED, Kind.OBEY, Kind.REAP)
    assert str(story).endswith(
        """\
13. a client connects, which wakes child 1
14. the parent sheds child 1: it writes K
15. child 1 reads K and ends
16. the parent reaps child 1
=> at rest, with 1 connection in the queue and child 2 idle"""
    )
    assert [line.split(". ")[0].strip() for line in str(story).splitlines()[:-1]] == [str(n) for n in range(1, 17)]


def test_the_lost_wake_up_needs_two_children_and_two_clients() -> None:
    for clients, children in ((1, 2), (1, 3), (2, 1), (3, 1)):
        assert explore(WITHOUT_THE_RULE, scope(clients=clients, children=children)).counterexample is None


def test_a_busy_child_that_obeys_k_loses_its_client() -> None:
    story = explore(Design(obeys_k_after_accepting=True), TWO).counterexample
    assert story is not None
    assert story.end == LOST
    assert story.kinds[-1] is Kind.DROP
    sheds = story.kinds.index(Kind.SHED)
    assert story.moves[sheds].child == story.moves[-1].child
    assert Kind.ACCEPT in story.kinds[:sheds], "the parent had not read yet that the child was busy"


@pytest.mark.parametrize(
    "sound",
    [
        replace(WITHOUT_THE_RULE, exclusive=False),
        replace(WITHOUT_THE_RULE, listener_first=True),
        replace(SPECIFIED, exclusive=False),
        replace(SPECIFIED, victim=Victim.OLDEST),
        replace(SPECIFIED, victim=Victim.NEWEST),
    ],
    ids=["a herd needs no rule", "nor who accepts before it reads K", "a herd", "K to the oldest", "K to the newest"],
)
def test_other_designs_are_sound(sound: Design) -> None:
    assert explore(sound, scope(clients=3, children=2)).counterexample is None
    assert explore(sound, scope(clients=2, children=3)).counterexample is None


def test_k_to_the_oldest_child_strands_a_connection_as_soon_as_any() -> None:
    oldest = explore(replace(WITHOUT_THE_RULE, victim=Victim.OLDEST), TWO).counterexample
    assert oldest is not None
    assert oldest == explore(WITHOUT_THE_RULE, TWO).counterexample


def test_k_to_the_newest_child_hides_the_lost_wake_up_and_does_not_prevent_it() -> None:
    newest = replace(WITHOUT_THE_RULE, victim=Victim.NEWEST)
    assert explore(newest, THREE).counterexample is None
    story = explore(newest, scope(clients=5, children=3, connections=2)).counterexample
    assert story is not None
    shed = story.lines.index("the parent sheds child 2: it writes K")
    assert "child 3 finds nothing ready, and sleeps" in story.lines[:shed]
    assert "the parent reads F from child 3" in story.lines[shed:], "it took child 3 for busy"


@pytest.mark.parametrize("exclusive", [True, False])
def test_an_edge_triggered_child_that_accepts_once_is_found(exclusive: bool) -> None:  # noqa: FBT001 - a parameter
    story = explore(Design(level_triggered=False, exclusive=exclusive), TWO).counterexample
    assert story is not None
    assert story.end == "at rest, with 1 connection in the queue and child 1 idle"
    assert "child 1 finds nothing ready, and sleeps" in story.lines, "though there is a connection"


def test_a_killed_child_takes_its_wake_up_along_where_no_replacement_is_due() -> None:
    anywhere = replace(scope(clients=2, children=2, crashes=1), crashes_anywhere=True)
    story = explore(SPECIFIED, anywhere).counterexample
    assert story is not None
    assert story.kinds[-2:] == (Kind.CRASH, Kind.REAP)
    assert story.end == "at rest, with 1 connection in the queue and child 2 idle"
    assert explore(SPECIFIED, replace(anywhere, crashes_anywhere=False)).counterexample is None


def test_a_herd_bears_crashes_anywhere() -> None:
    anywhere = replace(scope(clients=3, children=2, crashes=1), crashes_anywhere=True)
    assert explore(Design(exclusive=False), anywhere).counterexample is None


def test_bounds_that_cannot_both_be_met_leave_no_rest() -> None:
    story = explore(SPECIFIED, scope(clients=0, children=2, spare=(2, 1))).counterexample
    assert story is not None
    assert story.end == RESTLESS


def test_without_a_limit_on_the_children_there_is_nothing_to_explore() -> None:
    with pytest.raises(ValueError, match="max_children"):
        explore(SPECIFIED, Scope(parameters=THREE.parameters.unlimited(), clients=1))


def reached(system: System) -> Iterator[tuple[State, bool]]:
    """Give every state, and whether it is one of rest."""
    states = {system.start(): None}
    for state in (queue := list(states)):
        by_itself = [after for _, after in system.by_itself(state)]
        yield state, not by_itself
        for after in (*by_itself, *(after for _, after in system.from_outside(state))):
            if after not in states:
                states[after] = None
                queue.append(after)


def test_what_was_reached_is_counted() -> None:
    system = System(SPECIFIED, TWO)
    states = list(reached(system))
    ways = sum(1 for state, _ in states for way in (system.by_itself, system.from_outside) for _ in way(state))
    explored = explore(SPECIFIED, TWO)
    assert (explored.states, explored.transitions) == (len(states), ways)
    assert explored.rests == sum(at_rest for _, at_rest in states)


@pytest.mark.parametrize("connections", [1, 2, ENDLESS])
def test_where_the_model_rests_it_is_a_pool_as_specified(connections: int) -> None:
    system = System(SPECIFIED, scope(clients=2, children=3, spare=(1, 2), connections=connections))
    rests = [state for state, at_rest in reached(system) if at_rest]
    assert any(child.stage is Stage.SERVING for state in rests for child in state.children)
    assert any(state.to_come == 0 and not any(child.said % 2 for child in state.children) for state in rests)
    for state in rests:
        for child in state.children:
            assert child.stage in {Stage.ASLEEP, Stage.SERVING}
            assert child.heard == child.said
            assert child.idle or child.stage is Stage.SERVING, "who was told K is gone, or has a client"
        idle = sum(child.idle for child in state.children)
        assert idle <= 2
        assert idle >= 1 or len(state.children) == 3


def test_every_row_of_the_table_is_used_and_no_child_serves_more_than_n() -> None:
    limited = scope(clients=3, children=2, connections=2)
    system = System(SPECIFIED, limited)
    kinds = set()
    for state, _ in reached(system):
        kinds |= {move.kind for move, _ in system.by_itself(state)}
        for child in state.children:
            assert child.said <= 2 * 2
            assert child.k is not Order.READ or child.stage in {Stage.LAST_TRY, Stage.SERVING, Stage.ENDED}
    assert {kind for kind, _ in AS_SPECIFIED.values()} <= kinds
