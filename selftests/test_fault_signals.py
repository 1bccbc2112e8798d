"""Faults by signals: what is killed is gone, what rains has fallen, and what did not take hold is told."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from fault_injection.fault import DidNotTakeHold
from fault_injection.signals import killed, rain, signal_first_sight, signalled
from selftests.facts import NOBODY, PYTHON, ended, settle
from spec.event import Pid
from subject.stopping import stopped

PATIENT = "import signal; signal.pause()"
DEAF = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("deaf", flush=True)
signal.pause()
"""
ONCE = """
import signal
signal.signal(signal.SIGSEGV, lambda number, _: signal.signal(number, signal.SIG_DFL))
print("catches", flush=True)
while True:
    signal.pause()
"""
COUNTING = """
import os, signal
count = 0
def note(*_):
    global count
    count += 1
    os.write(1, b"%d\\n" % count)
signal.signal(signal.SIGURG, note)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Three that wait, one that blocks SIGTERM, one that counts SIGURG."""
    sources = [PATIENT, PATIENT, PATIENT, DEAF, COUNTING]
    started = [subprocess.Popen([*PYTHON, source], stdout=subprocess.PIPE, text=True) for source in sources]
    for each in started[3:]:
        assert each.stdout is not None
        assert each.stdout.readline()
    yield started
    for each in started:
        each.kill()
        each.wait()
        assert each.stdout is not None
        each.stdout.close()


def pids(processes: list[subprocess.Popen[str]]) -> list[Pid]:
    return [Pid(each.pid) for each in processes]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_all_are_gone_when_the_block_begins(processes: list[subprocess.Popen[str]], number: signal.Signals) -> None:
    with killed(pids(processes[:3]), number):
        assert all(ended(each.pid) for each in processes[:3])
        assert not ended(processes[3].pid)
    assert processes[0].wait() == -number


def test_who_is_gone_before_is_left_out(processes: list[subprocess.Popen[str]]) -> None:
    with killed([NOBODY, Pid(processes[0].pid)]):
        assert ended(processes[0].pid)
    with signalled([NOBODY], signal.SIGTERM):
        pass
    assert not signal_first_sight(NOBODY, signal.SIGTERM)


def test_a_handler_of_the_runtime_saves_nobody_twice() -> None:
    with subprocess.Popen([*PYTHON, ONCE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        with killed([Pid(process.pid)], signal.SIGSEGV):
            assert process.wait() == -signal.SIGSEGV


def test_who_survives_was_not_killed(processes: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fault_injection.signals.ENDS_WITHIN", 0.05)
    with pytest.raises(DidNotTakeHold, match="still lived"), killed([Pid(processes[3].pid)], signal.SIGTERM):
        pass


def test_a_signal_that_stays_pending_was_not_taken(
    processes: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not SIGTERM: a worker of these tests blocks it, and they inherit that.
    with signalled([Pid(processes[0].pid)], signal.SIGUSR1):
        pass
    settle(lambda: ended(processes[0].pid), what="its end")
    monkeypatch.setattr("fault_injection.signals.TAKES_WITHIN", 0.05)
    victim = [Pid(processes[1].pid)]
    with pytest.raises(DidNotTakeHold, match="pending"), stopped(victim), signalled(victim, signal.SIGUSR1):
        pass


def test_who_sleeps_with_a_signal_blocked_has_taken_it_as_it_likes(processes: list[subprocess.Popen[str]]) -> None:
    with signalled([Pid(processes[3].pid)], signal.SIGTERM):
        assert not ended(processes[3].pid)


def test_rain_falls_on_all_and_counts(processes: list[subprocess.Popen[str]]) -> None:
    with rain(pids(processes[3:]), [signal.SIGURG]) as falling:
        assert processes[4].stdout is not None
        for count in (1, 2):
            falling.fall()
            assert int(processes[4].stdout.readline()) == count
        assert falling.fallen == 4


def test_rain_on_nobody_is_none(processes: list[subprocess.Popen[str]]) -> None:
    with killed(pids(processes[:1])):
        processes[0].wait()
    with pytest.raises(DidNotTakeHold), rain([Pid(processes[0].pid)], [signal.SIGURG]) as falling:
        falling.fall()


def test_faults_compose_and_are_undone_in_turn(processes: list[subprocess.Popen[str]]) -> None:
    first, second, _ = pids(processes[:3])
    with stopped([first]), killed([second]), rain([first], [signal.SIGURG]) as falling:
        falling.fall()
        assert ended(second)
    settle(lambda: not ended(first), what="the first one alive")
