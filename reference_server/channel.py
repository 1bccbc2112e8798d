"""The channel: one pair of sockets between the parent and one child, and the three things said on it.

It has no name, so no stranger finds it. Each end has exactly one holder, which is worth some care: when that goes,
however it goes, the other reads end of file.
"""

import os
import socket

CONNECTED = b"C"  # child to parent: I have accepted a connection
FINISHED = b"F"  # child to parent: it has been serviced, I am idle
KILL = b"K"  # parent to child: end


def make_channel() -> tuple[int, int]:
    """Return the parent's end and the child's end: descriptors that never block. Raises OSError if none is left."""
    # Not socket objects: nothing but us may close an end, or keep one open, where end of file carries meaning.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    return ours.detach(), theirs.detach()


def hear(end: int) -> bytes | None:
    """Return what has been said, if anything, or None at end of file."""
    try:
        return os.read(end, 4096) or None
    except BlockingIOError:
        return b""
    except ConnectionResetError:  # the other side died with words of ours unread
        return None
