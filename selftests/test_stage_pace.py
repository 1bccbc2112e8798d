"""How long is waited for what, who passes by, and which worker plays which scene."""

from dataclasses import replace
from pathlib import Path

import pytest

from conformance import pace as paces
from conformance.pace import Pace, machine_slowness
from conformance.passers import Passers
from conformance.scenes import scene_of
from selftests.scripted import GENEROUS, Staged, staged
from spec.event import Lost, Served
from subject.profile import Profile, Settle

WAITS = ("step", "start", "answer", "reaction", "stop")


@pytest.fixture
def on_stage(tmp_path: Path) -> Staged:
    """Put a server of a few lines on a stage."""
    return staged(tmp_path)


# --- pace ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", WAITS)
def test_patience_scales_every_wait_that_ends_in_a_verdict(wait: str) -> None:
    assert getattr(Pace(patience=3.0), wait) == pytest.approx(3 * getattr(Pace(), wait))


def test_a_hold_is_one_round_of_the_slower_rule_whatever_the_patience() -> None:
    assert Pace(patience=9.0).round == Pace().round
    assert Pace(shed_each=2.0).round == pytest.approx(2 * Pace().round)
    assert Pace(grow_round=2.0, shed_each=0.1).round == Pace(shed_each=2.0).round


def test_the_classical_rule_has_two_rounds_for_a_step_and_six_for_an_answer() -> None:
    assert Pace().round > 1.0
    assert Pace().step >= 2.0
    assert Pace().answer >= 6.0, "1, 2, 4 … 32 children a round"


@pytest.mark.parametrize("wait", ["answer", "reaction", "stop"])
def test_a_server_that_sleeps_in_each_service_is_given_that_time(wait: str) -> None:
    assert getattr(Pace(service_time=2.0), wait) >= getattr(Pace(), wait) + 2.0


def test_the_pace_of_a_subject_is_its_profiles_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paces, "machine_slowness", lambda: 2.0)
    profile = Profile(command="x {port}", service_time=1.5, settle=Settle(grow_round=0.5, shed_each=3))
    assert paces.of(profile, patience=1.5) == Pace(grow_round=0.5, shed_each=3, service_time=1.5, patience=3.0)


def test_the_machines_slowness_is_bounded() -> None:
    assert 1.0 <= machine_slowness() <= 4.0


# --- passers -------------------------------------------------------------------------------------------------------


def all_have_come_or_one_is_lost(passers: Passers) -> bool:
    passers.come()
    return passers.all_gone or bool(passers.lost)


def test_passers_come_a_few_at_a_time_until_all_were_served(on_stage: Staged) -> None:
    with on_stage("pool(3)") as stage:
        passers = Passers(stage.start(), most=12, at_once=2)
        present = []

        def come() -> bool:
            passers.come()
            present.append(stage.passing)
            return passers.all_gone

        assert stage.until(come, within=20)
        assert max(present) == 2
        assert (passers.served, passers.lost) == (12, [])
        assert sum(isinstance(event, Served) for event in stage.watch.timeline()) == 12
        assert passers.leave() == 12
        assert stage.passing == 0


def test_passers_that_leave_early_are_waited_for_and_no_more_come(on_stage: Staged) -> None:
    with on_stage("pool(3)") as stage:
        passers = Passers(stage.start(), most=1000, at_once=3)
        passers.come()
        assert passers.leave() == 3
        assert passers.lost == []
        passers.come()
        assert passers.all_gone


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("pass", "closed in order by the server after 0 bytes"),
        ("connection.setsockopt(1, 13, b'\\1\\0\\0\\0\\0\\0\\0\\0')", "reset after 0 bytes"),  # SO_LINGER
    ],
    ids=["closed", "reset"],
)
def test_a_passer_that_gets_no_byte_is_lost_and_told_how(on_stage: Staged, how: str, told: str) -> None:
    rude = f"def rude(connection):\n    connection.recv(4096)\n    {how}\n    connection.close()\npool(2, rude)"
    with on_stage(rude) as stage:
        passers = Passers(stage.start(), most=2, at_once=1)
        assert stage.until(lambda: all_have_come_or_one_is_lost(passers), within=20)
        assert passers.served == 0
        assert all(told in each for each in passers.lost)
        assert [event.how for event in stage.watch.timeline() if isinstance(event, Lost)] == passers.lost


def test_a_passer_that_is_not_answered_in_time_is_lost(on_stage: Staged) -> None:
    impatient = replace(GENEROUS, grow_round=0.01, shed_each=0.01, patience=0.1)
    with on_stage("pool(2, lambda connection: wait())", pace=replace(impatient, patience=5.0)) as stage:
        stage.start()
        stage.pace = impatient
        passers = Passers(stage, most=1, at_once=1)
        assert stage.until(lambda: all_have_come_or_one_is_lost(passers), within=20)
        assert "no answer in" in passers.lost[0]
        assert stage.clients() == []


# --- scenes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "scene"),
    [
        ("conformance/test_pool.py::test_it[tide-first]", "tide"),
        ("conformance/test_pool.py::test_it[tide-drawn]", "tide"),
        ("conformance/test_accept.py::test_it[frozen]", "frozen"),
        ("conformance/test_recycle.py::test_it[turnover-drawn]", "turnover-drawn"),
        ("conformance/test_http.py::test_it[shared-1.0]", "shared"),
        ("conformance/test_http.py::test_it[NUL bytes-shared]", "shared"),
        ("selftests/test_x.py::test_it[shared things]", "selftests/test_x.py::test_it[shared things]"),
        ("selftests/test_x.py::test_it", "selftests/test_x.py::test_it"),
        ("selftests/test_x.py::test_it[first]", "selftests/test_x.py::test_it[first]"),
    ],
)
def test_tests_of_one_scene_go_to_one_worker(test: str, scene: str) -> None:
    assert scene_of(test) == scene
