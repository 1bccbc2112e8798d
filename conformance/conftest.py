"""The scenes: fixtures whose names stand in the ids of the tests, so that tests of one scene run on one worker."""

from collections.abc import Iterator

import pytest

from conformance import freeze, tide, turnover
from conformance.freeze import Frozen
from conformance.launches import FROZEN, SINGLE, Launches
from conformance.stage import Stage
from conformance.tide import Tide
from conformance.turnover import Turnover


@pytest.fixture(params=["first", "drawn"], ids=["tide-first", "tide-drawn"])
def played_tide(request: pytest.FixtureRequest, launches: Launches) -> Tide:
    """Load that came in and went out again, with one set of parameters; played once."""
    return launches.play(f"tide {request.param}", launches.pool_set(request.param), tide.play)


@pytest.fixture(params=["first", "drawn"], ids=["turnover-first", "turnover-drawn"])
def played_turnover(request: pytest.FixtureRequest, launches: Launches) -> Turnover:
    """Children recycled one after another, with one set of parameters; played once."""
    return launches.play(f"turnover {request.param}", launches.recycle_set(request.param), turnover.play)


@pytest.fixture(params=["single"])
def played_single(launches: Launches) -> Turnover:
    """Children limited to one connection each; played once."""
    return launches.play("single", launches.limited(SINGLE), turnover.play_single)


@pytest.fixture(params=["frozen"])
def frozen(launches: Launches) -> Frozen:
    """A pool whose parent was stopped, with races, queues and a burst; played once."""
    return launches.play("frozen", launches.limited(FROZEN), freeze.play)


@pytest.fixture(params=["shared"])
def stage(launches: Launches) -> Iterator[Stage]:
    """The worker's shared launch, settled; the test leaves it as it found it."""
    with launches.shared() as handed_out:
        yield handed_out
