"""System calls of launched programs are refused as they are to be, and no others; and nobody else feels it."""

import errno
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from observers import procfs
from selftests.facts import remains, settle
from selftests.launching import everyone, order, plain, said, settle_output, settle_status, subject_processes
from selftests.puppet import LET_THROUGH, WATCHED, puppet
from subject import syscall_filter
from subject.isolation import why_not_isolated
from subject.launch import Launch
from subject.referee import Referee
from subject.refusal import Refusal

ISOLATED = pytest.mark.skipif(why_not_isolated() is not None, reason=f"no namespaces here: {why_not_isolated()}")
ALL = syscall_filter.NAMES
EXCLUSIVE = Refusal(call="epoll_ctl", errnos=("EINVAL",), only_exclusive=True)


@pytest.fixture(params=[pytest.param(True, marks=ISOLATED, id="isolated"), pytest.param(False, id="process-group")])
def isolate(request: pytest.FixtureRequest) -> bool:
    """Launches of both kinds."""
    return bool(request.param)


# --- which calls are refused ---------------------------------------------------------------------------------------


@WATCHED
def test_an_errno_is_answered_at_the_third_call_and_at_no_other(tmp_path: Path, *, isolate: bool) -> None:
    refusal = Refusal(call="accept", errnos=("ENFILE",), after=2, times=1)
    with puppet(tmp_path, isolate=isolate, watched=("accept",)) as program:
        assert program.does("accept", times=5) == [LET_THROUGH] * 5
        program.launch.refuse(refusal)
        assert program.does("accept", times=5) == [LET_THROUGH, LET_THROUGH, "ENFILE", LET_THROUGH, LET_THROUGH]
        assert program.launch.refused(refusal.id) == 1
        assert program.launch.seen_calls() == {"accept": 10}
        assert list(program.launch.heard_calls().values()) == [10], "one thread made them all"


@WATCHED
def test_several_errnos_take_turns_until_they_are_lifted(tmp_path: Path, *, isolate: bool) -> None:
    refusal = Refusal(call="accept", errnos=("ECONNABORTED", "EMFILE"))
    with puppet(tmp_path, isolate=isolate, watched=("accept",)) as program:
        program.launch.refuse(refusal)
        assert program.does("accept", times=3) == ["ECONNABORTED", "EMFILE", "ECONNABORTED"]
        program.launch.lift(refusal.id)
        assert program.does("accept", times=3) == [LET_THROUGH] * 3
        program.launch.lift(refusal.id)
        assert program.launch.refused(refusal.id) == 3, "what was counted stays known"


@WATCHED
def test_where_two_refusals_are_about_a_call_the_first_one_that_is_due_answers(tmp_path: Path) -> None:
    first = Refusal(call="accept", errnos=("ENFILE",), after=1, times=1)
    second = Refusal(call="accept", errnos=("EMFILE",), times=2)
    with puppet(tmp_path, isolate=False, watched=("accept",), refusals=(first, second)) as program:
        assert program.does("accept", times=4) == ["EMFILE", "ENFILE", "EMFILE", LET_THROUGH]
        assert [program.launch.refused(each.id) for each in (first, second)] == [1, 2]


@WATCHED
def test_only_the_chosen_processes_are_refused(tmp_path: Path, *, isolate: bool) -> None:
    with puppet(tmp_path, isolate=isolate, watched=("accept", "fork"), two=True) as program:
        first, second = subject_processes(program.launch)
        for pids, answers in (([first], ["ENFILE", LET_THROUGH]), ([second], [LET_THROUGH, "ENFILE"])):
            refusal = Refusal(call="accept", errnos=("ENFILE",), pids=pids)
            program.launch.refuse(refusal)
            assert program.does("accept") + program.does("accept", who="second") == answers
            assert program.launch.refused(refusal.id) == 1
            program.launch.lift(refusal.id)


@WATCHED
def test_a_call_is_held_back_until_that_is_lifted_and_then_made(tmp_path: Path, *, isolate: bool) -> None:
    refusal = Refusal(call="accept", holds=True, times=1)
    with puppet(tmp_path, isolate=isolate, watched=("accept",), two=True) as program:
        first, _ = subject_processes(program.launch)
        program.launch.refuse(refusal)
        assert program.launch.held_back(refusal.id) == []
        program.begins("accept")
        settle(lambda: program.launch.held_back(refusal.id) == [first], what="a call that is held back")
        assert program.does("accept", who="second") == [LET_THROUGH], "one is held back, and no more"
        assert program.launch.refused(refusal.id) == 1
        program.launch.lift(refusal.id)
        assert program.was_answered() == LET_THROUGH
        assert program.launch.held_back(refusal.id) == []
        assert program.does("accept") == [LET_THROUGH]


@WATCHED
def test_who_is_killed_or_ended_while_its_call_is_held_back_hurts_nobody(tmp_path: Path, *, isolate: bool) -> None:
    refusal = Refusal(call="accept", holds=True)
    with puppet(tmp_path, isolate=isolate, watched=("accept",), two=True) as program:
        first, second = subject_processes(program.launch)
        program.launch.refuse(refusal)
        program.begins("accept", who="second")
        settle(lambda: program.launch.held_back(refusal.id) == [second], what="a call that is held back")
        os.kill(second, signal.SIGKILL)
        settle(lambda: procfs.look(second).ended, what="its caller's end")
        program.launch.lift(refusal.id)
        assert program.does("accept") == [LET_THROUGH]
        again = replace(refusal, id="again")
        program.launch.refuse(again)
        program.begins("accept")
        settle(lambda: program.launch.held_back(again.id) == [first], what="a call that is held back")
        them = everyone(program.launch)
    assert remains(them) == []


@WATCHED
def test_a_thread_of_a_chosen_process_is_refused_as_well(tmp_path: Path, *, isolate: bool) -> None:
    with puppet(tmp_path, isolate=isolate, watched=("accept",), two=True) as program:
        first, _ = subject_processes(program.launch)
        program.launch.refuse(Refusal(call="accept", errnos=("ENFILE",), pids=[first]))
        assert program.does("accept in a thread") == ["ENFILE"]
        assert program.does("accept in a thread", who="second") == [LET_THROUGH]


@WATCHED
def test_from_the_start_exclusive_is_refused_and_plain_is_not(tmp_path: Path, *, isolate: bool) -> None:
    with puppet(tmp_path, isolate=isolate, watched=("epoll_ctl",), refusals=(EXCLUSIVE,)) as program:
        assert program.does("exclusive") == ["EINVAL"]
        assert program.does("plain") == [LET_THROUGH]
        assert program.does("exclusive") == ["EINVAL"]
        assert program.launch.refused(EXCLUSIVE.id) == 2
        assert program.launch.seen_calls() == {"epoll_ctl": 3}


@WATCHED
def test_forks_are_refused_and_threads_start(tmp_path: Path, *, isolate: bool) -> None:
    refusal = Refusal(call="fork", errnos=("EAGAIN",))
    with puppet(tmp_path, isolate=isolate, watched=("fork",), refusals=(refusal,)) as program:
        assert program.does("fork") == ["EAGAIN"]
        assert program.does("thread", times=3) == [LET_THROUGH] * 3
        assert program.does("fork") == ["EAGAIN"]
        program.launch.lift(refusal.id)
        assert program.does("fork") == [LET_THROUGH]
        assert program.launch.refused(refusal.id) == 2
        assert program.launch.seen_calls() == {"fork": 3}, "starts of threads are no forks"


# Each of its calls in turn; an epoll_ctl with an address that is none is the kernel's to answer.
IN_C = """
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void *nothing(void *unused) { return unused; }
int main(void) {
    int ends[2], poll = epoll_create1(0);
    struct epoll_event plain = {.events = EPOLLIN}, exclusive = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    pthread_t thread;
    pid_t child;
    if (pipe(ends) != 0) return 1;
    printf("[%d, ", epoll_ctl(poll, EPOLL_CTL_ADD, ends[0], &exclusive) ? errno : 0);
    printf("%d, ", epoll_ctl(poll, EPOLL_CTL_ADD, ends[0], &plain) ? errno : 0);
    printf("%d, ", epoll_ctl(poll, EPOLL_CTL_ADD, ends[1], (struct epoll_event *)8) ? errno : 0);
    printf("%d, ", pthread_create(&thread, NULL, nothing, NULL));
    pthread_join(thread, NULL);
    printf("%d, ", fork() < 0 ? errno : 0);
    printf("%d, ", vfork() < 0 ? errno : 0);
    errno = 0;
    if ((child = fork()) == 0) _exit(0);
    printf("%d, ", child < 0 ? errno : 0);
    waitpid(child, NULL, 0);
    printf("%d, ", accept(ends[0], NULL, NULL) < 0 ? errno : 0);
    printf("%d, ", accept4(ends[0], NULL, NULL, 0) < 0 ? errno : 0);
    printf("%d]\\n", socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ? errno : 0);
    return 0;
}
"""


@WATCHED
def test_a_static_binary_is_refused_likewise(tmp_path: Path, *, isolate: bool) -> None:
    command = ["cc", "-static", "-pthread", "-o", str(tmp_path / "static"), "-x", "c", "-"]
    if shutil.which("cc") is None or subprocess.run(command, input=IN_C, text=True, check=False).returncode != 0:
        pytest.skip("no static binary can be built here")
    refusals = (
        EXCLUSIVE,
        Refusal(call="fork", errnos=("EAGAIN",), times=2),
        Refusal(call="accept", errnos=("ENFILE",), after=1),
        Refusal(call="socketpair", errnos=("EMFILE",)),
    )
    asked = plain(str(tmp_path / "static"), isolate=isolate, cwd=tmp_path)
    with Launch(replace(asked, watched=ALL, refusals=refusals)) as launch:
        refused = [errno.EINVAL, 0, errno.EFAULT, 0, errno.EAGAIN, errno.EAGAIN, 0, errno.ENOTSOCK, errno.ENFILE]
        assert said(launch) == [*refused, errno.EMFILE]
        assert launch.seen_calls() == {"accept": 2, "epoll_ctl": 3, "fork": 3, "socketpair": 1}


# --- what it does to everything else -------------------------------------------------------------------------------


@WATCHED
def test_when_the_subject_has_ended_the_warden_waits_and_then_leaves_nothing(tmp_path: Path, *, isolate: bool) -> None:
    refusal = Refusal(call="accept", errnos=("ENFILE",))
    with puppet(tmp_path, isolate=isolate, watched=ALL, two=True) as program:
        program.launch.refuse(refusal)
        program.does("accept")
        them = everyone(program.launch)
        program.ends()
        settle(lambda: not subject_processes(program.launch), what="the end of both processes")
        assert settle_status(program.launch) == 0
        settle(lambda: procfs.waiting_calls(program.launch.warden) == {"poll"}, what="a warden that waits")
        assert program.launch.refused(refusal.id) == 1
        program.launch.refuse(refusal)
        program.launch.lift(refusal.id)
    assert len(them) >= 3
    assert remains(them) == []


CALLS_WITHOUT_END = """
import os, select, signal
for _ in range(6):
    if os.fork() == 0:
        reading, poll = os.pipe()[0], select.epoll()
        while True:
            poll.register(reading, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            poll.unregister(reading)
print("ready", flush=True)
while True:
    signal.pause()
"""


def has_called_again(launch: Launch, before: int) -> bool:
    return launch.seen_calls()["epoll_ctl"] > before


def are_left(launch: Launch, count: int) -> bool:
    return len(subject_processes(launch)) == count


@WATCHED
def test_callers_that_are_killed_while_they_wait_hurt_nobody(*, isolate: bool) -> None:
    passing = Refusal(call="epoll_ctl", errnos=("EINVAL",), only_exclusive=True, after=10**9)
    watched = replace(order(CALLS_WITHOUT_END, isolate=isolate), watched=("epoll_ctl",), refusals=(passing,))
    with Launch(watched) as launch:
        settle_output(launch, "ready")
        for left in range(6, 0, -1):
            settle(partial(has_called_again, launch, launch.seen_calls()["epoll_ctl"]), what="another call")
            os.kill(subject_processes(launch)[-1], signal.SIGKILL)
            settle(partial(are_left, launch, left), what="a child's end")
        settle(lambda: procfs.waiting_calls(launch.warden) == {"poll"}, what="a warden that waits")
        them = everyone(launch)
        assert launch.report().status is None
    assert remains(them) == []


@WATCHED
def test_callers_who_wait_are_ended_with_the_launch(*, isolate: bool) -> None:
    with Launch(replace(order(CALLS_WITHOUT_END, isolate=isolate), watched=("epoll_ctl",))) as launch:
        settle_output(launch, "ready")
        them = everyone(launch)
    assert len(them) >= 8
    assert remains(them) == []


def test_a_listener_that_says_nothing_sensible_is_let_go() -> None:
    reading, writing = os.pipe()
    try:
        assert not Referee(reading, (), ()).hear()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reading)
    finally:
        os.close(writing)
