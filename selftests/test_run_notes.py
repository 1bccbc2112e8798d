"""What workers tell each other: whether the subject starts, and when enough is known."""

import time
from pathlib import Path

import pytest

from conformance.run_notes import ENOUGH, RunNotes
from spec.clause import ClauseId
from spec.verdict import Blocked


def test_only_the_first_worker_finds_out_whether_the_subject_starts(tmp_path: Path) -> None:
    notes = RunNotes(tmp_path)
    with notes.first_launch() as nobody_knows:
        assert nobody_knows
        notes.note_that_it_starts()
    with RunNotes(tmp_path).first_launch() as nobody_knows:
        assert not nobody_knows
    assert notes.why_it_cannot_start() is None


def test_why_it_cannot_start_is_known_to_all(tmp_path: Path) -> None:
    with RunNotes(tmp_path).first_launch():
        RunNotes(tmp_path).note_that_it_cannot_start("it said 'port'")
    with RunNotes(tmp_path).first_launch() as nobody_knows:
        assert not nobody_knows
    assert RunNotes(tmp_path).why_it_cannot_start() == "it said 'port'"


def test_enough_is_known_when_a_clause_has_failed_and_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = RunNotes(tmp_path)
    notes.raise_if_enough()
    notes.begin()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + ENOUGH + 1)
    notes.raise_if_enough()  # no clause fails: a slow server is judged to its end
    notes.note_failure(ClauseId("pool-2"))
    notes.note_failure(ClauseId("http-1"))
    with pytest.raises(Blocked, match=r"blocked by pool-2: pool-2 fails, and the check has taken 66 s") as error:
        RunNotes(tmp_path).raise_if_enough()
    assert error.value.by == "pool-2"
    monkeypatch.setattr(time, "monotonic", lambda: now + ENOUGH - 1)
    notes.raise_if_enough()
