"""How the warden's side calls the kernel: by the C library, a refusal as OSError; and numbers that several need.

Standard library only, like the warden.
"""

import ctypes
import os
from typing import Any

CLONE_NEWNS = 0x0002_0000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> None:
    """Call a function that gives 0 where it succeeds. Raises OSError, with the function's name for a file's."""
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def mount(kind: str, where: str, flags: int, options: str = "") -> None:
    """Mount a file system that needs no device. Raises OSError."""
    call("mount", kind.encode(), where.encode(), kind.encode(), flags, options.encode())
