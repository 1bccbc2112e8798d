"""Faults by refused system calls: they prove that they took hold, and end with their block whatever happens in it."""

from pathlib import Path

import pytest

from fault_injection.fault import DidNotTakeHold, FaultRefused
from fault_injection.syscalls import Answers, held_back, killed_at, old_kernel, refused
from observers import procfs
from selftests.facts import settle
from selftests.launching import subject_processes
from selftests.puppet import LET_THROUGH, WATCHED, Puppet, puppet
from subject.launch import LaunchRefused

pytestmark = WATCHED


def test_calls_are_refused_until_the_block_ends_and_the_count_outlives_it(tmp_path: Path) -> None:
    with puppet(tmp_path, isolate=False, watched=("accept",)) as program:
        with refused(program.launch, "accept", "ENFILE") as answers:
            assert answers.count == 0
            assert program.does("accept", times=3) == ["ENFILE"] * 3
            assert answers.count == 3
            answers.insist()
        assert program.does("accept") == [LET_THROUGH]
        assert answers.count == 3
    answers.insist()
    assert answers.count == 3, "the launch is gone, and the count is not"


def test_the_parameters_choose_who_gets_what_and_how_often(tmp_path: Path) -> None:
    with puppet(tmp_path, isolate=False, watched=("accept",), two=True) as program:
        first, _ = subject_processes(program.launch)
        errnos = ("EMFILE", "EINTR")
        # An EINTR is the interpreter's to try again: it is seen as the call after it.
        with refused(program.launch, "accept", errnos, times=2, after=1, pids={first}) as answers:
            assert program.does("accept", times=4, who="second") == [LET_THROUGH] * 4
            assert program.does("accept", times=4) == [LET_THROUGH, "EMFILE", LET_THROUGH, LET_THROUGH]
            assert answers.count == 2
        assert program.launch.seen_calls() == {"accept": 9}


def test_who_makes_the_call_is_killed_before_it_is_made_and_nobody_else(tmp_path: Path) -> None:
    with puppet(tmp_path, isolate=False, watched=("accept", "fork"), two=True) as program:
        first, second = subject_processes(program.launch)
        with killed_at(program.launch, "accept", pids=[second]) as kills:
            assert program.does("accept") + program.does("fork", who="second") == [LET_THROUGH] * 2
            assert kills.count == 0
            assert program.does("accept", who="second") == [""], "it says nothing more"
            assert kills.count == 1
        assert program.does("accept") == [LET_THROUGH]
        assert subject_processes(program.launch) == [first]


def test_a_thread_that_makes_the_call_takes_its_process_along(tmp_path: Path) -> None:
    with (
        puppet(tmp_path, isolate=False, watched=("accept",)) as program,
        killed_at(program.launch, "accept") as kills,
    ):
        assert program.does("accept in a thread") == [""], "it says nothing more"
        assert kills.count == 1


def test_a_call_waits_until_the_block_ends_and_is_made_then(tmp_path: Path) -> None:
    with puppet(tmp_path, isolate=False, watched=("accept",), two=True) as program:
        first, second = subject_processes(program.launch)
        with held_back(program.launch, "accept", pids=[second]) as late:
            assert program.does("accept") == [LET_THROUGH]
            assert late.callers() == []
            program.begins("accept", who="second")
            settle(lambda: late.callers() == [second], what="a call that waits")
            assert procfs.has_thread(second, late.callers()[0])
            assert not procfs.has_thread(first, late.callers()[0])
        assert program.was_answered(who="second") == LET_THROUGH
        assert late.callers() == []
    with pytest.raises(FaultRefused):
        late.callers()


def test_refusals_in_each_other_are_lifted_one_by_one(tmp_path: Path) -> None:
    with (
        puppet(tmp_path, isolate=False, watched=("accept", "fork")) as program,
        refused(program.launch, "fork", "EAGAIN") as outer,
    ):
        with refused(program.launch, "accept", "ENFILE") as inner:
            assert program.does("accept") + program.does("fork") == ["ENFILE", "EAGAIN"]
        assert program.does("accept") + program.does("fork") == [LET_THROUGH, "EAGAIN"]
        assert (inner.count, outer.count) == (1, 2)


def test_a_refusal_is_lifted_when_the_block_raises(tmp_path: Path) -> None:
    with puppet(tmp_path, isolate=False, watched=("fork",)) as program:
        with pytest.raises(AssertionError, match="unlike"), refused(program.launch, "fork", ["EAGAIN"]):
            assert program.does("fork") == [LET_THROUGH], "unlike before"
        assert program.does("fork") == [LET_THROUGH]


def test_a_refusal_that_nobody_met_did_not_take_hold(tmp_path: Path) -> None:
    with puppet(tmp_path, isolate=False, watched=("epoll_ctl",)) as program:
        with refused(program.launch, "epoll_ctl", "EINVAL", only_exclusive=True) as answers:
            assert program.does("plain") == [LET_THROUGH]
            with pytest.raises(DidNotTakeHold, match="EPOLLEXCLUSIVE"):
                answers.insist()
        with pytest.raises(DidNotTakeHold, match="no epoll_ctl"):
            answers.insist()


def test_a_launch_that_ends_within_the_block_takes_the_refusal_along(tmp_path: Path) -> None:
    with (
        puppet(tmp_path, isolate=False, watched=("accept",)) as program,
        refused(program.launch, "accept", "ENFILE") as answers,
    ):
        program.launch.close()
    with pytest.raises(FaultRefused):
        answers.insist()


def test_an_old_kernel_is_an_order_s_refusal_and_counted_as_any(tmp_path: Path) -> None:
    refusal = old_kernel()
    with puppet(tmp_path, isolate=False, watched=("epoll_ctl",), refusals=(refusal,)) as program:
        assert program.does("exclusive") + program.does("plain") == ["EINVAL", LET_THROUGH]
        assert Answers(program.launch, refusal).count == 1
    assert old_kernel().id != refusal.id


def test_a_call_that_is_not_watched_can_not_be_refused(tmp_path: Path) -> None:
    with (
        puppet(tmp_path, isolate=False, watched=("accept",)) as program,
        pytest.raises(ValueError, match="fork is not watched"),
        refused(program.launch, "fork", "EAGAIN"),
    ):
        pass


@pytest.fixture
def blind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Puppet:
    """A program whose calls the system does not let the warden tell apart: only another user's machine has that."""

    def refuse(_: str) -> int:
        raise LaunchRefused("process_vm_readv: Operation not permitted")

    with puppet(tmp_path, isolate=False, watched=("epoll_ctl",)) as program:
        monkeypatch.setattr(program.launch, "refused", refuse)
    return program


def test_where_calls_can_not_be_told_apart_the_fault_is_refused_and_not_missing(blind: Puppet) -> None:
    answers = Answers(blind.launch, old_kernel())
    with pytest.raises(FaultRefused, match="would help"):
        answers.insist()
    answers.end()
    with pytest.raises(FaultRefused, match="process_vm_readv"):
        assert answers.count
