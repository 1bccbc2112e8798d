"""Waiting for a pool to settle and to rest, with servers that do, that don't, and that can't."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.pace import Pace
from conformance.regulation import MOST_SWINGS, Approach, Stopped, rest, settle, settle_start, want
from conformance.stage import Stage
from selftests.scripted import BOUNDS, GENEROUS, QUICK, Staged, staged
from spec import pool
from spec.event import Collapsed, Event, Phase, Rested, Restless, Settled, Stalled, Stranded, Timeline, Wanted
from spec.parameters import Parameters
from spec.regulation import Owed

# Rests are short, and no step is given up before the machine has had its time.
SHORT_ROUNDS = Pace(grow_round=0.1, shed_each=0.1, patience=20.0)


@pytest.fixture
def on_stage(tmp_path: Path) -> Staged:
    """Put a server of a few lines on a stage."""
    return staged(tmp_path)


def last(stage: Stage) -> Event:
    return stage.watch.timeline().events[-1]


def broken(timeline: Timeline, parameters: Parameters = BOUNDS) -> list[str]:
    return [str(violation.clause.id) for violation in pool.judge(timeline, parameters)]


def gives_up(play: Callable[[], object]) -> None:
    with pytest.raises(Stopped):
        play()


# --- settling ------------------------------------------------------------------------------------------------------


def test_a_pool_within_its_bounds_has_settled(on_stage: Staged) -> None:
    with on_stage("pool(min_spare)") as stage:
        settle_start(stage.start())
        assert isinstance(last(stage), Settled)
        assert len(stage.watch.live) == 2


def test_a_pool_that_grows_slowly_is_waited_for(on_stage: Staged) -> None:
    slow = "listener = listen()\nfor _ in range(min_spare):\n    time.sleep(0.05)\n    child(serve(listener))\nwait()"
    with on_stage(slow) as stage:
        settle_start(stage.start())
        assert len(stage.watch.live) == 2
        assert broken(stage.watch.timeline()) == []


def test_a_wrapper_is_looked_behind_once_the_parent_has_children(on_stage: Staged) -> None:
    wrapped = "def server():\n    time.sleep(0.1)\n    pool(2)\nif os.fork():\n    os.wait()\n    os._exit(0)\nserver()"
    with on_stage(wrapped) as stage:
        settle_start(stage.start())
        assert len(stage.watch.live) == 2
        assert stage.watch.children_hold_listener


def test_a_helper_is_left_out_of_a_settled_pool(on_stage: Staged) -> None:
    helped = """
listener = listen()
for _ in range(2):
    child(serve(listener))
child(lambda: (listener.close(), wait()))
wait()
"""
    with on_stage(helped) as stage:
        settle_start(stage.start())

        def helper_is_left_out() -> bool:
            stage.watch.leave_out_helpers()
            return len(stage.watch.live) == 2

        assert stage.until(helper_is_left_out, within=20)


@pytest.mark.parametrize(("count", "found"), [(1, "pool-1"), (5, "pool-1")], ids=["too-few", "too-many"])
def test_a_pool_that_takes_no_step_towards_its_bounds_has_stalled(on_stage: Staged, count: int, found: str) -> None:
    with on_stage(f"pool({count})", pace=QUICK) as stage:
        stage.start()
        stage.until(lambda: stage.watch.find(stage.port) and len(stage.watch.live) == count, within=20)
        gives_up(lambda: settle_start(stage))
        assert isinstance(last(stage), Stalled)
        assert broken(stage.watch.timeline()) == [found]


@pytest.mark.parametrize("looks", [[16, 19, 18, 17, 16, 15], [16, 17, 18, 19, 18, 17, 16]], ids=["burst", "one by one"])
def test_a_look_in_the_middle_of_a_burst_of_births_makes_no_record(looks: list[int]) -> None:
    approach = Approach()
    nearer = [approach.nearer(Owed.SHEDDING, live=live, busy=8) for live in looks]
    top = looks.index(19)
    assert nearer == [True] + [False] * top + [True] * (len(looks) - 1 - top)
    assert approach.setbacks == 1


def test_children_that_end_while_others_are_spawned_make_no_record() -> None:
    approach = Approach()
    assert [approach.nearer(Owed.GROWTH, live=live, busy=0) for live in (5, 4, 5, 3, 4, 5)] == [
        True, False, True, False, True, True,
    ]  # fmt: skip


def test_a_child_that_takes_a_connection_is_a_step_and_one_that_nobody_holds_is_none() -> None:
    approach = Approach()
    assert approach.nearer(Owed.GROWTH, live=4, busy=1)
    assert approach.nearer(Owed.GROWTH, live=4, busy=2)
    assert not approach.nearer(Owed.GROWTH, live=4, busy=2)


def test_a_pool_that_turns_back_again_and_again_gets_nowhere() -> None:
    approach = Approach()
    for _ in range(MOST_SWINGS + 1):
        approach.nearer(Owed.SHEDDING, live=9, busy=0)
        approach.nearer(Owed.SHEDDING, live=10, busy=0)
    assert approach.setbacks == MOST_SWINGS + 1
    assert approach.swings == 0


def test_too_few_and_too_many_by_turns_are_swings() -> None:
    approach = Approach()
    for _ in range(3):
        approach.nearer(Owed.GROWTH, live=1, busy=0)
        approach.nearer(Owed.SHEDDING, live=9, busy=0)
    assert (approach.swings, approach.setbacks) == (5, 0)


def test_a_pool_that_sheds_one_and_spawns_another_has_stalled_with_both_counted(on_stage: Staged) -> None:
    # All are there before anybody can look: on the way up they would be within the bounds for a moment.
    treads = """
listener = socket.socket()
listener.bind(("127.0.0.1", port))
gate, opened = os.pipe()

def work():
    os.close(opened)
    os.read(gate, 1)
    serve(listener)()

pids = [child(work) for _ in range(6)]
listener.listen()
os.close(opened)
while True:
    time.sleep(0.02)
    os.kill(pids[0], signal.SIGKILL)
    os.waitpid(pids.pop(0), 0)
    time.sleep(0.02)
    pids.append(child(serve(listener)))
"""
    with on_stage(treads) as stage:
        gives_up(lambda: settle_start(stage.start()))
        assert isinstance(last(stage), Stalled)
        (violation,) = [each for each in pool.judge(stage.watch.timeline(), BOUNDS) if each.clause is pool.POOL_1]
        assert re.search(r"no shedding for .* s, but \d+ children spawned and \d+ ended", violation.seen)


def test_a_pool_that_swings_from_too_few_to_too_many_is_restless(on_stage: Staged) -> None:
    swings = """
listener = listen()
while True:
    pids = [child(wait) for _ in range(5)]
    time.sleep(0.03)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    time.sleep(0.03)
"""
    narrow = Parameters(min_spare=3, max_spare=3, max_connections=1000)
    with on_stage(swings, parameters=narrow, pace=SHORT_ROUNDS) as stage:
        stage.start()
        # It may be met within its bounds on its way through them; not for long.
        gives_up(lambda: rest(stage, Phase.START))
        assert isinstance(last(stage), Restless)
        assert broken(stage.watch.timeline(), narrow)[0] == "pool-4"


def test_connections_that_idle_children_do_not_accept_are_stranded(on_stage: Staged) -> None:
    with on_stage("listener = listen()\nfor _ in range(3): child(wait)\nwait()", pace=QUICK) as stage:
        stage.start()
        stage.until(lambda: len(stage.watch.live) == 3, within=20)
        want(stage, Phase.SHORTAGE, 2)
        gives_up(lambda: settle(stage, Phase.SHORTAGE))
        end = last(stage)
        assert isinstance(end, Stranded)
        assert end.waiting == 2


def test_a_parent_that_ends_collapses_the_pool(on_stage: Staged) -> None:
    with on_stage("pool(1)") as stage:
        stage.start()
        os.kill(stage.watch.parent, signal.SIGABRT)
        gives_up(lambda: settle(stage, Phase.START))
        end = last(stage)
        assert isinstance(end, Collapsed)
        assert f"parent {stage.watch.parent} ended" in end.how
        assert broken(stage.watch.timeline()) == ["pool-1"]


def test_a_broken_hold_stops_the_play(on_stage: Staged) -> None:
    with on_stage("def hasty(connection):\n    time.sleep(0.02)\n    connection.close()\npool(2, hasty)") as stage:
        settle_start(stage.start())
        want(stage, Phase.SHORTAGE, 1)
        assert Wanted in {type(event) for event in stage.watch.timeline()}

        def settle_again_and_again() -> None:
            while True:
                settle(stage, Phase.SHORTAGE)

        gives_up(settle_again_and_again)
        assert stage.broken_holds


# --- resting -------------------------------------------------------------------------------------------------------


def test_a_quiet_round_is_a_rest_with_the_run_time_of_everyone(on_stage: Staged) -> None:
    with on_stage("pool(min_spare)", pace=SHORT_ROUNDS) as stage:
        settle_start(stage.start())
        quiet = rest(stage, Phase.START)
        assert isinstance(last(stage), Rested)
        assert quiet.seconds >= stage.pace.round
        assert set(quiet.ran) == {stage.watch.parent, *stage.watch.live}


def test_a_pool_that_sheds_down_to_min_spare_and_then_rests_is_no_churn(on_stage: Staged) -> None:
    sheds = """
listener = listen()
pids = [child(serve(listener)) for _ in range(max_spare)]
time.sleep(0.2)
os.kill(pids[0], signal.SIGKILL)
wait()
"""
    with on_stage(sheds, pace=SHORT_ROUNDS) as stage:
        settle_start(stage.start())
        stage.until(lambda: len(stage.watch.live) == 2, within=20)
        rest(stage, Phase.START)
        assert broken(stage.watch.timeline()) == []


def test_a_pool_that_replaces_children_without_end_is_restless(on_stage: Staged) -> None:
    churns = """
listener = listen()
pids = [child(serve(listener)) for _ in range(min_spare)]
while True:
    time.sleep(0.005)
    pids.append(child(serve(listener)))
    os.kill(pids[0], signal.SIGKILL)
    os.waitpid(pids.pop(0), 0)
"""
    brief = Pace(grow_round=0.25, shed_each=0.25)
    with on_stage(churns, pace=brief) as stage:
        stage.start()
        gives_up(lambda: rest(stage, Phase.START))
        assert isinstance(last(stage), Restless | Stalled)
        assert set(broken(stage.watch.timeline())) <= {"pool-4", "pool-1", "pool-8"}


def test_what_the_driver_wants_is_written_before_it_is_done(on_stage: Staged) -> None:
    with on_stage("pool(3)", pace=GENEROUS) as stage:
        settle_start(stage.start())
        want(stage, Phase.FLOOD_TIDE, 2)
        want(stage, Phase.FLOOD_TIDE, 1)
        assert [event.held for event in stage.watch.timeline() if isinstance(event, Wanted)] == [2, 3]
        assert len(stage.held) == 3
