"""A check that is stopped, or that loses a process, ends soon, says what it knows, and leaves nothing behind."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from selftests.command_line import COMMAND, HASTY_SERVER, read, verdicts
from selftests.facts import PYTHON, settle
from selftests.leftovers import leaves_nothing, processes, started

Started = AbstractContextManager["subprocess.Popen[str]"]


def checking(folder: Path, *arguments: str, stdout: int = subprocess.PIPE) -> Started:
    """Start a check."""
    return started(folder, "check", "--json", str(folder / "v.json"), *arguments, stdout=stdout)


def workers(folder: Path) -> list[int]:
    """Give xdist's workers: what execnet starts reads its program from its standard input."""
    return processes(folder, saying="stdin.readline")


def wardens(folder: Path) -> list[int]:
    """Give the wardens of running launches."""
    return processes(folder, saying="subject.warden")


MOMENTS: list[Callable[[Path], object]] = [
    lambda folder: list(folder.glob("preforkspec-*")),
    workers,
    lambda folder: list(folder.glob("preforkspec-*/plan.json")),
    lambda folder: list(folder.glob("preforkspec-*/started")),
]
NAMES = ["at the start", "as workers start", "as tests are collected", "as a server runs"]


@pytest.mark.parametrize("moment", MOMENTS, ids=NAMES)
def test_ctrl_c_at_any_moment_ends_all_without_a_traceback(tmp_path: Path, moment: Callable[[Path], object]) -> None:
    with checking(tmp_path) as check:
        settle(lambda: moment(tmp_path), what="the moment")
        os.killpg(check.pid, signal.SIGINT)
        out, _ = check.communicate()
    assert check.returncode == 3
    assert "Traceback" not in out
    assert "interrupted" in out
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_the_launcher_alone_can_be_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as by nohup, and so it is by the launcher")
    with checking(tmp_path) as check:
        settle(lambda: wardens(tmp_path), what="a launch")
        check.send_signal(number)
        out, _ = check.communicate()
    assert check.returncode == 3
    assert number.name in out
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")


def test_what_is_known_at_ctrl_c_is_told_and_written(tmp_path: Path) -> None:
    """A clause that fails at once, then some that take a while: interrupted in between, the check has failed."""
    (tmp_path / "hasty.py").write_text(HASTY_SERVER, encoding="ascii")
    server = f"{COMMAND[0]} hasty.py {{port}} {{min_spare}} {{max_spare}}"
    terminal, theirs = os.openpty()
    with checking(tmp_path, "--server", server, "-n", "1", "--clause", "http-2", "pool", stdout=theirs) as check:
        os.close(theirs)
        shown = b""
        # The live line is the only place where a check tells what it knows before its end.
        while b"1 of 10 clauses" not in shown:
            shown += os.read(terminal, 4096)
        os.killpg(check.pid, signal.SIGINT)
        while part := read_terminal(terminal):
            shown += part
    os.close(terminal)
    assert check.returncode == 1
    assert b"does not conform" in shown
    assert b"Traceback" not in shown
    assert verdicts(tmp_path / "v.json")["http-2"] == "fail"
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")


def read_terminal(terminal: int) -> bytes:
    """Read what a terminal shows; nothing once no process has it open."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_a_killed_launcher_leaves_nothing(tmp_path: Path) -> None:
    with checking(tmp_path) as check:
        settle(lambda: wardens(tmp_path), what="a launch")
        check.kill()
        check.communicate()
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")


def test_a_killed_process_group_leaves_nothing(tmp_path: Path) -> None:
    with checking(tmp_path) as check:
        settle(lambda: wardens(tmp_path), what="a launch")
        os.killpg(check.pid, signal.SIGKILL)
        check.communicate()
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")


def test_a_killed_worker_is_an_error_of_the_suite(tmp_path: Path) -> None:
    with checking(tmp_path, "--clause", "pool", "lifecycle-1") as check:
        settle(lambda: wardens(tmp_path), what="a launch")
        settle(lambda: list(tmp_path.glob("preforkspec-*/started")), what="a server that has started")
        for worker in workers(tmp_path):
            os.kill(worker, signal.SIGKILL)
        out, _ = check.communicate()
    assert check.returncode == 3, out
    assert read(tmp_path / "v.json")["summary"]["error"] >= 1
    assert "The suite itself broke" in out
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")


def test_a_killed_warden_leaves_no_stray(tmp_path: Path) -> None:
    """Its server's processes come to the launcher, who ends what is still there at its own end."""
    with checking(tmp_path, "--clause", "lifecycle-1", "pool-1") as check:
        settle(lambda: list(tmp_path.glob("preforkspec-*/started")), what="a server that has started")
        for warden in wardens(tmp_path):
            os.kill(warden, signal.SIGKILL)
        check.communicate()
    # Which launch it met, and so the verdict, is chance.
    assert check.returncode in (0, 1, 3)
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")


def test_a_subject_that_daemonises_is_ended_with_the_check(tmp_path: Path) -> None:
    script = "import os, signal\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n    signal.pause()\n"
    (tmp_path / "daemon.py").write_text(script, encoding="ascii")
    with checking(
        tmp_path, "--server", f"{PYTHON[0]} daemon.py {{port}}", "--clause", "lifecycle-1", "--patience", "0.1"
    ) as check:
        check.communicate()
    assert check.returncode == 1
    settle(lambda: leaves_nothing(tmp_path), what="nothing left")
