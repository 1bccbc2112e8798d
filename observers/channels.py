"""How children are joined to the parent: which socket pairs, of what kind, held by whom, made by whom.

A child may hold more than its own channel: ends that it has inherited from the parent, of older siblings or of children
that are gone. Its own is the one on which it waits; where that does not tell, the one that no older sibling has.
"""

import socket
import struct
from collections.abc import Iterable, Mapping

from observers import epoll_interest, procfs
from observers.sock_diag import SockDiag, UnixSocket
from spec.channel import Channel, End, Joined, Kind, Link
from spec.epoll import EPOLLIN
from spec.event import Inode, Pid
from subject.duplicate import EndGone, duplicated

_KINDS: dict[int, str] = {
    socket.SOCK_STREAM: Kind.STREAM,
    socket.SOCK_DGRAM: Kind.DATAGRAM,
    socket.SOCK_SEQPACKET: Kind.PACKETS,
}
_UCRED = struct.Struct("3i")


def channels(
    parent: Pid, children: Iterable[Pid], diag: SockDiag, *, known: Mapping[Pid, Channel] | None = None
) -> dict[Pid, Channel]:
    """Find the channel of each child that has a stream of its own to the parent; `children` are given by age.

    Those that are `known` from before are not looked at again. Raises PermissionError where the system refuses to
    show descriptors.
    """
    return _Look(parent, diag).channels(children, known or {})


def joined(parent: Pid, children: Iterable[Pid], everyone: Iterable[Pid], diag: SockDiag) -> Joined:
    """Tell how each child is joined to the parent; `everyone` are all processes that might hold an end.

    Makers are left open here: `with_makers` adds them. Raises PermissionError.
    """
    children = list(children)
    look = _Look(parent, diag)
    own = look.channels(children, {})
    holders: dict[Inode, set[Pid]] = {}
    for pid in {parent, *children, *everyone}:
        for inode in procfs.socket_inodes(pid):
            holders.setdefault(inode, set()).add(pid)

    def end(inode: Inode) -> End:
        known = look.sockets[inode]
        return End(
            inode=inode,
            kind=_KINDS.get(known.kind, f"an AF_UNIX socket of type {known.kind}"),
            name=known.name,
            holders=frozenset(holders.get(inode, ())),
        )

    return Joined(
        parent=parent,
        links={
            pid: Link(child=pid, childs_end=end(each.childs_inode), parents_end=end(each.parents_inode))
            for pid, each in own.items()
        },
        others={pid: look.in_words(pid) for pid in children if not procfs.look(pid).ended},
        apart=look.apart,
    )


def maker(parent: Pid, channel: Channel) -> Pid | None:
    """Tell who made a channel, or connected its far end; None where an end is gone. Raises SeatRefused.

    Asked at the parent's end: of a pair both ends tell who made it; of one that was accepted this one tells who came.
    """
    try:
        with duplicated(parent, channel.parents_descriptor, inode=channel.parents_inode) as copy:
            end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=copy)
            try:
                told = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            finally:
                end.detach()
    except EndGone:
        return None
    return Pid(_UCRED.unpack(told)[0])


def _watched_for_words(pid: Pid) -> set[Inode]:
    """Give what a process waits to read from; a stream that it writes its log to may be watched for its end alone."""
    entries = [entry for epoll in epoll_interest.epolls(pid).values() for entry in epoll]
    return {entry.inode for entry in entries if entry.events & EPOLLIN}


class _Look:
    """One look at the sockets of a network and the descriptors of a parent."""

    def __init__(self, parent: Pid, diag: SockDiag) -> None:
        self.sockets: Mapping[Inode, UnixSocket] = diag.unix_sockets()
        self._parent = parent
        links = procfs.descriptors(parent)
        self._parents = procfs.sockets_among(links)
        self._parents_pipes = frozenset(link for link in links.values() if link.startswith("pipe:["))
        self.apart: dict[Pid, str] = {}  # what one stream should do, where two do it

    def channels(self, children: Iterable[Pid], known: Mapping[Pid, Channel]) -> dict[Pid, Channel]:
        found: dict[Pid, Channel] = {}
        taken: set[Inode] = set()
        for pid in children:
            own = known[pid] if pid in known else self._own(pid, taken)
            if own is not None:
                found[pid] = own
                taken |= {own.childs_inode, own.parents_inode}
        return found

    def _own(self, pid: Pid, taken: set[Inode]) -> Channel | None:
        held = procfs.sockets(pid)
        likely = [
            Channel(pid, inode, descriptor, peer, self._parents[peer])
            for inode, descriptor in held.items()
            if (peer := self._peer(inode)) in self._parents and inode not in taken and peer not in taken
        ]
        streams = [each for each in likely if self.sockets[each.childs_inode].kind == socket.SOCK_STREAM]
        if len(streams) < 2:
            return streams[0] if streams else None
        watched, by_parent = _watched_for_words(pid), _watched_for_words(self._parent)
        # A newborn that has yet to let go of what it inherited has both ends of the parent's own pairs, too.
        single = [each for each in streams if each.childs_inode not in self._parents]
        ears = {each.childs_inode for each in single if each.childs_inode in watched}
        heard = {each.childs_inode for each in single if each.parents_inode in by_parent}
        if len(ears) > 1:
            self.apart[pid] = f"{len(ears)} streams at once, on each of which it waits for words"
        elif ears and heard and not ears & heard:
            self.apart[pid] = "one stream on which it waits for words, and another on which the parent does"
        return max(
            single or streams,
            key=lambda each: (
                each.childs_inode in watched,
                each.parents_inode in by_parent,
                each.childs_descriptor,
            ),
        )

    def _peer(self, inode: Inode) -> Inode | None:
        known = self.sockets.get(inode)
        return known.peer if known is not None else None

    def in_words(self, pid: Pid) -> tuple[str, ...]:
        """Say what joins a child to the parent, whatever it is, each kind once."""
        links = procfs.descriptors(pid)
        words: list[str] = []
        for inode in procfs.sockets_among(links):
            if self._peer(inode) in self._parents:
                kind = _KINDS.get(self.sockets[inode].kind, "an AF_UNIX socket of an odd type")
                words.append(f"{kind} that others share" if kind == Kind.STREAM else kind)
        # Below 3 are the standard streams, which both have from whoever started them.
        words += [Kind.PIPE for number, link in links.items() if number > 2 and link in self._parents_pipes]
        return tuple(dict.fromkeys(words))
