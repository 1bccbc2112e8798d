"""How the model's scopes and counterexamples are worded."""

import pytest

from spec.model.scope import Scope
from spec.model.story import tell
from spec.model.system import Child, Kind, Move, Stage, State
from spec.parameters import Parameters

PARAMETERS = Parameters(min_spare=1, max_spare=2, max_connections=3, max_children=4)
NOTHING = State(to_come=9, crashes=0)


def children(*stages: Stage, queue: int = 0) -> State:
    return State(to_come=9, crashes=0, children=tuple(Child(stage) for stage in stages), queue=queue)


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(parameters=PARAMETERS, clients=1), "1 client"),
        (Scope(parameters=PARAMETERS, clients=0), "0 clients"),
        (Scope(parameters=PARAMETERS, clients=2, crashes=1), "2 clients, 1 crash"),
        (Scope(parameters=PARAMETERS, clients=2, crashes=2), "2 clients, 2 crashes"),
        (Scope(parameters=PARAMETERS, clients=2, crashes=3, crashes_anywhere=True), "2 clients, 3 crashes anywhere"),
    ],
)
def test_a_scope_says_how_much_happens(scope: Scope, words: str) -> None:
    assert str(scope) == f"{PARAMETERS}, {words}"


def test_no_child_is_killed_unless_that_is_asked_for() -> None:
    assert Scope(parameters=PARAMETERS, clients=1).crashes == 0


@pytest.mark.parametrize(
    ("asleep", "words"),
    [
        (0, "; nobody is asleep, and it waits in the queue"),
        (1, ", which wakes child 1"),
        (2, ", which wakes child 1 and child 2"),
        (3, ", which wakes child 1, child 2 and child 3"),
        (4, ", which wakes child 1, child 2, child 3 and child 4"),
    ],
)
def test_a_client_wakes_whom_it_wakes(asleep: int, words: str) -> None:
    born = [(Move(Kind.SPAWN, place), children(*[Stage.ASLEEP] * (place + 1))) for place in range(asleep)]
    woken = (Move(Kind.CONNECT), children(*[Stage.LOOKING] * asleep, queue=1))
    assert tell(NOTHING, [*born, woken], "").lines[-1] == f"a client connects{words}"


def test_a_child_ends_with_its_last_answer_and_not_with_an_earlier_one() -> None:
    serving = children(Stage.SERVING)
    birth = (Move(Kind.SPAWN, 0), serving)
    earlier, last = ((Move(Kind.FINISH, 0), children(stage)) for stage in (Stage.LOOKING, Stage.ENDED))
    lines = tell(NOTHING, [birth, earlier, (Move(Kind.ACCEPT, 0), serving), last], "").lines
    assert lines[1] == "child 1 answers its client and says F"
    assert lines[3] == "child 1 answers its client and says F, and ends"


def test_who_is_idle_at_last_is_named_by_birth_though_others_were_reaped() -> None:
    way = [
        (Move(Kind.SPAWN, 0), children(Stage.ASLEEP)),
        (Move(Kind.SPAWN, 1), children(Stage.ASLEEP, Stage.ASLEEP)),
        (Move(Kind.SPAWN, 2), children(Stage.ENDED, Stage.ASLEEP, Stage.ASLEEP)),
        (Move(Kind.REAP, 0), children(Stage.ASLEEP, Stage.ASLEEP, queue=2)),
    ]
    story = tell(NOTHING, way, "{queue}; {idle} idle")
    assert story.end == "2 connections; child 2 and child 3 idle"
    assert story.lines == (
        *("the parent spawns child 1", "the parent spawns child 2", "the parent spawns child 3"),
        "the parent reaps child 1",
    )
    assert str(story).endswith(" 4. the parent reaps child 1\n=> 2 connections; child 2 and child 3 idle")
    assert tell(NOTHING, way[:1], "{queue}").end == "0 connections"
