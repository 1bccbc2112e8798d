"""Which process is the pool's parent, and who came and went, with servers of a few lines as subjects."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from observers import procfs
from observers.pool_watch import NoPool, PoolWatch, find_parent
from observers.sock_diag import NETLINK_SOCK_DIAG, SockDiag
from selftests.facts import settle
from selftests.launching import free_port, order, settle_output
from spec.event import Accepted, ConnectionId, Ended, Phase, Pid, Reaped, Settled, Spawned
from subject.isolation import isolation_allowed
from subject.launch import Launch

# Functions that each subject puts together as it likes; `ready` tells the pid of the pool's parent, as it sees it.
WORDS = """
import os, signal, socket, sys, time
port = int(sys.argv[1])
def listen():
    return socket.create_server(("127.0.0.1", port))
def wait():
    while True:
        signal.pause()
def regulate():
    # Signals have handlers here: one that comes just before a pause() would be heard at the next one only.
    while True:
        time.sleep(0.01)
def child(work=wait):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid
def ready():
    print("parent", os.getpid(), flush=True)
def pool(children=3):
    listener = listen()
    for _ in range(children):
        child()
    ready()
    regulate()
"""


class Watched:
    """A launch with a watch over its pool, on a clock that counts the looks at it."""

    def __init__(self, source: str) -> None:
        self.port = free_port()
        self.launch = Launch(order(WORDS + source, self.port, isolate=isolation_allowed()))
        outside = {self.launch.init} if self.launch.isolated else set()
        self.diag = SockDiag(self.launch.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
        self.outside = frozenset(outside)
        self.looks = 0
        self.watch = PoolWatch(self.launch.warden, outside=self.outside, diag=self.diag, clock=self.clock)

    def clock(self) -> float:
        """Count the looks."""
        self.looks += 1
        return float(self.looks)

    def parent(self) -> Pid:
        """Give the pool's parent as the subject tells it, in the pids of the suite."""
        told = int(settle_output(self.launch, "parent").split("parent")[1].split()[0])
        if not self.launch.isolated:
            return Pid(told)
        for pid in procfs.descendants(self.launch.warden):
            status = Path(f"/proc/{pid}/status").read_text()
            if any(line.split()[-1] == str(told) for line in status.splitlines() if line.startswith("NSpid:")):
                return pid
        raise AssertionError(f"nobody has pid {told} in the subject's namespace")

    def close(self) -> None:
        """End the launch and let go of everything."""
        self.watch.close()
        self.diag.close()
        self.launch.close()


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """The server that the test is marked with."""
    launched = Watched(request.param)
    yield launched
    launched.close()


def serving(source: str) -> pytest.MarkDecorator:
    """Give the test this server."""
    return pytest.mark.parametrize("watched", [source], indirect=True, ids=["server"])


# --- finding the parent --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "watched",
    [
        "pool()",
        "pool(1)",
        "child(pool); wait()",
        "child(lambda: (child(pool), wait())); wait()",
        "child(lambda: (os.setsid(), child(pool))); wait()",
        "child(wait); child(wait); child(pool); wait()",
        "listener = listen(); child(wait); child(wait); (child(lambda: listener.close() or wait())); ready(); wait()",
        "child(lambda: (os.chdir('/'), [os.close(each) for each in (0, 2)], pool())); os.wait(); wait()",
    ],
    ids=[
        "plain",
        "one-child",
        "wrapper",
        "wrapper-of-a-wrapper",
        "daemon",
        "wrapper-with-helpers",
        "helper-child",
        "closed-descriptors",
    ],
    indirect=True,
)
def test_the_parent_is_the_one_whose_children_hold_the_listening_socket(watched: Watched) -> None:
    parent = watched.parent()
    assert watched.watch.find(watched.port)
    assert watched.watch.parent == parent
    assert watched.watch.children_hold_listener


@serving("wait()")
def test_where_nobody_listens_there_is_no_pool(watched: Watched) -> None:
    assert not watched.watch.find(watched.port)
    with pytest.raises(NoPool):
        find_parent(watched.launch.warden, watched.watch.listeners, outside=watched.outside)


@serving("listener = listen(); ready(); wait()")
def test_a_server_without_children_is_itself_what_is_watched(watched: Watched) -> None:
    parent = watched.parent()
    if watched.launch.isolated:
        assert watched.watch.find(watched.port)
        assert (watched.watch.parent, watched.watch.children_hold_listener) == (parent, False)
        assert watched.watch.live == []


@serving(
    "told, tell = os.pipe()\n"
    "def server():\n"
    "    listener = listen(); ready()\n"
    "    os.read(told, 1)\n"
    "    child(); child(); print('grown', flush=True); wait()\n"
    "signal.signal(signal.SIGUSR1, lambda *_: os.write(tell, b'.')); child(server); regulate()"
)
def test_a_wrapper_that_looked_like_the_parent_is_corrected_and_its_history_forgotten(watched: Watched) -> None:
    parent = watched.parent()
    watched.watch.find(watched.port)
    wrapper = watched.watch.parent
    assert wrapper != parent, "its one child holds the socket, and has no children yet"
    assert watched.watch.live == [parent]
    os.kill(wrapper, signal.SIGUSR1)
    settle_output(watched.launch, "grown")
    watched.watch.find(watched.port)
    assert watched.watch.parent == parent
    assert len(watched.watch.live) == 2
    assert [type(event) for event in watched.watch.timeline()] == [Spawned, Spawned]
    assert parent not in watched.watch.live


# --- who comes and goes --------------------------------------------------------------------------------------------

GROWS_ON_SIGNALS = (
    "signal.signal(signal.SIGUSR1, lambda *_: child())\n"
    "signal.signal(signal.SIGUSR2, lambda *_: os.waitpid(-1, 0))\n"
    "pool(2)"
)


@serving(GROWS_ON_SIGNALS)
def test_the_coming_and_going_of_children_is_written_in_order(watched: Watched) -> None:
    parent = watched.parent()
    watched.watch.find(watched.port)
    first, second = watched.watch.live
    os.kill(first, signal.SIGKILL)
    settle(lambda: procfs.look(first).zombie, what="the child's end")
    watched.watch.sample()
    watched.watch.write(Settled(99.0, Phase.START))
    os.kill(parent, signal.SIGUSR1)
    settle(lambda: len(procfs.children(parent)) == 3, what="another child")
    watched.watch.sample()
    watched.watch.sample()
    third = watched.watch.live[-1]
    assert watched.watch.live == [second, third]
    told = [(type(event), getattr(event, "pid", None)) for event in watched.watch.timeline()]
    assert told == [(Spawned, first), (Spawned, second), (Ended, first), (Settled, None), (Spawned, third)]
    assert watched.watch.zombies() == [first]


@serving(GROWS_ON_SIGNALS)
def test_a_child_that_its_parent_reaps_is_noticed_even_if_nobody_saw_it(watched: Watched) -> None:
    parent = watched.parent()
    watched.watch.find(watched.port)
    assert not watched.watch.has_reaped(), "nothing is noticed before it is watched for"
    watched.watch.watch_reaping()
    assert not watched.watch.has_reaped()
    victim = watched.watch.live[0]
    os.kill(victim, signal.SIGKILL)
    os.kill(parent, signal.SIGUSR2)
    settle(lambda: victim not in procfs.children(parent), what="the child reaped")
    assert watched.watch.has_reaped()
    assert not watched.watch.has_reaped(), "told once"
    assert [event for event in watched.watch.timeline() if isinstance(event, Reaped)] != []


@serving("pool()")
def test_the_parents_end_is_noticed_and_its_children_outlive_it_unwatched(watched: Watched) -> None:
    parent = watched.parent()
    watched.watch.find(watched.port)
    assert not watched.watch.parent_ended
    os.kill(parent, signal.SIGKILL)
    settle(lambda: procfs.look(parent).ended, what="the parent's end")
    watched.watch.sample()
    assert watched.watch.parent_ended
    assert len(watched.watch.live) == 3


@serving("listener = listen(); child(); child(); child(lambda: (listener.close(), wait())); ready(); wait()")
def test_a_helper_without_the_listening_socket_is_no_part_of_the_pool(watched: Watched) -> None:
    watched.parent()

    def looked_again() -> bool:
        watched.watch.find(watched.port)
        watched.watch.leave_out_helpers()
        return len(watched.watch.live) == 2

    settle(looked_again, what="the helper told apart")
    helper = set(procfs.children(watched.watch.parent)) - set(watched.watch.live)
    os.kill(next(iter(helper)), signal.SIGKILL)
    settle(lambda: all(procfs.look(pid).ended for pid in helper), what="the helper's end")
    watched.watch.sample()
    assert [type(event) for event in watched.watch.timeline()] == [Spawned, Spawned]


@serving("listener = listen(); child(lambda: (time.sleep(60), wait())); child(); ready(); wait()")
def test_a_newborn_that_sleeps_waits_for_work_only_when_it_is_seen_to(watched: Watched) -> None:
    watched.parent()
    watched.watch.find(watched.port)
    newborn, ready = watched.watch.live
    settle(lambda: watched.watch.child_waits(ready), what="the child that pauses")
    if procfs.calls_are_known():
        settle(lambda: "nanosleep" in " ".join(procfs.waiting_calls(newborn)), what="the child that naps")
        assert not watched.watch.child_waits(newborn)
        watched.watch.write(Accepted(99.0, ConnectionId(1), newborn))
        assert watched.watch.child_waits(newborn), "who has accepted a connection has all that it needs"
    os.kill(newborn, signal.SIGSTOP)
    settle(lambda: not procfs.look(newborn).asleep, what="the child stopped")
    watched.watch.take_for_ready([newborn])
    assert not watched.watch.child_waits(newborn), "but not while it is stopped"
    os.kill(newborn, signal.SIGKILL)
    settle(lambda: watched.watch.child_waits(newborn), what="its end")


@serving("pool(200)")
def test_two_hundred_children_are_all_seen_in_the_order_of_their_birth(watched: Watched) -> None:
    parent = watched.parent()
    watched.watch.find(watched.port)
    assert watched.watch.live == procfs.children(parent)
    assert len(watched.watch.live) == 200
    for _ in range(20):
        watched.watch.sample()
    assert len(watched.watch.timeline().events) == 200


@serving("pool(0)")
def test_a_pid_that_is_given_again_is_another_child(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel does so after some ten thousand births, as in a soak of hours; here the pid is played."""
    watched.parent()
    watch = watched.watch
    watch.find(watched.port)
    played = Pid(os.getpid())
    ended: set[Pid] = set()
    listed: list[Pid] = []

    class Played(procfs.Stat):
        def look(self) -> procfs.Look:
            return replace(super().look(), ended=True) if self.pid in ended else super().look()

    monkeypatch.setattr("observers.pool_watch.Stat", Played)
    monkeypatch.setattr("observers.pool_watch.procfs.children", lambda _: list(listed))
    for lives, is_listed in ((True, True), (False, True), (False, False), (True, True)):
        ended = set() if lives else {played}
        listed = [played] if is_listed else []
        watch.sample()
    assert [type(event) for event in watch.timeline()] == [Spawned, Ended, Spawned]
    assert watch.live == [played]
