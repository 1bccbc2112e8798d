"""Submissions that attack whoever grades them: each is held in its sandbox, on either rung, and leaves nothing behind.

On the rung *partial* nobody has namespaces here, as on a machine that refuses them.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grading import submissions
from grading.laying_out import LaidOut
from grading.submissions import Submission
from observers import procfs
from selftests.facts import settle
from selftests.leftovers import open_folder
from spec.event import Pid
from subject import isolation
from subject.build import BuildFailed, build
from subject.launch import Launch, Order
from subject.profile import UNTRUSTED, Profile
from subject.sandbox import FULL, PARTIAL, Sandbox, hand_over

ATTACKS = Path(__file__).with_name("attacks")
COMPILE = "cc -O1 -o prefork ./*.c"
RAN_FOR = 1.0  # seconds
MIB = 1 << 20

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler, and the attacks are in C")
WHY_NOT = {FULL: isolation.why_not_sandboxed, PARTIAL: isolation.why_not_partly}


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Give a folder to which the sandbox's user gets."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(params=[FULL, PARTIAL])
def rung(request: pytest.FixtureRequest) -> str:
    """Give each rung that can be had here."""
    asked: str = request.param
    if (why := WHY_NOT[asked]()) is not None:
        pytest.skip(f"no {asked} sandbox here: {why}")
    return asked


@contextmanager
def attack(name: str, open_path: Path, rung: str, *, memory: int = 512 * MIB) -> Iterator[Launch]:
    """Build an attack in a sandbox, and launch it in another."""
    folder, built = open_path / "handed in", LaidOut(open_path / "built")
    for each in (folder, built.folder):
        each.mkdir()
    laid_out = submissions.lay_out(Submission(name, ATTACKS / name), folder)
    profile = Profile(command="./prefork {port}", build=COMPILE)
    hand_over(laid_out.folder, rung)
    build(profile.sandboxed(laid_out.folder, rung=rung), then=lambda made: submissions.copy(made, built))
    hand_over(built.folder, rung)
    sandbox = Sandbox(folder=str(built.folder), memory=memory, rung=rung)
    order = Order(argv=["./prefork"], cwd=Path(sandbox.home), env=UNTRUSTED, sandbox=sandbox, isolate=rung == FULL)
    with Launch(order) as launch:
        yield launch
        left = [launch.init, *procfs.descendants(launch.warden)]
    assert all(procfs.look(pid).ended for pid in left)


def below(launch: Launch) -> list[Pid]:
    """Give the live processes of the subject."""
    return [
        pid
        for pid in procfs.descendants(launch.warden)
        if not (launch.isolated and pid == launch.init) and not procfs.look(pid).ended
    ]


def test_one_that_forks_without_end_is_ended_for_it_and_has_only_so_many_until_then(open_path: Path, rung: str) -> None:
    limits = Sandbox(folder="")
    with attack("fork-bomb", open_path, rung) as launch:
        counts = [0]

        def ended_for() -> str | None:
            counts.append(len(below(launch)))
            return launch.report().ended_for

        settle(ended_for, what="its end")
        assert max(counts) <= limits.threads
        assert re.fullmatch(rf"it had \d+ processes, more than {limits.processes}", launch.report().ended_for or "")


def test_one_that_takes_all_memory_is_ended_for_it(open_path: Path, rung: str) -> None:
    with attack("memory-bomb", open_path, rung, memory=256 * MIB) as launch:
        settle(lambda: launch.report().ended_for, what="its end")
        assert re.fullmatch(r"it used \d+ MiB of memory, more than 256", launch.report().ended_for or "")


def test_one_that_fills_every_place_fills_its_own_and_no_disk(open_path: Path, rung: str) -> None:
    with attack("disk-filler", open_path, rung) as launch:
        if rung == PARTIAL:
            settle(lambda: launch.report().ended_for, what="its end")
            assert re.fullmatch(r"its folder has \d+ MiB, more than 128", launch.report().ended_for or "")
            return
        home = Path(f"/proc/{launch.init}/root/tmp")
        settle(lambda: shutil.disk_usage(home).free < MIB, what="a full place")
        assert sum(path.lstat().st_blocks * 512 for path in open_path.rglob("*")) < MIB
        assert shutil.disk_usage(home).total <= Sandbox(folder="").scratch


def test_of_one_that_writes_without_end_the_last_words_are_kept(open_path: Path, rung: str) -> None:
    with attack("output-flood", open_path, rung) as launch:
        settle(lambda: launch.report(output=False).written > 64 * MIB, what="much output")
        assert len(launch.report().output) <= 64 * 1024
        rss = int(Path(f"/proc/{launch.warden}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGESIZE"
        )
        assert rss < 64 * MIB


def test_one_that_kills_everybody_reaches_nobody(open_path: Path, rung: str) -> None:
    with attack("kill-all", open_path, rung) as launch:
        settle(lambda: below(launch), what="the subject")
        (pid,) = below(launch)
        settle(lambda: procfs.ran(pid).used > RAN_FOR, what="its having killed for a second")
        assert not procfs.look(launch.warden).ended
        assert not procfs.look(launch.init).ended
        assert launch.report().status is None


def test_a_daemon_ends_with_its_launch(open_path: Path, rung: str) -> None:
    with attack("daemon", open_path, rung) as launch:
        settle(lambda: launch.report().status == 0, what="the end of its parent")
        settle(lambda: len(below(launch)) == 1, what="the daemon alone")


def test_one_that_reads_finds_its_own_files_and_the_systems(
    open_path: Path, rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFORKSPEC_TEST_SECRET", "secret")
    with attack("reader", open_path, rung) as launch:
        settle(lambda: launch.report().status is not None, what="its end")
        said = launch.report().output.splitlines()
    if rung == PARTIAL:
        # Who runs what can be seen, as by anybody.
        said = [line for line in said if not line.startswith("READ /proc/1/cmdline: ")]
        assert said == []
    listed = {line.removeprefix("LISTED ").replace("../", "/") for line in said if line.startswith("LISTED")}
    allowed = {*("bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "mnt", "opt", "proc", "root", "run")}
    allowed |= {"sbin", "srv", "submission", "tmp", "usr", "var"}
    assert listed <= {f"/{name}" for name in allowed} | {"/var/tmp"}
    assert [line for line in said if line.startswith("READ")] == []


def test_one_that_writes_changes_nothing_but_its_own(open_path: Path, rung: str) -> None:
    with attack("writer", open_path, rung) as launch:
        settle(lambda: launch.report().status is not None, what="its end")
        assert launch.report().output == ""


def test_one_that_calls_out_reaches_nobody(open_path: Path, rung: str) -> None:
    with attack("caller", open_path, rung) as launch:
        settle(lambda: launch.report().status is not None, what="its end")
        assert launch.report().output == ""


def test_a_build_without_end_is_ended_and_told(open_path: Path, rung: str) -> None:
    folder = open_path / "handed in"
    folder.mkdir()
    laid_out = submissions.lay_out(Submission("endless", ATTACKS / "endless-build"), folder)
    profile = Profile(command="./prefork {port}", build="make").sandboxed(laid_out.folder, rung=rung)
    with pytest.raises(BuildFailed, match="was not done after 1 s"):
        build(profile, within=1.0)


def test_what_a_build_leaves_running_ends_with_it(open_path: Path, rung: str) -> None:
    folder = open_path / "handed in"
    folder.mkdir()
    laid_out = submissions.lay_out(Submission("leaving", ATTACKS / "leaving-build"), folder)
    profile = Profile(command="./prefork {port}", build="make").sandboxed(laid_out.folder, rung=rung)
    with pytest.raises(BuildFailed, match="ended with status 2"):
        build(profile)
    assert not [pid for pid in procfs.descendants(Pid(os.getpid())) if not procfs.look(pid).ended]


def test_one_that_meddles_with_limits_keys_and_namespaces_can_not(open_path: Path, rung: str) -> None:
    with attack("meddler", open_path, rung) as launch:
        settle(lambda: launch.report().status is not None, what="its end")
        assert launch.report().output == ""
        assert not procfs.look(launch.warden).ended


def test_nobody_is_left_of_a_build_when_what_it_made_is_looked_at(open_path: Path, rung: str) -> None:
    folder = open_path / "handed in"
    folder.mkdir()
    (folder / "Makefile").write_text("prefork:\n\tsetsid sleep 1000000 & touch prefork\n", encoding="utf-8")
    hand_over(folder, rung)
    left: list[Pid] = []

    def look(_made: Path) -> None:
        everyone = [pid for pid in procfs.descendants(Pid(os.getpid())) if not procfs.look(pid).ended]
        left.extend(pid for pid in everyone if b"sleep" in Path(f"/proc/{pid}/cmdline").read_bytes())

    build(Profile(command="./prefork {port}", build="make").sandboxed(folder, rung=rung), then=look)
    assert left == []
