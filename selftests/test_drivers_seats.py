"""Both seats of a channel, on a parent and a child of a few lines: heard, spoken for, and nothing kept."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from drivers import child_seat
from drivers.channel_end import ChannelEnd, EndGone
from drivers.one_processor import one_processor
from drivers.parent_seat import ParentSeat, parent_seat
from observers import channels, procfs
from observers.sock_diag import NETLINK_SOCK_DIAG, SockDiag
from selftests.facts import NOBODY, settle
from selftests.programs import Program
from spec.channel import Channel
from spec.event import Inode, Pid
from subject.duplicate import duplicated

# The child says what it is told to by signals, and ends on K or when the parent is gone; the parent reads and tells.
FAMILY = """
import os, select, signal, socket, sys
mine, its = socket.socketpair()
pid = os.fork()
if pid == 0:
    mine.close()
    signal.signal(signal.SIGUSR1, lambda *_: its.send(b"C"))
    signal.signal(signal.SIGUSR2, lambda *_: its.send(b"F"))
    while its.recv(1) not in (b"K", b""):
        pass
    os._exit(0)
its.close()
print("ready", flush=True)
heard = b""
while len(heard) < 3:
    heard += mine.recv(1)
print(heard.decode(), flush=True)
sys.stdin.readline()
"""


class Family:
    """The program, its child, and the channel between them."""

    def __init__(self) -> None:
        self.program = Program(FAMILY)
        assert self.program.says() == "ready"
        self.parent = self.program.pid
        (self.child,) = procfs.children(self.parent)
        diag = SockDiag(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
        settle(lambda: self.child in channels.channels(self.parent, [self.child], diag), what="the channel")
        self.channel: Channel = channels.channels(self.parent, [self.child], diag)[self.child]
        diag.close()
        settle(lambda: procfs.look(self.child).asleep and procfs.look(self.parent).asleep, what="both wait")


@pytest.fixture
def family() -> Iterator[Family]:
    made = Family()
    yield made
    made.program.end()


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def hears(seat: ParentSeat, child: Pid) -> bytes:
    seat.hear()
    return bytes(seat.heard[child])


def says(family: Family, number: signal.Signals) -> None:
    os.kill(family.child, number)


def test_in_the_parents_seat_the_child_is_heard_and_the_parent_is_not(family: Family) -> None:
    with parent_seat(family.parent, {family.child: family.channel}) as seat:
        assert seat
        says(family, signal.SIGUSR1)
        settle(lambda: hears(seat, family.child) == b"C", what="C heard")
        says(family, signal.SIGUSR2)
        settle(lambda: hears(seat, family.child) == b"CF", what="F heard")
        assert seat.say(family.child, b"K")
        settle(lambda: procfs.look(family.child).zombie, what="the child's end on K, and of all that it held")
        assert not seat.say(family.child, b"K"), "there is nobody to say it to"
        assert not seat.say(Pid(os.getpid()), b"K"), "there is no channel to say it by"
    assert not procfs.look(family.parent).ended


def test_there_is_no_seat_where_somebody_would_go_unheard(family: Family) -> None:
    states = []

    def somebody_is_not(channels: Mapping[Pid, Channel]) -> bool:
        states.append(Path(f"/proc/{family.parent}/stat").read_text(encoding="ascii").split()[2])
        return family.child not in channels

    with parent_seat(family.parent, {family.child: family.channel}, all_are_heard=somebody_is_not) as seat:
        assert seat is None
        assert child_seat.say(family.channel, b"CFC")
    assert states == ["T"], "only a parent that is stopped has no more children"
    assert family.program.says() == "CFC", "nothing was taken from it"


def test_what_is_only_peeked_at_stays_for_whom_it_was_meant(family: Family) -> None:
    os.kill(family.parent, signal.SIGSTOP)
    says(family, signal.SIGUSR1)
    with ChannelEnd(family.parent, family.channel.parents_descriptor, inode=family.channel.parents_inode) as end:
        settle(lambda: end.peek() == b"C", what="C in the queue")
        assert end.peek() == b"C"
    os.kill(family.parent, signal.SIGCONT)
    assert child_seat.say(family.channel, b"FX")
    assert family.program.says() == "CFX"


def test_in_the_childs_seat_the_parent_is_spoken_to_and_its_orders_are_seen(family: Family) -> None:
    assert child_seat.say(family.channel, b"CFC")
    assert family.program.says() == "CFC"
    os.kill(family.child, signal.SIGSTOP)
    assert child_seat.unread_orders(family.channel) == b""
    assert child_seat.order(family.parent, family.channel, b"K")
    assert child_seat.unread_orders(family.channel) == b"K"
    assert child_seat.unread_orders(family.channel) == b"K", "looked at, and left"
    os.kill(family.child, signal.SIGCONT)
    settle(lambda: procfs.look(family.child).zombie, what="the child's end, and of all that it held")
    assert child_seat.unread_orders(family.channel) is None
    assert not child_seat.say(family.channel, b"C")


def test_no_duplicate_is_kept_so_that_the_parents_death_is_seen(family: Family) -> None:
    before = descriptors()
    with parent_seat(family.parent, {family.child: family.channel}) as seat:
        assert seat
        says(family, signal.SIGUSR1)
        settle(lambda: hears(seat, family.child) == b"C", what="C heard")
    child_seat.say(family.channel, b"CFC")
    child_seat.unread_orders(family.channel)
    child_seat.order(family.parent, family.channel, b"X")
    channels.maker(family.parent, family.channel)
    assert descriptors() == before
    os.kill(family.parent, signal.SIGKILL)
    settle(lambda: procfs.look(family.child).ended, what="the child sees that its parent is gone")


def test_while_an_end_is_held_its_closing_is_hidden(family: Family) -> None:
    """Why nothing may be kept."""
    with duplicated(family.parent, family.channel.parents_descriptor):
        os.kill(family.parent, signal.SIGKILL)
        settle(lambda: procfs.look(family.parent).zombie, what="the parent's end, and of all that it held")
        assert procfs.look(family.child).asleep
    settle(lambda: procfs.look(family.child).ended, what="the child sees it now")


@pytest.mark.parametrize("inode", [None, Inode(1)])
def test_an_end_that_is_another_one_now_or_gone_is_told(family: Family, inode: Inode | None) -> None:
    before = descriptors()
    if inode is None:
        with pytest.raises(EndGone):
            ChannelEnd(NOBODY, 3)
        with pytest.raises(EndGone):
            ChannelEnd(family.parent, 900)
    else:
        with pytest.raises(EndGone, match="another one now"):
            ChannelEnd(family.parent, family.channel.parents_descriptor, inode=inode)
    assert descriptors() == before


def test_on_one_processor_who_is_woken_waits_until_the_suite_sleeps_and_all_is_undone(family: Family) -> None:
    ours, theirs = os.sched_getaffinity(0), os.sched_getaffinity(family.child)
    with one_processor([family.child]):
        assert len(os.sched_getaffinity(0)) == 1
        assert os.sched_getaffinity(family.child) == os.sched_getaffinity(0)
        assert os.sched_getscheduler(family.child) == os.SCHED_BATCH
    assert (os.sched_getaffinity(0), os.sched_getaffinity(family.child)) == (ours, theirs)
    assert os.sched_getscheduler(family.child) == os.SCHED_OTHER


def test_on_one_processor_whoever_ends_meanwhile_is_passed_over(family: Family) -> None:
    with one_processor([family.child]):
        os.kill(family.child, signal.SIGKILL)
        settle(lambda: procfs.look(family.child).ended, what="the child's end")
    assert len(os.sched_getaffinity(0)) == len(os.sched_getaffinity(1) & os.sched_getaffinity(0))
    assert Path(f"/proc/{Pid(os.getpid())}").exists()
