"""What a command of ours has left: the processes that carry its mark, and its temporary folders."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selftests.command_line import COMMAND, environment

MARK = "PREFORKSPEC_SELFTEST"  # in the environment of all that a command starts


def processes(folder: Path, *, saying: str = "") -> list[int]:
    """Give the live processes that carry the folder's name, those with a word in their command line."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            carries = mark in (entry / "environ").read_bytes().split(b"\0")
            if carries and saying.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def leaves_nothing(folder: Path) -> bool:
    """Tell whether no process and no folder of a run is left."""
    return not processes(folder) and not list(folder.glob("preforkspec-*"))


@contextmanager
def started(folder: Path, *arguments: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a session of its own, with its files in `folder`; all of it carries the folder's name."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment({MARK: str(folder), "TMPDIR": str(folder), "TERM": "xterm"}),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder to which the sandbox's user gets; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="open-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        yield folder
