"""The clauses of pool and recycle can be met together: every state of every small server is looked at."""

import itertools
from collections import Counter
from random import Random

import pytest

from selftests.explorer import Demand, explore
from selftests.pool_model import Kind, Move, PoolModel, State
from selftests.walks import Walk
from spec import pool, recycle
from spec.clause import ClauseId
from spec.parameters import Parameters
from spec.recycle import Due
from spec.regulation import Owed, owed

UP_TO_FOUR = [
    Parameters(min_spare=low, max_spare=high, max_connections=connections, max_children=limit)
    for low, high, connections in itertools.product(range(1, 5), repeat=3)
    for limit in (1, 2, 3, 4, None)
]
LEGAL = [each for each in UP_TO_FOUR if each.why_illegal() is None]
SMALL = Parameters(min_spare=1, max_spare=2, max_connections=2)


def model(parameters: Parameters) -> PoolModel:
    """One client more than a limited pool has children; two where there is no limit, as more show nothing new."""
    return PoolModel(parameters, load=2 if parameters.max_children is None else parameters.max_children + 1)


@pytest.mark.parametrize("connections", [1, 2, 3, 4])
def test_all_clauses_can_be_met_together_in_every_state(connections: int) -> None:
    chosen = [each for each in LEGAL if each.max_connections == connections]
    assert len(chosen) >= 20
    for parameters in chosen:
        explored = explore(model(parameters))
        assert explored.contradiction is None, f"{parameters}\n{explored.contradiction}"
        assert explored.dead_end is None, f"{parameters}\n{explored.dead_end}"
        assert len(explored.came_by) > parameters.min_spare


def test_the_states_reached_are_those_of_a_whole_life() -> None:
    reached = explore(PoolModel(SMALL, load=2)).came_by
    assert any(len(state.busy) == 2 and state.waiting == 0 for state in reached), "both clients are served"
    assert any(2 in state.idle for state in reached), "a child has served its last connection"
    assert any(len(state.idle) > 2 for state in reached), "the pool has overshot, or its clients have left"


class NobodyEndsEarly(PoolModel):
    """A wrong clause: a child that has not served its last connection may not end, not even when it is shed."""

    def demands(self, state: State) -> list[Demand[Move]]:
        """Forbid what is required."""
        demands = super().demands(state)
        if self.what_is_owed(state) is Owed.SHEDDING:
            demands.append(self.demand_of_recycle_2(frozenset(move for each in demands for move in each.required)))
        return demands


class Impatient(PoolModel):
    """A wrong clause: somebody must accept, though nobody waits."""

    def demands(self, state: State) -> list[Demand[Move]]:
        """Require what can't be done."""
        return [*super().demands(state), Demand(ClauseId("pool-0"), required=frozenset({Move(Kind.ACCEPT)}))]


def test_a_planted_contradiction_between_growth_and_the_limit_is_found() -> None:
    limited = Parameters(min_spare=2, max_spare=2, max_connections=2, max_children=2)

    def owed_whatever_the_limit(*, live: int, busy: int, parameters: Parameters) -> Owed:
        return owed(live=live, busy=busy, parameters=parameters.unlimited())

    told = explore(PoolModel(limited, load=3, owed=owed_whatever_the_limit)).contradiction
    assert told is not None
    assert told.splitlines()[0] == "1. at first: idle [], busy [], 0 waiting"
    assert "pool-2 requires" in told.splitlines()[-1]
    assert "forbidden by pool-8 and pool-6" in told.splitlines()[-1]


def test_a_planted_contradiction_between_shedding_and_recycling_is_found() -> None:
    told = explore(NobodyEndsEarly(SMALL, load=2)).contradiction
    assert told is not None
    assert told.splitlines()[-1].startswith("=> pool-3 requires: the parent sheds")
    assert told.splitlines()[-1].endswith("forbidden by recycle-2")


def test_a_demand_for_the_impossible_is_found() -> None:
    told = explore(Impatient(SMALL, load=2)).contradiction
    assert told is not None
    assert "pool-0 requires" in told
    assert told.endswith("that is not possible here")


def test_a_planted_dead_end_is_found_where_the_bounds_are_on_the_total() -> None:
    def owed_by_the_total(*, live: int, parameters: Parameters, **_: int) -> Owed:
        return owed(live=live, busy=0, parameters=parameters)

    explored = explore(PoolModel(SMALL, load=2, owed=owed_by_the_total))
    assert explored.contradiction is None
    assert explored.dead_end is not None
    *way, before_last, last = explored.dead_end.splitlines()
    assert [line.split(".")[0] for line in (*way, before_last)] == [str(number) for number in range(1, len(way) + 2)]
    assert "idle []" in before_last, "nobody is idle, and nobody will be spawned"
    assert last == "=> from here the server can't come within its bounds again"


def test_a_planted_dead_end_is_found_where_a_spent_child_never_ends() -> None:
    def serve_for_ever(**_: object) -> Due:
        return Due.SERVICE

    told = explore(PoolModel(SMALL, load=1, due=serve_for_ever)).dead_end
    assert told is not None
    assert "finishes its connection number 2" in told.splitlines()[-2]


@pytest.mark.parametrize("parameters", [each for each in UP_TO_FOUR if each.max_spare < each.min_spare][::7], ids=str)
def test_an_illegal_set_of_bounds_has_no_state_to_rest_in(parameters: Parameters) -> None:
    limit_too_low = parameters.max_children is not None and parameters.max_children <= parameters.max_spare
    explored = explore(model(parameters))
    assert explored.contradiction is None
    assert (explored.dead_end is None) == limit_too_low


def judged(walk: Walk) -> set[ClauseId]:
    violations = [
        *pool.judge(walk.timeline(), walk.parameters),
        *recycle.judge_counts(walk.timeline(), walk.parameters),
    ]
    return {violation.clause.id for violation in violations}


@pytest.mark.parametrize("seed", range(4))
def test_the_judges_object_to_no_history_that_the_model_allows(seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        walk = Walk(model(random.choice(LEGAL)))
        walk.wander(random, 60)
        assert judged(walk) == set(), f"{walk.parameters}: {walk.events}"


def is_judged_at_once(walk: Walk, move: Move, clause: ClauseId) -> bool:
    """Tell whether one wrong step shows by itself: churn shows at rest; wrong growth, by where it leads."""
    return {
        "pool-4": walk.rested,
        "pool-5": True,
        "pool-6": True,
        "recycle-1": True,
        "recycle-2": move.number > 0,  # who has served nobody is not counted
    }.get(clause, False)


def test_the_judges_object_to_each_step_that_one_clause_forbids() -> None:
    random = Random(2026)
    found: Counter[ClauseId] = Counter()
    for _ in range(400):
        walk = Walk(model(random.choice(LEGAL)))
        walk.wander(random, random.randint(5, 60))
        wrong = [(move, clause) for move, clause in walk.forbidden() if is_judged_at_once(walk, move, clause)]
        for move, clause in random.sample(wrong, k=min(1, len(wrong))):
            walk.make(move, random)
            assert clause in judged(walk), f"{clause}: {walk.parameters}, {move}: {walk.events}"
            found[clause] += 1
    assert set(found) == {"pool-4", "pool-5", "pool-6", "recycle-1", "recycle-2"}, found
