"""The parent's seat: the parent is stopped, and the suite listens and speaks on its ends of the channels.

What is read here the parent never hears, so a launch whose parent's seat was taken is not given back. A stopped parent
disturbs nobody; its children go on as if it were busy.
"""

import fcntl
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from drivers.channel_end import ChannelEnd, EndGone, waiting_at
from spec.channel import Channel
from spec.event import Pid
from subject.stopping import stopped

F_SETSIG = 10  # <fcntl.h>, on every architecture

OnWords = Callable[[Pid, bytes], None]


def _tell_nobody(_child: Pid, _words: bytes) -> None:
    """Stand in where nobody wants to know."""


class ParentSeat:
    """Who sits in it hears every child. Each end is held for one look only: a kept one would hide an end's closing."""

    def __init__(self, parent: Pid, channels: Mapping[Pid, Channel]) -> None:
        self._parent = parent
        self._channels = channels
        self.heard: dict[Pid, bytearray] = {pid: bytearray() for pid in channels}
        self.on_heard: OnWords = _tell_nobody
        self.on_said: OnWords = _tell_nobody

    def hear(self, children: Iterable[Pid] | None = None) -> None:
        """Read what children have said since the last time; of all, or of some. Raises SeatRefused."""
        for pid in self._channels if children is None else children:
            with self._end(pid) as end:
                words = end.read()
            if words:
                self.heard[pid] += words
                self.on_heard(pid, words)

    @contextmanager
    def stopped_by_a_word(self, child: Pid) -> Iterator[Callable[[], bool]]:
        """Have the kernel stop a child in the very moment in which it says something; gives what tells whether it has.

        What is sent to a file with O_ASYNC sends a signal, SIGIO or any other, to the file's owner: the child, here,
        and SIGSTOP, from inside its own write. The child goes on at the end. Raises SeatRefused.
        """
        with self._end(child) as end:
            flags = fcntl.fcntl(end, fcntl.F_GETFL)
            fcntl.fcntl(end, fcntl.F_SETOWN, child)
            fcntl.fcntl(end, F_SETSIG, signal.SIGSTOP)
            fcntl.fcntl(end, fcntl.F_SETFL, flags | os.O_ASYNC)
            try:
                yield lambda: bool(end.peek())
            finally:
                fcntl.fcntl(end, fcntl.F_SETFL, flags)
                fcntl.fcntl(end, fcntl.F_SETOWN, 0)
                fcntl.fcntl(end, F_SETSIG, 0)
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGCONT)

    def say(self, child: Pid, words: bytes) -> bool:
        """Say something to a child; False where it is gone, has no channel, or a full one. Raises SeatRefused."""
        try:
            with self._end(child) as end:
                said = end.send(words)
        except EndGone:
            return False
        if said:
            self.on_said(child, words)
        return said

    def _end(self, pid: Pid) -> ChannelEnd:
        channel = self._channels.get(pid)
        if channel is None:
            raise EndGone(f"process {pid} had no channel when the seat was taken")
        return ChannelEnd(self._parent, channel.parents_descriptor, inode=channel.parents_inode)


def unheard(parent: Pid, channel: Channel) -> bytes | None:
    """Give what a child has said and the parent has not read; it stays there. None where the parent is gone.

    Raises SeatRefused.
    """
    return waiting_at(parent, channel.parents_descriptor, inode=channel.parents_inode)


@contextmanager
def parent_seat(
    parent: Pid,
    channels: Mapping[Pid, Channel],
    *,
    all_are_heard: Callable[[Mapping[Pid, Channel]], bool] = lambda _: True,
) -> Iterator[ParentSeat | None]:
    """Stop the parent and take its seat; it goes on at the end. Raises NotStopped and SeatRefused.

    Where not all are heard by these channels once it is stopped, nothing is read, and there is no seat.
    """
    with stopped([parent]):
        if not all_are_heard(channels):
            yield None
            return
        seat = ParentSeat(parent, channels)
        # Refused now, and not in the middle.
        seat.hear()
        yield seat
