"""A child is told `K` together with its last connection, and another client waits: which is not the child's any more.

Between the wake-up and the end there is one accept, for the client that `K` may have met (accept-5). Who serves one
that came before, and then looks once more, may be at N + 1.
"""

from conformance.seats import Heard, parents_seat, scene, wait, why_not_held
from conformance.stage import Stage
from drivers.parent_seat import ParentSeat
from spec.event import Pid
from spec.protocol import K
from spec.recycle import RECYCLE_1
from spec.verdict import Inconclusive, Violation
from subject.stopping import stopped


@scene
def play(stage: Stage, left: Heard) -> None:
    """Keep all children busy but one, and let that one find two clients and `K` at once; N is 1."""
    with parents_seat(stage) as seat:
        stage.hold_connections(len(seat.heard) - 1)
        wait(stage, lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.reaction)
        idle = [pid for pid in stage.watch.live if pid not in stage.busy()]
        left.why_not = why_not_held(stage)
        if left.why_not is None and len(idle) == 1:
            _part(stage, seat, left, idle[0])


def _part(stage: Stage, seat: ParentSeat, left: Heard, child: Pid) -> None:
    with stopped([child]):
        pair = stage.hold_connections(2)
        stage.await_connected(pair, within=stage.pace.reaction)
        if not seat.say(child, K):
            left.why_not = Inconclusive(f"child {child} could not be told K")
            return
    wait(stage, lambda: _is_through(stage, child), within=stage.pace.reaction)
    # Its N-th and last. Who obeys K first takes none, and is sound as well.
    for client in [client for client in pair if stage.holders.get(client.number) == child][:1]:
        stage.ask([client])
        stage.await_end([client])
        wait(stage, lambda: _is_through(stage, child), within=stage.pace.reaction)
    if sum(stage.holders.get(client.number) == child for client in pair) > stage.parameters.max_connections:
        seen = f"child {child} was told K with its last connection, and then took another ({stage.parameters})"
        left.found(Violation(RECYCLE_1, seen))
    left.judged.add(RECYCLE_1.id)


def _is_through(stage: Stage, child: Pid) -> bool:
    """Tell whether a child holds a connection, or is gone."""
    return child in stage.busy() or child not in stage.watch.live
