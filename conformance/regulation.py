"""Waiting for the pool: until it is within its bounds, and until it rests there.

What the parent owes is asked of the specification (`spec.regulation.owed`); this file only waits, and writes on the
timeline how the wait ended. It decides nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from conformance.account import Purpose, spent_on
from conformance.pace import Patience
from conformance.stage import Stage, SubjectEnded
from observers import procfs
from spec.epoll import Ran
from spec.event import Abandoned, Collapsed, Phase, Pid, Rested, Restless, Settled, Stalled, Stranded, Wanted
from spec.regulation import Owed, owed

# A pool that is now too small, now too large, so many times in one wait, does not regulate: it swings. A sound one
# overshoots once, and sheds. Nor does one get anywhere that turns back so many times on its way.
MOST_SWINGS = 8
# The classical rule sheds one a round; 64 of them undo two of its largest steps.
MOST_DISTURBANCES = 64


class Stopped(Exception):
    """The scenario can't go on: the timeline says why."""


def want(stage: Stage, phase: Phase, change: int) -> None:
    """Hold so many connections more."""
    stage.watch.write(Wanted(stage.clock(), phase, len(stage.held) + change))
    stage.hold_connections(change)


def may_have_been_shed(stage: Stage, *, since: float) -> bool:
    """Tell whether more than max_spare were idle at any time since: whoever has ended may have been told to."""
    states = [(before, state) for event, before, state in stage.watch.timeline().states() if event.at >= since]
    return any(max(before.idle, state.idle) > stage.parameters.max_spare for before, state in states)


@spent_on(Purpose.SETTLING)
def settle_start(stage: Stage) -> None:
    """Wait for the pool of a server that has just begun to listen, and learn which process is its parent.

    The first look may have shown a wrapper whose only child was the parent, before that had children of its own.
    """
    looked = 0.0

    def look_again() -> None:
        nonlocal looked
        if stage.clock() - looked > 0.02:
            looked = stage.clock()
            stage.watch.find(stage.port)
            stage.watch.leave_out_helpers()

    settle(stage, Phase.START, meanwhile=look_again)
    patience = Patience(stage.pace.start)
    while _may_yet_be_the_parent(stage) and not patience.over():
        step(stage, Phase.START)
        look_again()
    if patience.spent:
        settle(stage, Phase.START, meanwhile=look_again)
    stage.watch.find(stage.port)
    stage.watch.leave_out_helpers()


def _may_yet_be_the_parent(stage: Stage) -> bool:
    """Tell whether the only child does not wait for work: it may be a wrapper's, and about to have children itself."""
    before = stage.watch.parent
    if len(stage.watch.live) != 1:
        return False
    try:
        waits = stage.watch.child_waits(stage.watch.live[0])
    except PermissionError:
        return False
    # A parent that has begun to wait has its first child by then.
    return not waits or (stage.watch.find(stage.port) and stage.watch.parent != before)


class Approach:
    """Tells a pool's steps towards its bounds from those away from them, look by look.

    Where the pool stood best does not count: a look in the middle of a burst of births, or between the ends of several
    children, would make a record of what is on its way to be worse.
    """

    def __init__(self) -> None:
        self._owed: Owed | None = None
        self._last_owed: Owed | None = None  # growth or shedding
        self._reached = 0
        self._away = False
        self.swings = 0  # from too few to too many, or back
        self.setbacks = 0  # runs of steps away from the bounds

    def nearer(self, what: Owed, *, live: int, busy: int) -> bool:
        """Take one look; True where it shows a step towards what is owed."""
        reached = -live if what is Owed.SHEDDING else live + busy
        before, self._reached = self._reached, reached
        if what is not self._owed:
            if what is not Owed.REST:
                # By way of rest, too; but from rest to the same again is no swing: newborns accept one by one.
                self.swings += self._last_owed not in (None, what)
                self._last_owed = what
            self._owed, self._away = what, False
            return True
        if reached < before and not self._away:
            self._away = True
            self.setbacks += 1
        elif reached > before:
            self._away = False
        return reached > before


@spent_on(Purpose.SETTLING)
def settle(
    stage: Stage, phase: Phase, *, meanwhile: Callable[[], None] | None = None, within: float | None = None
) -> None:
    """Wait until all held connections that can be are accepted, and the pool is within its bounds.

    Each step towards the bounds renews the patience, which is that for one step of the subject's if `within` does not
    say how many seconds. Raises Stopped when steps no longer come, or lead nowhere.
    """
    patience = Patience(stage.pace.step if within is None else within)
    approach = Approach()
    began = stage.clock()
    while True:
        step(stage, phase)
        if meanwhile is not None:
            meanwhile()
        live, queued = len(stage.watch.live), stage.queued()
        busy = min(live, len(stage.busy()) + stage.passing)
        what = owed(live=live, busy=busy, parameters=stage.parameters)
        if what is Owed.REST and (not queued or live == busy):
            stage.watch.write(Settled(stage.clock(), phase))
            return
        # Passing clients come and go, and are no progress.
        if approach.nearer(what, live=live, busy=len(stage.busy())):
            patience.renew()
        spent = patience.over()
        if approach.swings > MOST_SWINGS:
            stage.watch.write(Restless(stage.clock(), phase, stage.clock() - began))
            raise Stopped
        if (spent or approach.setbacks > MOST_SWINGS) and stage.watch.leave_out_helpers():
            continue  # one that came later was counted as a child
        if spent or approach.setbacks > MOST_SWINGS:
            after = patience.seconds if spent else stage.clock() - began
            stranded = queued and live > busy
            stage.deaf = _asleep_in_accept(stage)
            stage.watch.write(
                Stranded(stage.clock(), phase, queued, after) if stranded else Stalled(stage.clock(), phase, after)
            )
            raise Stopped


def await_reaping(stage: Stage) -> tuple[tuple[Pid, ...], float]:
    """Wait until the zombies of now are reaped, whoever follows them; gives those that are not, and the seconds."""
    began, zombies = stage.clock(), set(stage.watch.zombies())
    stage.until(lambda: not zombies.intersection(stage.watch.zombies()), within=stage.pace.step)
    return tuple(zombies.intersection(stage.watch.zombies())), stage.clock() - began


def _asleep_in_accept(stage: Stage) -> tuple[Pid, ...]:
    """Give the idle children that sleep in accept, where no K can be heard."""
    try:
        idle = [pid for pid in stage.watch.live if pid not in stage.busy()]
        return tuple(pid for pid in idle if "accept" in procfs.waiting_calls(pid))
    except PermissionError:
        return ()


@dataclass(frozen=True)
class QuietRound:
    """One round in which nobody came or went: its length, and what each process ran in it."""

    seconds: float
    ran: dict[Pid, Ran]


class Quiet:
    """Tells whether anybody has come or gone since it began."""

    def __init__(self, stage: Stage) -> None:
        self._watch = stage.watch
        self._before = stage.watch.live
        # A zombie from before may be reaped at any time, and would pass for a child that lived between two samples.
        self._reaping_tells = not stage.watch.zombies()
        stage.watch.watch_reaping()

    def is_over(self) -> bool:
        """Tell whether somebody was seen to come or go."""
        return self._watch.live != self._before

    def has_reaped(self) -> bool:
        """Tell whether the parent has reaped somebody whom nobody saw, and write it."""
        return self._reaping_tells and not self.is_over() and self._watch.has_reaped()


@spent_on(Purpose.HOLDING)
def rest(stage: Stage, phase: Phase) -> QuietRound:
    """Wait until the pool has been within its bounds, and nobody came or went, for one round.

    A server may overshoot and shed one child a round, down to min_spare; beyond the rounds that this takes, it churns.
    Raises Stopped.
    """
    began = stage.clock()
    gap = stage.parameters.max_spare - stage.parameters.min_spare
    restless = Patience((gap + 3) * stage.pace.round * stage.pace.patience)
    for _ in range(MOST_DISTURBANCES):
        settle(stage, phase)
        restless.resume()  # what the steps towards the bounds took is no unrest
        quiet_since = stage.clock()
        used = ran(stage)
        quiet = Quiet(stage)
        while stage.clock() < quiet_since + stage.pace.round:
            step(stage, phase)
            if restless.over():
                stage.watch.write(Restless(stage.clock(), phase, restless.seconds))
                raise Stopped
            if quiet.is_over():
                break
        else:
            if quiet.has_reaped():
                continue
            stage.watch.write(Rested(stage.clock(), phase))
            after = ran(stage)
            return QuietRound(
                stage.clock() - quiet_since,
                {pid: now.since(used[pid]) for pid, now in after.items() if pid in used},
            )
    stage.watch.write(Restless(stage.clock(), phase, stage.clock() - began))
    raise Stopped


def ran(stage: Stage) -> dict[Pid, Ran]:
    """Give what the parent and each live child have run so far."""
    heard = stage.launch.heard_calls()
    return {pid: replace(procfs.ran(pid), asked=heard.get(pid, 0)) for pid in [stage.watch.parent, *stage.watch.live]}


def _another_parent(stage: Stage) -> bool:
    """Look for the pool's parent once more: who becomes a daemon leaves one process after the other behind."""
    patience = Patience(stage.pace.round)
    while not patience.over():
        if stage.watch.find_another(stage.port) and not stage.watch.parent_ended:
            return True
        stage.step()
    return False


def step(stage: Stage, phase: Phase) -> None:
    """Take one look. Raises Stopped where the parent has ended, or a client that is held was sent away."""
    stage.step()
    try:
        stage.check_parent()
    except SubjectEnded as error:
        if phase is Phase.START and _another_parent(stage):
            return
        stage.watch.write(Collapsed(stage.clock(), phase, str(error)))
        raise Stopped from error
    if stage.broken_holds:
        # A child that is ended in order closes its connection first: wait for its end to be seen.
        gone = {client.number for client in stage.broken_holds}
        holders = {stage.holders[number] for number in gone if number in stage.holders}
        patience = Patience(0.5)
        while holders & set(stage.watch.live) and not patience.over():
            stage.step()
        for number in gone:
            if stage.holders.get(number) in stage.watch.live:
                stage.watch.write(Abandoned(stage.clock(), number))
        raise Stopped
