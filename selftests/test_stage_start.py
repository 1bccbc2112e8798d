"""The stage's first act: a subject starts, or can't, on the port that it was given or on another."""

from pathlib import Path

import pytest

from conformance.pace import Pace
from conformance.stage import CannotStart
from selftests.facts import remains
from selftests.launching import everyone
from selftests.scripted import QUICK, Staged, staged
from subject.isolation import isolation_allowed, why_not_isolated


@pytest.fixture
def on_stage(tmp_path: Path) -> Staged:
    """Put a server of a few lines on a stage."""
    return staged(tmp_path)


def test_a_server_is_started_when_it_listens_and_leaves_nothing(on_stage: Staged) -> None:
    with on_stage("pool(2)") as stage:
        assert stage.start() is stage
        assert stage.wrong_port is None
        assert [each.port for each in stage.own_listeners()] == [stage.port]
        them = everyone(stage.launch)
    stage.close()
    assert remains(them) == []


def test_a_server_that_ends_at_once_cannot_start_and_is_quoted(on_stage: Staged) -> None:
    with on_stage("print('first line'); print('no such option'); sys.exit(3)") as stage:
        with pytest.raises(CannotStart) as told:
            stage.start()
        assert stage.closed
    for part in (f"port {stage.port}", "exit status 3", "first line / no such option"):
        assert part in str(told.value)


def test_a_server_that_is_ended_by_a_signal_cannot_start(on_stage: Staged) -> None:
    with on_stage("os.abort()") as stage, pytest.raises(CannotStart, match=r"ended with signal 6.*said nothing"):
        stage.start()


def test_a_server_that_never_listens_cannot_start_and_still_runs(on_stage: Staged) -> None:
    with on_stage("wait()", pace=QUICK) as stage:
        with pytest.raises(CannotStart, match="still runs; it said nothing"):
            stage.start()
        assert stage.closed


def test_a_server_that_goes_on_in_the_background_is_waited_for(on_stage: Staged) -> None:
    later = "if os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\npool(2)"
    with on_stage(later) as stage:
        stage.start()

        # It listens before its first child does: `start` may find it in between.
        def children_hold_listener() -> bool:
            return stage.watch.find(stage.port) and stage.watch.children_hold_listener

        assert stage.until(children_hold_listener, within=stage.pace.start)


@pytest.mark.skipif(not isolation_allowed(), reason=f"needs a network of its own: {why_not_isolated()}")
def test_a_server_that_listens_elsewhere_is_judged_there(on_stage: Staged) -> None:
    with on_stage("port += 1\nlistener = listen(port)\nchild(serve(listener))\nwait()", pace=QUICK) as stage:
        given = stage.port
        stage.start()
        assert stage.wrong_port == stage.port == given + 1


@pytest.mark.skipif(not isolation_allowed(), reason=f"needs a network of its own: {why_not_isolated()}")
def test_a_port_of_the_parent_alone_is_no_pools(on_stage: Staged) -> None:
    with on_stage("listener = listen(port + 1)\nwait()", pace=QUICK) as stage:
        with pytest.raises(CannotStart, match="did not listen"):
            stage.start()
        assert stage.wrong_port is None


@pytest.mark.skipif(not isolation_allowed(), reason=f"needs a network of its own: {why_not_isolated()}")
def test_a_server_that_is_known_to_listen_elsewhere_is_not_waited_for(on_stage: Staged) -> None:
    with on_stage("port += 1\nlistener = listen(port)\nchild(serve(listener))\nwait()") as stage:
        patience = stage.pace.start
        stage.start(elsewhere=True)
        assert stage.wrong_port == stage.port
        assert stage.clock() < patience


@pytest.mark.skipif(not isolation_allowed(), reason=f"needs a network of its own: {why_not_isolated()}")
def test_another_port_may_be_opened_first_even_by_children(on_stage: Staged) -> None:
    other_first = "other = listen(port + 1)\nchild(serve(other))\ntime.sleep(0.6)\npool(2)"
    # However short its rounds are, it may take its time to start.
    with on_stage(other_first, pace=Pace(grow_round=0.1, shed_each=0.1)) as stage:
        assert stage.start().wrong_port is None
