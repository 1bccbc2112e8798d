"""The scenes: fixtures whose names stand in the ids of the tests, so that tests of one scene run on one worker."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from threading import Event

import pytest

from conformance import (
    bursts,
    freeze,
    in_the_act,
    joining,
    leaving_alone,
    lost_wakeup,
    orders,
    plans,
    printing,
    tide,
    together,
    turnover,
    voices,
)
from conformance.applicable import insist_on
from conformance.freeze import Frozen
from conformance.joining import Joinings
from conformance.launches import Launches
from conformance.leaving_alone import LeftAlone
from conformance.long_life import LongLife, play_long_life
from conformance.lost_wakeup import Races
from conformance.parameter_sets import FROZEN, FULL_SPEED, LEFT_ALONE, ORDERS, RACES, SINGLE, TOGETHER
from conformance.plans import EFFORT, REPLAYED, Planned
from conformance.seats import Heard
from conformance.stage import Stage
from conformance.tide import Tide
from conformance.together import Together
from conformance.turnover import Turnover
from spec.parameters import Parameters
from spec.verdict import Decision, NotApplicable


@pytest.fixture(params=["first", "drawn"], ids=["tide-first", "tide-drawn"])
def played_tide(request: pytest.FixtureRequest, launches: Launches) -> Tide:
    """Load that came in and went out again, with one set of parameters; both played once, at the same time."""
    _play_tides(launches)
    return launches.remember(f"tide {request.param}", partial(_tide, request.param, Event(), launches))


@pytest.fixture(params=["tide"])
def left_alone(launches: Launches) -> LeftAlone:
    """What became of a pool that was left alone, with silent clients, while the tides were played beside it."""
    _play_tides(launches)
    return launches.remember("left alone", partial(_left_alone, (), launches))


def _play_tides(launches: Launches) -> None:
    """Play both tides, and leave a third launch alone for as long as they take; once."""
    insist_on(launches.profile, "min_spare", "max_spare")
    over = {which: Event() for which in ("first", "drawn")}
    looks: dict[str, Callable[[Launches], object]] = {
        f"tide {which}": partial(_tide, which, over[which]) for which in over
    }
    launches.side_by_side({**looks, "left alone": partial(_left_alone, tuple(over.values()))})


def _tide(which: str, over: Event, launches: Launches) -> Tide:
    try:
        return launches.played(launches.pool_set(which), tide.play)
    finally:
        over.set()


def _left_alone(until: Sequence[Event], launches: Launches) -> LeftAlone:
    return launches.played(launches.limited(LEFT_ALONE), partial(leaving_alone.play, until=until))


@pytest.fixture(params=["first", "drawn"], ids=["turnover-first", "turnover-drawn"])
def played_turnover(request: pytest.FixtureRequest, launches: Launches) -> Turnover:
    """Children recycled one after another, with one set of parameters; played once."""
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    return launches.play(f"turnover {request.param}", launches.recycle_set(request.param), turnover.play)


@pytest.fixture(params=["single"])
def played_single(launches: Launches) -> Turnover:
    """Children limited to one connection each; played once."""
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    return launches.play("single", launches.limited(SINGLE), turnover.play_single)


@pytest.fixture(params=["long-life"])
def long_life(launches: Launches) -> LongLife:
    """A child that served more connections than a byte can count; lived once."""
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    if launches.pace.unhurried:
        raise NotApplicable("so many connections of a server that takes its time would take too long")
    return launches.play("long life", launches.long_life_set(), play_long_life)


@pytest.fixture(params=["mumbled"])
def mumbled(launches: Launches) -> Heard:
    """What the parent made of an unknown byte; played once."""
    insist_on(launches.profile, "min_spare", "max_spare")
    return _spoken_for(launches, "mumbled", TOGETHER, bursts.play_unknown_byte)


@pytest.fixture(params=["first", "drawn"], ids=["all-at-once-first", "all-at-once-drawn"])
def all_at_once(request: pytest.FixtureRequest, launches: Launches) -> Together:
    """All children brought to their last connection at once; played once."""
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    parameters = launches.recycle_set(request.param)
    if request.param == "first" or launches.pace.unhurried:
        parameters = replace(parameters, max_connections=2 if request.param == "first" else 3)
    return launches.play(f"all at once {request.param}", parameters, together.play_together)


@pytest.fixture(params=["frozen"])
def frozen(launches: Launches) -> Frozen:
    """A pool whose parent was stopped, with races, queues and a burst; played once."""
    return launches.play("frozen", launches.limited(FROZEN), freeze.play)


@pytest.fixture(params=["first", "drawn"], ids=["counted-first", "counted-drawn"])
def counted(request: pytest.FixtureRequest, launches: Launches) -> Heard:
    """What children said over few connections each, child by child, with the parent stopped; played once."""
    insist_on(launches.profile, "max_connections")
    return launches.play(f"counted {request.param}", launches.voice_set(request.param), voices.counted)


@pytest.fixture(params=["full-speed"])
def at_full_speed(launches: Launches) -> Heard:
    """What children said over thousands of connections, and made of what they were told; played once."""
    insist_on(launches.profile, "max_connections")
    return launches.play("full speed", launches.limited(FULL_SPEED), voices.at_full_speed)


@pytest.fixture(params=["newborns"])
def newborns(launches: Launches) -> Heard:
    """What children said before they had served anybody; played once."""
    insist_on(launches.profile, "min_spare", "max_spare")
    return launches.play("newborns", launches.limited(ORDERS), in_the_act.first_words)


@pytest.fixture(params=["races"])
def races(launches: Launches) -> Races:
    """What came of connections that met a K; played once."""
    insist_on(launches.profile, "min_spare", "max_spare")
    return launches.play("races", launches.limited(RACES), lost_wakeup.play)


def _spoken_for(launches: Launches, key: str, parameters: Parameters, played: Callable[[Stage], Heard]) -> Heard:
    """Play a scene in the child's seat, where the children speak as a parent must expect; else nobody can for them."""
    try:
        voices.insist_on(launches)
    except Decision as error:
        return Heard(why_not=error)
    return launches.play(key, launches.limited(parameters), played)


@pytest.fixture(params=["orders"])
def ordered(launches: Launches) -> Heard:
    """What the parent said to children that could not read it; played once."""
    insist_on(launches.profile, "min_spare", "max_spare")
    heard = _spoken_for(launches, "orders", ORDERS, orders.play_orders)
    if heard.unseen:
        # Nobody stops children who need not be: it is news to their parent.
        to_the_stopped = _spoken_for(launches, "orders to the stopped", ORDERS, orders.play_orders_to_the_stopped)
        return replace(heard, violations=[*heard.violations, *to_the_stopped.violations])
    return heard


@pytest.fixture(params=["together"])
def said_together(launches: Launches) -> Heard:
    """What the parent made of many messages at once; played once."""
    insist_on(launches.profile, "min_spare", "max_spare")
    return _spoken_for(launches, "said together", TOGETHER, bursts.play_together)


@pytest.fixture(params=["plans"])
def planned(request: pytest.FixtureRequest, launches: Launches) -> Planned:
    """What came of plans that were performed on the parent; performed once."""
    insist_on(launches.profile, "min_spare", "max_spare", "max_connections")
    effort, replayed = request.config.stash[EFFORT], request.config.stash[REPLAYED]
    return launches.remember("plans", lambda: plans.perform_all(launches, effort=effort, replayed=replayed))


@pytest.fixture(params=["first", "drawn"], ids=["printed-first", "printed-drawn"])
def printed(request: pytest.FixtureRequest, launches: Launches) -> Heard:
    """What was found in what a server printed, at accepts, as its pool changed, and on Ctrl-C; played once."""
    insist_on(launches.profile, "min_spare", "max_spare")
    return launches.play(f"printed {request.param}", launches.pool_set(request.param), printing.play)


@pytest.fixture
def joinings(stage: Stage, launches: Launches) -> Joinings:
    """How all children are joined to the parent, at rest and after growth; looked at once."""
    return launches.remember("joinings", lambda: joining.look(stage))


@pytest.fixture(params=["shared"])
def stage(launches: Launches) -> Iterator[Stage]:
    """The worker's shared launch, settled; the test leaves it as it found it."""
    with launches.shared() as handed_out:
        yield handed_out
