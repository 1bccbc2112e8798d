"""What is seen of other clauses on the way of an ordeal: kept for their tests, and no matter of the ordeal itself."""

import signal
from collections.abc import Callable, Iterable
from enum import Enum

from conformance import watching
from conformance.ending import stopped_by
from conformance.launches import Launches
from fault_injection.scenes.ordeal import Ordeal
from spec import epoll
from spec.lifecycle import judge_stop
from spec.pool import judge_limit
from spec.verdict import Decision, NotApplicable, Violation


class Look(Enum):
    """One look, by when it was taken."""

    KILLED_FULL = "after children had been killed, with more clients than there may be children"
    KILLED_WAITING = "after children had been killed"
    REFUSED_FULL = "after forks had been refused, with more clients than there may be children"
    REFUSED_WAITING = "after children had been without descriptors"
    REFUSED_AT_THE_END = "while forks were refused"


def look_at_the_limit(told: Ordeal, launches: Launches, look: Look) -> None:
    """Look whether there are, or were, more children than there may be."""
    _keep(launches, look, lambda: judge_limit(told.stage.watch.timeline(), told.stage.parameters))


def look_at_waiting(told: Ordeal, launches: Launches, look: Look) -> None:
    """Look how the idle children watch the listening socket, where the subject claims to have epoll."""
    if "epoll" in launches.profile.abilities and watching.kernel() >= epoll.FIRST_KERNEL_WITH_EXCLUSIVE:
        _keep(launches, look, lambda: _not_exclusive(watching.look(told.stage)))


def _not_exclusive(watched: watching.Watched) -> Iterable[Violation]:
    violations = epoll.judge_children(watched.children, watched.listeners)
    return (each for each in violations if each.clause is epoll.EPOLL_3)


def look_at_the_end(told: Ordeal, launches: Launches, look: Look) -> None:
    """Look how the server ends by SIGTERM."""
    _keep(launches, look, lambda: judge_stop(stopped_by(told.stage, signal.SIGTERM, within=told.stage.pace.stop)))


def _keep(launches: Launches, look: Look, judged: Callable[[], Iterable[Violation]]) -> None:
    launches.see(look.value, lambda: list(judged()))


def seen_on_the_way(launches: Launches, look: Look) -> list[Violation]:
    """Give what was seen. Raises NotApplicable where it did not come to this look: others tell why."""

    def nothing() -> list[Violation]:
        raise NotApplicable("it did not come to this look")

    try:
        found = launches.remember(look.value, nothing)
    except Decision as error:
        raise NotApplicable(f"{look.value}: {error}") from error
    return [Violation(each.clause, f"{look.value}: {each.seen}") for each in found]
