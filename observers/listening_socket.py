"""What a subject has asked of the kernel for its listening socket.

Looks through a duplicate of the socket, held for microseconds; nothing is set.
"""

import socket
from collections.abc import Container, Iterable

from observers import procfs
from spec.event import Inode, Pid
from subject.duplicate import EndGone, SeatRefused, duplicate


def waits_for_data(pids: Iterable[Pid], listeners: Container[Inode]) -> bool:
    """Tell whether the kernel keeps a connection back until its client says something (TCP_DEFER_ACCEPT).

    `pids` are those who may hold one of these sockets. False also where the system does not show it.
    """
    for pid in pids:
        try:
            for inode, descriptor in procfs.sockets(pid).items():
                if inode in listeners:
                    with socket.socket(fileno=duplicate(pid, descriptor, inode=inode)) as ours:
                        return bool(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT))
        except (EndGone, SeatRefused, PermissionError):
            continue
    return False
