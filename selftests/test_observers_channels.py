"""Channels as they are found, against children that the tests fork, each joined to its parent in its own way."""

import os
import select
import socket
from collections.abc import Iterator

import pytest

from observers import channels, epoll_interest, procfs
from observers.sock_diag import NETLINK_SOCK_DIAG, SockDiag
from selftests.facts import settle
from selftests.programs import Program
from spec.channel import Kind, judge_holders, judge_links, judge_makers, judge_names
from spec.event import Pid

# A parent with two children, each joined to it by whatever `join` gives: (parent's end, child's end).
PARENT = """
import os, select, signal, socket, sys
ours, theirs, logs, unwatched = [], [], {}, []
def pool(join, *, child=lambda end: None, keep=False, tidy=True, waits_for=select.EPOLLRDHUP):
    for _ in range(2):
        mine, its = join()
        if os.fork() == 0:
            if tidy:
                for each in [mine, *ours]:
                    each.close()
            child(its)
            wait = select.epoll()
            wait.register(its, select.EPOLLIN)
            for log in logs.get(its, ()):
                wait.register(log, waits_for)
            while True:
                wait.poll()
        ours.append(mine)
        theirs.append(its)
        for log in logs.get(its, ()):
            log.close()
        if not keep:
            its.close()
    watch = select.epoll()
    for each in ours:
        if each not in unwatched:
            watch.register(each, select.EPOLLIN)
    print("ready", flush=True)
    sys.stdin.readline()
"""
TWO_PAIRS = """
def two_pairs():
    mine, its = socket.socketpair()
    parents_other, other = socket.socketpair()
    ours.append(parents_other)
    logs[its] = [other]
    return mine, its
def two_pairs_one_for_each_way():
    mine, its = two_pairs()
    unwatched.append(mine)
    return mine, its
"""
PAIR = "pool(socket.socketpair"


@pytest.fixture
def diag() -> Iterator[SockDiag]:
    asked = SockDiag(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
    yield asked
    asked.close()


@pytest.fixture
def family(request: pytest.FixtureRequest) -> Iterator[tuple[Pid, list[Pid]]]:
    """Start a parent with its two children, all waiting."""
    program = Program(PARENT + TWO_PAIRS + request.param)
    try:
        assert program.says() == "ready"
        children = procfs.children(program.pid)
        settle(lambda: all(procfs.look(pid).asleep for pid in children), what="both children wait")
        yield program.pid, children
    finally:
        program.end()


def using(source: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("family", [source], indirect=True, ids=["family"])


@using(PAIR + ")")
def test_each_child_is_found_with_both_ends_of_its_pair(family: tuple[Pid, list[Pid]], diag: SockDiag) -> None:
    parent, children = family
    found = channels.channels(parent, children, diag)
    assert list(found) == children
    for pid, channel in found.items():
        assert procfs.descriptors(pid)[channel.childs_descriptor] == f"socket:[{channel.childs_inode}]"
        assert procfs.descriptors(parent)[channel.parents_descriptor] == f"socket:[{channel.parents_inode}]"
        assert channels.maker(parent, channel) == parent
    joined = channels.joined(parent, children, (), diag)
    for judged in (judge_links, judge_makers, judge_names, judge_holders):
        assert list(judged(joined)) == []
    again = channels.channels(parent, children, diag, known={children[0]: found[children[0]]})
    assert again == found


@using(PAIR + ", keep=True, tidy=False)")
def test_with_all_ends_everywhere_the_own_one_is_that_on_which_a_child_waits(
    family: tuple[Pid, list[Pid]], diag: SockDiag
) -> None:
    parent, children = family
    found = channels.channels(parent, children, diag)
    assert len({channel.childs_inode for channel in found.values()}) == 2
    joined = channels.joined(parent, children, (), diag)
    assert list(judge_links(joined)) == []
    told = [violation.seen for violation in judge_holders(joined)]
    assert len(told) == 4, "both ends of both"
    assert any(f"the parent {parent}" in seen for seen in told)
    assert any("the child itself" in seen for seen in told)


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("pool(two_pairs, waits_for=select.EPOLLIN)", "2 streams at once, on each of which it waits for words"),
        ("pool(two_pairs_one_for_each_way)", "one stream on which it waits for words, and another on which the parent"),
    ],
    indirect=["family"],
    ids=["waits-on-both", "one-for-each-way"],
)
def test_two_streams_that_do_what_one_should_are_told(
    family: tuple[Pid, list[Pid]], diag: SockDiag, words: str
) -> None:
    parent, children = family
    told = [violation.seen for violation in judge_links(channels.joined(parent, children, (), diag))]
    assert len(told) == 2
    assert all(words in seen for seen in told)


@using("pool(two_pairs, tidy=False)")
def test_a_stream_that_a_child_does_not_wait_to_read_from_is_not_its_channel(
    family: tuple[Pid, list[Pid]], diag: SockDiag
) -> None:
    parent, children = family
    channel = channels.channels(parent, children, diag)[children[0]]
    own = [pid for pid in children if channel.childs_inode in procfs.socket_inodes(pid)]
    assert children[0] in own
    assert list(judge_links(channels.joined(parent, children, (), diag))) == []
    (epoll,) = epoll_interest.epolls(children[0]).values()
    assert {entry.inode for entry in epoll if entry.events & select.EPOLLIN} == {channel.childs_inode}


@using("pool(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))")
def test_a_pair_of_another_kind_is_told(family: tuple[Pid, list[Pid]], diag: SockDiag) -> None:
    parent, children = family
    assert channels.channels(parent, children, diag) == {}
    told = [violation.seen for violation in judge_links(channels.joined(parent, children, (), diag))]
    assert len(told) == 2
    assert all(Kind.DATAGRAM in seen for seen in told)


@using("""
class End:
    def __init__(self, fd): self.fd = fd
    def fileno(self): return self.fd
    def close(self): os.close(self.fd)
pool(lambda: tuple(map(End, os.pipe())))
""")
def test_pipes_are_told(family: tuple[Pid, list[Pid]], diag: SockDiag) -> None:
    parent, children = family
    told = [violation.seen for violation in judge_links(channels.joined(parent, children, (), diag))]
    assert told
    assert all(seen.endswith(f"by {Kind.PIPE}") for seen in told)


@using("common = socket.socketpair()\npool(lambda: (common[0].dup(), common[1].dup()))")
def test_one_pair_for_all_is_told_of_the_second(family: tuple[Pid, list[Pid]], diag: SockDiag) -> None:
    parent, children = family
    (violation,) = judge_links(channels.joined(parent, children, (), diag))
    assert f"child {children[1]}" in violation.seen
    assert "others share" in violation.seen


@using(PAIR + ", child=lambda end: end.bind(''))")
def test_a_bound_end_is_told_with_its_name(family: tuple[Pid, list[Pid]], diag: SockDiag) -> None:
    parent, children = family
    told = [violation.seen for violation in judge_names(channels.joined(parent, children, (), diag))]
    assert len(told) == 2
    assert all("'@" in seen for seen in told)


@using(PAIR + ")")
def test_a_child_that_is_gone_has_no_channel_and_no_maker(family: tuple[Pid, list[Pid]], diag: SockDiag) -> None:
    parent, children = family
    found = channels.channels(parent, children, diag)
    os.kill(children[0], 9)
    # One that is on its way out has its descriptors for a moment yet.
    settle(lambda: not procfs.sockets(children[0]), what="the end of the child's descriptors")
    assert channels.maker(parent, found[children[0]]) in (None, parent)
    assert list(channels.channels(parent, children, diag)) == children[1:]
