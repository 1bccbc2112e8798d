"""What an untrusted launch is confined to, as the suite orders it; `confinement.py` sees to it."""

import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from subject.confinement import FULL, HOME, PARTIAL

FIRST_USER, USERS = 61_000, 4_000  # unknown to every system; those that exist are below 60,000

UNSANDBOXED = "none"
RUNGS = UNSANDBOXED, PARTIAL, FULL  # each holds more than the one before

__all__ = ["FULL", "HOME", "PARTIAL", "RUNGS", "UNSANDBOXED", "Sandbox", "hand_over"]


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """The limits of one launch. Sizes in bytes, time in seconds of processor time.

    On the rung *full*, `folder` is shown at `HOME`: what is written there goes to a tmpfs of the launch's own, and is
    gone with it. On *partial* it stays where it is, and what is written there, too.
    """

    folder: str
    rung: str = FULL
    scratch: int = 128 << 20
    memory: int = 1 << 30
    file_size: int = 64 << 20
    # The warden ends a launch that has more. The kernel refuses more threads of all of the user's processes at once;
    # as four launches of one user are possible at a time, it is more than four times the other: who forks without end
    # is ended, and does not go round in circles beside others.
    processes: int = 160
    threads: int = 768
    open_files: int = 1024
    processor_time: int = 600

    @property
    def home(self) -> str:
        """Where the subject finds its own files."""
        return HOME if self.rung == FULL else self.folder

    @property
    def user(self) -> int:
        """Who the subject is, where the suite is root: for each folder somebody else.

        Much is counted for each user of the kernel's: processes, descriptors on their way, watches. Who uses all that
        there is of it uses up nobody else's.
        """
        return FIRST_USER + zlib.crc32(self.folder.encode()) % USERS

    def told(self) -> dict[str, Any]:
        """Give the sandbox as plain values."""
        return asdict(self) | {"user": self.user}


def hand_over(folder: Path, rung: str) -> None:
    """Give a folder of ours, and all in it, to whoever the subject is, where it stays in place (the rung *partial*)."""
    if rung != PARTIAL or os.geteuid() != 0:
        return
    user = Sandbox(folder=str(folder), rung=rung).user
    os.lchown(folder, user, user)
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.lchown(os.path.join(where, name), user, user)  # noqa: PTH118 - as os.walk has it
