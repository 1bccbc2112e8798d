"""Faults by limits: felt by a running process at once, and lifted again whatever happens."""

import os
import resource
from collections.abc import Iterator

import pytest

from fault_injection import limits
from fault_injection.fault import DidNotTakeHold, FaultRefused
from fault_injection.limits import no_more_memory, no_more_processes, out_of_descriptors
from selftests.facts import NOBODY
from selftests.programs import Program
from spec.event import Pid

# Opens, forks or takes memory when it is told to, and says what came of it.
GREEDY = """
import os, sys
kept = []
print("ready", flush=True)
for line in sys.stdin:
    try:
        if line == "open\\n":
            kept.append(os.dup(0))
        elif line == "fork\\n":
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        elif line == "close\\n":
            os.close(3)
        else:
            kept.append(bytearray(1 << 26))
        print("got", flush=True)
    except (OSError, MemoryError) as error:
        print(type(error).__name__, flush=True)
"""


@pytest.fixture
def greedy() -> Iterator[Program]:
    program = Program(GREEDY)
    assert program.says() == "ready"
    yield program
    program.end()


def asked(program: Program, what: str) -> str:
    program.go_on(what)
    return program.says()


def test_out_of_descriptors_until_the_limit_is_lifted(greedy: Program) -> None:
    assert asked(greedy, "open") == "got"
    before = resource.prlimit(greedy.pid, resource.RLIMIT_NOFILE)
    with out_of_descriptors([greedy.pid]):
        assert asked(greedy, "open") == "OSError"
    assert asked(greedy, "open") == "got"
    assert resource.prlimit(greedy.pid, resource.RLIMIT_NOFILE) == before


def test_a_hole_among_the_descriptors_is_the_next_one_s_place(greedy: Program) -> None:
    for _ in range(3):
        asked(greedy, "open")
    assert asked(greedy, "close") == "got"
    with out_of_descriptors([greedy.pid]):
        assert asked(greedy, "open") == "OSError"


def test_who_lets_go_of_descriptors_while_its_limit_is_set_has_none_left_nevertheless(
    greedy: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        asked(greedy, "open")
    look = limits.lowest_free

    def late(pid: Pid) -> int | None:
        """Look, and only then it closes one: what was seen is old."""
        seen = look(pid)
        monkeypatch.setattr(limits, "lowest_free", look)
        assert asked(greedy, "close") == "got"
        return seen

    before = resource.prlimit(greedy.pid, resource.RLIMIT_NOFILE)
    monkeypatch.setattr(limits, "lowest_free", late)
    with out_of_descriptors([greedy.pid]):
        assert asked(greedy, "open") == "OSError"
    assert resource.prlimit(greedy.pid, resource.RLIMIT_NOFILE) == before


def test_limits_are_lifted_when_the_block_raises(greedy: Program) -> None:
    before = resource.prlimit(greedy.pid, resource.RLIMIT_NOFILE)
    with pytest.raises(ZeroDivisionError), out_of_descriptors([greedy.pid]):
        raise ZeroDivisionError
    assert resource.prlimit(greedy.pid, resource.RLIMIT_NOFILE) == before


def test_out_of_memory_until_the_limit_is_lifted(greedy: Program) -> None:
    with no_more_memory([greedy.pid]):
        assert asked(greedy, "take") == "MemoryError"
    assert asked(greedy, "take") == "got"


def test_forks_are_refused_to_an_ordinary_user_and_root_is_told_so(greedy: Program) -> None:
    if os.geteuid() == 0:
        with pytest.raises(FaultRefused, match="root"), no_more_processes([greedy.pid]):
            pass
        return
    with no_more_processes([greedy.pid]):
        assert asked(greedy, "fork") == "BlockingIOError"
    assert asked(greedy, "fork") == "got"


def test_nobody_to_be_limited_is_no_fault() -> None:
    with pytest.raises(DidNotTakeHold), out_of_descriptors([NOBODY]):
        pass
    with pytest.raises(DidNotTakeHold), no_more_memory([NOBODY]):
        pass


def test_where_limits_are_refused_it_is_told_who_is_who_and_what_is_missing() -> None:
    def refuse(*_: object) -> tuple[int, int]:
        raise PermissionError

    us = f"as user {os.getuid()}, group {os.getgid()}"
    why = f"process {os.getpid()} runs {us}, the suite {us} with(out)? CAP_SYS_RESOURCE; what would help: "
    with pytest.raises(FaultRefused, match=why), no_more_memory([Pid(os.getpid())], by=refuse):
        pass
