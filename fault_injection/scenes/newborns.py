"""Newborns, seen as early as can be: before their first steps are over."""

from collections.abc import Callable

from conformance.seats import wait
from fault_injection.scenes.ordeal import Ordeal
from observers import procfs
from spec.event import Pid


def present(told: Ordeal) -> set[Pid]:
    """Give all children of the parent, those too that are no part of the pool (a logger): they are not newborn."""
    return set(procfs.children(told.parent))


def newborns(told: Ordeal, known: set[Pid], *, within: float, each: Callable[[Pid], object]) -> list[Pid]:
    """Wait for children beyond those `known`, looking as often as can be; `each` gets every one at first sight."""
    stage = told.stage
    found: list[Pid] = []
    began = stage.clock()
    while not found and stage.clock() - began < within:
        # Looked at directly: a whole sample of the pool takes longer than a newborn's first steps.
        for pid in procfs.children(told.parent):
            if pid not in known:
                known.add(pid)
                each(pid)
                found.append(pid)
        if not found and int((stage.clock() - began) * 1000) % 4 == 0:
            stage.attend(within=0.0)
    stage.watch.sample()
    stage.check_parent()
    return found


def await_fate(told: Ordeal, found: list[Pid]) -> None:
    """Wait until newborns to whom something was done have either ended or come to rest."""
    waits = told.stage.watch.child_waits  # one that naps on its first steps may yet take what it was sent
    wait(told.stage, lambda: all(map(waits, found)), within=told.stage.pace.reaction)
