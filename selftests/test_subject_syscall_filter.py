"""The filter of system calls: what it tells of, what a launch with it inherits, and where there can be none."""

import errno
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from observers import procfs
from selftests.launching import order, plain, said, settle_output, settle_status
from selftests.puppet import WATCHED
from selftests.test_subject_elsewhere import AS_NOBODY, copy, told
from subject import syscall_filter
from subject.isolation import why_not_isolated
from subject.launch import Launch
from subject.refusal import Refusal

__all__ = ["copy"]  # a fixture

ROOT = Path(__file__).resolve().parent.parent
ISOLATED = pytest.mark.skipif(why_not_isolated() is not None, reason=f"no namespaces here: {why_not_isolated()}")
ALL = syscall_filter.NAMES
EXCLUSIVE = Refusal(call="epoll_ctl", errnos=("EINVAL",), only_exclusive=True)


@pytest.fixture(params=[pytest.param(True, marks=ISOLATED, id="isolated"), pytest.param(False, id="process-group")])
def isolate(request: pytest.FixtureRequest) -> bool:
    """Launches of both kinds."""
    return bool(request.param)


def runs_as(
    filter_program: Sequence[tuple[int, int, int, int]], *, arch: int, number: int, argument: int = 0, second: int = 1
) -> int:
    """Run a filter as the kernel does; gives what it returns. `second` is EPOLL_CTL_ADD, where it is epoll_ctl's."""
    data = {0: number, 4: arch, 16: argument & 0xFFFF_FFFF, 24: second}
    place, value = 0, 0
    while True:
        code, if_true, if_false, operand = filter_program[place]
        place += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            value = data[operand]
        else:
            place += if_true if (value == operand if code == 0x15 else value & operand) else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_tells_of_watched_calls_and_of_no_others(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arch, _, clone, numbers = syscall_filter._MACHINES[machine]  # noqa: SLF001 - the other machine is not here to try
    monkeypatch.setattr(syscall_filter, "NUMBERS", numbers)
    monkeypatch.setattr(syscall_filter, "ARCHITECTURE", arch)
    monkeypatch.setattr(syscall_filter, "_CLONE", clone)
    allow, notify = 0x7FFF_0000, 0x7FC0_0000
    for watched in (("accept",), ("fork",), ("epoll_ctl", "fork"), ALL):
        written = syscall_filter.program(watched)
        told = {number for call in watched for number in numbers[call]}
        for number in range(500):
            assert runs_as(written, arch=arch, number=number) == (notify if number in told else allow)
            assert runs_as(written, arch=0x4000_0003, number=number) == allow, "i386's"
            assert runs_as(written, arch=arch, number=0x4000_0000 | number) == allow, "x32's"
        for flags in (syscall_filter.CLONE_THREAD, 0x3D0F00, 0x8000_0000_0000 | syscall_filter.CLONE_THREAD):
            assert runs_as(written, arch=arch, number=clone, argument=flags) == allow
        for operation in (2, 3):
            assert runs_as(written, arch=arch, number=numbers["epoll_ctl"][0], second=operation) == allow, "DEL, MOD"


# --- what a launch inherits ----------------------------------------------------------------------------------------


def status_fields(text: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_nothing_is_watched_unless_it_was_ordered(*, isolate: bool) -> None:
    ours = status_fields(Path("/proc/self/status").read_text(encoding="utf-8"))
    with Launch(plain("cat", "/proc/self/status", isolate=isolate)) as launch:
        settle_status(launch)
        theirs = status_fields(launch.report().output)
        assert {name: theirs.get(name) for name in ("Seccomp", "Seccomp_filters", "NoNewPrivs")} == {
            name: ours.get(name) for name in ("Seccomp", "Seccomp_filters", "NoNewPrivs")
        }
        assert launch.seen_calls() == {}
        with pytest.raises(ValueError, match="not watched"):
            launch.refuse(EXCLUSIVE)


@WATCHED
def test_where_it_needs_no_promise_the_subject_gives_none() -> None:
    """Without privileges to gain, a set-uid server would not be what it is elsewhere."""
    if os.geteuid() != 0 and why_not_isolated() is not None:
        pytest.skip("an ordinary user has the privilege only in a user namespace, and there is none")
    with Launch(
        replace(plain("cat", "/proc/self/status", isolate=why_not_isolated() is None), watched=("accept",))
    ) as launch:
        settle_status(launch)
        assert status_fields(launch.report().output)["NoNewPrivs"] == "0"


@WATCHED
def test_a_watched_subject_has_three_descriptors_open_and_no_more(*, isolate: bool) -> None:
    with Launch(replace(plain("ls", "-1", "/proc/self/fd", isolate=isolate), watched=ALL)) as launch:
        assert settle_status(launch) == 0
        assert launch.report().output.split() == ["0", "1", "2", "3"]  # ls itself has the folder open


@WATCHED
@ISOLATED
def test_the_init_keeps_nothing_of_the_hand_over() -> None:
    """Else the warden would never hear that a subject ended before it was watched."""
    watched, unwatched = (
        replace(order("import signal; print('ready', flush=True); signal.pause()"), watched=calls)
        for calls in (ALL, ())
    )
    with Launch(watched) as one, Launch(unwatched) as other:
        for launch in (one, other):
            settle_output(launch, "ready")
        assert len(procfs.descriptors(one.init)) == len(procfs.descriptors(other.init))


@WATCHED
def test_a_program_that_is_not_there_ends_with_127_though_it_was_to_be_watched(*, isolate: bool) -> None:
    with Launch(replace(plain("/no/such/program", isolate=isolate), watched=ALL)) as launch:
        assert settle_status(launch) == 127
        assert "No such file" in launch.report().output


# --- where it can't be ---------------------------------------------------------------------------------------------

# One listener is all that a process may have: who is watched can't have others watched.
LAUNCHES = """
import json, sys
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from selftests.launching import order
from subject.launch import Launch, LaunchRefused
try:
    with Launch(replace(order("open('ran', 'w')", isolate=False), watched=("accept",))):
        print('["launched"]')
except LaunchRefused as refusal:
    print(json.dumps([str(refusal)]))
"""


@WATCHED
def test_where_the_system_refuses_the_launch_fails_before_the_subject_runs(tmp_path: Path) -> None:
    nested = replace(order(LAUNCHES, ROOT, isolate=False, cwd=tmp_path), watched=("accept",))
    with Launch(nested) as launch:
        (why,) = said(launch)
    assert why.startswith("seccomp: "), why
    assert os.strerror(errno.EBUSY) in why
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("release", "numbers", "why"),
    [("5.4.0-generic", {"accept": (43,)}, "5.5 or later"), ("6.1+", {}, "not known")],
)
def test_an_older_kernel_and_another_architecture_are_refused(
    release: str, numbers: dict[str, tuple[int, ...]], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*here[:2], release, *here[3:])))
    monkeypatch.setattr(syscall_filter, "NUMBERS", numbers)
    with pytest.raises(OSError, match=why):
        syscall_filter.install(("accept",))


def test_a_subject_that_ends_before_its_filter_is_told_so() -> None:
    hand_over = syscall_filter.HandOver()
    with pytest.raises(OSError, match="as far as its filter") as told:
        hand_over.take()
    assert told.value.filename == "seccomp"


def test_what_can_not_be_refused_is_told_at_once() -> None:
    for wrong in (
        {"call": "read", "errnos": ("EIO",)},
        {"call": "accept", "errnos": ()},
        {"call": "accept", "errnos": ("ENOSUCH",)},
        {"call": "accept", "errnos": ("errorcode",)},
        {"call": "accept", "errnos": ("EIO",), "kills": True},
        {"call": "accept", "errnos": ("EIO",), "holds": True},
        {"call": "accept", "kills": True, "holds": True},
        {"call": "accept", "errnos": ("EIO",), "times": 0},
        {"call": "accept", "errnos": ("EIO",), "after": -1},
        {"call": "accept", "errnos": ("EIO",), "only_exclusive": True},
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each says another thing
            Refusal(**wrong)
    asked = order("")
    with pytest.raises(ValueError, match="read"):
        replace(asked, watched=("read",))
    with pytest.raises(ValueError, match="epoll_ctl is not watched"):
        replace(asked, watched=("accept",), refusals=(EXCLUSIVE,))


# --- as an ordinary user -------------------------------------------------------------------------------------------

# Says what came of EPOLLEXCLUSIVE, a fork and a thread, and whether it promised to gain no privilege.
ORDINARY = """
from dataclasses import replace
from subject.refusal import Refusal
source = '''
import json, os, select, sys, threading
if sys.argv[1] == "hidden":
    import ctypes
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: its memory is nobody's to read
answers = []
for flags in (select.EPOLLEXCLUSIVE, 0):
    try:
        select.epoll().register(os.pipe()[0], select.EPOLLIN | flags)
        answers.append(0)
    except OSError as error:
        answers.append(error.errno)
one = threading.Thread(target=lambda: answers.append("a thread"))
one.start()
one.join()
try:
    if os.fork() == 0:
        os._exit(0)
    answers.append(0)
except OSError as error:
    answers.append(error.errno)
print(json.dumps([answers, "NoNewPrivs:\\\\t1" in open("/proc/self/status").read()]))
'''
exclusive = Refusal(call="epoll_ctl", errnos=("EINVAL",), only_exclusive=True)
fork = Refusal(call="fork", errnos=("EAGAIN",))
found = []
for isolate in (True, False):
    for how in ("open", "hidden"):
        if isolate and not isolation.isolation_allowed():
            found.append(None)
            continue
        asked = order(source, how, isolate=isolate)
        with Launch(replace(asked, watched=("epoll_ctl", "fork"), refusals=(exclusive, fork))) as launch:
            answers, promised = said(launch)
            try:
                count = launch.refused(exclusive.id)
            except LaunchRefused as refusal:
                count = str(refusal)
        found.append([answers, promised, count])
print(json.dumps(found))
"""


@WATCHED
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to become another user")
def test_an_ordinary_user_s_server_is_refused_with_and_without_namespaces(copy: Path) -> None:
    isolated, isolated_hidden, grouped, hidden = told(AS_NOBODY, ORDINARY, copy)
    answers = [errno.EINVAL, 0, "a thread", errno.EAGAIN]
    if isolated is not None:
        assert isolated == isolated_hidden == [answers, False, 1], "in a user namespace the warden may read all memory"
    assert grouped == [answers, True, 1]
    assert hidden[0][:3] == [0, 0, "a thread"], "what can't be told apart goes on"
    assert "process_vm_readv" in hidden[2]
