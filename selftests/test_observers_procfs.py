"""Processes as `/proc` shows them, against processes that the tests make."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from observers import procfs
from observers.procfs import Stat
from selftests.facts import NOBODY, settle
from selftests.programs import Program
from spec.epoll import Ran
from spec.event import Pid


@pytest.fixture
def run() -> Iterator[Callable[[str], Program]]:
    """Run programs; those that still run are ended."""
    programs: list[Program] = []

    def start(source: str) -> Program:
        programs.append(Program(source))
        return programs[-1]

    yield start
    for program in programs:
        program.end()


# --- live, ending, ended -------------------------------------------------------------------------------------------


def test_a_live_process_has_its_parent_and_is_not_ended(run: Callable[[str], Program]) -> None:
    program = run("import signal; signal.pause()")
    seen = procfs.look(program.pid)
    assert (seen.ended, seen.zombie, seen.parent) == (False, False, os.getpid())


def test_a_stopped_process_is_not_ended(run: Callable[[str], Program]) -> None:
    program = run("import signal; signal.pause()")
    os.kill(program.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)
    assert not procfs.look(program.pid).ended


def test_a_zombie_is_ended_and_so_is_one_that_was_reaped() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    kept = Stat(Pid(pid))
    seen = kept.look()
    assert (seen.ended, seen.zombie, seen.parent) == (True, True, os.getpid())
    os.waitpid(pid, 0)
    for seen in (kept.look(), procfs.look(Pid(pid))):
        assert (seen.ended, seen.zombie) == (True, False)
    kept.close()
    kept.close()


def test_nobody_is_ended_and_has_nothing() -> None:
    assert procfs.look(NOBODY).ended
    assert procfs.children(NOBODY) == []
    assert procfs.descendants(NOBODY) == []
    assert procfs.descriptors(NOBODY) == {}
    assert procfs.waiting_calls(NOBODY) == frozenset()
    assert procfs.voluntary_switches(NOBODY) == 0
    assert procfs.ran(NOBODY) == Ran(0, 0)


def test_a_process_on_its_way_out_is_ended_before_it_is_a_zombie(run: Callable[[str], Program]) -> None:
    """The first process of a pid namespace can't leave before all others are reaped: here one is kept a zombie."""
    program = run(
        """
import ctypes, os, signal, sys
if ctypes.CDLL(None).unshare(0x1000_0000 | 0x2000_0000):  # user and pid namespaces
    print("refused", flush=True)
    sys.exit()
first = os.fork()
if first == 0:
    signal.pause()
second = os.fork()
if second == 0:
    os._exit(0)
os.waitid(os.P_PID, second, os.WEXITED | os.WNOWAIT)
os.kill(first, signal.SIGKILL)
print(first, flush=True)
sys.stdin.readline()
os.waitpid(second, 0)
os.waitpid(first, 0)
print("done", flush=True)
"""
    )
    told = program.says()
    if told == "refused":
        pytest.skip("no pid namespaces here, to keep a process from ending")
    first = Pid(int(told))
    settle(lambda: procfs.look(first).ended, what="the end of the namespace's first process")
    assert not procfs.look(first).zombie
    assert Path(f"/proc/{first}/stat").exists()
    program.go_on()
    assert program.says() == "done"


@pytest.mark.parametrize("name", ["a) R 1 (b", "((((", "x y z", "))) Z 0 0"])
def test_a_name_with_brackets_and_spaces_confuses_nobody(run: Callable[[str], Program], name: str) -> None:
    program = run(
        f"open('/proc/self/comm', 'w').write({name!r}); print('ready', flush=True); import signal; signal.pause()"
    )
    assert program.says() == "ready"
    assert Path(f"/proc/{program.pid}/comm").read_text().strip() == name
    seen = procfs.look(program.pid)
    assert (seen.ended, seen.zombie, seen.parent) == (False, False, os.getpid())


# --- families ------------------------------------------------------------------------------------------------------


def test_children_are_those_of_all_threads_in_the_order_of_their_forks_with_zombies(
    run: Callable[[str], Program],
) -> None:
    program = run(
        """
import os, signal, threading
pids = []
def fork(end):
    pids.append(os.fork())
    if pids[-1] == 0:
        if not end:
            signal.pause()
        os._exit(0)
fork(False)
fork(True)
forked, stay = threading.Event(), threading.Event()
threading.Thread(target=lambda: (fork(False), forked.set(), stay.wait())).start()
forked.wait()
os.waitid(os.P_PID, pids[1], os.WEXITED | os.WNOWAIT)
print(*pids, flush=True)
signal.pause()
"""
    )
    pids = [Pid(int(pid)) for pid in program.says().split()]
    assert procfs.children(program.pid) == pids
    assert [procfs.look(pid).zombie for pid in pids] == [False, True, False]


def test_descendants_come_parents_first(run: Callable[[str], Program]) -> None:
    program = run(
        """
import os, signal
told, tell = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        if os.fork() == 0:
            os.write(tell, b".")
        signal.pause()
read = b""
while len(read) < 2:
    read += os.read(told, 2)
print("ready", flush=True)
signal.pause()
"""
    )
    assert program.says() == "ready"
    family = procfs.descendants(program.pid)
    assert len(family) == 4
    parents = [procfs.look(pid).parent for pid in family]
    assert parents[:2] == [program.pid] * 2
    assert set(parents[2:]) == set(family[:2])


def test_a_parents_reaped_faults_grow_with_each_child_that_it_reaps(run: Callable[[str], Program]) -> None:
    program = run(
        """
import os, sys
while True:
    print("ready", flush=True)
    sys.stdin.readline()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
"""
    )
    counts = []
    for _ in range(4):
        program.says()
        counts.append(procfs.look(program.pid).reaped_faults)
        program.go_on()
    assert counts[0] == 0
    assert counts == sorted(set(counts))


def test_descriptors_are_told_by_number_and_inode() -> None:
    own = Pid(os.getpid())
    listener = socket.create_server(("127.0.0.1", 0))
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    with listener, ours, theirs, os.fdopen(read_end), os.fdopen(write_end, "w"):
        inodes = {os.fstat(each.fileno()).st_ino for each in (listener, ours, theirs)}
        assert inodes <= procfs.socket_inodes(own)
        assert os.fstat(read_end).st_ino in procfs.pipe_inodes(own)
        assert os.fstat(read_end).st_ino not in procfs.socket_inodes(own)
        assert procfs.descriptors(own)[listener.fileno()] == f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    assert not inodes & procfs.socket_inodes(own)


def test_a_zombie_has_no_descriptors_and_waits_in_no_call() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    seen = procfs.descriptors(Pid(pid)), procfs.waiting_calls(Pid(pid)) & {"epoll_wait"}
    os.waitpid(pid, 0)
    assert seen == ({}, frozenset()), "to an ordinary user too, whom the kernel refuses it"


TWO_WANT_ONE_LOCK = """
import fcntl, os, signal, tempfile
locked = tempfile.TemporaryFile()
fcntl.flock(locked, fcntl.LOCK_EX)
if os.fork():
    signal.pause()
fcntl.flock(open(f"/proc/self/fd/{locked.fileno()}"), fcntl.LOCK_EX)
"""


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ("import select; select.epoll().poll()", "epoll_wait"),
        ("import select; select.poll().poll()", "poll"),
        ("import select; select.select([0], [], [])", "select"),
        ("import socket; socket.create_server(('127.0.0.1', 0)).accept()", "accept"),
        ("import os; os.read(os.pipe()[0], 1)", "read"),
        ("import socket; pair = socket.socketpair(); pair[0].recv(1)", "recvfrom"),
        ("import signal; signal.pause()", "pause"),
        ("import time; time.sleep(1000)", "clock_nanosleep"),
        ("import os, signal; os.fork() or signal.pause(); os.wait()", "wait4"),
        (TWO_WANT_ONE_LOCK, "flock"),
    ],
)  # fmt: skip
def test_the_call_that_a_process_waits_in_is_told_by_name(
    run: Callable[[str], Program], source: str, call: str
) -> None:
    if not procfs.calls_are_known():
        pytest.skip("the numbers of system calls are not known on this machine")
    program = run(source)
    # The same by another number, on other machines and libraries.
    likely = {call, {"select": "pselect6", "poll": "ppoll", "pause": "rt_sigsuspend"}.get(call, call)}

    def seen() -> bool:
        return any(procfs.waiting_calls(pid) & likely for pid in [program.pid, *procfs.children(program.pid)])

    settle(seen, what=f"the program in {call}")


def test_each_thread_has_its_call_and_a_busy_one_runs(run: Callable[[str], Program]) -> None:
    if not procfs.calls_are_known():
        pytest.skip("the numbers of system calls are not known on this machine")
    threads = run(
        "import select, signal, threading; threading.Thread(target=select.epoll().poll).start(); signal.pause()"
    )
    settle(lambda: procfs.waiting_calls(threads.pid) == {"epoll_wait", "pause"}, what="one thread in each call")
    busy = run("while True: pass")
    settle(lambda: procfs.waiting_calls(busy.pid) == {"running"}, what="a running process")


def test_each_time_that_a_process_goes_to_sleep_is_counted(run: Callable[[str], Program]) -> None:
    program = run("import sys\nfor line in sys.stdin: print('heard', flush=True)")
    counts = []
    for _ in range(5):
        program.go_on()
        program.says()
        settle(
            lambda: "read" in procfs.waiting_calls(program.pid) or not procfs.calls_are_known(),
            what="the program asleep",
        )
        counts.append(procfs.voluntary_switches(program.pid))
    assert counts == sorted(set(counts)), "at least one for each line"
    assert procfs.voluntary_switches(program.pid) == counts[-1], "none while nothing happens"


def test_run_time_grows_for_who_runs_and_stands_for_who_waits(run: Callable[[str], Program]) -> None:
    busy = run("while True: pass")
    waiting = run("import signal; print('ready', flush=True); signal.pause()")
    assert waiting.says() == "ready"
    settle(
        lambda: "pause" in procfs.waiting_calls(waiting.pid) or not procfs.calls_are_known(), what="the program asleep"
    )
    began = procfs.ran(waiting.pid)
    before = procfs.ran(busy.pid)
    settle(lambda: procfs.ran(busy.pid).used > before.used + 0.05, what="a twentieth of a second of processor time")
    assert procfs.ran(waiting.pid) == began
    assert procfs.ran(busy.pid).in_line >= before.in_line
