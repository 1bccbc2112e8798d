"""Processes as `/proc` shows them: state, parent, descriptors, the system call they wait in, what they have run.

A process that ends while it is read is gone, not failed: the readers give None or nothing then. A zombie is ended.
Kept descriptors (`Stat`) make one look at a process cost microseconds: a file of `/proc` can be read again from its
start, and a descriptor of a process that is gone answers ESRCH.
"""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spec.epoll import Ran
from spec.event import Inode, Pid
from subject import processes

_TICKS = os.sysconf("SC_CLK_TCK")
# From <linux/sched.h>: set at the start of an exit, before descriptors are closed. A parent that sees the channel's
# end may have replaced the child before the child's state turns to zombie.
_PF_EXITING = 0x4

# The calls in which a server waits, by number: /proc/PID/syscall has no names.
_CALLS_BY_MACHINE: dict[str, dict[int, str]] = {
    "x86_64": {
        0: "read", 7: "poll", 23: "select", 35: "nanosleep", 43: "accept", 45: "recvfrom", 47: "recvmsg", 61: "wait4",
        34: "pause", 73: "flock", 72: "fcntl", 130: "rt_sigsuspend", 202: "futex", 230: "clock_nanosleep",
        232: "epoll_wait",
        270: "pselect6", 271: "ppoll", 281: "epoll_wait", 288: "accept", 441: "epoll_wait", 65: "semop",
        220: "semtimedop",
        247: "waitid", 128: "rt_sigtimedwait", 19: "readv",
    },
    "aarch64": {
        63: "read", 72: "pselect6", 73: "ppoll", 101: "nanosleep", 115: "clock_nanosleep", 202: "accept",
        207: "recvfrom",
        212: "recvmsg", 260: "wait4", 133: "rt_sigsuspend", 32: "flock", 25: "fcntl", 98: "futex", 22: "epoll_wait",
        242: "accept", 441: "epoll_wait", 193: "semop", 192: "semtimedop", 95: "waitid",
        137: "rt_sigtimedwait", 65: "readv",
    },
}  # fmt: skip
_CALLS = _CALLS_BY_MACHINE.get(platform.machine(), {})


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a process: is it ended, is it a zombie, who is its parent, how many page faults its dead had.

    `asleep` tells that its main thread waits for something, and can be woken by a signal.
    """

    ended: bool
    zombie: bool
    parent: Pid
    reaped_faults: int
    asleep: bool = False


_GONE = Look(ended=True, zombie=False, parent=Pid(0), reaped_faults=0)


class Stat:
    """A kept descriptor of `/proc/PID/stat`."""

    __slots__ = ("_descriptor", "pid")

    def __init__(self, pid: Pid) -> None:
        self.pid = pid
        try:
            self._descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    def look(self) -> Look:
        """Read the process's state now."""
        if self._descriptor < 0:
            return _GONE
        try:
            text = os.pread(self._descriptor, 1024, 0)
        except OSError:
            return _GONE
        # The name, in brackets, may hold spaces and brackets itself.
        fields = text[text.rindex(b")") + 2 :].split(b" ", 10)
        zombie = fields[0] in (b"Z", b"X")
        return Look(
            ended=zombie or bool(int(fields[6]) & _PF_EXITING),
            zombie=zombie,
            parent=Pid(int(fields[1])),
            reaped_faults=int(fields[8]),
            asleep=fields[0] == b"S",
        )

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def look(pid: Pid) -> Look:
    """Look at a process once."""
    stat = Stat(pid)
    try:
        return stat.look()
    finally:
        stat.close()


def pid_inside(pid: Pid) -> Pid:
    """Give the pid by which a process knows itself, in its own pid namespace; 0 for one that is gone."""
    try:
        lines = processes.read(f"/proc/{pid}/status").splitlines()
    except OSError:
        return Pid(0)
    return next((Pid(int(line.split()[-1])) for line in lines if line.startswith(b"NSpid:")), pid)


def children(pid: Pid) -> list[Pid]:
    """Give the children of all threads of a process, zombies too, in the order in which they were forked."""
    return [Pid(each) for each in processes.children(pid)]


def has_thread(pid: Pid, thread: Pid) -> bool:
    """Tell whether a thread, by its id, is one of a process; its first has the process's own id."""
    return os.access(f"/proc/{pid}/task/{thread}", os.F_OK)


def descendants(root: Pid) -> list[Pid]:
    """Give all processes below `root`, zombies too, parents first."""
    return [Pid(each) for each in processes.descendants(root)]


def descriptors(pid: Pid) -> dict[int, str]:
    """Give what each descriptor of a process refers to, as in `socket:[123]`; nothing for one that is gone.

    Raises PermissionError where the system refuses to show them.
    """
    found: dict[int, str] = {}
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
            except (FileNotFoundError, ProcessLookupError):
                continue
    except (FileNotFoundError, ProcessLookupError):
        pass
    except PermissionError:
        # What is left of a process that has ended belongs to root: nothing to see there, and nothing refused.
        if not look(pid).ended:
            raise
        return {}
    return found


def sockets(pid: Pid) -> dict[Inode, int]:
    """Give the sockets that a process has open, each with a descriptor of it. Raises as `descriptors` does."""
    return sockets_among(descriptors(pid))


def sockets_among(links: Mapping[int, str]) -> dict[Inode, int]:
    """Pick the sockets out of what `descriptors` gave."""
    return {Inode(int(link[8:-1])): number for number, link in links.items() if link.startswith("socket:[")}


def socket_inodes(pid: Pid) -> frozenset[Inode]:
    """Give the inodes of the sockets that a process has open."""
    return frozenset(sockets(pid))


def pipe_inodes(pid: Pid) -> frozenset[Inode]:
    """Give the inodes of the pipes that a process has open."""
    links = descriptors(pid).values()
    return frozenset(Inode(int(link[6:-1])) for link in links if link.startswith("pipe:["))


def waiting_calls(pid: Pid) -> frozenset[str]:
    """Give the system calls that the threads of a process are in now, by name; a running thread gives `running`.

    Raises PermissionError where the system refuses to show them.
    """
    calls: set[str] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            text = Path(f"/proc/{pid}/task/{thread}/syscall").read_text(encoding="ascii")
            number = text.split(" ", 1)[0].strip()
            calls.add(number if not number.lstrip("-").isdigit() else _CALLS.get(int(number), f"system call {number}"))
    except (FileNotFoundError, ProcessLookupError):
        pass
    except PermissionError:  # as for descriptors
        if not look(pid).ended:
            raise
    return frozenset(calls)


def calls_are_known() -> bool:
    """Tell whether the numbers of system calls can be put into names on this machine."""
    return bool(_CALLS)


def voluntary_switches(pid: Pid) -> int:
    """Count how often the threads of a process went to sleep by themselves; 0 for one that is gone."""
    count = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            text = Path(f"/proc/{pid}/task/{thread}/status").read_bytes()
            count += int(text[text.rindex(b"\nvoluntary_ctxt_switches:") :].split(None, 2)[1])
    except (OSError, ValueError):
        pass
    return count


def ran(pid: Pid) -> Ran:
    """Give the seconds that the threads of a process have run, and stood in line to run; 0 for one that is gone."""
    used = in_line = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            fields = Path(f"/proc/{pid}/task/{thread}/schedstat").read_text(encoding="ascii").split()
            used, in_line = used + int(fields[0]), in_line + int(fields[1])
    except (OSError, IndexError):
        pass
    return Ran(used / 1e9, in_line / 1e9, voluntary_switches(pid))
