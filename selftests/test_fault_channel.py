"""Faults on a channel, on a plain pair: what is shut is heard to be so, what is full takes no more, nothing is kept."""

import os
import socket
from collections.abc import Iterator

import pytest

from fault_injection.channel import (
    ENOUGH_MESSAGES,
    deaf_parent,
    filled,
    said_to_child,
    said_to_parent,
    shut_both_ways,
    shut_for_reading,
)
from spec.channel import Channel
from spec.event import Inode, Pid
from subject.duplicate import EndGone

US = Pid(os.getpid())


class Pair:
    """A channel whose both ends are this process's."""

    def __init__(self) -> None:
        self.parents, self.childs = socket.socketpair()
        for end in (self.parents, self.childs):
            end.setblocking(False)
        self.channel = Channel(
            US,
            Inode(os.fstat(self.childs.fileno()).st_ino),
            self.childs.fileno(),
            Inode(os.fstat(self.parents.fileno()).st_ino),
            self.parents.fileno(),
        )


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.parents.close()
    made.childs.close()


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_k_finds_nobody_where_the_child_s_end_was_shut_for_reading(pair: Pair) -> None:
    before = descriptors()
    with shut_for_reading(pair.channel):
        assert pair.childs.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            pair.parents.send(b"K")
        assert pair.childs.send(b"C") == 1, "the child can still speak"
    assert descriptors() == before


def test_each_sees_the_other_gone_where_the_channel_was_shut_both_ways(pair: Pair) -> None:
    with shut_both_ways(pair.channel):
        assert pair.childs.recv(1) == b""
        assert pair.parents.recv(1) == b""


def test_c_finds_nobody_where_the_parent_s_end_was_shut_for_reading(pair: Pair) -> None:
    with deaf_parent(US, pair.channel), pytest.raises(BrokenPipeError):
        pair.childs.send(b"C")


def test_words_go_both_ways(pair: Pair) -> None:
    with said_to_child(US, pair.channel, b"KK"), said_to_parent(pair.channel, b"X"):
        assert pair.childs.recv(8) == b"KK"
        assert pair.parents.recv(8) == b"X"


def test_a_full_channel_holds_whole_pairs(pair: Pair) -> None:
    with filled(pair.channel, b"CF") as count:
        assert count == 278, "one-byte messages, as measured"
        heard = b""
        while len(heard) < count:
            heard += pair.parents.recv(65536)
        assert heard == b"CF" * (count // 2)


def test_a_full_channel_takes_one_more_message_and_no_other_until_the_fault_is_over(pair: Pair) -> None:
    with filled(pair.channel, b"CF"):
        assert has_room_for_one(pair)
    pair.parents.recv(65536)
    with filled(pair.channel, b"CF") as count:
        assert count == 278, "as large as it was"


def takes(pair: Pair, word: bytes) -> bool:
    try:
        return pair.childs.send(word) == 1
    except BlockingIOError:
        return False


def has_room_for_one(pair: Pair) -> bool:
    return takes(pair, b"C") and not takes(pair, b"F")


def test_a_larger_channel_is_lowered_for_as_long_as_the_fault_lasts(pair: Pair) -> None:
    size = pair.childs.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    pair.childs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)  # the kernel makes twice of that
    with filled(pair.channel, b"CF") as count:
        assert count == ENOUGH_MESSAGES
        assert has_room_for_one(pair)
    assert pair.childs.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * size


def test_a_small_channel_that_its_child_has_filled_gets_room_for_one_more(pair: Pair) -> None:
    pair.childs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel makes some 4 kB of that
    said = 0
    while takes(pair, b"F" if said % 2 else b"C"):
        said += 1
    with filled(pair.channel, b"CF") as count:
        assert count == said
        assert has_room_for_one(pair)


def test_a_channel_that_is_gone_is_told(pair: Pair) -> None:
    pair.parents.close()
    with pytest.raises(EndGone), said_to_parent(pair.channel, b"X"):
        pass
    with pytest.raises(EndGone), deaf_parent(US, pair.channel):
        pass
