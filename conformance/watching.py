"""Looks at how parent and children wait, at rest and when the pool has grown, and at what one connection wakes."""

import platform
import re
from dataclasses import dataclass

from conformance.regulation import Stopped, settle
from conformance.seats import asleep
from conformance.stage import Stage
from observers import epoll_interest, procfs
from spec.epoll import Waiting, judge_children, judge_parent
from spec.event import Inode, Phase, Pid
from spec.verdict import Inconclusive

TRIALS = 8
LONGEST_LOOK = 0.3  # seconds: a child that wakes ten times a second is seen asleep by then
LONGEST_TO_STAND_STILL = 0.2  # seconds


@dataclass(frozen=True)
class Watched:
    """How the parent and the idle children wait, at one moment."""

    parent: Pid
    parent_waits: Waiting
    children: dict[Pid, Waiting]
    listeners: frozenset[Inode]


def look(stage: Stage) -> Watched:
    """Look at everyone until nothing is amiss, for one round at most.

    Some wake now and then for a timer; and who is just beginning or ending has no epoll yet, or none any more. Those
    that are left out as they have ended meanwhile may be all that there were: others follow.
    """
    watched = Watched(Pid(0), Waiting(frozenset(), ()), {}, frozenset())

    def well() -> bool:
        nonlocal watched
        watched = _look(stage)
        on_children = judge_children(watched.children, watched.listeners)
        on_parent = judge_parent(watched.parent, watched.parent_waits, watched.children)
        return bool(watched.children) and next(on_children, None) is None and next(on_parent, None) is None

    stage.watch.find(stage.port)
    stage.watch.leave_out_helpers()
    try:
        stage.until(well, within=stage.pace.round)
    except PermissionError as error:
        raise Inconclusive(f"the descriptors of the subject are not shown: {error.strerror}") from error
    if not procfs.calls_are_known():
        raise Inconclusive(f"the system calls of this machine ({platform.machine()}) are not known to the suite")
    return watched


def _look(stage: Stage) -> Watched:
    parent = stage.watch.parent
    idle = [pid for pid in stage.watch.live if pid not in stage.busy()]
    calls: dict[Pid, frozenset[str]] = {pid: frozenset() for pid in [parent, *idle]}

    def all_in_epoll() -> bool:
        for pid in calls:
            calls[pid] |= procfs.waiting_calls(pid)
        return all("epoll_wait" in seen for seen in calls.values())

    stage.until(all_in_epoll, within=LONGEST_LOOK)
    waiting = epoll_interest.waiting(parent, idle, calls, stage.diag)
    stage.watch.sample()
    return Watched(
        parent=parent,
        parent_waits=waiting.pop(parent),
        children={pid: waits for pid, waits in waiting.items() if pid in stage.watch.live},
        listeners=frozenset(stage.watch.listeners),
    )


def look_after_growth(stage: Stage) -> Watched:
    """Keep every present child busy, let the pool grow, and look at the new ones; then let go."""
    clients = stage.hold_connections(len(stage.watch.live))
    try:
        settle(stage, Phase.FLOOD_TIDE)
    except Stopped:
        pass  # whoever came is looked at; that the pool does not grow as it should is the matter of others
    try:
        return look(stage)
    finally:
        stage.let_go(clients)


def kernel() -> tuple[int, int]:
    """Give the kernel's version."""
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def switches_per_connection(stage: Stage) -> tuple[int, list[float]]:
    """Count what bystanders' sleeps end by one silent connection, several times over, less what time alone ends.

    Gives the number of bystanders, and the counts. A bystander is an idle child that did not accept. What time alone
    ends is told by its rate: on a busy machine a look with a connection takes longer than one without.
    """
    quiet: list[tuple[int, float]] = []
    connected: list[tuple[int, float]] = []
    bystanders = 0
    for _ in range(TRIALS):
        idle = [pid for pid in stage.watch.live if pid not in stage.busy()]
        bystanders = len(idle) - 1
        quiet.append(_switches(stage, idle, connect=False))
        connected.append(_switches(stage, idle, connect=True))
    rate = sum(count for count, _ in quiet) / sum(seconds for _, seconds in quiet)
    return bystanders, [max(0.0, count - rate * seconds) for count, seconds in connected]


def _switches(stage: Stage, idle: list[Pid], *, connect: bool) -> tuple[int, float]:
    """Count voluntary switches from before one connection (or none) until the counts stand still; and in what time."""
    began = stage.clock()
    before = {pid: procfs.voluntary_switches(pid) for pid in idle}
    clients = stage.hold_connections(1) if connect else []
    stage.until(lambda: not stage.queued(), within=stage.pace.reaction)
    counts = StillCount([stage.watch.parent, *idle])
    # Those that were woken run soon; those that wake by a timer of their own never stand still.
    stage.until(counts.stand_still, within=LONGEST_TO_STAND_STILL)
    holders = stage.busy()
    count = sum(procfs.voluntary_switches(pid) - before[pid] for pid in idle if pid not in holders)
    seconds = stage.clock() - began
    stage.let_go(clients)
    return count, seconds


class StillCount:
    """Tells when some processes have slept, and their switches stood still, for three looks.

    One that was woken on a busy machine is runnable, and has not yet run.
    """

    def __init__(self, pids: list[Pid]) -> None:
        self._pids = pids
        self._last = -1
        self._still = 0

    def stand_still(self) -> bool:
        """Look once more."""
        now = sum(procfs.voluntary_switches(pid) for pid in self._pids)
        still = now == self._last and all(map(asleep, self._pids))
        self._still = self._still + 1 if still else 0
        self._last = now
        return self._still >= 3
