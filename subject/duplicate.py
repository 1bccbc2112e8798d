"""Duplicates of another process's descriptors, by `pidfd_getfd` (Linux 5.6): the way into the channel's seats.

Reaches descendants where the system lets them be traced, also into namespaces. A duplicate keeps the open file open: a
kept one of a channel's end would hide the death of the end's holder, so duplicates live inside a `with`.
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from spec.event import Inode, Pid
from subject.processes import fields

_PIDFD_GETFD = 438  # on every architecture
_PF_EXITING = 0x4
_libc = ctypes.CDLL(None, use_errno=True)

SEAT_HELP = (
    "sysctl kernel.yama.ptrace_scope 0 or 1, Linux 5.6 or later; in a container, a seccomp profile that lets "
    "pidfd_getfd pass (for example --cap-add SYS_PTRACE)"
)


class SeatRefused(Exception):
    """The system does not let the suite hold another process's descriptors; the text says why, and what would help."""


class EndGone(Exception):
    """The process is gone, or has closed the descriptor."""


@contextmanager
def duplicated(pid: Pid, descriptor: int, *, inode: Inode | None = None) -> Iterator[int]:
    """Hold a duplicate of a process's descriptor, which must refer to `inode` where one is given.

    Raises SeatRefused and EndGone.
    """
    copy = duplicate(pid, descriptor, inode=inode)
    try:
        yield copy
    finally:
        os.close(copy)


def duplicate(pid: Pid, descriptor: int, *, inode: Inode | None = None) -> int:
    """Make a duplicate, for its caller to close. Raises SeatRefused and EndGone."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        raise _told(error, pid) from error
    try:
        copy = int(_libc.syscall(_PIDFD_GETFD, pidfd, descriptor, 0))
        if copy < 0:
            number = ctypes.get_errno()
            raise _told(OSError(number, os.strerror(number)), pid)
    finally:
        os.close(pidfd)
    if inode is not None and os.fstat(copy).st_ino != inode:
        os.close(copy)
        raise EndGone(f"descriptor {descriptor} of process {pid} is another one now")
    return copy


def _told(error: OSError, pid: Pid) -> Exception:
    # One on its way out answers as it likes; nothing is refused there.
    if error.errno in (errno.ESRCH, errno.EBADF) or _is_ending(pid):
        return EndGone(f"process {pid} is gone, or has let go of the descriptor")
    return SeatRefused(f"pidfd_getfd is refused ({error.strerror}); what would help: {SEAT_HELP}")


def _is_ending(pid: Pid) -> bool:
    try:
        known = fields(f"/proc/{pid}/stat")
    except OSError:
        return True
    return known[0] in b"ZX" or bool(int(known[6]) & _PF_EXITING)
