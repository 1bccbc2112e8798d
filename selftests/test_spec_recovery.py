"""Section recovery: its clauses, and how a pool that did not come back is told."""

import pytest

from spec.clause import Level
from spec.event import Collapsed, Event, Phase, Pid, Restless, Spawned, Stalled, Stranded, Timeline
from spec.parameters import Parameters
from spec.recovery import RECOVERY_7, RECOVERY_8, SECTION, SOUND, why_not_back

BOUNDS = Parameters(min_spare=2, max_spare=3, max_connections=100, max_children=8)
AFTER = Phase.AFTERMATH


def told(*events: Event) -> str:
    born = tuple(Spawned(0.1, Pid(number)) for number in (1, 2, 3, 4))
    return why_not_back(Timeline((*born, *events)), BOUNDS)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Stalled(3.0, AFTER, 2.5), "4 children live, 0 busy, 4 idle, and no shedding for 2.5 s"),
        (Stranded(3.0, AFTER, 2, 2.5), "2 connections were not accepted in 2.5 s; 4 children live"),
        (Restless(3.0, AFTER, 9.0), "no quiet round in 9.0 s"),
        (Collapsed(3.0, AFTER, "the parent ended"), "the parent ended; before, 4 children live"),
    ],
)
def test_why_a_pool_is_not_back_is_told_by_what_was_seen_last(event: Event, words: str) -> None:
    assert words in told(event)
    assert words in told(Stalled(1.0, AFTER, 1.0), event)


def test_where_nothing_tells_it_is_said_all_the_same() -> None:
    assert told() == "the pool did not come back within its bounds"


def test_all_of_recovery_is_should_and_needs_a_pool_that_regulates() -> None:
    assert {"pool-1", "pool-2", "pool-3"} <= set(SOUND)
    for clause in SECTION:
        assert clause.level is Level.SHOULD
        assert set(SOUND) <= set(clause.needs) or clause in (RECOVERY_7, RECOVERY_8), "seen as such"
        assert clause.id not in clause.needs
