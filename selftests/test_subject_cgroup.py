"""A control group for a launch: made where controllers are delegated, used, and removed; and left alone elsewhere.

What a kernel does in a group's folder is done here by hand, as hardly any machine lets a test have one.
"""

import os
from pathlib import Path

import pytest

from subject import cgroup
from subject.sandbox import Sandbox

TOLD = Sandbox(folder="/", memory=1 << 30, threads=512).told()
FILES = ("memory.max", "memory.swap.max", "memory.oom.group", "memory.events", "pids.max", "cgroup.procs")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fill each new folder as the kernel would, with these controllers; an emptied folder is one without members."""
    controllers = ["memory", "pids"]
    make, unmake = os.mkdir, os.rmdir

    def mkdir(path: str, *mode: int) -> None:
        make(path, *mode)
        Path(path, "cgroup.controllers").write_text(" ".join(controllers) + "\n", encoding="ascii")
        for name in FILES:
            Path(path, name).touch()

    def rmdir(path: str) -> None:
        for entry in Path(path).iterdir():
            entry.unlink()
        unmake(path)

    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.setattr(os, "rmdir", rmdir)
    return controllers


@pytest.mark.usefixtures("kernel")
def test_a_group_has_the_limits_of_the_sandbox_and_takes_in_who_enters(tmp_path: Path) -> None:
    group = cgroup.make(TOLD, below=str(tmp_path))
    assert group is not None
    made = Path(group.path)
    assert made.parent == tmp_path
    texts = {name: (made / name).read_text(encoding="ascii") for name in ("memory.max", "pids.max", "memory.swap.max")}
    assert texts == {"memory.max": str(1 << 30), "pids.max": "512", "memory.swap.max": "0"}
    group.enter()
    assert (made / "cgroup.procs").read_text(encoding="ascii") == "0"
    group.close()
    cgroup.remove(group.path)
    assert not made.exists()


@pytest.mark.usefixtures("kernel")
def test_who_runs_out_of_memory_there_is_told(tmp_path: Path) -> None:
    group = cgroup.make(TOLD, below=str(tmp_path))
    assert group is not None
    events = Path(group.path, "memory.events")
    events.write_text("low 0\noom 0\noom_kill 0\n", encoding="ascii")
    assert not group.has_run_out()
    events.write_text("low 0\noom 1\noom_kill 3\n", encoding="ascii")
    assert group.has_run_out()
    group.close()


def test_without_controllers_there_is_no_group_and_none_is_left(tmp_path: Path, kernel: list[str]) -> None:
    kernel.clear()
    assert cgroup.make(TOLD, below=str(tmp_path)) is None
    assert not list(tmp_path.iterdir())


def test_where_none_may_be_made_there_is_none(tmp_path: Path) -> None:
    assert cgroup.make(TOLD, below=str(tmp_path / "none")) is None


def test_what_a_killed_suite_has_left_is_removed_and_nothing_that_is_in_use(tmp_path: Path) -> None:
    in_use = f"preforkspec-{os.getppid()}"
    for name in (in_use, "preforkspec-0", "user.slice"):
        (tmp_path / name).mkdir()
    cgroup.sweep(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [in_use, "user.slice"]
