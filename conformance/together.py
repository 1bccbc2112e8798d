"""The scene in which all children reach their N-th connection at once, the parent stopped and more clients waiting."""

from dataclasses import dataclass

from conformance.clients import GET
from conformance.regulation import Stopped, settle_start
from conformance.seats import asleep, is_read, parent_stopped, wait
from conformance.stage import Stage, SubjectEnded
from drivers.client import Client
from spec.event import Pid
from spec.parameters import Parameters
from spec.recycle import RECYCLE_1
from spec.verdict import Violation
from subject.stopping import NotStopped, stopped

WAITING = 2  # clients in the queue while the children serve their last ones


@dataclass
class Together:
    """What came of all children reaching N at once."""

    parameters: Parameters
    children: int = 0
    gap: float | None = None  # from the parent's going on to the first answer
    unanswered: str = ""
    why_not: str = ""  # it could not be brought about
    ended_early: bool = False
    interrupted: str = ""  # a child that ended though nothing but stops had come to it
    violation: Violation | None = None  # a child took one more than its N, as it was there


def _interrupt(stage: Stage, left: Together, children: list[Pid]) -> None:
    """Recycle-2: stop the oldest child and let it go on, more than N times.

    Its `epoll_wait` ends with EINTR each time, even without a handler, and no connection has come. A child that the
    first stop ends has counted nothing. Whoever ends here is taken from `children`: the others play on.
    """
    child = children[0]
    for times in range(1, stage.parameters.max_connections + 2):
        with stopped([child]):
            pass
        stage.until(lambda: asleep(child), within=stage.pace.reaction)
        stage.watch.sample()
        if child not in stage.watch.live:
            children.remove(child)
            if times > 1:
                left.interrupted = f"child {child}, to which no connection came, ended at its stop number {times}"
            return


def _take_turn(stage: Stage, left: Together, children: list[Pid], *, turn: int, waiting: int) -> bool:
    """Have every child serve once, side by side, with `waiting` more clients in the queue; False where that fails."""
    clients = stage.hold_connections(len(children) + waiting)
    all_taken = len(children)
    stage.until(lambda: len(stage.busy()) == all_taken or bool(stage.broken_holds), within=stage.pace.reaction)
    if stage.broken_holds:
        left.why_not = f"a silent client: {stage.broken_holds[0].why_lost()}"
        return False
    if len(stage.busy()) < len(children):
        left.ended_early = bool(set(children) - set(stage.watch.live))
        left.why_not = (
            f"in turn {turn}, {len(stage.busy())} of {len(children)} children took a connection, "
            f"{len(set(children) & set(stage.watch.live))} lived"
            + (f"; in turn 1 one client's head came in {_pieces(stage)} pieces" if turn > 1 else "")
        )
        return False
    taken = [client for client in clients if client.number in stage.holders]
    in_pieces = taken[:1] if turn == 1 else []
    for client in in_pieces:
        _ask_in_pieces(stage, client)
    stage.ask([client for client in taken if client not in in_pieces])
    stage.await_end(taken)
    unserved = [client.why_lost() for client in taken if not client.served]
    if unserved:
        left.why_not = f"a client was {unserved[0]}"
        return False
    return not waiting or _all_end(stage, left, children)


def _pieces(stage: Stage) -> int:
    return stage.parameters.max_connections + 1


def _ask_in_pieces(stage: Stage, client: Client) -> None:
    """Recycle-2: send a head in more pieces than N. Each is read by itself, and all of them are one connection."""
    for place in range(client.greeted, client.greeted + _pieces(stage) - 1):
        stage.send(client, GET[place : place + 1])
        wait(stage, lambda: is_read(stage, client) or not client.open, within=stage.pace.reaction)
    stage.send(client, GET[client.greeted + _pieces(stage) - 1 :])


def _all_end(stage: Stage, left: Together, children: list[Pid]) -> bool:
    """Recycle-1: who has had its N connections ends, though another one waits."""
    stage.until(
        lambda: bool(stage.busy()) or not set(children).intersection(stage.watch.live), within=stage.pace.reaction
    )
    if greedy := sorted(stage.busy().intersection(children)):
        seen = f"child {greedy[0]} took connection number {stage.parameters.max_connections + 1}, which was waiting"
        left.violation = Violation(RECYCLE_1, f"{seen} ({stage.parameters})")
        left.why_not = left.violation.seen
        return False
    return True


def play_together(stage: Stage) -> Together:
    """Bring all children to their N-th connection together, with the parent stopped; then time the next client."""
    left = Together(stage.parameters)
    try:
        settle_start(stage)
    except Stopped:
        left.why_not = "the pool did not come within its bounds after the start"
        return left
    try:
        with parent_stopped(stage) as children:
            if len(children) > 1:
                _interrupt(stage, left, children)
            left.children = len(children)
            for turn in range(1, stage.parameters.max_connections + 1):
                last = turn == stage.parameters.max_connections
                if not _take_turn(stage, left, children, turn=turn, waiting=WAITING if last else 0):
                    return left
    except NotStopped as error:
        left.why_not = str(error)
        return left
    began = stage.clock()
    # Those that waited are asked for now: whoever takes the children's places finds them in the queue.
    waiting = list(stage.held.values())
    stage.ask(waiting)
    client = waiting[0] if waiting else stage.connect(GET, follow=False)
    try:
        stage.await_end([client])
    except SubjectEnded as error:
        left.why_not = f"{error} when it was continued after a stop"
        return left
    if stage.watch.parent_ended:
        left.why_not = f"{stage.how_it_ended()} when it was continued after a stop"
    elif client.served:
        left.gap = stage.clock() - began
    else:
        left.unanswered = client.why_lost()
    return left
