"""How processes wait: their epoll descriptors, what those watch, and the channels that they may lead to.

The kernel lists an epoll's entries in `/proc/PID/fdinfo/FD`; two descriptors of different processes are compared by
kcmp, since all epolls share one anonymous inode.
"""

import ctypes
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from observers import procfs
from observers.sock_diag import SockDiag
from spec.epoll import Waiting, Watched
from spec.event import Inode, Pid

_ENTRY = re.compile(r"^tfd:\s*\d+ events:\s*([0-9a-f]+) .*ino:([0-9a-f]+)", re.MULTILINE)
_KCMP = {"x86_64": 312, "aarch64": 272}.get(platform.machine())
_KCMP_FILE = 0
_libc = ctypes.CDLL(None, use_errno=True)


def epolls(pid: Pid) -> dict[int, tuple[Watched, ...]]:
    """Give the interest list of each epoll descriptor of a process. Raises PermissionError."""
    found = {}
    for descriptor, link in procfs.descriptors(pid).items():
        if link == "anon_inode:[eventpoll]":
            try:
                text = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):
                continue
            except PermissionError:
                if not procfs.look(pid).ended:
                    raise
                continue
            found[descriptor] = tuple(
                Watched(Inode(int(inode, 16)), int(events, 16)) for events, inode in _ENTRY.findall(text)
            )
    return found


def same_file(one: Pid, descriptor: int, other: Pid, other_descriptor: int) -> bool:
    """Tell whether two descriptors refer to one open file; False where the kernel can't say."""
    if _KCMP is None:
        return False
    return bool(_libc.syscall(_KCMP, one, other, _KCMP_FILE, descriptor, other_descriptor) == 0)


def waiting(
    parent: Pid, children: Iterable[Pid], calls: Mapping[Pid, frozenset[str]], diag: SockDiag
) -> dict[Pid, Waiting]:
    """Tell how the parent and each of the children wait. `calls` are the system calls in which each was seen.

    Raises PermissionError where the system refuses to show descriptors.
    """
    children = list(children)
    peers = diag.unix_peers()
    lists = {pid: epolls(pid) for pid in [parent, *children]}
    parents_sockets = procfs.socket_inodes(parent)
    parents_pipes = procfs.pipe_inodes(parent)
    found = {}
    for pid in [parent, *children]:
        others = [
            (other, descriptor) for other, descriptors in lists.items() if other != pid for descriptor in descriptors
        ]
        own = {
            descriptor: entries
            for descriptor, entries in lists[pid].items()
            if pid == parent or not any(same_file(pid, descriptor, *other) for other in others)
        }
        channel: dict[Inode, Inode] = {}
        if pid != parent:
            sockets = procfs.socket_inodes(pid)
            channel = {inode: peers[inode] for inode in sockets if peers.get(inode) in parents_sockets}
            channel |= {inode: inode for inode in procfs.pipe_inodes(pid) & parents_pipes}
        found[pid] = Waiting(
            calls=calls.get(pid, frozenset()),
            epolls=tuple(own.values()),
            shared_epolls=len(lists[pid]) - len(own),
            channel=channel,
        )
    return found
