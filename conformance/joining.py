"""Looks at how all children are joined to the parent: at rest, when the pool has grown, and in scenes of others."""

from dataclasses import dataclass, replace

from conformance.regulation import Stopped, settle
from conformance.seats import wait
from conformance.stage import Stage
from observers import channels as observed
from spec.channel import Joined, judge_holders, judge_links
from spec.event import Phase
from spec.verdict import Inconclusive
from subject.duplicate import SeatRefused


@dataclass
class Joinings:
    """Each look, with when it was taken. `refused` says why nobody can tell who made a channel."""

    looks: list[tuple[str, Joined]]
    refused: str = ""


def look(stage: Stage) -> Joinings:
    """Look at rest, then keep every child busy, let the pool grow, look again, and let go."""
    left = Joinings([])
    look_once(stage, "at rest", left)
    clients = stage.hold_connections(len(stage.watch.live))
    try:
        settle(stage, Phase.FLOOD_TIDE)
    except Stopped:
        pass  # whoever came is looked at; that the pool does not grow as it should is the matter of others
    look_once(stage, "after growth", left)
    stage.let_go(clients)
    return left


def look_once(stage: Stage, when: str, left: Joinings) -> None:
    """Look now. Raises Inconclusive where the system does not show who holds what."""
    try:
        left.looks.append((when, _look(stage, left)))
    except PermissionError as error:
        raise Inconclusive(f"the descriptors of the subject are not shown: {error.strerror}") from error


def looked_in_passing(
    stage: Stage, when: str, *, before: Joinings | Inconclusive | None = None
) -> Joinings | Inconclusive:
    """Look (again) in a scene about something else: that nothing is shown is left for those who ask for it."""
    if isinstance(before, Inconclusive):
        return before
    left = before or Joinings([])
    try:
        look_once(stage, when, left)
    except Inconclusive as error:
        return error
    return left


def _look(stage: Stage, left: Joinings) -> Joined:
    """Look until nothing is amiss, for a moment at most: a newborn has what its parent had until it lets go of it."""
    watch = stage.watch
    joined = Joined(parent=watch.parent, links={}, others={})

    def clear() -> bool:
        nonlocal joined
        watch.sample()
        watch.leave_out_helpers()
        joined = observed.joined(watch.parent, watch.live, stage.processes(), stage.diag)
        return not any((*judge_links(joined), *judge_holders(joined)))

    wait(stage, clear, within=stage.pace.reaction)
    try:
        found = observed.channels(watch.parent, watch.live, stage.diag)
        links = {
            pid: replace(link, maker=observed.maker(watch.parent, found[pid])) if pid in found else link
            for pid, link in joined.links.items()
        }
    except SeatRefused as error:
        left.refused = str(error)
        return joined
    return replace(joined, links=links)
