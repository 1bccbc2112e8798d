"""The filter that tells the warden of a subject's system calls: written, installed, and its listener handed over.

Standard library only, like the warden. The filter is installed in the subject's process just before exec, and belongs
to all that comes from it: interpreters, children, static binaries. It suspends each call of the chosen numbers until
whoever has the listener answers (`referee.py`). x32's calls have numbers of their own and i386's are of another
architecture: neither is ever suspended.
"""

import ctypes
import errno
import json
import os
import socket
import struct
from collections.abc import Sequence

from subject.kernel import libc

NAMES = ("accept", "epoll_ctl", "fork", "socketpair")
# By the machine: the kernel's name of it (AUDIT_ARCH), the number of seccomp, that of clone, and those of the calls.
_MACHINES: dict[str, tuple[int, int, int, dict[str, tuple[int, ...]]]] = {
    "x86_64": (
        *(0xC000_003E, 317, 56),
        {"accept": (43, 288), "epoll_ctl": (233,), "fork": (56, 57, 58, 435), "socketpair": (53,)},
    ),
    "aarch64": (
        *(0xC000_00B7, 277, 220),
        {"accept": (202, 242), "epoll_ctl": (21,), "fork": (220, 435), "socketpair": (199,)},
    ),
}
ARCHITECTURE, _SECCOMP, _CLONE, NUMBERS = _MACHINES.get(os.uname().machine, (0, 0, 0, {}))
CLONE_THREAD = 0x1_0000
EPOLL_CTL_ADD = 1

# <linux/filter.h>, <linux/seccomp.h>
LOAD, JUMP_EQUAL, JUMP_BITS, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT = 0, 4  # of struct seccomp_data; both machines are little-endian
_FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 16, 24
ALLOW, _NOTIFY = 0x7FFF_0000, 0x7FC0_0000
_SET_MODE_FILTER, _SPEC_ALLOW, _NEW_LISTENER, _WAIT_KILLABLE = 1, 1 << 2, 1 << 3, 1 << 5
_PR_SET_NO_NEW_PRIVS = 38

_FIRST_KERNEL = (5, 5)  # before, a call that was told could only be refused
HANDED_OVER_WITHIN = 10.0  # seconds; the mounts come before


def program(calls: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Write the filter, as (code, jump if true, jump if false, value): these calls are told, all others go on."""
    numbers = [number for call in calls for number in NUMBERS[call]]
    # After the numbers: allow; look at the flags of clone, where a thread's start goes on, and at what epoll_ctl is to
    # do, where all but an ADD goes on; notify; allow.
    after = len(numbers)
    targets = {_CLONE: after + 1, **dict.fromkeys(NUMBERS["epoll_ctl"], after + 3)}
    jumps = [(number, targets.get(number, after + 5) - place - 1) for place, number in enumerate(numbers)]
    return [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 0, after + 1, ARCHITECTURE),
        (LOAD, 0, 0, NUMBER_AT),
        *[(JUMP_EQUAL, jump, 0, number) for number, jump in jumps],
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (JUMP_BITS, 3, 2, CLONE_THREAD),
        (LOAD, 0, 0, _SECOND_ARGUMENT_AT),
        (JUMP_EQUAL, 0, 1, EPOLL_CTL_ADD),
        (RETURN, 0, 0, _NOTIFY),
        (RETURN, 0, 0, ALLOW),
    ]


def install(calls: Sequence[str]) -> int:
    """Have these calls of this process, and of all that come from it, told; gives the listener. Raises OSError."""
    release = os.uname().release
    if _version(release) < _FIRST_KERNEL:
        raise OSError(errno.ENOSYS, f"Linux 5.5 or later is needed, this is {release}")
    if not NUMBERS:
        raise OSError(errno.ENOSYS, "the numbers of this architecture's system calls are not known")
    # Without _WAIT_KILLABLE (5.19) any signal would interrupt a call that waits for its answer, even a fork.
    flags, privileged = _NEW_LISTENER | _SPEC_ALLOW | _WAIT_KILLABLE, True
    while True:
        try:
            return load(program(calls), flags)
        except OSError as refusal:
            if refusal.errno == errno.EINVAL and flags & _WAIT_KILLABLE:
                flags &= ~_WAIT_KILLABLE
            elif refusal.errno == errno.EACCES and privileged:
                # Without CAP_SYS_ADMIN it takes the promise never to gain privilege: only a set-uid server feels it.
                libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                privileged = False
            else:
                raise


def load(instructions: Sequence[tuple[int, int, int, int]], flags: int = 0) -> int:
    """Put a filter before the calls of this process, and of all that come from it; gives what the kernel gives.

    Raises OSError.
    """
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    kept = ctypes.create_string_buffer(code, len(code))
    told = struct.pack("HP", len(code) // 8, ctypes.addressof(kept))
    result = int(libc.syscall(_SECCOMP, _SET_MODE_FILTER, ctypes.c_ulong(flags), told))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "seccomp")
    return result


def _version(release: str) -> tuple[int, ...]:
    """Give the first two numbers of a kernel's release, as in `6.1-rc3` and `5.10.0+`."""
    parts = release.partition("-")[0].split(".")[:2]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts)


class HandOver:
    """The way of the listener from the subject's process to the warden; made before the fork."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def close(self) -> None:
        """Let go of both ends."""
        self._near.close()
        self._far.close()

    def give(self, calls: Sequence[str]) -> bool:
        """Install the filter, and pass the listener, or else the refusal: False. Runs in the subject's process."""
        try:
            listener = install(calls)
        except OSError as error:
            self._far.send(json.dumps([error.errno, error.strerror]).encode())
            return False
        socket.send_fds(self._far, [b"[]"], [listener])
        os.close(listener)
        self.close()
        return True

    def take(self) -> int:
        """Wait for the listener; raises OSError with the refusal, for the step `seccomp`. Runs in the warden."""
        self._far.close()
        self._near.settimeout(HANDED_OVER_WITHIN)
        try:
            told, descriptors, _, _ = socket.recv_fds(self._near, 1000, 1, socket.MSG_CMSG_CLOEXEC)
        except TimeoutError:
            told, descriptors = b"", []
        self._near.close()
        if descriptors:
            return descriptors[0]
        number, why = json.loads(told) if told else (errno.ECHILD, "the process did not get as far as its filter")
        raise OSError(number, why, "seccomp")
