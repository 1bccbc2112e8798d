"""Parameters: which sets are legal, and what the seeds draw."""

from collections.abc import Callable
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


class Least(Random):
    """Draws the least that may be drawn."""

    def randint(self, a: int, b: int) -> int:
        return min(a, b)


class Most(Random):
    """Draws the most."""

    def randint(self, a: int, b: int) -> int:
        return max(a, b)


@pytest.mark.parametrize(
    ("draw", "least", "most"),
    [
        # min_spare 2 tells "grows when nobody is idle" from "grows below min_spare"; a gap of 2 leaves a place where
        # nothing may happen; no child is recycled meanwhile; and load can go up in two steps.
        (draw_for_pool, a_set(2, 4, 2_000, 10), a_set(4, 8, 9_000, 22)),
        # Nobody need be shed while children are recycled.
        (draw_for_recycle, a_set(2, 11, 3, 40), a_set(3, 14, 7, 40)),
        # Bounds are near, and lives short.
        (draw_for_plans, a_set(2, 3, 4, 8), a_set(3, 6, 8, 18)),
        # No byte can count to N.
        (draw_for_long_life, a_set(1, 2, 257, 8), a_set(1, 2, 280, 8)),
        # A count that is wrong by one leaves the bounds.
        (draw_for_recovery, a_set(2, 3, 3_000, 20), a_set(3, 4, 9_000, 20)),
    ],
)
def test_a_draw_goes_from_the_least_to_the_most(
    draw: Callable[[Random], Parameters], least: Parameters, most: Parameters
) -> None:
    assert (draw(Least()), draw(Most())) == (least, most)


@pytest.mark.parametrize(
    "draw", [draw_for_pool, draw_for_recycle, draw_for_plans, draw_for_long_life, draw_for_recovery]
)
def test_every_draw_is_legal_with_a_limit_and_without(draw: Callable[[Random], Parameters]) -> None:
    drawn = [draw(Random(seed)) for seed in range(1_000)]
    assert all(each.why_illegal() is None and each.unlimited().why_illegal() is None for each in drawn)


def test_the_pool_is_judged_by_every_pair_of_bounds() -> None:
    drawn = [draw_for_pool(Random(seed)) for seed in range(1_000)]
    assert len({(each.min_spare, each.max_spare - each.min_spare) for each in drawn}) == 9


def test_recovery_is_judged_below_the_limit_that_is_asked_for() -> None:
    assert draw_for_recovery(Random(1), max_children=8).max_children == 8


def test_a_seed_draws_the_same_set_again() -> None:
    assert draw_for_pool(Random("pool 7")) == draw_for_pool(Random("pool 7"))
