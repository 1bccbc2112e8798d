"""What a subject has asked of the kernel for its listening socket.

Looks through a duplicate of the socket, held for microseconds; nothing is set.
"""

import os
import socket
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager

from observers import procfs
from spec.event import Inode, Pid
from subject.duplicate import EndGone, SeatRefused, duplicate


def waits_for_data(pids: Iterable[Pid], listeners: Container[Inode]) -> bool:
    """Tell whether the kernel keeps a connection back until its client says something (TCP_DEFER_ACCEPT).

    `pids` are those who may hold one of these sockets. False also where the system does not show it.
    """
    with _duplicate(pids, listeners) as ours:
        return ours is not None and bool(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT))


def never_blocks(pids: Iterable[Pid], listeners: Container[Inode]) -> bool:
    """Tell whether an accept that finds no connection returns at once (O_NONBLOCK); otherwise as `waits_for_data`."""
    with _duplicate(pids, listeners) as ours:
        return ours is not None and not os.get_blocking(ours.fileno())


@contextmanager
def _duplicate(pids: Iterable[Pid], listeners: Container[Inode]) -> Iterator[socket.socket | None]:
    """Hold a duplicate of the first that is shown; None where the system shows none."""
    for pid in pids:
        try:
            found = [(inode, descriptor) for inode, descriptor in procfs.sockets(pid).items() if inode in listeners]
            copies = [duplicate(pid, descriptor, inode=inode) for inode, descriptor in found[:1]]
        except (EndGone, SeatRefused, PermissionError):
            continue
        for copy in copies:
            with socket.socket(fileno=copy) as ours:
                yield ours
            return
    yield None
