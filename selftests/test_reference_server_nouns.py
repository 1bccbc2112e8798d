"""The reference server's nouns alone: the pool fed with messages, a full channel, an old kernel's epoll."""

import errno
import os
import select
import socket
from typing import cast

import pytest

from reference_server.channel import hear, make_channel
from reference_server.child import Child
from reference_server.listener import watch
from reference_server.parameters import Parameters
from reference_server.pool import Pool


def pool_of(count: int, *, min_spare: int = 1, max_spare: int = 100, limit: int = 9, room: int = 100) -> Pool:
    """A pool of idle children; pids from 101, channels from 1."""
    pool = Pool(Parameters(80, min_spare, max_spare, limit, room))
    for number in range(1, count + 1):
        pool.add(100 + number, number)
    return pool


def say(pool: Pool, channel: int, messages: bytes) -> None:
    pool.hear(pool.by_channel[channel], messages)


def test_a_newborn_counts_as_idle_at_once() -> None:
    assert pool_of(3).idle == 3


def test_messages_that_arrive_together_count_one_by_one() -> None:
    pool = pool_of(2)
    say(pool, 1, b"CFCFC")
    assert (pool.idle, pool.served, pool.members[101].served) == (1, 2, 2)


@pytest.mark.parametrize("noise", [b"x", b"\0\xffK", b"F", b"FFF"])
def test_an_unknown_byte_and_a_message_out_of_turn_change_nothing(noise: bytes) -> None:
    pool = pool_of(2)
    say(pool, 1, noise)
    assert (pool.idle, pool.served) == (2, 0)
    say(pool, 1, b"C" + noise.replace(b"F", b"C"))
    assert (pool.idle, pool.served) == (1, 0)


def test_a_child_that_has_had_its_last_connection_is_idle_no_more() -> None:
    pool = pool_of(2, limit=2)
    say(pool, 1, b"CFCF")
    assert pool.idle == 1
    assert pool.shed(2) == [2]


def test_the_newest_idle_children_are_shed_and_none_twice() -> None:
    pool = pool_of(5, max_spare=2)
    say(pool, 5, b"C")
    assert pool.excess() == 2
    assert pool.shed(pool.excess()) == [4, 3]
    assert (pool.idle, pool.excess()) == (2, 0)
    say(pool, 4, b"CF")  # it accepted before it heard of it
    assert (pool.idle, pool.members[104].served) == (2, 1)
    assert pool.shed(5) == [2, 1]


def test_a_lost_channel_counts_once_whatever_state_it_left() -> None:
    for state, idle in ((b"", 1), (b"C", 1)):
        pool = pool_of(2)
        say(pool, 1, state)
        pool.lose(1)
        assert pool.idle == idle
        assert list(pool.by_channel) == [2]


def test_growth_doubles_from_round_to_round_and_never_exceeds_what_is_missing() -> None:
    pool = pool_of(0, min_spare=50)
    rounds: list[int] = []
    while births := pool.births():
        rounds.append(births)
        for _ in range(births):
            number = len(pool.members) + 1
            pool.add(100 + number, number)
    assert rounds == [1, 2, 4, 8, 16, 19]


def test_a_leaving_child_takes_up_room_until_it_is_reaped() -> None:
    pool = pool_of(2, min_spare=2, room=2, limit=1)
    say(pool, 1, b"CF")
    assert (pool.idle, pool.lacking()) == (1, 0)
    pool.lose(1)
    del pool.members[101]
    assert pool.lacking() == 1


def test_a_full_channel_neither_blocks_nor_loses_what_is_said() -> None:
    ours, theirs = make_channel()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            child = Child(Parameters(80, 1, 1, 9, 1), listener, theirs)
        said = b"CF" * 400
        for message in said:
            child.say(bytes([message]))
        assert child.unsent
        heard = b""
        while len(heard) < len(said):
            heard += os.read(ours, 4096)  # raises, rather than waits, if nothing more comes
            child.say(b"")
        assert heard == said
        assert not child.unsent
    finally:
        os.close(ours)
        os.close(theirs)


def test_an_end_hears_nothing_what_was_said_and_the_other_holders_death() -> None:
    ours, theirs = make_channel()
    try:
        assert hear(theirs) == b""
        os.write(ours, b"?K?")
        assert hear(theirs) == b"?K?"
        os.write(theirs, b"C")
    finally:
        os.close(ours)
    try:
        assert hear(theirs) is None  # a reset, as what we said was not read
        assert hear(theirs) is None
    finally:
        os.close(theirs)


@pytest.mark.parametrize(("order", "served"), [(b"x\0CK", 1), (b"", 0)])
def test_an_order_is_found_among_unknown_bytes_and_one_accept_follows_it_but_not_the_parents_death(
    order: bytes, served: int
) -> None:
    ours, theirs = make_channel()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            child = Child(Parameters(80, 1, 1, 9, 1), listener, theirs)
            clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
            for client in clients:
                client.close()
            os.write(ours, order)
            with socket.socket(fileno=os.dup(ours)) as end:
                end.shutdown(socket.SHUT_WR)
            child.live()
        assert child.served == served
        assert hear(ours) == b"CF" * served
    finally:
        os.close(ours)
        os.close(theirs)


class OldEpoll:
    """An epoll from before Linux 4.5, which knows no EPOLLEXCLUSIVE; or one that fails for another reason."""

    def __init__(self, error: int = errno.EINVAL) -> None:
        self.error = error
        self.masks: list[int] = []

    def register(self, _fd: object, mask: int) -> None:
        if mask & select.EPOLLEXCLUSIVE:
            raise OSError(self.error, "refused")
        self.masks.append(mask)


def test_an_old_kernel_gets_a_plain_watch() -> None:
    epoll = OldEpoll()
    with socket.socket() as listener:
        watch(cast("select.epoll", epoll), listener)
    assert epoll.masks == [select.EPOLLIN]


def test_another_refusal_is_not_taken_for_an_old_kernel() -> None:
    epoll = OldEpoll(errno.ENOMEM)
    with socket.socket() as listener, pytest.raises(OSError, match="refused"):
        watch(cast("select.epoll", epoll), listener)
    assert epoll.masks == []
