"""Faults on the channel between parent and child: one side shut, or so full that nothing goes in.

Made through a duplicate of an end (`subject/duplicate.py`), held for the moment that it takes and no longer. What a
shut side can't hear or say is lost for good: there is nothing to undo.
"""

import array
import fcntl
import select
import socket
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fault_injection.fault import DidNotTakeHold
from spec.channel import Channel
from spec.event import Inode, Pid
from subject.duplicate import EndGone, duplicated

# A channel holds 278 messages of one byte by default. Where somebody raised that, it is lowered rather than filled.
ENOUGH_MESSAGES = 280
_SO_SNDBUFFORCE = 32  # <asm-generic/socket.h>


@contextmanager
def shut_for_reading(channel: Channel) -> Iterator[None]:
    """Shut the child's side for reading: whatever the parent says gets EPIPE, and SIGPIPE.

    Taken hold: the child's end is at its end of file. Raises DidNotTakeHold, EndGone and SeatRefused.
    """
    _shut(channel.child, channel.childs_descriptor, channel.childs_inode, socket.SHUT_RD)
    yield


@contextmanager
def shut_both_ways(channel: Channel) -> Iterator[None]:
    """Shut the child's side both ways: each sees the other gone, though both live. As `shut_for_reading`."""
    _shut(channel.child, channel.childs_descriptor, channel.childs_inode, socket.SHUT_RDWR)
    yield


@contextmanager
def deaf_parent(parent: Pid, channel: Channel) -> Iterator[None]:
    """Shut the parent's side for reading: whatever the child says gets EPIPE, and SIGPIPE. As `shut_for_reading`."""
    _shut(parent, channel.parents_descriptor, channel.parents_inode, socket.SHUT_RD)
    yield


def _shut(pid: Pid, descriptor: int, inode: Inode, how: int) -> None:
    with _end(pid, descriptor, inode) as end:
        try:
            end.shutdown(how)
        except OSError as error:
            raise EndGone(f"the channel of process {pid} has no other end") from error
        poll = select.poll()
        poll.register(end, select.POLLRDHUP)
        if not any(events & (select.POLLRDHUP | select.POLLHUP) for _, events in poll.poll(0)):
            raise DidNotTakeHold(f"the channel {inode} of process {pid} was shut, and has no end of file")


@contextmanager
def said_to_child(parent: Pid, channel: Channel, words: bytes) -> Iterator[None]:
    """Say to a child what its parent would not: K twice, or what nobody says.

    Taken hold: the kernel took the words for the child. Raises DidNotTakeHold, EndGone and SeatRefused.
    """
    _say(parent, channel.parents_descriptor, channel.parents_inode, words)
    yield


@contextmanager
def said_to_parent(channel: Channel, words: bytes) -> Iterator[None]:
    """Say to the parent what its child would not. As `said_to_child`."""
    _say(channel.child, channel.childs_descriptor, channel.childs_inode, words)
    yield


def _say(pid: Pid, descriptor: int, inode: Inode, words: bytes) -> None:
    with _end(pid, descriptor, inode) as end:
        if end.send(words, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) != len(words):
            raise DidNotTakeHold(f"{words!r} found no room in the channel of process {pid}")


@contextmanager
def filled(channel: Channel, pair: bytes) -> Iterator[int]:
    """Say `pair`, a byte a message, as the child, until the channel has room for one more and no other.

    Gives how many messages are in it then, those that the child said itself among them: they alone may fill a small
    one. Whole pairs only: what the parent reads later is what a child may have said. So the child's next C goes in, and
    its F does not. At the end the channel is as large as it was; the parent empties it when it goes on.
    Taken hold: by the kernel's account (SIOCOUTQ against SO_SNDBUF). Raises DidNotTakeHold, EndGone and SeatRefused.
    """
    charge = _charge()
    with _end(channel.child, channel.childs_descriptor, channel.childs_inode) as end:
        most = _most(end)
        # Where there is no room for a pair, the child may have something unsaid, with which the next would be confused.
        while _queued(end) + charge * (len(pair) - 1) < min(most, ENOUGH_MESSAGES * charge):
            for place in range(len(pair)):
                end.send(pair[place : place + 1], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        queued = _queued(end)
        # The kernel sends while what is queued is below the limit, and makes twice of the limit that it is told.
        _limit(end, queued + charge // 2)
        if not queued < _most(end) <= queued + charge:
            raise DidNotTakeHold(f"a channel with {queued} bytes in it would not be bounded to one message more")
    try:
        yield queued // charge
    finally:
        with suppress(EndGone), _end(channel.child, channel.childs_descriptor, channel.childs_inode) as end:
            _limit(end, most)


@contextmanager
def _end(pid: Pid, descriptor: int, inode: Inode) -> Iterator[socket.socket]:
    """Hold a duplicate of an end for a moment. Raises EndGone, also where the other end is gone, and SeatRefused."""
    with duplicated(pid, descriptor, inode=inode) as copy:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=copy)
        try:
            yield end
        except (BrokenPipeError, ConnectionError) as error:
            raise EndGone(f"the channel of process {pid} has no other end") from error
        finally:
            end.detach()


def _charge() -> int:
    """Tell what the kernel charges for a message of one byte, in bytes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"C")
        return _queued(ours)


def _queued(end: socket.socket) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(end.fileno(), termios.TIOCOUTQ, count)
    return count[0]


def _most(end: socket.socket) -> int:
    return end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def _limit(end: socket.socket, most: int) -> None:
    try:
        # What the administrator raised beyond the machine's bound, only one can raise again.
        end.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, most // 2)
    except PermissionError:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, most // 2)
