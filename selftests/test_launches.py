"""What a worker remembers of what it has looked at, and what it looks at side by side."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from conformance.account import Account, Purpose
from conformance.launches import Launches
from conformance.pace import Pace
from observers import procfs
from selftests.facts import settle
from selftests.scripted import BOUNDS, WORDS
from spec.event import Pid
from subject.isolation import isolation_allowed
from subject.profile import Profile

LONGEST = 20.0  # seconds that one waits for the other


@pytest.fixture
def launches(tmp_path: Path) -> Launches:
    return Launches(profile=Profile(command="./prefork {port}"), pace=Pace(), seed=7, folder=tmp_path)


def test_what_is_looked_at_side_by_side_has_launches_of_its_own(
    launches: Launches,
) -> None:
    both = Barrier(2, timeout=LONGEST)
    ports: dict[str, int] = {}

    def look(key: str) -> Callable[[Launches], str]:
        def looked(other: Launches) -> str:
            both.wait()
            ports[key] = other.port()
            assert other is not launches
            assert other.used is launches.used
            assert other.account is not launches.account
            return f"{key} was seen"

        return looked

    launches.side_by_side({key: look(key) for key in ("one", "two")})
    assert launches.remember("two", str) == "two was seen"
    assert launches.remember("one", str) == "one was seen"
    assert ports["one"] != ports["two"]


def test_it_is_looked_at_once_and_whoever_asks_is_told_the_same_failure(launches: Launches) -> None:
    looks = []

    def look(_: Launches) -> None:
        looks.append(1)
        raise KeyError("seven")

    for _ in range(2):
        launches.side_by_side({"it": look})
        with pytest.raises(KeyError, match="seven"):
            launches.remember("it", str)
    assert len(looks) == 1


def test_where_all_need_one_port_each_waits_for_the_one_before(launches: Launches) -> None:
    alone = replace(launches, profile=Profile(command="./prefork", port=8080), isolate=False)
    begun: list[str] = []

    def look(key: str, before: list[str]) -> Callable[[Launches], None]:
        def looked(other: Launches) -> None:
            assert other is alone
            assert begun == before
            begun.append(key)

        return looked

    alone.side_by_side({"one": look("one", []), "two": look("two", ["one"])})
    assert alone.remember("one", str) is alone.remember("two", str) is None


def test_what_the_subject_said_last_outlives_the_warden(tmp_path: Path) -> None:
    """It goes with a finding, which must not be lost with it."""
    source = f"{WORDS}listener = listen()\nprint('said before', flush=True)\nwait()"
    (tmp_path / "server.py").write_text(source, encoding="utf-8")
    profile = Profile(command=f"{sys.executable} -I -S server.py {{port}} 1 2", cwd=tmp_path)
    launches = Launches(profile=profile, pace=Pace(), seed=7, folder=tmp_path, isolate=isolation_allowed())
    with launches.launched(BOUNDS) as stage:
        settle(lambda: "said before" in launches.all_records().last.output, what="what it said")
        os.kill(stage.launch.warden, signal.SIGKILL)
        settle(lambda: procfs.look(stage.launch.warden).ended, what="the warden's end")
        assert launches.all_records().last.output == "said before"
    assert stage.closed


def test_a_failure_is_shown_by_the_launch_that_it_names_also_where_a_later_one_followed(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(f"{WORDS}listener = listen()\nwait()", encoding="utf-8")
    profile = Profile(command=f"{sys.executable} -I -S server.py {{port}} 1 2", cwd=tmp_path)
    launches = Launches(profile=profile, pace=Pace(), seed=7, folder=tmp_path, isolate=isolation_allowed())

    def scene() -> list[Pid]:
        parents = []
        for _ in range(2):
            with launches.launched(BOUNDS) as stage:
                parents.append(stage.watch.parent)
                stage.close()  # as scenes do that must not continue a stopped parent
        return parents

    for _ in range(2):  # played, and remembered
        first, second = launches.remember("two", scene)
        assert launches.record_of(f"the parent {first} spun").parent == first
        assert launches.record_of(f"the parent {second} spun").parent == second
        assert launches.record_of("nobody listens").parent == second


def test_of_accounts_that_were_kept_at_the_same_time_the_longest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 10.0, 15.0])
    monkeypatch.setattr("conformance.account.time.monotonic", lambda: next(ticks))
    short, long, own = Account(), Account(), Account()
    short.spend(Purpose.HOLDING, str)
    long.spend(Purpose.SETTLING, str)
    own.adopt([short, long])
    own.adopt([])
    assert {purpose: seconds for purpose, seconds in own.close().items() if seconds} == {"settling": 5.0}
