"""Plans: written and read, cut down and made simpler."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spec.parameters import Parameters
from spec.plan import Burst, Connect, Finish, NoPlan, Plan, Rest, Step, one_by_one, read, shorter, simpler

BOUNDS = Parameters(min_spare=2, max_spare=4, max_connections=5, max_children=12)
PLACES = st.integers(0, 9)
PARTS = st.lists(st.tuples(PLACES, st.integers(1, 9)), min_size=1, max_size=3)
STEPS: st.SearchStrategy[Step] = st.one_of(
    PLACES.map(Connect), PLACES.map(Finish), PARTS.map(lambda parts: Burst(tuple(parts))), st.just(Rest())
)
PLANS = st.lists(STEPS, max_size=12).map(lambda steps: Plan(BOUNDS, tuple(steps)))
# How long one example takes, the machine's other business decides.
whenever = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@whenever
@given(PLANS)
def test_what_is_written_is_read_again(plan: Plan) -> None:
    assert read(str(plan)) == plan
    assert read(f"{plan}\n") == plan


def test_a_plan_is_written_as_its_description_says() -> None:
    text = "min_spare=2 max_spare=4 max_connections=5 max_children=12: C0 C1 F0 B0:3,2:2 R"
    plan = Plan(BOUNDS, (Connect(0), Connect(1), Finish(0), Burst(((0, 3), (2, 2))), Rest()))
    assert str(plan) == text
    assert read(text) == plan
    assert str(read("min_spare=2 max_spare=4 max_connections=5: R")).startswith("min_spare=2 max_spare=4 max_connect")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected 'min_spare=A"),
        ("C0 C1", "expected 'min_spare=A"),
        ("min_spare=2 max_spare=4: C0", "has no max_connections"),
        ("min_spare=2 max_spare=1 max_connections=5: C0", "max_spare 1 is less than min_spare 2"),
        ("min_spare=x max_spare=1 max_connections=5: C0", "parameter 'min_spare=x'"),
        ("port=80 max_spare=1 max_connections=5: C0", "parameter 'port=80'"),
        ("min_spare=2 max_spare=4 max_connections=5: C0 Q1", "step 2 is 'Q1'"),
        ("min_spare=2 max_spare=4 max_connections=5: C", "step 1 is 'C'"),
        ("min_spare=2 max_spare=4 max_connections=5: B0", "step 1 is 'B0'"),
        ("min_spare=2 max_spare=4 max_connections=5: B0:1,", "step 1 is 'B0:1,'"),
        ("min_spare=2 max_spare=4 max_connections=5: C99999", "step 1 is 'C99999'"),
    ],
)
def test_what_is_no_plan_is_told_with_the_place(text: str, told: str) -> None:
    with pytest.raises(NoPlan, match=re.escape(told)):
        read(text)


@whenever
@given(PLANS)
def test_shorter_plans_are_shorter_and_every_single_step_is_left_out_once(plan: Plan) -> None:
    found = list(shorter(plan))
    assert all(len(each.steps) < len(plan.steps) for each in found)
    without_one = [plan.steps[:place] + plan.steps[place + 1 :] for place in range(len(plan.steps))]
    if len(plan.steps) > 1:
        assert {each.steps for each in found} >= set(without_one)


def weight(plan: Plan) -> int:
    total = 0
    for step in plan.steps:
        if isinstance(step, Burst):
            total += sum(place + 10 * count + 100 for place, count in step.parts)
        elif not isinstance(step, Rest):
            total += step.place
    return total


@whenever
@given(PLANS)
def test_simpler_plans_are_simpler_so_that_cutting_down_ends(plan: Plan) -> None:
    assert all(weight(each) < weight(plan) for each in simpler(plan))


def test_a_burst_can_be_said_one_by_one() -> None:
    plan = Plan(BOUNDS, (Connect(0), Burst(((0, 2), (3, 1)))))
    apart = one_by_one(plan)
    assert apart is not None
    assert apart.steps == (Connect(0), Burst(((0, 1),)), Burst(((0, 1),)), Burst(((3, 1),)))
    assert one_by_one(Plan(BOUNDS, (Connect(0), Rest()))) is None


def test_of_a_burst_everything_is_made_simpler_once() -> None:
    found = [each.steps[0] for each in simpler(Plan(BOUNDS, (Burst(((3, 5), (0, 2))),)))]
    assert found == [
        Burst(((0, 2),)),
        Burst(((3, 2), (0, 2))),
        Burst(((0, 5), (0, 2))),
        Burst(((3, 5),)),
    ]
    assert [each.steps[0] for each in simpler(Plan(BOUNDS, (Connect(2), Finish(0))))] == [Connect(0)]
    assert list(simpler(Plan(BOUNDS, (Burst(((0, 2),)), Rest())))) == []
    assert [each.steps[0] for each in simpler(Plan(BOUNDS, (Burst(((0, 3),)),)))] == [Burst(((0, 2),))]
    several = Plan(BOUNDS, (Rest(), Connect(1), Rest(), Finish(0)))
    assert [each.steps for each in simpler(several)] == [(Rest(), Connect(0), Rest(), Finish(0))]


def test_large_pieces_are_cut_out_first_and_from_the_end() -> None:
    steps = tuple(map(Connect, range(4)))
    kept = [[step.place for step in each.steps if isinstance(step, Connect)] for each in shorter(Plan(BOUNDS, steps))]
    assert kept == [[0, 1], [2, 3], [0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]


def test_no_more_than_a_hundred_thousand_steps_are_read() -> None:
    head = "min_spare=2 max_spare=4 max_connections=5:"
    assert len(read(head + " R" * 100_000).steps) == 100_000
    with pytest.raises(NoPlan, match="100"):
        read(head + " R" * 100_001)


def test_what_is_no_plan_is_cut_to_forty_characters() -> None:
    with pytest.raises(NoPlan, match=r"parameter 'x{40}': "):
        read("x" * 50 + ": R")
    with pytest.raises(NoPlan, match=r"step 1 is 'Q{40}'; "):
        read("min_spare=2 max_spare=4 max_connections=5: " + "Q" * 50)


def test_of_what_has_no_parameters_sixty_characters_are_shown() -> None:
    with pytest.raises(NoPlan, match=r"found 'x{60}'$"):
        read("x" * 70)


def test_a_plan_may_have_no_steps() -> None:
    head = "min_spare=2 max_spare=4 max_connections=5 max_children=12:"
    assert read(head) == read(head + " ") == Plan(BOUNDS, ())


def test_the_first_parameter_that_is_missing_is_told() -> None:
    with pytest.raises(NoPlan, match="has no max_spare"):
        read("min_spare=2: R")
