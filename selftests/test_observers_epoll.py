"""What epolls watch, and whose they are, against epolls that the tests make."""

import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from observers import epoll_interest
from observers.sock_diag import NETLINK_SOCK_DIAG, SockDiag
from selftests.facts import NOBODY, PYTHON
from spec.epoll import EPOLLEXCLUSIVE, EPOLLIN, Waiting, Watched
from spec.event import Inode, Pid

OWN = Pid(os.getpid())


def inode(descriptor: int) -> Inode:
    return Inode(os.fstat(descriptor).st_ino)


@pytest.fixture
def diag() -> Iterator[SockDiag]:
    """The suite's own network."""
    asked = SockDiag(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
    yield asked
    asked.close()


@pytest.fixture
def fork() -> Iterator[Callable[[Callable[[], None]], Pid]]:
    """Fork children that set something up, say so, and wait; ended at the end."""
    children: list[int] = []

    def child(prepare: Callable[[], None]) -> Pid:
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                prepare()
                os.write(tell, b".")
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        children.append(pid)
        os.close(tell)
        assert os.read(told, 1) == b"."
        os.close(told)
        return Pid(pid)

    yield child
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def look(parent: Pid, children: list[Pid], diag: SockDiag) -> dict[Pid, Waiting]:
    return epoll_interest.waiting(parent, children, {pid: frozenset({"epoll_wait"}) for pid in children}, diag)


def kept(epoll: select.epoll) -> int:
    """Keep an epoll open in this process until it ends."""
    return os.dup(epoll.fileno())


# --- one process ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (select.EPOLLIN, EPOLLIN | 0x18),  # the kernel adds EPOLLERR and EPOLLHUP
        (select.EPOLLIN | select.EPOLLEXCLUSIVE, EPOLLIN | EPOLLEXCLUSIVE | 0x18),
        (select.EPOLLIN | select.EPOLLEXCLUSIVE | select.EPOLLET, EPOLLIN | EPOLLEXCLUSIVE | select.EPOLLET | 0x18),
        (select.EPOLLIN | select.EPOLLONESHOT, EPOLLIN | select.EPOLLONESHOT | 0x18),
        (select.EPOLLOUT, select.EPOLLOUT | 0x18),
    ],
)
def test_an_entry_is_told_with_its_inode_and_its_flags(asked: int, shown: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as epoll:
        epoll.register(listener.fileno(), asked)
        (entry,) = epoll_interest.epolls(OWN)[epoll.fileno()]
        assert (entry.inode, entry.events & 0xFFFFFFFF) == (inode(listener.fileno()), shown & 0xFFFFFFFF)


def test_every_entry_of_every_epoll_is_told() -> None:
    pairs = [socket.socketpair() for _ in range(20)]
    with select.epoll() as empty, select.epoll() as full:
        for one, _ in pairs:
            full.register(one.fileno(), select.EPOLLIN)
        found = epoll_interest.epolls(OWN)
        assert found[empty.fileno()] == ()
        assert {entry.inode for entry in found[full.fileno()]} == {inode(one.fileno()) for one, _ in pairs}
        assert Watched(inode(pairs[0][1].fileno()), 0x19) not in found[full.fileno()]
    for pair in pairs:
        for each in pair:
            each.close()


def test_a_closed_descriptor_is_watched_no_more() -> None:
    one, other = socket.socketpair()
    with other, select.epoll() as epoll:
        epoll.register(one.fileno(), select.EPOLLIN)
        one.close()
        assert epoll_interest.epolls(OWN)[epoll.fileno()] == ()


def test_a_process_that_is_gone_has_no_epolls() -> None:
    assert epoll_interest.epolls(NOBODY) == {}


def test_one_open_file_is_told_from_two() -> None:
    with select.epoll() as one, select.epoll() as other:
        again = os.dup(one.fileno())
        assert epoll_interest.same_file(OWN, one.fileno(), OWN, again)
        assert not epoll_interest.same_file(OWN, one.fileno(), OWN, other.fileno())
        os.close(again)
        assert not epoll_interest.same_file(NOBODY, 0, OWN, one.fileno())


# --- parent and children -------------------------------------------------------------------------------------------


def test_an_epoll_that_was_made_before_the_fork_is_nobodys_own(
    fork: Callable[[Callable[[], None]], Pid], diag: SockDiag
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as before:
        before.register(listener.fileno(), select.EPOLLIN)
        child = fork(lambda: None)
        found = look(OWN, [child], diag)
        assert (found[child].epolls, found[child].shared_epolls) == ((), 1)
        assert any(inode(listener.fileno()) == entry.inode for epoll in found[OWN].epolls for entry in epoll), (
            "the parent's are its own, whoever has inherited them"
        )


def test_an_epoll_that_two_children_share_is_neithers_own(
    fork: Callable[[Callable[[], None]], Pid], diag: SockDiag
) -> None:
    shared = select.epoll()
    children = [fork(lambda: None), fork(lambda: None)]
    shared.close()  # the parent itself has let go of it
    found = look(OWN, children, diag)
    assert [found[child].shared_epolls for child in children] == [1, 1]
    assert [found[child].epolls for child in children] == [(), ()]


def test_each_childs_own_epoll_is_told_beside_a_shared_one(
    fork: Callable[[Callable[[], None]], Pid], diag: SockDiag
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll():

        def wait_alone() -> None:
            own = select.epoll()
            own.register(listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)
            kept(own)

        children = [fork(wait_alone), fork(wait_alone)]
        found = look(OWN, children, diag)
        for child in children:
            (own,) = set(found[child].epolls)  # twice open there: by its object, and kept
            assert own == (Watched(inode(listener.fileno()), EPOLLIN | EPOLLEXCLUSIVE | 0x18),)
            assert found[child].shared_epolls == 1
            assert found[child].calls == {"epoll_wait"}


def test_the_channel_is_the_socket_pair_or_the_pipe_that_leads_to_the_parent(
    fork: Callable[[Callable[[], None]], Pid], diag: SockDiag
) -> None:
    ours, theirs = socket.socketpair()
    siblings, more = socket.socketpair()
    reading, writing = os.pipe()

    def keep_one_end() -> None:
        ours.close()
        os.close(reading)

    def keep_another() -> None:
        ours.close()
        siblings.close()
        os.close(reading)

    with ours, os.fdopen(reading):
        child = fork(keep_one_end)
        ends = {inode(theirs.fileno()): inode(ours.fileno())}
        pipe = inode(writing)
        theirs.close()
        os.close(writing)
        sibling = fork(keep_another)
        siblings.close()
        more.close()
        found = look(OWN, [child, sibling], diag)
        # Whatever else the suite had open is common to both.
        own = (found[child].channel or {}).items() - (found[sibling].channel or {}).items()
        assert dict(own) == ends | {pipe: pipe}


def test_a_child_without_a_channel_has_none(diag: SockDiag) -> None:
    """A program that was executed, with nothing inherited that leads to the suite."""
    program = subprocess.Popen([*PYTHON, "import signal; signal.pause()"], stdin=subprocess.DEVNULL)
    try:
        assert look(OWN, [Pid(program.pid)], diag)[Pid(program.pid)].channel == {}
    finally:
        program.kill()
        program.wait()
