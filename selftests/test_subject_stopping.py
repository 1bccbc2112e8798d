"""Stopping processes: all of them, for as long as the block lasts, whatever happens in it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftests.facts import NOBODY, PYTHON, settle
from spec.event import Pid
from subject import stopping
from subject.stopping import NotStopped, stopped


@pytest.fixture
def pids() -> Iterator[list[Pid]]:
    """Three processes that run: one idle, one busy, one with two threads."""
    sources = [
        "import signal; signal.pause()",
        "while True: pass",
        "import signal, threading; threading.Thread(target=lambda: threading.Event().wait()).start(); signal.pause()",
    ]
    processes = [subprocess.Popen([*PYTHON, source]) for source in sources]
    settle(lambda: len(os.listdir(f"/proc/{processes[2].pid}/task")) == 2, what="two threads")
    yield [Pid(process.pid) for process in processes]
    for process in processes:
        process.kill()
        process.wait()


def states(pids: list[Pid]) -> set[str]:
    return {
        stat.read_text().rpartition(")")[2].split()[0]
        for pid in pids
        for stat in Path(f"/proc/{pid}/task").glob("*/stat")
    }


def test_all_threads_of_all_processes_are_stopped_and_all_go_on(pids: list[Pid]) -> None:
    with stopped(pids):
        assert states(pids) == {"T"}
    settle(lambda: "T" not in states(pids), what="all running again")


def test_they_go_on_when_the_block_raises(pids: list[Pid]) -> None:
    with pytest.raises(ZeroDivisionError), stopped(pids):
        raise ZeroDivisionError
    settle(lambda: "T" not in states(pids), what="all running again")


def test_processes_that_are_gone_or_go_meanwhile_are_left_out(pids: list[Pid]) -> None:
    with stopped([NOBODY, *pids]):
        assert states(pids) == {"T"}
        os.kill(pids[0], signal.SIGKILL)
        os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
    settle(lambda: "T" not in states(pids), what="the others running again")


def test_a_zombie_counts_as_stopped(pids: list[Pid]) -> None:
    os.kill(pids[0], signal.SIGKILL)
    os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
    with stopped(pids):
        assert states(pids[1:]) == {"T"}


def test_nobody_to_stop_is_no_error() -> None:
    with stopped([]):
        pass


def test_stops_may_be_nested_as_parent_and_children(pids: list[Pid]) -> None:
    with stopped(pids[:1]):
        with stopped(iter(pids[1:])):
            assert states(pids) == {"T"}
        settle(lambda: "T" not in states(pids[1:]), what="the inner ones running again")
        assert states(pids[:1]) == {"T"}


def test_a_process_that_does_not_stop_is_told_and_the_others_go_on(
    pids: list[Pid], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "STOPS_WITHIN", 0.01)
    monkeypatch.setattr(stopping, "_has_stopped", lambda _: False)
    with pytest.raises(NotStopped, match="still running"), stopped(pids):
        raise AssertionError("the block is not entered")
    settle(lambda: "T" not in states(pids), what="all running again")
