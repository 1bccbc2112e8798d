"""Parameters: which sets are legal, and what the seeds draw."""

from random import Random

import pytest

from spec.parameters import (
    Parameters,
    draw_for_long_life,
    draw_for_plans,
    draw_for_pool,
    draw_for_recovery,
    draw_for_recycle,
)

SEEDS = range(10_000)


def a_set(low: int = 2, high: int = 4, connections: int = 5, limit: int | None = 8) -> Parameters:
    return Parameters(min_spare=low, max_spare=high, max_connections=connections, max_children=limit)


@pytest.mark.parametrize(
    "legal", [a_set(), a_set(limit=None), a_set(1, 1, 1, 1), a_set(3, 3), a_set(limit=2), a_set(limit=3)], ids=str
)
def test_a_legal_set_has_nothing_wrong_with_it(legal: Parameters) -> None:
    assert legal.why_illegal() is None


@pytest.mark.parametrize(
    ("illegal", "words"),
    [
        (a_set(0), ["min_spare is 0"]),
        (a_set(-1), ["min_spare is -1"]),
        (a_set(5, 4), ["max_spare 4", "min_spare 5"]),
        (a_set(connections=0), ["max_connections is 0"]),
        (a_set(connections=-1), ["max_connections is -1"]),
        (a_set(limit=1), ["max_children 1", "min_spare 2"]),
        (a_set(limit=0), ["max_children 0"]),
    ],
)
def test_an_illegal_set_says_what_is_wrong_in_numbers(illegal: Parameters, words: list[str]) -> None:
    why = illegal.why_illegal() or ""
    for word in words:
        assert word in why


def test_a_set_names_its_numbers_and_its_limit_where_it_has_one() -> None:
    assert str(a_set()) == "min_spare 2, max_spare 4, max_connections 5, max_children 8"
    assert str(a_set().unlimited()) == "min_spare 2, max_spare 4, max_connections 5"


def spans(drawn: list[Parameters]) -> dict[str, tuple[int, int]]:
    """Give the least and the most of what distinguishes sets."""
    measured = {
        "min_spare": [each.min_spare for each in drawn],
        "gap": [each.max_spare - each.min_spare for each in drawn],
        "connections": [each.max_connections for each in drawn],
        "room": [(each.max_children or 0) - 2 * each.max_spare - each.min_spare for each in drawn],
    }
    return {name: (min(values), max(values)) for name, values in measured.items()}


def test_every_draw_for_the_pool_is_legal_and_tells_wrong_servers_apart() -> None:
    drawn = [draw_for_pool(Random(seed)) for seed in SEEDS]
    assert all(each.why_illegal() is None and each.unlimited().why_illegal() is None for each in drawn)
    assert spans(drawn) == {
        "min_spare": (2, 4),  # 2 tells "grows when nobody is idle" from "grows below min_spare"
        "gap": (2, 4),  # leaves a place where nothing may happen
        "connections": (2_000, 9_000),  # no child is recycled meanwhile
        "room": (0, 2),  # load can go up in two steps
    }
    assert len({(each.min_spare, each.max_spare) for each in drawn}) == 9


def test_every_draw_for_recycling_is_legal_and_leaves_nobody_to_shed() -> None:
    drawn = [draw_for_recycle(Random(seed)) for seed in SEEDS]
    assert all(each.why_illegal() is None and each.max_children == 40 for each in drawn)
    told = spans(drawn)
    assert (told["min_spare"], told["gap"], told["connections"]) == ((2, 3), (9, 11), (3, 7))


def test_every_draw_for_plans_has_near_bounds_and_short_lives() -> None:
    drawn = [draw_for_plans(Random(seed)) for seed in SEEDS]
    assert all(each.why_illegal() is None for each in drawn)
    told = spans(drawn)
    assert (told["min_spare"], told["gap"], told["connections"]) == ((2, 3), (1, 3), (4, 8))
    assert {(each.max_children or 0) - 2 * each.max_spare for each in drawn} == {2, 3, 4, 5, 6}


def test_every_draw_for_a_long_life_is_legal_and_beyond_a_byte() -> None:
    drawn = [draw_for_long_life(Random(seed)) for seed in SEEDS]
    assert all(each.why_illegal() is None for each in drawn)
    assert {(each.min_spare, each.max_spare, each.max_children) for each in drawn} == {(1, 2, 8)}
    assert spans(drawn)["connections"] == (257, 280)


def test_every_draw_for_recovery_has_bounds_that_a_wrong_count_leaves() -> None:
    drawn = [draw_for_recovery(Random(seed)) for seed in SEEDS]
    assert all(each.why_illegal() is None and each.max_children == 20 for each in drawn)
    told = spans(drawn)
    assert (told["min_spare"], told["gap"]) == ((2, 3), (1, 1))
    # Drawn from 6,001 numbers ten thousand times, the very ends may be missing.
    assert 3_000 <= told["connections"][0] < 3_010
    assert 8_990 < told["connections"][1] <= 9_000
    assert draw_for_recovery(Random(1), max_children=8).max_children == 8


def test_a_seed_draws_the_same_set_again() -> None:
    assert draw_for_pool(Random("pool 7")) == draw_for_pool(Random("pool 7"))
