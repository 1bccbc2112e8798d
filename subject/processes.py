"""What the kernel says of processes: the line that it keeps of each, and who is whose child.

Standard library only, like the warden, who counts and ends processes by it; the observers look by it as well. A process
may be gone at any moment.
"""

import os


def read(path: str) -> bytes:
    """Read a file of /proc at once. Raises OSError.

    A newborn's first steps are short, and a Path would cost as much as the look itself.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def fields(path: str) -> list[bytes]:
    """Give what a `stat` file has after the process's name: its state, its parent … Raises OSError.

    As bytes, from the last bracket on: a process names itself as it likes.
    """
    return read(path).rpartition(b")")[2].split()


def children(pid: int) -> list[int]:
    """Give the children of all threads of a process, zombies too, in the order in which they were forked."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        pass
    return found


def descendants(root: int) -> list[int]:
    """Give the pids of all processes below `root`, zombies too, parents first."""
    # Each once: who loses its parent meanwhile is found below another.
    found = {root: None}
    ahead = [root]
    for pid in ahead:
        new = [each for each in children(pid) if each not in found]
        ahead += new
        found |= dict.fromkeys(new)
    return ahead[1:]
