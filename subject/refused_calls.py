"""Calls that are refused outright on the rung *partial*: what Landlock leaves open. A filter of seccomp, without ears.

Standard library only, like the warden. Called by the subject-to-be. A server needs sockets of TCP, and pairs of UNIX
sockets, which socketpair() makes. By a UNIX socket of its own it would reach every service of the user's that listens
in the file system, a session's bus or an ssh agent; by datagrams, and by the ways around connect(), the network.
"""

import ctypes
import errno
import os
import struct

from subject.kernel import libc
from subject.syscall_filter import (
    ALLOW,
    ARCHITECTURE,
    ARCHITECTURE_AT,
    JUMP_BITS,
    JUMP_EQUAL,
    LOAD,
    NUMBER_AT,
    RETURN,
    SECCOMP,
    SET_MODE_FILTER,
)

_JUMP_AT_LEAST, _AND = 0x35, 0x54
_REFUSE = 0x0005_0000 | errno.EACCES
_FIRST_OF_X32 = 0x4000_0000
_MSG_FASTOPEN = 0x2000_0000  # a connection that Landlock is not asked about
_AF_INET, _AF_INET6, _AF_NETLINK = 2, 10, 16
_SOCK_STREAM, _TYPE_BITS, _TCP = 1, 0xF, 6
# By the machine: socket, those with flags in their third and fourth argument, io_uring_setup (which does all of it).
_NUMBERS = {
    "x86_64": (41, (46,), (44, 307), 425),
    "aarch64": (198, (211,), (206, 269), 425),
}


def argument_at(number: int) -> int:
    """Give where an argument's lower half stands, from 0 on, in what a filter is shown."""
    return 16 + 8 * number


def program() -> list[tuple[int, int, int, int]]:
    """Write the filter, as (code, jump if true, jump if false, value)."""
    socket, third, fourth, ring = _NUMBERS[os.uname().machine]
    # Parts with names; a jump is to a part, or on to the next line.
    parts: dict[str, list[tuple[int, str, str, int]]] = {
        "start": [
            (LOAD, "", "", ARCHITECTURE_AT),
            (JUMP_EQUAL, "", "refuse", ARCHITECTURE),
            (LOAD, "", "", NUMBER_AT),
            (_JUMP_AT_LEAST, "refuse", "", _FIRST_OF_X32),
            (JUMP_EQUAL, "refuse", "", ring),
            (JUMP_EQUAL, "family", "", socket),
            *((JUMP_EQUAL, "third", "", number) for number in third),
            *((JUMP_EQUAL, "fourth", "", number) for number in fourth),
            (RETURN, "", "", ALLOW),
        ],
        "family": [
            (LOAD, "", "", argument_at(0)),
            (JUMP_EQUAL, "allow", "", _AF_NETLINK),
            (JUMP_EQUAL, "kind", "", _AF_INET),
            (JUMP_EQUAL, "kind", "refuse", _AF_INET6),
        ],
        "kind": [
            (LOAD, "", "", argument_at(1)),
            (_AND, "", "", _TYPE_BITS),
            (JUMP_EQUAL, "", "refuse", _SOCK_STREAM),
            (LOAD, "", "", argument_at(2)),
            (JUMP_EQUAL, "allow", "", 0),
            (JUMP_EQUAL, "allow", "refuse", _TCP),
        ],
        "third": [(LOAD, "", "", argument_at(2)), (JUMP_BITS, "refuse", "allow", _MSG_FASTOPEN)],
        "fourth": [(LOAD, "", "", argument_at(3)), (JUMP_BITS, "refuse", "allow", _MSG_FASTOPEN)],
        "allow": [(RETURN, "", "", ALLOW)],
        "refuse": [(RETURN, "", "", _REFUSE)],
    }
    places: dict[str, int] = {}
    lines: list[tuple[int, str, str, int]] = []
    for name, part in parts.items():
        places[name] = len(lines)
        lines += part

    def jump(place: int, target: str) -> int:
        return places[target] - place - 1 if target else 0

    return [(code, jump(at, yes), jump(at, no), value) for at, (code, yes, no, value) in enumerate(lines)]


def are_known() -> bool:
    """Tell whether this architecture's numbers are known."""
    return os.uname().machine in _NUMBERS


def install() -> None:
    """Have them refused to this process, which can gain no privileges, and to all that comes of it. Raises OSError."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program())
    kept = ctypes.create_string_buffer(code, len(code))
    told = struct.pack("HP", len(code) // 8, ctypes.addressof(kept))
    if int(libc.syscall(SECCOMP, SET_MODE_FILTER, ctypes.c_ulong(0), told)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "seccomp")
