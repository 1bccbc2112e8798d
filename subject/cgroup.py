"""A control group of a launch's own, where one can be made: the kernel counts its memory and its processes there.

Standard library only, like the warden, who makes it before it gives up what rights it has. Only the second version, and
only where controllers were delegated to the group that we are in; elsewhere the warden counts (`warden.py`). Who may
remove it is whoever could make it: the suite, at the launch's end.
"""

import os
from typing import Any

OWN, MOUNTS = "/proc/self/cgroup", "/proc/self/mountinfo"
PREFIX = "preforkspec-"


class Group:
    """One group, made; `path` is its folder."""

    def __init__(self, path: str, told: dict[str, Any]) -> None:
        """Set the limits that the group has controllers for. Raises OSError."""
        self.path = path
        with open(f"{path}/cgroup.controllers") as file:
            known = file.read().split()
        self.limits_memory = "memory" in known
        if self.limits_memory:
            _write(f"{path}/memory.max", told["memory"])
            _write(f"{path}/memory.oom.group", 1)
            if os.path.exists(f"{path}/memory.swap.max"):
                _write(f"{path}/memory.swap.max", 0)
        if "pids" in known:
            _write(f"{path}/pids.max", told["threads"])
        self.is_of_use = bool({"memory", "pids"} & set(known))
        # Kept open: the rights of whoever opened it are what counts, and the warden will have given up its own.
        self._members = os.open(f"{path}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def enter(self) -> None:
        """Move this process into the group, and with it all that come of it.

        Before Linux 5.16 the rights of whoever writes count, too; where they do not do, the warden's count has to.
        """
        try:
            os.write(self._members, b"0")
        except OSError:
            pass

    def close(self) -> None:
        """Let go of the group; it stays until it is removed."""
        os.close(self._members)

    def has_run_out(self) -> bool:
        """Tell whether processes were killed there, as their memory ran out."""
        if not self.limits_memory:
            return False
        with open(f"{self.path}/memory.events") as file:
            return any(line.split()[0] == "oom_kill" and int(line.split()[1]) > 0 for line in file)


def make(told: dict[str, Any], *, below: str | None = None) -> Group | None:
    """Make a group below the one that this process is in; None where that can't be, or would limit nothing."""
    try:
        below = own() if below is None else below
        if below is None:
            return None
        sweep(below)
        path = f"{below}/{PREFIX}{os.getpid()}"
        os.mkdir(path)
    except OSError:
        return None
    try:
        group = Group(path, told)
    except OSError:
        remove(path)
        return None
    if group.is_of_use:
        return group
    group.close()
    remove(path)
    return None


def own() -> str | None:
    """Give the folder of the group that this process is in; None where the second version is not mounted."""
    with open(OWN) as file:
        paths = [line.rstrip("\n").split(":", 2)[2] for line in file if line.startswith("0::")]
    with open(MOUNTS) as file:
        places = [line.split(" ")[4] for line in file if line.partition(" - ")[2].startswith("cgroup2 ")]
    return places[0] + paths[0].rstrip("/") if paths and places else None


def sweep(below: str) -> None:
    """Remove the groups of launches whose suite was killed, and whose warden is gone."""
    for name in os.listdir(below):
        if name.startswith(PREFIX) and not os.path.exists(f"/proc/{name.removeprefix(PREFIX)}"):
            remove(f"{below}/{name}")


def remove(path: str) -> None:
    """Remove a group in which nobody is any more; nothing where somebody is."""
    try:
        os.rmdir(path)
    except OSError:
        pass


def _write(path: str, value: int) -> None:
    with open(path, "w") as file:
        file.write(str(value))
