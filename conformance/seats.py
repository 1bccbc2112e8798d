"""What the scenes in the parent's and the child's seat have in common: the channels of a settled pool, or why not.

A channel that can't be used is told once, by the clause that says so; what can only be judged through it is blocked.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps

from conformance.pace import Patience
from conformance.regulation import Stopped, settle_start
from conformance.stage import Stage, SubjectEnded
from drivers import child_seat
from drivers.client import Client
from drivers.parent_seat import ParentSeat, parent_seat
from observers import channels as observed
from observers import procfs
from spec.accept import ACCEPT_4
from spec.channel import CHANNEL_1, Channel, judge_links
from spec.clause import Clause, ClauseId
from spec.event import Ordered, Pid, Said
from spec.http import HTTP_3
from spec.pool import POOL_1
from spec.verdict import Blocked, Decision, Inconclusive, Violation, raise_first
from subject.duplicate import EndGone, SeatRefused
from subject.stopping import NotStopped, stopped

LOOKS = 10  # at the channels, until nobody came meanwhile
# What ends a scene in a seat without saying anything of the clauses: the system refuses, or somebody is gone.
GAVE_WAY = (NotStopped, SeatRefused, EndGone, SubjectEnded, PermissionError)


@dataclass
class Heard:
    """What one scene left: what was violated, what was judged at all, and why the rest was not."""

    violations: list[Violation] = field(default_factory=list)
    judged: set[ClauseId] = field(default_factory=set)
    why_not: Decision | None = None
    connections: int = 0
    children: int = 0
    unseen: bool = False  # what was written was read at once, before anybody could look

    def found(self, *violations: Violation) -> bool:
        """Take violations; tells whether there were any."""
        self.violations += violations
        return bool(violations)


def scene(play: Callable[[Stage, Heard], None]) -> Callable[[Stage], Heard]:
    """Make a scene of what fills in a Heard: whatever ends it early is left there, too."""

    @wraps(play)
    def played(stage: Stage) -> Heard:
        left = Heard()
        try:
            play(stage, left)
        except GAVE_WAY as error:
            left.why_not = Inconclusive(str(error))
        except (Blocked, Inconclusive) as error:
            left.why_not = error
        return left

    return played


def decide(clause: Clause, heard: Heard) -> None:
    """Raise what one scene showed against the clause; else it must have been judged."""
    raise_first(heard.violations, clause)
    if clause.id in heard.judged:
        return
    if heard.why_not:
        raise heard.why_not
    if heard.violations:
        raise Blocked(heard.violations[0].clause.id, seen=heard.violations[0].seen)
    raise Inconclusive("the scene stopped before this was judged")


def settled_channels(stage: Stage) -> dict[Pid, Channel]:
    """Wait for the pool of a server that has just begun to listen, and find the channel of every child.

    Raises what `settle_pool` and `usable_channels` do.
    """
    settle_pool(stage)
    return usable_channels(stage)


def settle_pool(stage: Stage) -> None:
    """Wait until everyone in the pool of a server that has just begun to listen waits.

    Raises Blocked where there is no pool, and Inconclusive where the system does not show who waits.
    """
    try:
        settle_start(stage)
    except Stopped:
        if stage.watch.parent_ended or not stage.watch.live:
            raise Blocked(POOL_1.id, seen="there was no pool after the start") from None
    settle_down(stage)


def settle_down(stage: Stage) -> None:
    """Wait until everyone waits: a parent in the middle of a fork still holds both ends of the newborn's channel.

    Nor has a newborn all that it needs before it waits for work. One that never does so (it spins, or naps) is waited
    for in vain, for one round.
    """
    watch = stage.watch
    children = list(watch.live)

    def all_wait() -> bool:
        watch.sample()
        return watch.parent_waits_for_news() and all(map(watch.child_waits, watch.live))

    try:
        if not wait(stage, all_wait, within=stage.pace.round * stage.pace.patience):
            watch.take_for_ready(children)
    except PermissionError as error:
        raise Inconclusive(f"the system calls of the subject are not shown: {error.strerror}") from error


def usable_channels(stage: Stage) -> dict[Pid, Channel]:
    """Find the channel of every live child.

    Raises Blocked where one has none that can be used, and Inconclusive where the system refuses to show or share them.
    """
    watch = stage.watch
    watch.leave_out_helpers()
    try:
        found = observed.channels(watch.parent, watch.live, stage.diag)
        watch.sample()
        if any(pid not in found for pid in watch.live):
            # One that is on its way out lets go of its channel first; whoever has just come shows one soon.
            patience = Patience(stage.pace.round)
            while any(pid not in found for pid in watch.live) and not patience.over():
                stage.step()
                found = observed.channels(watch.parent, watch.live, stage.diag)
        if any(pid not in found for pid in watch.live):
            joined = observed.joined(watch.parent, watch.live, (), stage.diag)
            for violation in judge_links(joined):
                raise Blocked(CHANNEL_1.id, seen=violation.seen)
            found = observed.channels(watch.parent, watch.live, stage.diag)
        for channel in found.values():
            observed.maker(watch.parent, channel)  # the first of all duplicates: refused now, and not in the middle
            break
    except SeatRefused as error:
        raise Inconclusive(str(error)) from error
    except PermissionError as error:
        raise Inconclusive(f"the descriptors of the subject are not shown: {error.strerror}") from error
    return found


@contextmanager
def parent_stopped(stage: Stage) -> Iterator[list[Pid]]:
    """Stop the parent, and give the children that there are. Raises NotStopped.

    Only then nobody is born any more: a pool that is within its bounds may still grow.
    """
    with stopped([stage.watch.parent]):
        stage.watch.sample()
        yield list(stage.watch.live)


@contextmanager
def parents_seat(stage: Stage) -> Iterator[ParentSeat]:
    """Stop the parent and take its seat, in which every child is heard.

    Who is born between the look at the channels and the stop would serve and speak unheard: the look is taken again.
    Raises Inconclusive where somebody is born each time, and what `usable_channels` and `parent_seat` raise.
    """
    for _ in range(LOOKS):
        channels = usable_channels(stage)
        with parent_seat(stage.watch.parent, channels, all_are_heard=partial(_all_are_heard, stage)) as seat:
            if seat is not None:
                seat.on_heard = lambda child, words: note_said(stage, child, words)
                seat.on_said = lambda child, words: note_ordered(stage, child, words)
                yield seat
                return
        settle_down(stage)
    raise Inconclusive(f"{LOOKS} times a child was born between a look at the channels and the stop of the parent")


def _all_are_heard(stage: Stage, channels: Mapping[Pid, Channel]) -> bool:
    stage.watch.sample()
    stage.watch.leave_out_helpers()
    return channels.keys() >= set(stage.watch.live)


def note_said(stage: Stage, child: Pid, words: bytes) -> None:
    """Write on the timeline what a child has said, or the suite in its name."""
    stage.watch.write(Said(stage.clock(), child, _in_letters(words)))


def note_ordered(stage: Stage, child: Pid, words: bytes) -> None:
    """Write on the timeline what a child has been told, by its parent or in its name."""
    stage.watch.write(Ordered(stage.clock(), child, _in_letters(words)))


def _in_letters(words: bytes) -> str:
    return words.decode("ascii", "backslashreplace")


def say(stage: Stage, channel: Channel, words: bytes) -> bool:
    """Say something as a child; False where it is gone, or the channel is full. Raises SeatRefused."""
    said = child_seat.say(channel, words)
    if said:
        note_said(stage, channel.child, words)
    return said


def order(stage: Stage, channel: Channel, words: bytes) -> bool:
    """Tell a child something behind the parent's back; False where one of them is gone. Raises SeatRefused."""
    told = child_seat.order(stage.watch.parent, channel, words)
    if told:
        note_ordered(stage, channel.child, words)
    return told


def wait(stage: Stage, fact: Callable[[], bool], *, within: float) -> bool:
    """Wait for a fact, whatever becomes of the parent; False when it did not come in time."""
    patience = Patience(within)
    while not fact():
        if patience.over():
            return False
        stage.step()
    return True


def asleep(pid: Pid) -> bool:
    """Tell whether a process waits for something, or is gone: it says nothing more by itself."""
    look = procfs.look(pid)
    return look.asleep or look.ended


def held(stage: Stage, count: int, left: Heard) -> list[Client]:
    """Hold silent connections until their children are known; where they can't be, `left` says why not."""
    clients = stage.hold_connections(count)
    wait(stage, lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.reaction)
    left.why_not = why_not_held(stage)
    return clients


def why_not_held(stage: Stage) -> Decision | None:
    """Say why children can't be kept busy by silent connections, or None where they all are."""
    if stage.broken_holds:
        client = stage.broken_holds[0]
        if client.received:
            seen = f"a silent client was answered with {bytes(client.received[:40])!r}"
            return Blocked(HTTP_3.id, seen=seen)
        return Inconclusive(f"children can't be kept busy: a silent client: {client.why_lost()}")
    if stage.queued():
        return Blocked(ACCEPT_4.id, seen=f"{stage.queued()} connections were not accepted")
    return None


def is_read(stage: Stage, client: Client) -> bool:
    """Tell whether the server has read all that a client has sent, or holds its connection no more."""
    side = stage.diag.server_side(stage.port, client.local_port)
    return side is None or not side.queued
