"""What was asked of the kernel for a listening socket is seen through a duplicate, which is let go of."""

import os
import socket
from contextlib import ExitStack

from observers.listening_socket import never_blocks, waits_for_data
from observers.procfs import descriptors
from spec.event import Inode, Pid

OURS = Pid(os.getpid())


def listener(opened: ExitStack, *, deferring: int) -> socket.socket:
    made = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, deferring)
    return made


def inode(each: socket.socket) -> Inode:
    return Inode(os.fstat(each.fileno()).st_ino)


def test_only_a_socket_that_is_told_so_waits_for_its_clients_first_word() -> None:
    with ExitStack() as opened:
        plain, deferring = listener(opened, deferring=0), listener(opened, deferring=5)
        before = descriptors(OURS)
        assert not waits_for_data([OURS], {inode(plain)})
        assert waits_for_data([OURS], {inode(deferring)})
        assert waits_for_data([Pid(1 << 22), OURS], {inode(deferring)}), "one who is gone is passed over"
        assert not waits_for_data([OURS], {Inode(1)}), "nobody has it"
        assert descriptors(OURS) == before


def test_a_socket_blocks_unless_it_is_told_not_to() -> None:
    with ExitStack() as opened:
        each = listener(opened, deferring=0)
        before = descriptors(OURS)
        assert not never_blocks([OURS], {inode(each)})
        each.setblocking(False)
        assert never_blocks([Pid(1 << 22), OURS], {inode(each)})
        assert not never_blocks([OURS], {Inode(1)}), "nobody has it"
        assert descriptors(OURS) == before
