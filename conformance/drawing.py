"""Plans drawn by Hypothesis, by a seed, so that they can be drawn again.

It does nothing more: its own shrinking would know no budget of time, and a performance costs a launch.
"""

from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from spec.parameters import Parameters
from spec.plan import Burst, Connect, Finish, Plan, Rest, Step


def draw(parameters: Parameters, *, seed: int, plans: int, steps: int, home: Path) -> list[Plan]:
    """Draw plans of so many steps: the same ones for the same seed. In `home` Hypothesis may leave what it likes."""
    places = st.integers(0, 9)
    part = st.tuples(places, st.integers(1, 5))
    step: st.SearchStrategy[Step] = st.one_of(
        places.map(Connect),
        places.map(Connect),
        places.map(Connect),
        places.map(Finish),
        places.map(Finish),
        places.map(Finish),
        st.lists(part, min_size=1, max_size=3).map(lambda parts: Burst(tuple(parts))),
        st.just(Rest()),
    )
    # It would make a folder for itself in the current one.
    set_hypothesis_home_dir(home)
    drawn: list[Plan] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=plans,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(st.lists(step, min_size=steps, max_size=steps))
    def collect(chosen: list[Step]) -> None:
        drawn.append(Plan(parameters, tuple(chosen)))

    collect()
    return drawn[:plans]
