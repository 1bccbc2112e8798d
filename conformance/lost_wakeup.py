"""The race for which accept-5 stands: a connection and `K` come together to the child that the connection wakes.

Where that child takes the connection, it serves it as any other: with C and F, and then it ends.

`spec/model` tells the story: who obeys `K` before it has tried to accept takes the only wake-up along, and the
connection waits beside idle children until another one comes. Here it is made to happen: the parent is stopped, the
children and the suite share one processor, and the suite connects and writes `K` in one go, while the child can't run.
"""

from dataclasses import dataclass, field, replace

from conformance.joining import Joinings, looked_in_passing
from conformance.seats import GAVE_WAY, asleep, parents_seat, settle_pool, wait, why_not_held
from conformance.stage import Stage
from drivers.client import Client
from drivers.http_exchange import read_exchange
from drivers.one_processor import NotPinned, one_processor
from drivers.parent_seat import ParentSeat
from observers import epoll_interest
from spec.accept import ACCEPT_5, judge_race_count
from spec.epoll import EPOLLEXCLUSIVE
from spec.event import Accepted, Pid
from spec.protocol import OBEYS_WITHIN, PROTOCOL_6, K, Voice, judge_voice
from spec.verdict import Blocked, Decision, Inconclusive, Violation

LAST_SERVICES = 5  # to be looked at
# Seconds for all races together: a server that sleeps in each service gets fewer of them.
RACING = 8.0


@dataclass
class Races:
    """What came of all races. One is *met* where the child that was told `K` was the one that the connection woke."""

    children: int = 0
    trials: int = 0
    met: int = 0
    stranded: str = ""
    lost: str = ""  # a client that was taken, or might have been, and then sent away
    last_services: int = 0  # of children that took the connection, and were told K
    wrong_services: list[Violation] = field(default_factory=list)
    why_not: Decision | None = None
    joinings: Joinings | Inconclusive | None = None  # of all these children, before the races

    def violation(self) -> Violation | None:
        """Give what was violated, if anything. Raises Inconclusive where too few races were met."""
        if self.stranded or self.lost:
            return Violation(ACCEPT_5, f"race {self.trials} of {self.children - 1}: {self.stranded or self.lost}")
        if self.why_not:
            raise self.why_not
        if why := judge_race_count(self.met, self.trials):
            raise Inconclusive(why)
        return None


def play(stage: Stage) -> Races:
    """Let one child after another, as they stand in line, be woken and told K at once."""
    left = Races()
    try:
        settle_pool(stage)
        left.joinings = looked_in_passing(stage, f"with {len(stage.watch.live)} children")
        with parents_seat(stage) as seat, one_processor(seat.heard):
            children = [pid for pid in stage.watch.live if pid in seat.heard]
            left.children = len(children)
            line = _line(stage, left, children)
            end = stage.clock() + RACING * stage.pace.patience
            # The last one has nobody beside it who could be idle.
            for hot in line[:-1]:
                if left.why_not or left.stranded or left.lost or stage.clock() > end:
                    break
                _race(stage, seat, left, hot)
            stage.close()
    except (*GAVE_WAY, NotPinned) as error:
        left.why_not = Inconclusive(str(error))
    except (Blocked, Inconclusive) as error:
        left.why_not = error  # what was looked at before is judged all the same
    return left


def _line(stage: Stage, left: Races, children: list[Pid]) -> list[Pid]:
    """Find in which order connections wake the children: one connection after another, each kept.

    They are let go of in the same order, each when the child of the one before waits again: who waits in a new epoll
    each time, or adds the listening socket to its own again, goes to the end of the line. Where each service takes its
    time, all are let go of at once.
    """
    clients = []
    for _ in children:
        clients += stage.hold_connections(1)
        if not wait(stage, lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.reaction):
            break
    left.why_not = why_not_held(stage)
    if left.why_not:
        return []
    line = [stage.holders[client.number] for client in clients if client.number in stage.holders]
    for at_once in [clients] if stage.pace.unhurried else [[client] for client in clients]:
        stage.let_go(at_once)
        if not wait(stage, lambda: stage.all_let_go() and all(map(asleep, children)), within=stage.pace.answer):
            break  # who keeps the first keeps the others, too
    stage.let_go([client for client in clients if client.number in stage.held])
    return [pid for pid in dict.fromkeys(line) if pid in stage.watch.live]


def _race(stage: Stage, seat: ParentSeat, left: Races, hot: Pid) -> None:
    herd = _is_woken_with_others(hot)
    left.trials += 1
    client = stage.hold_connections(1)[0]
    if not seat.say(hot, K):
        left.why_not = Inconclusive(f"child {hot} ended before it was told K")
        return
    accepted = wait(stage, lambda: stage.is_decided(client), within=stage.pace.reaction)
    others = [pid for pid in stage.watch.live if pid != hot and pid not in stage.busy()]
    if not accepted and others and hot not in stage.watch.live:
        left.stranded = _told(stage, hot, others)
    elif not client.open:
        left.lost = f"child {hot} was told K when a client came, who was {client.why_lost()}"
    elif accepted:
        left.met += herd or stage.holders[client.number] == hot
        most = 1 if stage.pace.unhurried else LAST_SERVICES
        if stage.holders[client.number] == hot and left.last_services < most and not left.wrong_services:
            left.last_services += 1
            left.wrong_services += _last_service(stage, seat, client, hot)
    else:
        left.why_not = Inconclusive(f"nobody took a connection, and child {hot}, told K, did not end")
    stage.let_go([client])


def _last_service(stage: Stage, seat: ParentSeat, client: Client, hot: Pid) -> list[Violation]:
    """Judge how the one that was told K serves the client that it took: protocol-1, -2 and -6."""
    stage.ask([client])
    stage.await_end([client])
    met = f"child {hot} took a client who came together with K"
    if not client.served:
        return [Violation(PROTOCOL_6, f"{met}: the client was {client.why_lost()}")]
    answer = read_exchange(client, asked="a GET")
    if answer.status is not None and answer.status >= 500:
        return [Violation(PROTOCOL_6, f"{met}, and answered with status {answer.status}")]
    within = OBEYS_WITHIN * stage.pace.patience
    if not wait(stage, lambda: hot not in stage.watch.live, within=within):
        return [Violation(PROTOCOL_6, f"{met}; it served the client, and still lived {within:.1f} s later")]
    seat.hear([hot])
    # Of the client by whom its place in the line was found, too.
    taken = {each.connection for each in stage.watch.timeline() if isinstance(each, Accepted) and each.pid == hot}
    count = len(taken)
    voice = Voice(child=hot, said=bytes(seat.heard[hot]), accepted=count, serviced=count, ended=True, within=within)
    return [replace(each, seen=f"{met}: {each.seen}") for each in judge_voice(voice)]


def _told(stage: Stage, hot: Pid, others: list[Pid]) -> str:
    """Say that a connection was stranded, and whether another client's coming frees it."""
    waited = stage.pace.reaction
    seen = (
        f"child {hot} was told K when a client came, and ended; the client was not accepted in {waited:.1f} s though "
        f"{len(others)} children were idle"
    )
    stage.hold_connections(1)
    freed = wait(stage, lambda: stage.queued() < 2, within=stage.pace.reaction)
    return f"{seen}, and was only when another client came" if freed else seen


def _is_woken_with_others(pid: Pid) -> bool:
    """Tell whether a child watches a socket plainly, as in a herd: then nobody's end takes a wake-up along."""
    try:
        watched = [entry for epoll in epoll_interest.epolls(pid).values() for entry in epoll]
    except PermissionError:
        return False
    return bool(watched) and not any(entry.events & EPOLLEXCLUSIVE for entry in watched)
