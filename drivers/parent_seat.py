"""The parent's seat: the parent is stopped, and the suite listens and speaks on its ends of the channels.

What is read here the parent never hears, so a launch whose parent's seat was taken is not given back. A stopped parent
disturbs nobody; its children go on as if it were busy.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from drivers.channel_end import ChannelEnd, EndGone
from drivers.stopping import stopped
from spec.channel import Channel
from spec.event import Pid


class ParentSeat:
    """Who sits in it hears every child. Each end is held for one look only: a kept one would hide an end's closing."""

    def __init__(self, parent: Pid, channels: Mapping[Pid, Channel]) -> None:
        self._parent = parent
        self._channels = channels
        self.heard: dict[Pid, bytearray] = {pid: bytearray() for pid in channels}

    def hear(self, children: Iterable[Pid] | None = None) -> None:
        """Read what children have said since the last time; of all, or of some. Raises SeatRefused."""
        for pid in self._channels if children is None else children:
            with self._end(pid) as end:
                self.heard[pid] += end.read()

    @contextmanager
    def listening(self, child: Pid) -> Iterator[int]:
        """Hold the end of one channel, and give its descriptor, to wait for a word. Raises SeatRefused."""
        with self._end(child) as end:
            yield end.fileno()

    def say(self, child: Pid, words: bytes) -> bool:
        """Say something to a child; False where it is gone, or its channel is full. Raises SeatRefused."""
        try:
            with self._end(child) as end:
                return end.send(words)
        except EndGone:
            return False

    def _end(self, pid: Pid) -> ChannelEnd:
        channel = self._channels[pid]
        return ChannelEnd(self._parent, channel.parents_descriptor, inode=channel.parents_inode)


@contextmanager
def parent_seat(parent: Pid, channels: Mapping[Pid, Channel]) -> Iterator[ParentSeat]:
    """Stop the parent and take its seat; it goes on at the end. Raises NotStopped and SeatRefused."""
    with stopped([parent]):
        seat = ParentSeat(parent, channels)
        # Refused now, and not in the middle.
        seat.hear()
        yield seat
