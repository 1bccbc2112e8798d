"""Section console: what is found in what servers print, in whatever words."""

from collections.abc import Sequence

import pytest

from spec.console import (
    Changed,
    Reported,
    Told,
    judge_accept,
    judge_change,
    judge_report,
    lines_of,
    numbers,
)
from spec.event import Pid

SERVED = {Pid(5001): 14, Pid(5002): 4, Pid(5003): 1}
ENDED = frozenset({Pid(5004)})


def against_report(printed: str, served: dict[Pid, int] = SERVED) -> str:
    """Give what is said against a report; nothing where it does."""
    reported = Reported(lines=lines_of(printed), waited=2.0, served=served, ended=ENDED)
    return " ".join(violation.seen for violation in judge_report(reported))


@pytest.mark.parametrize(
    "printed",
    [
        "pid 5001 served 14\npid 5002 served 4\npid 5003 served 1\n",
        "3 children\n5001:14 5002:4 5003:1",
        "14 connections by 5001\n4 connections by 5002\n1 connection by 5003",
        "PIDs   5003 5001 5002\ncounts 1 14 4",
        "[5000] report\nchild 5001\n  served 14\nchild 5002\n  served 4\nchild 5003\n  served 1",
        "child 0: 14 requests\nchild 1: 4 requests\nchild 2: 1 requests\ntotal 19",
        "^C\n\x1b[31m12:30:05\x1b[0m child 5001 idle, had 14\r\n12:30:05 child 5002 had 4\r\n12:30:05 child 5003: 1",
        "5002\t4\n5001\t14\n5003\t1\n",
        "5001 got signal 2\n5002 got signal 2\n5003 got signal 2\n5001: 14\n5002: 4\n5003: 1\n5001 ended with 0\n",
    ],
    ids=[
        "lines",
        "one line",
        "count first",
        "columns",
        "blocks",
        "no pids",
        "times and colours",
        "table",
        "and the end",
    ],
)
def test_a_report_is_understood_whatever_its_wording(printed: str) -> None:
    assert against_report(printed) == ""


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("", "in the 2.0 s after Ctrl-C nothing was printed"),
        ("5001: 14\n5002: 4\n", "the report leaves out 5003"),
        ("5001: 14\n5002: 4\n5003: 1\n5004: 7\n", "the report has 5004 as well, who had ended"),
        ("5001: 4\n5002: 14\n5003: 1\n", "child 5001 had served 14, and the report has 4 for it"),
        ("5001: 0\n5002: 0\n5003: 0\n", "child 5001 had served 14, and the report has 0 for it"),
        ("5001\n5002\n5003\n", "child 5001 had served 14, and the report has no number for it"),
        ("3 children, 19 connections\n", "the report lacks 1, 4 and 14"),
        ("5001 5002 5003\n4 14 1\n", "child 5001 had served 14"),
        ("5001:4 5002:14 5003:1\n", "child 5001 had served 14, and the report has 4 for it"),
        (
            "pid 5001\n had 4\npid 5002\n had 1\npid 5003\n had 14\n",
            "child 5001 had served 14, and the report has 4 for it",
        ),
    ],
)
def test_a_report_that_is_wrong_is_told_by_what_is_wrong_with_it(printed: str, words: str) -> None:
    said = against_report(printed)
    assert words in said
    assert said.startswith("3 children had served 14, 4 and 1")


def test_that_a_child_has_served_nobody_may_be_said_in_words() -> None:
    served = {Pid(5001): 3, Pid(5002): 0}
    assert against_report("5001 has served 3\n5002 has served no connections\n", served) == ""
    assert "child 5002 had served 0" in against_report("5001: 3\n5002: 7\n", served)


def test_each_count_is_asked_for_as_often_as_children_have_it() -> None:
    alike = {Pid(5001): 2, Pid(5002): 2}
    assert against_report("#0 2\n#1 2\n", alike) == ""
    assert "the report lacks 2" in against_report("#0 2\n#1 7\n", alike)


def against_change(*lines: str, before: Sequence[int], after: Sequence[int], ports: Sequence[int] = ()) -> str:
    changed = Changed(
        before=frozenset(map(Pid, before)), after=frozenset(map(Pid, after)), idle=3, lines=lines, ports=ports
    )
    return " ".join(violation.seen for violation in judge_change(changed))


@pytest.mark.parametrize("line", ["spawned 5003, 5004", "pool is 4 now", "\0337\033[1;1H4 children\033[K\0338"])
def test_a_change_is_told_by_all_who_came_or_by_how_many_there_are(line: str) -> None:
    assert against_change(*lines_of(line), before=[5001, 5002], after=[5001, 5002, 5003, 5004]) == ""


@pytest.mark.parametrize("line", ["spawned 5003", "+2", "idle: 3"], ids=["one of two", "by how many", "idle"])
def test_part_of_a_change_is_not_enough(line: str) -> None:
    assert against_change(line, before=[5001, 5002], after=[5001, 5002, 5003, 5004]) != ""


def test_a_change_of_which_no_line_tells_is_told_and_accepts_are_no_such_lines() -> None:
    said = against_change(
        "5001 serves port 4004, 2 so far", before=[5001, 5002, 5005], after=[5001, 5002], ports=[4004]
    )
    assert said == "the pool went from 3 to 2 children, 3 idle, and no line says so: nothing was printed"
    assert "no line says so: hello 9" in against_change("hello 9", before=[5001], after=[5001, 5002])
    assert against_change("5002 has gone", before=[5001, 5002], after=[5001]) == ""


def against_accept(printed: str) -> str:
    told = Told(pid=Pid(5001), address="127.3.141.59", port=4660, lines=lines_of(printed))
    return " ".join(violation.seen for violation in judge_accept(told))


@pytest.mark.parametrize(
    "printed",
    [
        "[5001] accepted 127.3.141.59:4660",
        "spawned 5007\nchild 5001\n  client ::ffff:127.3.141.59\n  port 4660\nspawned 5008\n",
        "(127.3.141.59, 4660) by 5001.",
        "[00005001] 127.003.141.059:4660",
    ],
)
def test_an_accept_is_told_by_pid_address_and_port_in_lines_that_stand_together(printed: str) -> None:
    assert against_accept(printed) == ""


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("", "what is missing: its pid, the address, the port; printed: nothing was printed"),
        ("[5001] accepted 127.3.141.59:13330", "missing: the port (13330 is it in network byte order);"),
        ("[5001] accepted 127.3.141.5:4660", "missing: the address;"),
        ("[5001] accepted 1127.3.141.59:4660", "missing: the address;"),
        ("[5001] accepted 127.3.141.590:4660", "missing: the address;"),
        ("[5000] accepted 127.3.141.59:4660", "missing: its pid;"),
        ("5001\nx\ny\nz\n127.3.141.59:4660\n", "missing: its pid;"),
    ],
)
def test_what_is_missing_of_an_accept_is_told(printed: str, words: str) -> None:
    assert words in against_accept(printed)


def test_what_is_printed_is_read_without_colours_and_control_characters() -> None:
    assert lines_of("\x1b[1;31ma\x1b[0m\x07b\r\n\r\n \tc\n") == ["a b", "c"]
    assert numbers("a1 2.3, -4 " + "9" * 30) == [1, 2, 3, 4]
