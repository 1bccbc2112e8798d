"""A class graded by a cluster: a real scheduler and two real workers, one of which is killed in the middle."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from selftests.command_line import COMMAND, environment, preforkspec
from selftests.facts import settle
from subject import isolation

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(
    isolation.why_not_sandboxed() is not None, reason=f"no sandbox here: {isolation.why_not_sandboxed()}"
)

STUDENTS = 8
# Not built, and long enough about it for a worker to be killed meanwhile.
MAKEFILE = "prefork:\n\tsleep 1\n\tfalse {name}\n"


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """Give the address of a scheduler on loopback, and its two workers."""
    with ExitStack() as running:

        def start(*words: str) -> "subprocess.Popen[bytes]":
            log = running.enter_context((tmp_path / "log").open("ab"))
            program = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=tmp_path, env=environment(), stdout=log, stderr=log
            )
            running.callback(program.wait)
            running.callback(program.kill)
            return program

        known = tmp_path / "scheduler.json"
        start(
            "distributed.cli.dask_scheduler",
            *("--host", "127.0.0.1", "--port", "0"),
            *_QUIET,
            f"--scheduler-file={known}",
        )
        settle(lambda: known.exists() and known.read_text(encoding="utf-8").strip(), what="a scheduler")
        address = json.loads(known.read_text(encoding="utf-8"))["address"]
        workers = [
            start("distributed.cli.dask_worker", address, "--nthreads=1", "--no-nanny", "--host=127.0.0.1", *_QUIET)
            for _ in range(2)
        ]
        yield address, workers


_QUIET = ("--no-dashboard",)


def test_every_submission_is_graded_once_though_a_worker_is_killed(
    tmp_path: Path, scheduler: tuple[str, list["subprocess.Popen[bytes]"]]
) -> None:
    address, workers = scheduler
    handed_in, out = tmp_path / "handed in", tmp_path / "report"
    names = [f"student{number}" for number in range(STUDENTS)]
    for name in names:
        (handed_in / name).mkdir(parents=True)
        (handed_in / name / "Makefile").write_text(MAKEFILE.format(name=name), encoding="utf-8")
    grading = subprocess.Popen(
        [*COMMAND, "grade", str(handed_in), "--out", str(out), "--scheduler", address],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    results = out / "results"
    settle(lambda: grading.poll() is not None or list(results.glob("*.json")), what="a first result")
    workers[0].send_signal(signal.SIGKILL)
    said, _ = grading.communicate()
    assert grading.returncode == 0, said
    with (out / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        graded = {line["submission"]: line["outcome"] for line in csv.DictReader(file)}
    assert graded == dict.fromkeys(names, "not built")
    assert sorted(path.stem for path in results.iterdir()) == names
    assert [said.count(f"{name}: 0 of 100 (not built)") for name in names] == [1] * STUDENTS
    again = preforkspec("grade", str(handed_in), "--out", str(out), "--scheduler", address, cwd=tmp_path)
    assert f"{STUDENTS} submissions graded before, 0 to go" in again.err


@pytest.mark.parametrize(
    ("address", "expected"),
    [("nowhere", "expected the address of a Dask scheduler"), ("tcp://127.0.0.1:1", "Connection refused; expected")],
)
def test_without_a_scheduler_it_is_told_in_one_line(tmp_path: Path, address: str, expected: str) -> None:
    (tmp_path / "work" / "one").mkdir(parents=True)
    (tmp_path / "work" / "one" / "Makefile").touch()
    done = preforkspec("grade", "work", "--out", "report", "--scheduler", address, cwd=tmp_path)
    assert done.status == 2
    assert done.err.startswith(f"preforkspec grade: --scheduler {address}: {expected}")
    assert done.err.count("\n") == 1
