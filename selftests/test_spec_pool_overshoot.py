"""The judge of overshoot: growth by doubling goes so far, and no further; a start by its largest step."""

from selftests.histories import History
from selftests.test_spec_pool import UNLIMITED, broken, children, held
from spec.event import Phase
from spec.regulation import last_doubling_step


def flooded(idle_at_most: int) -> History:
    """Four idle children, five clients: three are short (min_spare - 4 + 5); then so many were idle at once."""
    history = children(4).rested(Phase.START).wanted(Phase.FLOOD_TIDE, 5).accepted(held(101, 4)).spawned(105)
    return history.accepted({5: 105}).spawned(*range(106, 106 + idle_at_most))


def test_growth_may_overshoot_by_its_last_doubling_step_and_no_more() -> None:
    most = UNLIMITED.max_spare + last_doubling_step(3)
    assert most == 6
    assert broken(flooded(most), UNLIMITED) == {}
    found = broken(flooded(most + 1), UNLIMITED)
    assert list(found) == ["pool-8"]
    assert ": 7 idle" in found["pool-8"]
    assert "no further than 6" in found["pool-8"]


def test_growth_that_is_under_way_may_take_its_next_step_though_nobody_is_short_any_more() -> None:
    growing = children(4).rested(Phase.START).spawned(105, 106).wanted(Phase.FLOOD_TIDE, 1)
    assert "pool-8" not in broken(growing.spawned(107, 108), UNLIMITED)
    assert "no further than 7" in broken(growing.spawned(109), UNLIMITED)["pool-8"]


def test_the_children_that_a_falling_load_leaves_idle_are_no_overshoot() -> None:
    history = children(12).accepted(held(101, 10)).settled(Phase.HIGH_WATER).wanted(Phase.EXCESS, 0)
    assert broken(history.dropped(*range(1, 11)).ended(*range(101, 109)), UNLIMITED) == {}


def test_a_pool_that_grows_while_the_load_falls_is_found() -> None:
    history = children(12).wanted(Phase.HIGH_WATER, 10).accepted(held(101, 10)).wanted(Phase.EBB, 0)
    history.dropped(*range(1, 11)).spawned(*range(201, 240))
    assert "pool-8" in broken(history, UNLIMITED)


def test_a_start_may_overshoot_by_the_largest_step() -> None:
    assert broken(children(4 + 32), UNLIMITED) == {}
    assert list(broken(children(4 + 33), UNLIMITED)) == ["pool-8"]


def test_who_comes_under_load_is_not_of_the_start() -> None:
    history = children(4).rested(Phase.START).wanted(Phase.FLOOD_TIDE, 1).accepted({1: 101})
    for pid in range(201, 240):
        history.spawned(pid).ended(pid)
    assert "pool-8" not in broken(history, UNLIMITED)


def test_children_that_come_and_go_before_any_load_are_counted_all_the_same() -> None:
    history = History()
    for pid in range(201, 201 + 4 + 32):
        history.spawned(pid).ended(pid)
    assert broken(history.reaped().reaped(), UNLIMITED) == {}
    found = broken(history.spawned(300), UNLIMITED)
    assert list(found) == ["pool-8"]
    assert "37 children were spawned before there was any load" in found["pool-8"]


def test_without_a_quiet_round_the_births_of_the_start_are_steps_already() -> None:
    # Of four, the last step was of four; so it is of seven, and of eight it would be of eight.
    for at_start, most in ((4, 4 + 4), (7, 6 + 4)):
        history = children(at_start).wanted(Phase.FLOOD_TIDE, 1).accepted({1: 101})
        history.spawned(*range(201, 201 + most + 1 - at_start))
        assert "pool-8" not in broken(history, UNLIMITED)
        assert f"no further than {most} " in broken(history.spawned(300), UNLIMITED)["pool-8"]
