"""Submissions that attack whoever grades them: each is held in its sandbox, and leaves nothing behind."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grading import submissions
from grading.submissions import LaidOut, Submission
from observers import procfs
from selftests.facts import settle
from spec.event import Pid
from subject import isolation, namespaces
from subject.build import BuildFailed, build
from subject.launch import Launch, Order
from subject.profile import UNTRUSTED, Profile
from subject.sandbox import HOME, Sandbox

ATTACKS = Path(__file__).with_name("attacks")
COMPILE = "cc -O1 -o prefork ./*.c"
RAN_FOR = 1.0  # seconds
MIB = 1 << 20

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler, and the attacks are in C"),
    pytest.mark.skipif(
        isolation.why_not_sandboxed() is not None, reason=f"no sandbox here: {isolation.why_not_sandboxed()}"
    ),
]


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Give a folder to which the sandbox's user gets; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def attack(name: str, open_path: Path, *, memory: int = 512 * MIB) -> Iterator[Launch]:
    """Build an attack in a sandbox, and launch it in another."""
    folder, built = open_path / "handed in", LaidOut(open_path / "built")
    for each in (folder, built.folder):
        each.mkdir()
    laid_out = submissions.lay_out(Submission(name, ATTACKS / name), folder)
    profile = Profile(command="./prefork {port}", build=COMPILE)
    build(profile.sandboxed(laid_out.folder), then=lambda made: submissions.copy(made, built))
    sandbox = Sandbox(folder=str(built.folder), memory=memory)
    with Launch(Order(argv=["./prefork"], cwd=Path(HOME), env=UNTRUSTED, sandbox=sandbox)) as launch:
        yield launch
        left = [launch.init, *procfs.descendants(launch.init)]
    assert all(procfs.look(pid).ended for pid in left)


def test_one_that_forks_without_end_has_so_many_processes_and_no_more(open_path: Path) -> None:
    most = Sandbox(folder="").processes
    with attack("fork-bomb", open_path) as launch:
        settle(lambda: namespaces.count_processes(launch.init, isolated=True) > most // 2, what="many processes")
        counts = [namespaces.count_processes(launch.init, isolated=True) for _ in range(50)]
        assert max(counts) <= most + 2


def test_one_that_takes_all_memory_is_ended_for_it(open_path: Path) -> None:
    with attack("memory-bomb", open_path, memory=256 * MIB) as launch:
        settle(lambda: launch.report().ended_for, what="its end")
        assert re.fullmatch(r"it used \d+ MiB of memory, more than 256", launch.report().ended_for or "")


def test_one_that_fills_every_place_fills_its_own_and_no_disk(open_path: Path) -> None:
    before = shutil.disk_usage("/").free
    with attack("disk-filler", open_path) as launch:
        home = Path(f"/proc/{launch.init}/root/tmp")
        settle(lambda: shutil.disk_usage(home).free < MIB, what="a full place")
        assert before - shutil.disk_usage("/").free < 64 * MIB
        assert shutil.disk_usage(home).total <= Sandbox(folder="").scratch


def test_of_one_that_writes_without_end_the_last_words_are_kept(open_path: Path) -> None:
    with attack("output-flood", open_path) as launch:
        settle(lambda: launch.report(output=False).written > 64 * MIB, what="much output")
        assert len(launch.report().output) <= 64 * 1024
        rss = int(Path(f"/proc/{launch.warden}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGESIZE"
        )
        assert rss < 64 * MIB


def test_one_that_kills_everybody_reaches_nobody(open_path: Path) -> None:
    with attack("kill-all", open_path) as launch:
        settle(lambda: procfs.descendants(launch.init), what="the subject")
        (pid,) = procfs.descendants(launch.init)
        settle(lambda: procfs.ran(pid).used > RAN_FOR, what="its having killed for a second")
        assert not procfs.look(launch.warden).ended
        assert not procfs.look(launch.init).ended
        assert launch.report().status is None


def test_a_daemon_ends_with_its_launch(open_path: Path) -> None:
    with attack("daemon", open_path) as launch:
        settle(lambda: launch.report().status == 0, what="the end of its parent")
        settle(lambda: len(procfs.descendants(launch.init)) == 1, what="the daemon alone")


def test_one_that_reads_finds_its_own_files_and_the_systems(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFORKSPEC_TEST_SECRET", "secret")
    with attack("reader", open_path) as launch:
        settle(lambda: launch.report().status is not None, what="its end")
        said = launch.report().output.splitlines()
    listed = {line.removeprefix("LISTED ").replace("../", "/") for line in said if line.startswith("LISTED")}
    allowed = {*("bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "mnt", "opt", "proc", "root", "run")}
    allowed |= {"sbin", "srv", "submission", "tmp", "usr", "var"}
    assert listed <= {f"/{name}" for name in allowed} | {"/var/tmp"}
    assert [line for line in said if line.startswith("READ")] == []


def test_one_that_writes_changes_nothing_but_its_own(open_path: Path) -> None:
    with attack("writer", open_path) as launch:
        settle(lambda: launch.report().status is not None, what="its end")
        assert launch.report().output == ""


def test_one_that_calls_out_reaches_nobody(open_path: Path) -> None:
    with attack("caller", open_path) as launch:
        settle(lambda: launch.report().status is not None, what="its end")
        assert launch.report().output == ""


def test_a_build_without_end_is_ended_and_told(open_path: Path) -> None:
    folder = open_path / "handed in"
    folder.mkdir()
    laid_out = submissions.lay_out(Submission("endless", ATTACKS / "endless-build"), folder)
    profile = Profile(command="./prefork {port}", build="make").sandboxed(laid_out.folder)
    with pytest.raises(BuildFailed, match="was not done after 1 s"):
        build(profile, within=1.0)


def test_what_a_build_leaves_running_ends_with_it(open_path: Path) -> None:
    folder = open_path / "handed in"
    folder.mkdir()
    laid_out = submissions.lay_out(Submission("leaving", ATTACKS / "leaving-build"), folder)
    profile = Profile(command="./prefork {port}", build="make").sandboxed(laid_out.folder)
    with pytest.raises(BuildFailed, match="ended with status 2"):
        build(profile)
    assert not [pid for pid in procfs.descendants(Pid(os.getpid())) if not procfs.look(pid).ended]
