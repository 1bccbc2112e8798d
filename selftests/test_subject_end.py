"""Whatever a subject does, and whatever becomes of the suite: nothing of the launch is left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from observers import procfs
from selftests.facts import PYTHON, Identity, ended, identities, namespace, remains, settle, with_namespace
from selftests.launching import POOL, ask, everyone, free_port, order, settle_output, settle_status, subject_processes
from spec.event import Pid
from subject import namespaces, processes
from subject.isolation import why_not_isolated
from subject.launch import Launch, LaunchRefused

ROOT = Path(__file__).resolve().parent.parent
ISOLATED = pytest.mark.skipif(why_not_isolated() is not None, reason=f"no namespaces here: {why_not_isolated()}")

# A program that holds a launch, as the suite does, tells who belongs to it, and waits.
SUITE = """
import json, signal, sys
# A worker of pytest's blocks Ctrl-C, which would be inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
sys.path.insert(0, sys.argv[1])
from selftests.launching import POOL, everyone, order, settle_output
from subject.launch import Launch
with Launch(order(POOL, sys.argv[2], 3, isolate=sys.argv[3] == "True")) as launch:
    settle_output(launch, "ready")
    print(json.dumps([launch.warden, *[each.pid for each in everyone(launch)]]), flush=True)
    sys.stdin.read()
"""
STUBBORN = """
import os, signal
for number in range(1, signal.NSIG):
    if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
        signal.signal(number, signal.SIG_IGN)
os.fork()
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""
DAEMON = """
import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        for descriptor in range(64):
            try:
                os.close(descriptor)
            except OSError:
                pass
        while True:
            signal.pause()
    os._exit(0)
os.wait()
"""
# Each process forks another ten times over: a thousand in all, if nobody ends them.
BOMB = """
import os, signal
for _ in range(10):
    os.fork()
while True:
    signal.pause()
"""


@pytest.fixture(params=[pytest.param(True, marks=ISOLATED, id="isolated"), pytest.param(False, id="process-group")])
def isolate(request: pytest.FixtureRequest) -> bool:
    """Launches of both kinds."""
    return bool(request.param)


@pytest.fixture
def suite(*, isolate: bool) -> Iterator[tuple[subprocess.Popen[str], set[Identity]]]:
    """Another suite that holds a launch, and who belongs to the launch."""
    program = [sys.executable, "-c", SUITE, str(ROOT), str(free_port()), str(isolate)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, identities(json.loads(line))
        finally:
            process.kill()


def assert_gone(everyone: set[Identity]) -> None:
    assert len(everyone) >= 2
    settle(lambda: not remains(everyone), what=f"the end of {sorted(each.pid for each in everyone)}")


def test_without_a_proc_of_its_own_a_launch_is_counted_by_its_descendants() -> None:
    """Else the processes of a busy machine would be taken for the subject's."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert namespaces.count_processes(child.pid, isolated=True) == len(processes.descendants(os.getpid()))


def test_a_closed_launch_leaves_no_process(*, isolate: bool) -> None:
    port = free_port()
    with Launch(order(POOL, port, 5, isolate=isolate)) as launch:
        settle_output(launch, "ready")
        assert ask(launch, port).endswith(b"hi")
        assert len(subject_processes(launch)) == 6
        them = everyone(launch)
    assert remains(them) == [], "close returns when all is gone"


@ISOLATED
def test_a_closed_launch_leaves_no_namespace_and_no_mount() -> None:
    kinds = ("net", "pid", "ipc", "mnt")
    mounts = Path("/proc/self/mountinfo").read_text()
    with Launch(order(POOL, 8080, 2)) as launch:
        settle_output(launch, "ready")
        child = subject_processes(launch)[-1]
        inodes = {kind: namespace(kind, child) for kind in kinds}
        for kind in kinds:
            assert inodes[kind] != namespace(kind, os.getpid())
        assert Path("/proc/self/mountinfo").read_text() == mounts, "the suite sees none of the subject's mounts"
    for kind in kinds:
        assert with_namespace(kind, inodes[kind]) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_a_launch_leaves_no_descriptor_in_the_suite(*, isolate: bool) -> None:
    before = procfs.descriptors(Pid(os.getpid()))
    with Launch(order(POOL, free_port(), 1, isolate=isolate)) as launch:
        settle_output(launch, "ready")
        launch.socket().close()
    assert procfs.descriptors(Pid(os.getpid())).keys() == before.keys()


def test_a_launch_may_be_closed_again(*, isolate: bool) -> None:
    launch = Launch(order("", isolate=isolate))
    launch.close()
    launch.close()


def test_a_crash_of_the_suite_leaves_nothing(suite: tuple[subprocess.Popen[str], set[Identity]]) -> None:
    process, them = suite
    assert len(them) >= 5
    process.kill()
    assert_gone(them)


def test_ctrl_c_reaches_the_suite_which_ends_all(suite: tuple[subprocess.Popen[str], set[Identity]]) -> None:
    process, them = suite
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) != 0
    assert_gone(them)


def test_ctrl_c_does_not_reach_the_subject(*, isolate: bool) -> None:
    with Launch(order(POOL, free_port(), 1, isolate=isolate)) as launch:
        settle_output(launch, "ready")
        for pid in [launch.warden, *subject_processes(launch)]:
            assert os.getsid(pid) != os.getsid(0)
            assert os.getpgid(pid) != os.getpgid(0)


@ISOLATED
def test_a_killed_warden_takes_its_namespace_with_it() -> None:
    with Launch(order(POOL, 8080, 3)) as launch:
        settle_output(launch, "ready")
        them = everyone(launch)
        os.kill(launch.warden, signal.SIGKILL)
        settle(lambda: ended(launch.warden), what="the warden's end")
        assert_gone({each for each in them if each.pid != launch.warden})
        with pytest.raises(LaunchRefused, match="warden"):
            launch.report()
    assert remains(them) == []


def test_a_subject_that_becomes_a_daemon_is_found_and_ended(*, isolate: bool) -> None:
    with Launch(order(DAEMON, isolate=isolate)) as launch:
        assert settle_status(launch) == 0
        settle(lambda: len(subject_processes(launch)) == 1, what="one daemon")
        them = everyone(launch)
        assert launch.report().status == 0
    assert remains(them) == []


def test_a_subject_that_ignores_every_signal_is_ended(*, isolate: bool) -> None:
    with Launch(order(STUBBORN, isolate=isolate)) as launch:
        settle_output(launch, "ready\nready")
        for pid in subject_processes(launch):
            os.kill(pid, signal.SIGTERM)
        assert len(subject_processes(launch)) == 2
        them = everyone(launch)
    assert remains(them) == []


def test_a_stopped_subject_is_ended(*, isolate: bool) -> None:
    with Launch(order(POOL, free_port(), 2, isolate=isolate)) as launch:
        settle_output(launch, "ready")
        for pid in subject_processes(launch):
            os.kill(pid, signal.SIGSTOP)
        them = everyone(launch)
    assert remains(them) == []


def test_a_subject_that_multiplies_is_ended_by_the_warden_which_says_why(*, isolate: bool) -> None:
    with Launch(order(BOMB, isolate=isolate, process_limit=40)) as launch:
        settle(lambda: launch.report().ended_for, what="the warden's intervention")
        assert "more than 40" in (launch.report().ended_for or "")
        settle(lambda: not subject_processes(launch), what="the end of all processes")
        them = everyone(launch)
    assert remains(them) == []


@ISOLATED
def test_a_subject_that_kills_all_it_can_reach_reaches_nobody_else() -> None:
    port = 8080
    raging = """
import os, signal
if os.fork() == 0:
    signal.pause()
os.kill(-1, signal.SIGKILL)
print("ended", os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
signal.pause()
"""
    bystander = subprocess.Popen([*PYTHON, "import signal; signal.pause()"])
    try:
        with Launch(order(POOL, port, 2)) as beside, Launch(order(raging)) as launch:
            settle_output(beside, "ready")
            assert "ended -9" in settle_output(launch, "ended")
            assert bystander.poll() is None
            assert ask(beside, port).endswith(b"hi")
            assert len(subject_processes(beside)) == 3
            them = everyone(beside) | everyone(launch)
        assert remains(them) == []
    finally:
        bystander.kill()
        bystander.wait()


def test_orphans_are_reaped_while_the_subject_runs(*, isolate: bool) -> None:
    """Half of the grandchildren are orphans, and end: somebody must collect them, but it can't be the subject."""
    source = """
import os, signal
for _ in range(4):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
for _ in range(4):
    os.wait()
print("ready", flush=True)
signal.pause()
"""
    with Launch(order(source, isolate=isolate)) as launch:
        settle_output(launch, "ready")
        alone = 2 if launch.isolated else 1  # the init and the subject
        settle(lambda: len(procfs.descendants(launch.warden)) == alone, what="no zombie below the warden")


@ISOLATED
def test_that_the_init_of_a_namespace_has_ended_is_told_at_once() -> None:
    with Launch(order(STUBBORN, isolate=True)) as launch:
        settle_output(launch, "ready")
        os.kill(launch.init, signal.SIGKILL)
        settle(lambda: launch.report().ended_for, what="word of it")
        assert launch.report().ended_for == "the init of its namespace was ended"
