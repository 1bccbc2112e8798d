"""Plans performed on parents of a few lines: sound ones, and some whose mistakes are cut down to the shortest plan."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.drawing import draw
from conformance.pace import Pace
from conformance.plans import Effort, Planned, decide_plans, perform, table, told
from conformance.stage import Stage
from selftests.scripted import Staged, staged
from spec.parameters import Parameters
from spec.plan import Burst, Plan, read
from spec.pool import POOL_2, POOL_3
from spec.protocol import PROTOCOL_8
from spec.verdict import Inconclusive, NotApplicable, Violated
from spec.verdict import Violation as Found

BOUNDS = Parameters(min_spare=2, max_spare=3, max_connections=4)
BOUNDS_WRITTEN = "min_spare=2 max_spare=3 max_connections=4"
BRISK = Pace(grow_round=0.2, shed_each=0.2, patience=2.0)  # these parents do at once what they do at all
# A parent that regulates by what it is told; `hear` is what the tests make mistakes in.
PARENT = """
import select
listener = listen()
watch, states, pids = select.epoll(), {}, {}
served = {}

def spawn():
    mine, its = socket.socketpair()
    def work():
        for each in (mine, *ends.values()):
            each.close()
        own = select.epoll()
        own.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        own.register(its, select.EPOLLIN)
        while True:
            own.poll()
            try:
                if its.recv(9, socket.MSG_DONTWAIT) in (b"K", b"KK", b""):
                    return
            except BlockingIOError:
                pass
    pid = child(work)
    its.close()
    ends[mine.fileno()] = mine
    watch.register(mine, select.EPOLLIN)
    states[mine.fileno()], pids[mine.fileno()], served[mine.fileno()] = "F", pid, 0

ends = {}
listener.setblocking(False)

def hear(number, said):
    for word in said.decode():
        states[number] = word
        served[number] += word == "F"

def lose(number):
    watch.unregister(number)
    ends.pop(number).close()
    states.pop(number)
    os.waitpid(pids.pop(number), 0)

def lacking(idle):
    return min_spare - idle

def excess(idle):
    return idle - max_spare

N = int(sys.argv[4])
PLACE
while True:
    idle = sorted(number for number, state in states.items() if state == "F" and served[number] < N)
    for _ in range(lacking(len(idle))):
        spawn()
    for number in idle[::-1][: max(0, excess(len(idle)))]:
        ends[number].send(b"K")
        states[number] = "leaving"
    for number, _ in watch.poll():
        said = ends[number].recv(99)
        hear(number, said) if said else lose(number)
"""


@pytest.fixture
def parent(tmp_path: Path) -> Callable[[str], Callable[..., object]]:
    """Give launches of a parent with one thing put in another way."""
    stage: Staged = staged(tmp_path)

    def launches(place: str = "") -> Callable[..., object]:
        @contextmanager
        def launched(parameters: Parameters) -> Iterator[Stage]:
            with stage(PARENT.replace("PLACE", place), pace=BRISK, parameters=parameters) as made:
                yield made.start()

        return launched

    return launches


EFFORT = Effort(plans=4, steps=15, seconds=20.0, shrinking=8.0)


def drawn(seed: int, home: Path, effort: Effort = EFFORT) -> list[Plan]:
    return draw(BOUNDS, seed=seed, plans=effort.plans, steps=effort.steps, home=home)


def performed(launched: Callable[..., object], tmp_path: Path, *, effort: Effort = EFFORT) -> Planned:
    return perform(launched, drawn(3, tmp_path, effort), effort=effort, seconds=effort.seconds)  # type: ignore[arg-type]


def test_a_sound_parent_passes_every_plan(parent: Callable[..., Callable[..., object]], tmp_path: Path) -> None:
    planned = performed(parent(), tmp_path)
    assert planned.why_not is None
    assert planned.violation is None, told(planned)
    assert (planned.plans, planned.steps) == (4, 60)
    assert "4 plans performed, 60 steps in all" in str(planned)


def test_plans_are_the_same_for_the_same_seed_and_others_for_another(tmp_path: Path) -> None:
    one, again, other = (drawn(seed, tmp_path) for seed in (7, 7, 8))
    assert one == again
    assert one != other
    assert len(one) == 4
    assert {len(plan.steps) for plan in one} == {15}


def test_a_parent_that_takes_a_burst_for_one_message_is_found_with_the_shortest_plan(
    parent: Callable[..., Callable[..., object]],
) -> None:
    first_only = "def hear(number, said):\n    states[number] = said.decode()[0]"
    plan = read(f"{BOUNDS_WRITTEN}: C0 R F0 R B0:2,1:2 R C0 B0:2,1:2,2:2 R")
    planned = perform(parent(first_only), [plan], effort=EFFORT, seconds=9.0)  # type: ignore[arg-type]
    assert planned.violation is not None
    assert planned.violation.clause is PROTOCOL_8, told(planned)
    assert planned.reproduced
    assert planned.plan is not None
    assert len(planned.plan.steps) <= 4, planned.plan
    assert any(isinstance(step, Burst) for step in planned.plan.steps)
    assert read(str(planned.plan)) == planned.plan


def test_a_parent_that_keeps_one_too_many_is_found_in_any_order(
    parent: Callable[..., Callable[..., object]], tmp_path: Path
) -> None:
    planned = performed(parent("def excess(idle):\n    return idle - max_spare - 1"), tmp_path)
    assert planned.violation is not None
    assert planned.violation.clause is POOL_3, told(planned)
    lines = told(planned).splitlines()
    assert "no shedding" in lines[0]
    assert lines[1].split() == ["step", "sent", "live,", "busy,", "idle:", "expected", "seen"]
    with pytest.raises(Violated) as error:
        decide_plans(POOL_3, planned)
    assert error.value.plan == str(planned.plan)
    with pytest.raises(NotApplicable):
        decide_plans(POOL_2, planned)


def test_a_plan_that_failed_fails_again_where_it_is_replayed(
    parent: Callable[..., Callable[..., object]], tmp_path: Path
) -> None:
    wrong = parent("def lacking(idle):\n    return min_spare - idle if len(states) < 4 else 0")
    found = performed(wrong, tmp_path).plan
    assert found is not None
    again = perform(wrong, [found], effort=Effort(shrinking=0.0), seconds=9.0)  # type: ignore[arg-type]
    assert again.violation is not None
    assert again.violation.clause is POOL_2
    sound = perform(parent(), [found], effort=Effort(), seconds=9.0)  # type: ignore[arg-type]
    assert sound.violation is None


def test_without_plans_the_second_opinion_adds_nothing() -> None:
    with pytest.raises(NotApplicable, match="no plan could be performed: why"):
        decide_plans(POOL_2, Planned(why_not=Inconclusive("why")))
    decide_plans(POOL_2, Planned(plans=1, steps=20, seconds=0.1))


def test_a_violation_that_was_not_seen_again_decides_nothing() -> None:
    planned = Planned(violation=Found(POOL_2, "two are missing"), plan=Plan(BOUNDS, ()))
    with pytest.raises(NotApplicable, match="seen once, and not again with the same plan: two are missing"):
        decide_plans(POOL_2, planned)
    assert table([]).split() == ["step", "sent", "live,", "busy,", "idle:", "expected", "seen"]
