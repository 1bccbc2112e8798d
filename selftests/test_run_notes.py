"""What workers tell each other: whether the subject starts, and when enough is known."""

import time
from pathlib import Path

import pytest

from conformance.run_notes import ENOUGH, TOO_LONG, RunNotes
from spec.clause import ClauseId
from spec.verdict import Inconclusive


def test_only_the_first_worker_finds_out_whether_the_subject_starts(tmp_path: Path) -> None:
    notes = RunNotes(tmp_path)
    with notes.first_launch() as nobody_knows:
        assert nobody_knows
        notes.note_that_it_starts()
    with RunNotes(tmp_path).first_launch() as nobody_knows:
        assert not nobody_knows
    assert notes.why_it_cannot_start() is None


def test_where_it_listens_is_known_to_all(tmp_path: Path) -> None:
    assert not RunNotes(tmp_path).listens_elsewhere
    RunNotes(tmp_path).note_that_it_starts(elsewhere=True)
    assert RunNotes(tmp_path).listens_elsewhere


def test_why_it_cannot_start_is_known_to_all(tmp_path: Path) -> None:
    with RunNotes(tmp_path).first_launch():
        RunNotes(tmp_path).note_that_it_cannot_start("it said 'port'")
    with RunNotes(tmp_path).first_launch() as nobody_knows:
        assert not nobody_knows
    assert RunNotes(tmp_path).why_it_cannot_start() == "it said 'port'"


def test_enough_is_known_when_a_clause_has_failed_and_much_came_to_nothing(tmp_path: Path) -> None:
    notes = RunNotes(tmp_path)
    notes.raise_if_enough()
    notes.begin()
    notes.note_in_vain(ENOUGH)
    notes.note_in_vain(0.5)
    notes.raise_if_enough()  # no clause fails: what can't be decided is tried to the end
    notes.note_failure(ClauseId("pool-2"))
    notes.note_failure(ClauseId("http-1"))
    with pytest.raises(Inconclusive, match=r"not judged: pool-2 fails, and 120 s went into tests that did not pass"):
        RunNotes(tmp_path).raise_if_enough()


def test_a_slow_server_that_fails_a_clause_is_judged_to_the_end_unless_it_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = RunNotes(tmp_path)
    notes.begin()
    notes.note_failure(ClauseId("pool-2"))
    notes.note_in_vain(ENOUGH - 0.5)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + TOO_LONG - 1)
    notes.raise_if_enough()
    monkeypatch.setattr(time, "monotonic", lambda: now + TOO_LONG + 1)
    with pytest.raises(Inconclusive, match=r"not judged: pool-2 fails, and the check has taken 201 s"):
        notes.raise_if_enough()
