"""The judges of starts that must be refused, of stops, and of children that nobody reaps."""

from dataclasses import replace
from typing import Any

import pytest

from spec import lifecycle
from spec.clause import Clause
from spec.event import Pid
from spec.lifecycle import LIFECYCLE_3, LIFECYCLE_4, Refusal, Stop

REFUSED = Refusal(given="port 70000", status=1, output="port out of range\n", left=(), listening=(), waited=0.1)
STOPPED = Stop(signal="SIGTERM", parent_lives=False, children=(), listening=False, waited=0.1)


@pytest.mark.parametrize("clause", [LIFECYCLE_3, LIFECYCLE_4], ids=["parameters", "port"])
def test_a_refusal_with_a_message_and_a_status_passes(clause: Clause) -> None:
    assert list(lifecycle.judge_refusal(clause, REFUSED)) == []
    assert list(lifecycle.judge_refusal(clause, replace(REFUSED, status=255))) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": 0}, "exit status was 0"),
        ({"status": -11}, "ended by signal 11"),
        ({"status": None, "waited": 4.0}, "still runs after 4.0 s"),
        ({"status": None, "listening": (8080, 9090)}, "listens on port 8080, 9090"),
        ({"left": (Pid(5), Pid(6))}, "2 processes were left behind"),
        ({"output": ""}, "it said nothing"),
        ({"output": " \r\n\t"}, "it said nothing"),
    ],
)
@pytest.mark.parametrize("clause", [LIFECYCLE_3, LIFECYCLE_4], ids=["parameters", "port"])
def test_whatever_is_wrong_with_a_refusal_is_told(clause: Clause, change: dict[str, Any], told: str) -> None:
    (violation,) = lifecycle.judge_refusal(clause, replace(REFUSED, **change))
    assert violation.clause is clause
    assert told in violation.seen
    assert "port 70000" in violation.seen


def test_all_that_is_wrong_with_a_refusal_is_told_at_once() -> None:
    (violation,) = lifecycle.judge_refusal(LIFECYCLE_3, replace(REFUSED, status=0, output="", left=(Pid(5),)))
    for part in ("exit status was 0", "it said nothing", "1 processes"):
        assert part in violation.seen


def test_a_server_that_still_runs_is_not_blamed_for_its_silence_or_its_processes() -> None:
    (violation,) = lifecycle.judge_refusal(LIFECYCLE_3, replace(REFUSED, status=None, output="", left=(Pid(5),)))
    assert "said nothing" not in violation.seen
    assert "left behind" not in violation.seen


def test_a_stop_that_leaves_nothing_passes() -> None:
    assert list(lifecycle.judge_stop(STOPPED)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"parent_lives": True}, "the parent lives"),
        ({"children": tuple(map(Pid, range(1, 7)))}, "6 children live (1, 2, 3, 4)"),
        ({"listening": True}, "the port is still listened on"),
    ],
)
def test_whatever_a_stop_leaves_is_told(change: dict[str, Any], told: str) -> None:
    (violation,) = lifecycle.judge_stop(replace(STOPPED, waited=4.0, **change))
    assert violation.clause.id == "lifecycle-2"
    assert told in violation.seen
    assert "4.0 s after SIGTERM" in violation.seen


def test_zombies_are_counted_and_named() -> None:
    assert list(lifecycle.judge_zombies((), waited=1.2)) == []
    (violation,) = lifecycle.judge_zombies(tuple(map(Pid, range(11, 20))), waited=1.2)
    assert violation.clause.id == "lifecycle-5"
    assert "9 ended children" in violation.seen
    assert "1.2 s" in violation.seen
    assert "11, 12" in violation.seen


def test_the_smallest_signal_and_the_smallest_status_are_told_apart() -> None:
    (violation,) = lifecycle.judge_refusal(LIFECYCLE_3, replace(REFUSED, status=-1))
    assert violation.seen == "launched with port 70000: it was ended by signal 1"
    assert list(lifecycle.judge_refusal(LIFECYCLE_3, replace(REFUSED, status=1))) == []


def test_six_zombies_and_four_children_are_named() -> None:
    (violation,) = lifecycle.judge_zombies(tuple(map(Pid, range(11, 20))), waited=1.2)
    assert violation.seen.endswith("(11, 12, 13, 14, 15, 16)")
    (violation,) = lifecycle.judge_stop(replace(STOPPED, children=tuple(map(Pid, range(1, 7)))))
    assert violation.seen == "0.1 s after SIGTERM to the parent: 6 children live (1, 2, 3, 4)"
