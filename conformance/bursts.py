"""The scenes in the child's seat about what is said together, and what nobody says: what the parent makes of it."""

from contextlib import AbstractContextManager, nullcontext

from conformance.actor import Actor, PlanFailed
from conformance.seats import Heard, say, scene, settle_down, settled_channels, usable_channels, wait
from conformance.stage import Stage, SubjectEnded
from spec.plan import Burst, Finish
from spec.protocol import PROTOCOL_8, PROTOCOL_9, UNKNOWN, C, F, shown
from spec.verdict import Blocked, Violation
from subject.stopping import NotStopped, stopped

# By child, so many messages in one write; the last more than people's buffers hold, no more than a channel does.
BURSTS = ((0, 2), (1, 4), (2, 3), (3, 6), (4, 257))
# All are busy before: too many are idle then, and those who spoke last are not among them.
AFTERWARDS = ((0, 1), (1, 3), (2, 5), (3, 6), (4, 256))
ONE_BY_ONE = 6  # messages of one child, to begin with
MUMBLING = 3  # children that are busy when all say what means nothing: more than the bounds have room for


@scene
def play_together(stage: Stage, left: Heard) -> None:
    """Say several messages at once for each child; then the same while the parent is stopped, before it goes on."""
    actor = Actor(stage, settled_channels(stage))
    try:
        _one_by_one(actor)
    except PlanFailed as error:
        left.why_not = Blocked(error.violation.clause.id, seen=error.violation.seen)
        return
    if not _at_once(actor, left, when="at once", meanwhile=nullcontext()):
        return
    left.judged.add(PROTOCOL_8.id)
    try:
        with stopped([stage.watch.parent]):
            pass
        actor.rest()
        _busy(actor, len(BURSTS))
    except (PlanFailed, NotStopped, SubjectEnded):
        return  # it does not take being stopped and continued, or does not grow: for another clause to say
    while_stopped = stopped([stage.watch.parent])
    _at_once(actor, left, when="while the parent was stopped", meanwhile=while_stopped, bursts=AFTERWARDS)


def _busy(actor: Actor, count: int) -> None:
    """Say C for so many children, where they are idle, and let the pool grow. Raises PlanFailed."""
    for place, pid in enumerate(list(actor.model.children)[:count]):
        if pid in actor.model.idle:
            actor.perform_step(Burst(((place, 1),)))
    actor.rest()


def _idle(actor: Actor, count: int) -> None:
    """Say F for so many that are busy, and let the pool shed. Raises PlanFailed."""
    for _ in range(count):
        actor.perform_step(Finish(0))
    actor.rest()


def _at_once(
    actor: Actor,
    left: Heard,
    *,
    when: str,
    meanwhile: AbstractContextManager[None],
    bursts: tuple[tuple[int, int], ...] = BURSTS,
) -> bool:
    """Say the bursts, and see what the parent makes of them; tells whether it was right."""
    before = {pid: len(account.said) for pid, account in actor.model.children.items()}
    try:
        with meanwhile:
            actor.say(Burst(bursts))
        actor.rest_for_a_turn()
    except PlanFailed as error:
        said = {pid: account.said[before.get(pid, 0) :] for pid, account in actor.model.children.items()}
        told = ", ".join(f"{shown(words)} by child {pid}" for pid, words in said.items() if words)
        left.found(Violation(PROTOCOL_8, f"said {when}: {told}; then: {error.violation.seen}"))
        return False
    return True


def _one_by_one(actor: Actor) -> None:
    """Say it in single messages: what goes wrong here is not for want of counting. Raises PlanFailed."""
    for place, count in BURSTS:
        for _ in range(min(count, ONE_BY_ONE)):
            actor.perform_step(Burst(((place, 1),)))
    actor.rest()
    # Up to more than may be idle, and down again.
    for _ in range(2):
        for place in range(len(BURSTS)):
            actor.perform_step(Burst(((place, 1),)))
        actor.rest()


@scene
def play_unknown_byte(stage: Stage, left: Heard) -> None:
    """Protocol-9: children say what nobody says, first busy ones, then all; after a C and an F the parent knows them.

    A busy one that is taken for idle may be told K, with its client: that is harm. An idle one that is taken for busy
    has another spawned in its place, until it says C and F: that is the parent's own matter.
    """
    told = f"after each busy child had said {UNKNOWN!r}"
    actor = Actor(stage, settled_channels(stage))
    try:
        _busy(actor, MUMBLING)
        _idle(actor, MUMBLING)  # how long it takes to shed is known from here on
        _busy(actor, MUMBLING)
    except PlanFailed as error:
        left.why_not = Blocked(error.violation.clause.id, seen=error.violation.seen)
        return
    try:
        # In all an odd number of bytes, or a parent that turns a switch with each would end where it began.
        for words in (UNKNOWN, UNKNOWN[:1]):
            actor.mumble(actor.model.busy, words)
            actor.rest_for_a_turn()
        _idle(actor, MUMBLING)
        told = f"after each child had said {UNKNOWN!r}"
        _all_mumble(stage)
        again = Actor(stage, usable_channels(stage))
        again.rest()
        again.say(Burst(tuple((place, 1) for place in range(len(again.model.idle)))), after=UNKNOWN)
        again.rest_for_a_turn()
    except (PlanFailed, SubjectEnded) as error:
        left.found(Violation(PROTOCOL_9, f"{told}: {error}"))
        return
    left.judged.add(PROTOCOL_9.id)


def _all_mumble(stage: Stage) -> None:
    """Have all children say what nobody says, and then C and F. Raises PlanFailed where one is ended for it."""
    channels = settled_channels(stage)
    ends = [channel.parents_inode for channel in channels.values()]
    for words in (UNKNOWN, UNKNOWN[:1], C, F):
        for channel in channels.values():
            say(stage, channel, words)
        wait(stage, lambda: not any(map(stage.diag.has_unread, ends)), within=stage.pace.reaction)
        settle_down(stage)
        if words not in (C, F) and (dropped := sorted(channels.keys() - set(stage.watch.live))):
            raise PlanFailed(Violation(PROTOCOL_9, f"child {dropped[0]} was ended for it"))
    stage.check_parent()
