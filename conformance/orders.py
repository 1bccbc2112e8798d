"""The scene in the child's seat: what the parent says to its children.

Nobody is stopped for the first part. Children that serve silent clients do not read their channels; the suite says `F`
for them, the parent takes them for idle, and the `K`s for those that are too many stay where they can be seen.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from conformance.pace import Patience
from conformance.regulation import Stopped, settle, want
from conformance.seats import (
    Heard,
    note_ordered,
    order,
    say,
    scene,
    settle_down,
    settled_channels,
    usable_channels,
    wait,
    why_not_held,
)
from conformance.stage import Stage, SubjectEnded
from drivers import child_seat
from observers import procfs
from spec.channel import Channel
from spec.epoll import EPOLL_5, judge_run_time
from spec.event import Phase, Pid
from spec.pool import POOL_2, POOL_5, POOL_6, judge_limit
from spec.protocol import (
    PROTOCOL_4,
    PROTOCOL_7,
    C,
    F,
    K,
    Order,
    Told,
    judge_orders,
)
from spec.verdict import Blocked, Inconclusive, Violation
from subject.stopping import stopped

SPOKEN_FOR, BUSY = 8, 2  # children that say F and are busy: more than max_spare; and others that are busy
READS_WITHIN = 0.1  # seconds: whoever waits for its channel in a service reads at once


@dataclass
class Excess:
    """The channels of children that were spoken for, and of those that are busy by all that the parent knows."""

    spoken_for: dict[Pid, Channel]
    busy: dict[Pid, Channel]


@scene
def play_orders(stage: Stage, left: Heard) -> None:
    """Make the parent believe that too many are idle, none of whom can read; see what it tells whom."""
    _play_orders(stage, left, hold_still=lambda _: nullcontext())


@scene
def play_orders_to_the_stopped(stage: Stage, left: Heard) -> None:
    """Do the same with children that read their channels while they serve: those that are spoken for are stopped."""
    _play_orders(stage, left, hold_still=stopped)


def _play_orders(
    stage: Stage, left: Heard, *, hold_still: Callable[[Iterable[Pid]], AbstractContextManager[None]]
) -> None:
    settled_channels(stage)
    try:
        want(stage, Phase.SHORTAGE, SPOKEN_FOR + BUSY)
        settle(stage, Phase.SHORTAGE)
    except Stopped:
        unheld = why_not_held(stage) if stage.broken_holds else None
        left.why_not = unheld or Blocked(POOL_2.id, seen="the pool did not grow for held connections")
        return
    settle_down(stage)
    channels = usable_channels(stage)
    # One that was told K while it was idle may have become busy meanwhile.
    busy = [pid for pid in channels if pid in stage.busy() and not child_seat.unread_orders(channels[pid])]
    if len(busy) <= SPOKEN_FOR:
        left.why_not = Inconclusive(f"only {len(busy)} of {SPOKEN_FOR + BUSY} held connections kept a child busy")
        return
    # The oldest and the newest are those that a parent is most likely to choose: they stay busy for it.
    others = (busy[0], busy[-1])
    excess = Excess({pid: channels[pid] for pid in busy if pid not in others}, {pid: channels[pid] for pid in others})
    idle = [pid for pid in stage.watch.live if pid not in busy]
    with hold_still(excess.spoken_for):
        for channel in excess.spoken_for.values():
            say(stage, channel, F)
        # Who is really idle must not be: it would obey, and nothing could be seen. Their C and a K may cross.
        stage.hold_connections(len(idle))
        all_busy = lambda: not stage.queued() or len(stage.busy()) == len(stage.watch.live)  # noqa: E731 - as a fact
        wait(stage, all_busy, within=stage.pace.reaction)
        try:
            _watch_orders(stage, left, excess)
            if POOL_5.id in left.judged and not left.violations and not left.unseen:
                _grow_to_the_limit(stage, left, excess)
        except SubjectEnded as error:
            left.why_not = Inconclusive(f"{error} when it was told {F!r} for {len(excess.spoken_for)} children")


def _watch_orders(stage: Stage, left: Heard, excess: Excess) -> None:
    """Wait for the excess to be shed, as far as the parent believes; then for one round more, for what is too much."""
    noted: set[Pid] = set()

    def orders() -> list[Order]:
        found = []
        for told, group in ((Told.IDLE, excess.spoken_for), (Told.BUSY, excess.busy)):
            for pid, channel in group.items():
                written = child_seat.unread_orders(channel)
                ended = written is None or pid not in stage.watch.live
                if written and pid not in noted:
                    noted.add(pid)
                    note_ordered(stage, pid, written)
                found.append(Order(child=pid, written=written or b"", told=told, ended=ended))
        return found

    def told_to_end() -> int:
        return sum(bool(order.written) or order.ended for order in orders())

    waited = _await_orders(stage, excess, told_to_end)
    _take_more(stage, excess)
    spun = _hold(stage, excess)
    if stage.broken_holds:
        # Was a child ended, and its client with it? Or do children tire of silent clients, and then obey? Others tell.
        stage.hold(stage.pace.round)
        if any(stage.holders.get(client.number) in stage.watch.live for client in stage.broken_holds):
            left.why_not = why_not_held(stage)
            return
    left.found(*judge_orders(orders()))
    if not told_to_end() and not _shed_in_another_way(stage, left, excess, waited=waited):
        return
    left.children = told_to_end()
    left.found(*spun)
    left.judged |= {PROTOCOL_4.id, PROTOCOL_7.id, POOL_5.id, EPOLL_5.id}


def _await_orders(stage: Stage, excess: Excess, told_to_end: Callable[[], int]) -> float:
    """Wait until as many were told to end as are too many; gives how long each step of that was waited for at most."""
    due = len(excess.spoken_for) - stage.parameters.max_spare
    patience, before = Patience(stage.pace.step), 0
    while (now := told_to_end()) < due and not patience.over():
        if now and not before:
            _make_busy(stage, excess)  # it sheds one after another
            due = now + 1
        if now > before:
            before = now
            patience.renew()
        stage.step()
        stage.check_parent()
    return patience.seconds


def _hold(stage: Stage, excess: Excess) -> list[Violation]:
    """Hold one round, in which nothing happens; whom the parent told K may serve for as long as its client likes."""
    parent = stage.watch.parent
    before = {pid: procfs.ran(pid) for pid in (parent, *excess.spoken_for)}
    began = stage.clock()
    stage.hold(stage.pace.round)
    stage.check_parent()
    spent = {pid: procfs.ran(pid).since(earlier) for pid, earlier in before.items() if not procfs.look(pid).ended}
    spun = judge_run_time(spent, seconds=stage.clock() - began, parent=parent)
    return [Violation(EPOLL_5, f"while children that were told K served their clients: {each.seen}") for each in spun]


def _grow_to_the_limit(stage: Stage, left: Heard, excess: Excess) -> None:
    """Pool-6: those that were told K, and still serve their clients, live on; up to the limit they count."""
    limit = stage.parameters.max_children
    told = {pid for pid, channel in excess.spoken_for.items() if child_seat.unread_orders(channel)}
    told &= set(stage.watch.live)
    if limit is None or not told:
        return
    for pid, channel in excess.spoken_for.items():
        if pid not in told:
            say(stage, channel, C)
    stage.hold_connections(limit)
    patience, before = Patience(stage.pace.step), len(stage.watch.live)
    while before < limit and not patience.over():
        stage.step()
        stage.check_parent()
        if len(stage.watch.live) != before:
            before = len(stage.watch.live)
            patience.renew()
    # Up to here it need not have grown: too few are another clause's matter, and the first step may be to one too many.
    stage.hold(stage.pace.round)
    for violation in judge_limit(stage.watch.timeline(), stage.parameters):
        children = f"{len(told)} of them were told K, and have not yet served their last clients"
        left.found(Violation(POOL_6, f"{violation.seen}; {children}"))
        return
    left.judged.add(POOL_6.id)


def _shed_in_another_way(stage: Stage, left: Heard, excess: Excess, *, waited: float) -> bool:
    """Tell whether children were told to end though no K lies there: they have read it, or it came in another way."""
    read = _is_read_in_service(stage, excess)
    ended = _end_by_themselves(stage, excess)
    if not ended:
        left.why_not = Inconclusive(
            f"{len(excess.spoken_for)} children said F, and the parent shed none in {waited:.1f} s ({stage.parameters})"
        )
    elif read:
        left.unseen = True
    else:
        seen = (
            f"child {min(ended)}, idle by what the parent was told, ended when its client had gone; "
            "it does not read its channel in a service, and no K lay there"
        )
        left.found(Violation(PROTOCOL_4, seen))
    return bool(ended)


def _make_busy(stage: Stage, excess: Excess) -> None:
    """Say C for the oldest and the newest that were not told K yet, as long as one is too many.

    Whoever makes a list of those that are to go, and looks at nobody again, has one of these next.
    """
    untold = [pid for pid, channel in excess.spoken_for.items() if not child_seat.unread_orders(channel)]
    count = max(0, len(untold) - stage.parameters.max_spare - 1)
    newest = count // 2
    chosen = {pid: excess.spoken_for[pid] for pid in (*untold[: count - newest], *untold[len(untold) - newest :])}
    for channel in chosen.values():
        say(stage, channel, C)
    ends = [channel.parents_inode for channel in chosen.values()]
    is_read = lambda: not any(map(stage.diag.has_unread, ends)) and stage.watch.parent_waits_for_news()  # noqa: E731
    if not wait(stage, is_read, within=stage.pace.reaction):
        return
    for pid, channel in chosen.items():
        # A K may have crossed with the C.
        if not child_seat.unread_orders(channel):
            excess.busy[pid] = excess.spoken_for.pop(pid)


def _take_more(stage: Stage, excess: Excess) -> None:
    """Say C and F for those that were told K: connections crossed with it, which is no reason to tell them again."""
    for channel in excess.spoken_for.values():
        if child_seat.unread_orders(channel):
            say(stage, channel, C + F)


def _is_read_in_service(stage: Stage, excess: Excess) -> bool:
    """Tell whether children read their channels while they serve: one is told K behind the parent's back."""
    channel = next(iter(excess.busy.values()))
    if not order(stage, channel, K):
        return True  # it may be so
    return wait(stage, lambda: not child_seat.unread_orders(channel), within=READS_WITHIN)


def _end_by_themselves(stage: Stage, excess: Excess) -> set[Pid]:
    """Give the children that end when they are let go of, with the parent stopped: they were told to while busy."""
    spoken_for = set(excess.spoken_for)
    with stopped([stage.watch.parent]):
        stage.let_go([client for client in stage.held.values() if stage.holders.get(client.number) in spoken_for])
        wait(stage, lambda: not spoken_for <= set(stage.watch.live), within=stage.pace.reaction)
        return spoken_for.difference(stage.watch.live)
