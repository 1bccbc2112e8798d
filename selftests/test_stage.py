"""The stage: held connections and who holds them, the end of a subject."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from conformance import pace as pace_module
from conformance.pace import MOST_BETWEEN_LOOKS, Patience
from conformance.stage import SubjectEnded, last_lines
from selftests.scripted import Staged, staged
from spec.event import Accepted, Connected, Dropped, Served, Spawned


@pytest.fixture
def on_stage(tmp_path: Path) -> Staged:
    """Put a server of a few lines on a stage."""
    return staged(tmp_path)


# --- held connections ----------------------------------------------------------------------------------------------


def test_held_connections_keep_children_busy_until_they_are_let_go(on_stage: Staged) -> None:
    with on_stage("pool(3)") as stage:
        stage.start()
        held = stage.hold_connections(2)
        assert stage.until(lambda: not stage.queued(), within=20)
        assert len(stage.busy()) == 2
        assert {stage.holders[client.number] for client in held} == stage.busy()
        stage.let_go(held)
        assert stage.busy() == frozenset()
        told = [type(event) for event in stage.watch.timeline() if not isinstance(event, Spawned)]
        assert sorted(each.__name__ for each in told) == sorted(["Connected", "Accepted", "Dropped"] * 2)
        assert stage.until(stage.all_let_go, within=20)


def test_connections_beyond_the_children_are_queued(on_stage: Staged) -> None:
    with on_stage("pool(2)") as stage:
        stage.start()
        held = stage.hold_connections(5)
        assert stage.until(lambda: stage.queued() == 3 and all(each.connected for each in held), within=20)
        sides = [stage.diag.server_side(stage.port, client.local_port) for client in held]
        assert sorted(bool(side and side.inode) for side in sides) == [False] * 3 + [True] * 2
        taken = [client for client in held if client.number in stage.holders]
        stage.let_go(taken[:1])
        assert stage.until(lambda: stage.queued() == 2, within=20)


def test_a_held_connection_that_is_asked_on_is_served(on_stage: Staged) -> None:
    with on_stage("pool(2)") as stage:
        stage.start()
        (client,) = stage.hold_connections(1)
        stage.until(lambda: not stage.queued(), within=20)
        stage.ask([client])
        assert stage.until(lambda: not client.open, within=20)
        assert client.served
        assert stage.held == {}
        assert stage.broken_holds == []
        kinds = [type(event) for event in stage.watch.timeline() if not isinstance(event, Spawned)]
        assert kinds == [Connected, Accepted, Served]


@pytest.mark.parametrize("unasked", ["connection.sendall(ANSWER)", "pass"], ids=["answered", "closed"])
def test_a_silent_connection_that_the_server_ends_is_a_broken_hold_and_no_service(
    on_stage: Staged, unasked: str
) -> None:
    hasty = f"def hasty(connection):\n    {unasked}\n    connection.close()\npool(2, hasty)"
    with on_stage(hasty) as stage:
        stage.start()
        held = stage.hold_connections(1)
        assert stage.until(lambda: bool(stage.broken_holds), within=20)
        assert stage.broken_holds == held
        assert stage.held == {}
        assert not [event for event in stage.watch.timeline() if isinstance(event, Served | Dropped)]


def test_a_held_connection_that_is_refused_is_broken_at_once(on_stage: Staged) -> None:
    with on_stage("listener = listen()\nchild(wait)\nwait()") as stage:
        stage.start()
        stage.port = 1  # nobody listens there
        held = stage.hold_connections(2)
        assert stage.until(lambda: len(stage.broken_holds) == 2, within=20)
        assert stage.broken_holds == held
        assert stage.held == {}
        assert stage.queued() == 0


def test_a_parent_that_accepts_is_told_as_the_holder(on_stage: Staged) -> None:
    with on_stage("listener = listen()\nchild(wait)\nkept = []\nwhile True: kept.append(listener.accept())") as stage:
        stage.start()
        (client,) = stage.hold_connections(1)
        assert stage.until(lambda: not stage.queued(), within=20)
        assert stage.holders[client.number] == stage.watch.parent
        assert stage.busy() == frozenset()


def test_a_connection_that_is_handed_on_is_seen_again_at_its_new_holder(on_stage: Staged) -> None:
    hands_on = """
listener = listen()
ours, theirs = socket.socketpair()
def first():
    connection, _ = listener.accept()
    signal.sigwait({signal.SIGUSR1})
    socket.send_fds(ours, [b"x"], [connection.fileno()])
    connection.close()
    wait()
def second():
    _, kept, _, _ = socket.recv_fds(theirs, 1, 1)
    wait()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
child(first)
child(second)
wait()
"""
    with on_stage(hands_on) as stage:
        stage.start()
        (client,) = stage.hold_connections(1)
        stage.until(lambda: not stage.queued(), within=20)
        first = stage.holders[client.number]
        stage.recheck_holders()
        assert stage.holders[client.number] == first
        os.kill(first, signal.SIGUSR1)

        def handed_on() -> bool:
            stage.recheck_holders()
            return stage.holders[client.number] != first

        assert stage.until(handed_on, within=20)
        assert [event.pid for event in stage.watch.timeline() if isinstance(event, Accepted)][:1] == [first]


def test_a_client_may_be_let_go_of_by_reset(on_stage: Staged) -> None:
    with on_stage("pool(2)") as stage:
        stage.start()
        client = stage.connect()
        stage.until(lambda: client.connected, within=20)
        stage.drop(client, reset=True)
        assert stage.clients() == []
        assert stage.until(stage.all_let_go, within=20)


# --- the end of a subject ------------------------------------------------------------------------------------------


def test_a_parent_that_ends_ends_the_wait(on_stage: Staged) -> None:
    with on_stage("pool(2)") as stage:
        stage.start()
        os.kill(stage.watch.parent, signal.SIGKILL)
        with pytest.raises(SubjectEnded) as told:
            stage.until(lambda: False, within=20)
        assert f"parent {stage.watch.parent} ended" in str(told.value)
        stage.hold(0.01)
        assert stage.watch.parent_ended


def test_a_fact_that_does_not_come_true_is_told_as_such(on_stage: Staged) -> None:
    with on_stage("pool(2)") as stage:
        stage.start()
        assert not stage.until(lambda: False, within=0.02)
        assert stage.until(lambda: True, within=0.0)


# --- patience ------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The stage's clock, in the test's hands."""
    own = Clock()
    monkeypatch.setattr(pace_module, "time", SimpleNamespace(monotonic=own.monotonic))
    return own


def test_patience_is_over_when_its_time_is_up(clock: Clock) -> None:
    patience = Patience(1.0)
    for _ in range(33):
        clock.now += 0.03
        assert not patience.over()
    clock.now += 0.03
    assert patience.over()


def test_time_in_which_the_suite_was_kept_from_running_does_not_count(clock: Clock) -> None:
    patience = Patience(1.0)
    clock.now += 3600.0
    assert not patience.over()
    assert patience.spent == pytest.approx(MOST_BETWEEN_LOOKS)


def test_a_step_renews_patience_and_a_pause_is_left_out(clock: Clock) -> None:
    patience = Patience(0.1)
    for _ in range(2):
        clock.now += 0.04
        assert not patience.over()
    clock.now += 0.04
    patience.resume()
    assert not patience.over()
    patience.renew()
    assert patience.spent == 0.0


# --- quoting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "quoted"),
    [
        ("", ""),
        ("one\n\n  two  \n", "one / two"),
        ("a\nb\nc\nd\n", "b / c / d"),
        ("\x1b[31mred\x1b[0m\x00\r\n", "[31mred[0m"),
        ("x" * 500, "x" * 200),
        ("\n\r\n \n", ""),
    ],
)
def test_the_last_lines_are_quoted_short_and_without_control_characters(output: str, quoted: str) -> None:
    assert last_lines(output) == quoted
