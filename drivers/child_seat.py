"""The child's seat: the suite says to the parent what a child would say, and looks at what the parent says to it.

The children themselves know nothing of it. No end is held for longer than one word or one look: while the suite holds a
child's end, the parent can't see that the child has gone.
"""

from drivers.channel_end import ChannelEnd, EndGone, waiting_at
from spec.channel import Channel
from spec.event import Pid


def say(channel: Channel, words: bytes) -> bool:
    """Say something as the child; False where it is gone, or the channel is full. Raises SeatRefused."""
    try:
        with ChannelEnd(channel.child, channel.childs_descriptor, inode=channel.childs_inode) as end:
            return end.send(words)
    except EndGone:
        return False


def unread_orders(channel: Channel) -> bytes | None:
    """Give what the parent has said and the child has not read; it stays there. None where the child is gone.

    Raises SeatRefused.
    """
    return waiting_at(channel.child, channel.childs_descriptor, inode=channel.childs_inode)


def order(parent: Pid, channel: Channel, words: bytes) -> bool:
    """Say something to the child behind the parent's back; False where one of them is gone. Raises SeatRefused."""
    try:
        with ChannelEnd(parent, channel.parents_descriptor, inode=channel.parents_inode) as end:
            return end.send(words)
    except EndGone:
        return False
