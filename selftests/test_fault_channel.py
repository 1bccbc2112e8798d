"""Faults on a channel, on a plain pair: what is shut is heard to be so, what is full takes no more, nothing is kept."""

import os
import socket
from collections.abc import Iterator

import pytest

from fault_injection.channel import (
    deaf_parent,
    filled,
    said_to_child,
    said_to_parent,
    shut_both_ways,
    shut_for_reading,
)
from fault_injection.fault import DidNotTakeHold
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
        assert pair.childs.send(b"C") == 1
        with pytest.raises(BlockingIOError):
            pair.childs.send(b"F")
    pair.parents.recv(65536)
    with filled(pair.channel, b"CF") as count:
        assert count == 278, "as large as it was"


def test_a_channel_without_end_is_not_filled(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fault_injection.channel.MOST_MESSAGES", 100)
    with pytest.raises(DidNotTakeHold, match="had room"), filled(pair.channel, b"CF"):
        pass


def test_a_channel_that_is_gone_is_told(pair: Pair) -> None:
    pair.parents.close()
    with pytest.raises(EndGone), said_to_parent(pair.channel, b"X"):
        pass
    with pytest.raises(EndGone), deaf_parent(US, pair.channel):
        pass
