"""What is printed, and that printing does no harm: the terminal may be gone."""

import contextlib
import os

from reference_server.pool import BUSY, Pool


def note(text: str, fd: int = 2) -> None:
    """Say it on standard error, and who says it."""
    with contextlib.suppress(OSError):  # and past any buffer: what waits in one at a fork is printed twice
        os.write(fd, f"reference_server[{os.getpid()}]: {text}\n".encode())


def report(pool: Pool) -> None:
    """Print the pool's state on standard output: a line for the pool, and one for each child."""
    busy = sum(member.state == BUSY for member in pool.members.values())
    text = f"pool: {len(pool.members)} children, {pool.idle} idle, {busy} busy, {pool.served} connections served"
    for pid, member in pool.members.items():
        state = ("busy" if member.state == BUSY else "idle") + (", leaving" if member.leaving else "")
        text += f"\n  child {pid}: {state}, served {member.served}"
    note(text, fd=1)
