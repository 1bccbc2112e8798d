"""Calls that are refused outright to a subject that is not trusted: what namespaces and Landlock leave open.

Standard library only, like the warden. Called by the subject-to-be; a filter of seccomp, without ears. On either rung:
keys, which belong to a user and not to a namespace; limits of other processes, its warden's or a sibling's; sockets of
families that know no namespace. On the rung *partial* also UNIX sockets by name, which would reach every service of
the user's that listens in the file system; datagrams, and the ways around connect(), to the network; and the priorities
of others. A server needs sockets of TCP, and pairs of UNIX sockets.
"""

import errno
import os
from typing import NamedTuple

from subject.syscall_filter import (
    ALLOW,
    ARCHITECTURE,
    ARCHITECTURE_AT,
    JUMP_BITS,
    JUMP_EQUAL,
    LOAD,
    NUMBER_AT,
    RETURN,
    load,
)

_JUMP_AT_LEAST, _AND = 0x35, 0x54
_REFUSE = 0x0005_0000 | errno.EACCES
_FIRST_OF_X32 = 0x4000_0000
_MSG_FASTOPEN = 0x2000_0000  # a connection that Landlock is not asked about
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCK_STREAM, _SOCK_SEQPACKET, _TYPE_BITS, _TCP = 1, 5, 0xF, 6


class _Numbers(NamedTuple):
    """System calls by what is looked at in them."""

    socket: int
    socketpair: int
    prlimit: int
    never: tuple[int, ...]  # add_key, request_key, keyctl
    flags_third: tuple[int, ...]  # sendmsg
    flags_fourth: tuple[int, ...]  # sendto, sendmmsg
    elsewhere: tuple[int, ...]  # io_uring_setup, which does all of it, and unshare
    of_others: tuple[int, ...]  # sched_setparam, -setscheduler, -setaffinity, -setattr: 0 is oneself
    which_of_others: tuple[int, ...]  # setpriority, ioprio_set: the same in the second argument


_NUMBERS = {
    "x86_64": _Numbers(41, 53, 302, (248, 249, 250), (46,), (44, 307), (425, 272), (142, 144, 203, 314), (141, 251)),
    "aarch64": _Numbers(198, 199, 261, (217, 218, 219), (211,), (206, 269), (425, 97), (118, 119, 122, 274), (140, 30)),
}


def argument_at(number: int) -> int:
    """Give where an argument's lower half stands, from 0 on, in what a filter is shown."""
    return 16 + 8 * number


def program(*, partial: bool) -> list[tuple[int, int, int, int]]:
    """Write the filter, as (code, jump if true, jump if false, value)."""
    known = _NUMBERS[os.uname().machine]
    jumps = {"refuse": known.never, "limits": (known.prlimit,), "family": (known.socket,)}
    if partial:
        jumps |= {"pair": (known.socketpair,), "third": known.flags_third, "fourth": known.flags_fourth}
        jumps |= {"whose": known.of_others, "which": known.which_of_others, "refuse": (*known.never, *known.elsewhere)}
    # Parts with names; a jump is to a part, or on to the next line.
    parts: dict[str, list[tuple[int, str, str, int]]] = {
        "start": [
            (LOAD, "", "", ARCHITECTURE_AT),
            (JUMP_EQUAL, "", "refuse", ARCHITECTURE),
            (LOAD, "", "", NUMBER_AT),
            (_JUMP_AT_LEAST, "refuse", "", _FIRST_OF_X32),
            *((JUMP_EQUAL, part, "", number) for part, numbers in jumps.items() for number in numbers),
            (RETURN, "", "", ALLOW),
        ],
        # A limit of its own may be set; of others it may be asked.
        "limits": [
            (LOAD, "", "", argument_at(0)),
            (JUMP_EQUAL, "allow", "", 0),
            (LOAD, "", "", argument_at(2)),
            (JUMP_EQUAL, "", "refuse", 0),
            (LOAD, "", "", argument_at(2) + 4),
            (JUMP_EQUAL, "allow", "refuse", 0),
        ],
        "family": [
            (LOAD, "", "", argument_at(0)),
            (JUMP_EQUAL, "allow", "", _AF_NETLINK),
            (JUMP_EQUAL, "refuse" if partial else "allow", "", _AF_UNIX),
            (JUMP_EQUAL, "kind" if partial else "allow", "", _AF_INET),
            (JUMP_EQUAL, "kind" if partial else "allow", "refuse", _AF_INET6),
        ],
        "kind": [
            (LOAD, "", "", argument_at(1)),
            (_AND, "", "", _TYPE_BITS),
            (JUMP_EQUAL, "", "refuse", _SOCK_STREAM),
            (LOAD, "", "", argument_at(2)),
            (JUMP_EQUAL, "allow", "", 0),
            (JUMP_EQUAL, "allow", "refuse", _TCP),
        ],
        # A pair for datagrams can send to a name as well.
        "pair": [
            (LOAD, "", "", argument_at(1)),
            (_AND, "", "", _TYPE_BITS),
            (JUMP_EQUAL, "allow", "", _SOCK_STREAM),
            (JUMP_EQUAL, "allow", "refuse", _SOCK_SEQPACKET),
        ],
        "third": [(LOAD, "", "", argument_at(2)), (JUMP_BITS, "refuse", "allow", _MSG_FASTOPEN)],
        "fourth": [(LOAD, "", "", argument_at(3)), (JUMP_BITS, "refuse", "allow", _MSG_FASTOPEN)],
        "whose": [(LOAD, "", "", argument_at(0)), (JUMP_EQUAL, "allow", "refuse", 0)],
        "which": [(LOAD, "", "", argument_at(1)), (JUMP_EQUAL, "allow", "refuse", 0)],
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


def install(*, partial: bool) -> None:
    """Have them refused to this process, which can gain no privileges, and to all that comes of it. Raises OSError."""
    load(program(partial=partial))
