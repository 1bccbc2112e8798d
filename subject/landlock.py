"""Files, signals and connections that a process may have no more, without any namespace: Landlock, of Linux 6.12.

Standard library only, like the warden. Called by the subject-to-be on the rung *partial* (`confinement.py`): it and all
that comes of it open only what is listed here, signal nobody else, look into nobody else, and connect to nobody by TCP.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

from subject.kernel import libc

# The same on every architecture.
_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
ENOUGH = 6  # the version that keeps signals within

# <linux/landlock.h>
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
EVERYTHING = (1 << 15) - 1  # all of the third version; what ioctl() does to a device is none of it
_ON_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | 1 << 14
READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
CONNECT_TCP = 2
ABSTRACT_SOCKETS, SIGNALS = 1, 2


def version() -> int:
    """Give the version of Landlock that the kernel has; 0 where it has none."""
    return max(0, int(libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)))


def restrict(allowed: Iterable[tuple[str, int]]) -> None:
    """Let this process, which can gain no privileges, have of these paths what is said, and of others nothing.

    What is not there is left out. Raises OSError.
    """
    attributes = struct.pack("QQQ", EVERYTHING, CONNECT_TCP, ABSTRACT_SOCKETS | SIGNALS)
    rules = _asked(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    for path, access in allowed:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        possible = EVERYTHING if stat.S_ISDIR(os.fstat(place).st_mode) else _ON_A_FILE
        _asked(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", access & possible, place), 0)
        os.close(place)
    _asked(_RESTRICT, rules, 0)
    os.close(rules)


def _asked(number: int, *arguments: object) -> int:
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        failure = ctypes.get_errno()
        raise OSError(failure, os.strerror(failure), "landlock")
    return result
