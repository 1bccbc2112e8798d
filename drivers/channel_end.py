"""One end of a channel, held for a moment: what waits there is read or only peeked at, and words are put in.

Never blocks, and changes no flag: O_NONBLOCK belongs to the open file, which is the server's.
"""

import array
import fcntl
import socket
import termios
from types import TracebackType
from typing import Self

from spec.event import Inode, Pid
from subject.duplicate import EndGone, SeatRefused, duplicate

__all__ = ["ChannelEnd", "EndGone", "SeatRefused"]

MOST = 65536  # bytes at once; a channel holds 278 one-byte messages


class ChannelEnd:
    """A duplicate of one end; use it with `with`, and shortly. Making it raises SeatRefused and EndGone."""

    __slots__ = ("_socket",)

    def __init__(self, pid: Pid, descriptor: int, *, inode: Inode | None = None) -> None:
        copy = duplicate(pid, descriptor, inode=inode)
        # The kind is told, or Python would ask the kernel three times.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=copy)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Give the duplicate's descriptor."""
        return self._socket.fileno()

    def send(self, data: bytes) -> bool:
        """Say something as the holder of this end; False where the other end is gone or has no room."""
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(data)
        except OSError:
            return False

    def peek(self) -> bytes:
        """See what waits at this end, and leave it; nothing also where the other end is gone."""
        return self._receive(socket.MSG_PEEK)

    def read(self) -> bytes:
        """Take what waits at this end, from its holder too."""
        return self._receive(0)

    def _receive(self, flag: int) -> bytes:
        try:
            return self._socket.recv(MOST, socket.MSG_DONTWAIT | flag)
        except OSError:  # nothing there, or the other end was closed with words of ours unread
            return b""

    def unread_by_peer(self) -> int:
        """Tell how much of what was sent from this end the other one has not read: 0 for all of it (SIOCOUTQ)."""
        count = array.array("i", [0])
        fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, count)
        return count[0]

    def close(self) -> None:
        """Let go."""
        self._socket.close()


def waiting_at(pid: Pid, descriptor: int, *, inode: Inode) -> bytes | None:
    """Give what waits at an end, and leave it there; None where its holder is gone. Raises SeatRefused."""
    try:
        with ChannelEnd(pid, descriptor, inode=inode) as end:
            return end.peek()
    except EndGone:
        return None
