"""One launch that a fault is made to happen to, and what is judged after each: its aftermath.

The pool is back within its bounds; clients are served, all of them; the next load is met, up and down, so that no count
is wrong; nobody stays a zombie, no descriptor has leaked, and nobody spins.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import NoReturn

from conformance.applicable import insist_on
from conformance.launches import Launches
from conformance.passers import Passers
from conformance.regulation import Stopped, await_reaping, ran, rest, settle, settle_start
from conformance.seats import asleep, settle_down, wait, why_not_held
from conformance.stage import UNWATCHED, Calls, Stage, SubjectEnded
from drivers.client import Client
from fault_injection.fault import FaultRefused, Unserved
from fault_injection.scenes.open_before import OpenBefore
from fault_injection.scenes.wording import named
from fault_injection.stalls import Network
from spec.clause import Clause, ClauseId, ids
from spec.epoll import Ran, judge_run_time
from spec.event import Faulted, Phase, Pid, Spawned
from spec.lifecycle import LIFECYCLE_1
from spec.parameters import draw_for_recovery
from spec.pool import POOL_1
from spec.recovery import RECOVERY_4, SOUND, why_not_back
from spec.verdict import Blocked, Inconclusive, NotApplicable, Refused, Violated
from subject.duplicate import EndGone, SeatRefused
from subject.stopping import NotStopped, stopped

# Who spins shows it in less than a round; where nobody so much as woke up, a third of that is ENOUGH.
A_MOMENT, ENOUGH = 0.3, 0.1  # seconds
AT_THE_START = 0.2  # seconds between the first birth and the last, where all are of the start
CLIENTS, AT_ONCE = 10, 2  # short ones, who must all be served
# What is left behind where nobody was killed, is left behind without a fault.
_REAPS, _LETS_GO = ids("lifecycle-5"), ids("channel-4", "channel-5")


class Ordeal:
    """A pool that something happens to. Every wait of its that comes to nothing is a failure of its clause."""

    def __init__(self, stage: Stage, clause: Clause, fault: str = "") -> None:
        self.stage = stage
        self.clause = clause
        self.fault = fault  # the last one, in words: "child 7 got SIGKILL"
        self.faults = int(bool(fault))
        self.ended = 0  # children that were killed
        self.slowest = 0.0  # seconds from a fault to the pool's being back within its bounds
        self._at = 0.0  # when the last fault happened
        self._happened: float | None = stage.clock()  # the same, until the pool is back
        self._open = OpenBefore()
        self.meanwhile: Callable[[], None] | None = None  # to be done at each look while the pool is waited for

    @property
    def parent(self) -> Pid:
        """The pool's parent."""
        return self.stage.watch.parent

    @property
    def live(self) -> list[Pid]:
        """The live children, oldest first."""
        return self.stage.watch.live

    @property
    def idle(self) -> list[Pid]:
        """Those that hold no connection of ours, oldest first."""
        busy = self.stage.busy()
        return [pid for pid in self.live if pid not in busy]

    @property
    def network(self) -> Network:
        """Where the kernel lists the server's sides of connections."""
        return Network(self.parent, self.stage.port)

    @property
    def most_shed(self) -> int:
        """How many the parent may have shed since the fault: who grows in steps may have gone too far."""
        states = [state for event, _, state in self.stage.watch.timeline().states() if event.at >= self._at]
        return max(0, *(state.idle - self.stage.parameters.min_spare for state in states), 0)

    def start(self) -> None:
        """Wait for the pool, and note what there is before anything happens. Raises Blocked."""
        try:
            settle_start(self.stage)
            births = [event.at for event in self.stage.watch.timeline() if isinstance(event, Spawned)]
            if births and births[-1] - births[0] > AT_THE_START:
                # It came up in rounds that double, and without a quiet one the next would be the largest of them.
                rest(self.stage, Phase.START)
        except Stopped:
            seen = why_not_back(self.stage.watch.timeline(), self.stage.parameters)
            if self.fault:
                self.fails(seen)
            raise Blocked(POOL_1.id, seen=seen) from None
        settle_down(self.stage)
        self._open = OpenBefore.of(self.stage)

    def is_over(self, fault: str) -> None:
        """Note that what lasted for a while is undone: from here on the pool has to come back."""
        self.fault = fault
        self._happened = self.stage.clock()

    def happens(self, fault: str, *, ended: int = 0) -> None:
        """Note a fault that took hold: what is wrong from here on is told as its consequence."""
        self.fault = fault
        self.faults += 1
        self.ended += ended
        self._at = self._happened = self.stage.clock()
        self.stage.watch.write(Faulted(self._at, fault))
        # Whose connections ended by it are its victims; the next one's that ends is not.
        self.stage.broken_holds.clear()

    def insist_on_silent_connections(self) -> None:
        """Raise NotApplicable where a client that says nothing never reaches the server."""
        if self.stage.waits_for_data:
            raise NotApplicable("the kernel keeps back who has said nothing yet: TCP_DEFER_ACCEPT is set")

    def fails(self, seen: str, *, rests_on: tuple[ClauseId, ...] = (), seen_as_such: bool = False) -> NoReturn:
        """End the test: the clause does not hold; where one that this `rests_on` fails too, that is the cause."""
        causes = rests_on if seen_as_such else (*SOUND, *rests_on)  # what becomes of a pool rests on a sound one
        raise Violated(self.clause, seen=f"after {self.fault}: {seen}" if self.fault else seen, rests_on=causes)

    def hold(self, count: int, *, or_busy: int = 0) -> list[Client]:
        """Keep so many children busy more, and wait until all are. Raises Blocked where silent clients are not kept."""
        clients = self.stage.hold_connections(count)
        self.comes_back(or_busy=or_busy)
        if self.stage.broken_holds and (decision := why_not_held(self.stage)):
            raise decision
        return clients

    def comes_back(self, *, when: str = "", within: float | None = None, or_busy: int = 0) -> None:
        """Wait until the pool is within its bounds, with all connections taken that can be.

        So many children as `or_busy` says may be idle, or else all of them busy: both are within the bounds.
        """
        try:
            try:
                settle(self.stage, Phase.AFTERMATH, meanwhile=self.meanwhile, within=within)
            except Stopped:
                if not or_busy or self.stage.broken_holds or self.stage.watch.parent_ended:
                    raise
                with self.passing(or_busy):
                    settle(self.stage, Phase.AFTERMATH, meanwhile=self.meanwhile, within=within)
        except Stopped:
            if self.stage.broken_holds and not self.stage.watch.parent_ended:
                why, gone = why_not_held(self.stage), [client.number for client in self.stage.broken_holds]
                # Where its child lives on, the server has had enough of a silent client: its right.
                tired = all(self.stage.holders.get(number) in self.live for number in gone)
                if why is not None and (tired or not self.fault):
                    raise why from None
                self.fails(f"{when}a silent client was {self.stage.broken_holds[0].why_lost()}")
            seen = when + why_not_back(self.stage.watch.timeline(), self.stage.parameters)
            self.fails(seen, rests_on=ids("accept-6"))  # who sleeps in accept is deaf to K
        if self._happened is not None and self.fault:
            self.slowest = max(self.slowest, self.stage.clock() - self._happened)
            self._happened = None

    @contextmanager
    def passing(self, count: int) -> Iterator[None]:
        """Count so many children more as busy, with clients of whom the stage knows nothing."""
        self.stage.passing += count
        try:
            yield
        finally:
            self.stage.passing -= count

    def serves(self, count: int = CLIENTS, *, at_once: int = AT_ONCE, seen_as_such: bool = False) -> None:
        """Let short clients come, a few at a time: each must be served."""
        passers, others = Passers(self.stage, most=count, at_once=at_once), self.stage.passing

        def over() -> bool:
            passers.come()
            return passers.all_gone or bool(passers.lost)

        within = self.stage.pace.answer + count * (0.1 + self.stage.pace.service_time)
        served = self.stage.until(over, within=within)
        passers.leave()
        self.stage.passing = others
        if passers.lost or not served:
            lost = passers.lost[0] if passers.lost else f"only {passers.served} came to an end"
            self.fails(f"of {count} clients one was not served: {lost}", seen_as_such=seen_as_such)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the parent stopped: whoever ends does so by itself. Afterwards it first hears all that was said."""
        with stopped([self.parent]):
            yield
        settle_down(self.stage)

    def keeps(self, children: Iterable[Pid], *, shed: int = 0) -> None:
        """Wait until everybody waits; but for so many as may have been `shed`, none of these may have ended."""
        stage = self.stage
        wait(stage, lambda: all(map(asleep, stage.watch.live)), within=stage.pace.reaction)
        stage.watch.sample()
        stage.check_parent()
        gone = [pid for pid in children if pid not in stage.watch.live]
        if len(gone) > shed:
            self.fails(f"{named(gone)} ended")

    def bears(self, seconds: float, *, children: Iterable[Pid]) -> None:
        """Watch that for a while nobody ends or spins, while the fault lasts."""
        children, before, began = list(children), ran(self.stage), self.stage.clock()
        self.stage.hold(seconds)
        self.stage.check_parent()
        if gone := [pid for pid in children if pid not in self.live]:
            self.fails(f"{named(gone)} ended")
        self._nobody_spun(before, self.stage.clock() - began)

    def __str__(self) -> str:
        """How often it happened, and how long it took the pool."""
        times = "once" if self.faults == 1 else f"{self.faults} times"
        return f"{times}; back within its bounds in {self.slowest:.2f} s at most"

    def recovers(self) -> None:
        """Judge the aftermath whole."""
        self.comes_back()
        if self.ended:
            self.reaps()  # before others end: each of them may have one more of the dead reaped
        self.serves()
        self.meets_the_next_load()
        self.rests()
        self.has_leaked_nothing()

    def meets_the_next_load(self, look: Callable[[], None] = lambda: None, count: int = 0) -> None:
        """Hold as many connections as make the pool grow, `look`, and let go of them, so that it sheds.

        No more, but for a `count`: a classical server takes a round for each. A wrong count leaves it out of bounds.
        """
        parameters = self.stage.parameters
        clients = self.stage.hold_connections(count or parameters.max_spare - parameters.min_spare + 1)
        self.comes_back(when="as the next load came, ")
        look()
        self.stage.let_go(client for client in clients if client.open)
        self.comes_back(when="as the next load went, ")

    def reaps(self) -> None:
        """Wait until all of the dead are reaped."""
        zombies, waited = await_reaping(self.stage)
        if zombies:
            self._leaks(f"{len(zombies)} ended children were zombies after {waited:.1f} s ({zombies[0]} …)", _REAPS)

    def rests(self) -> None:
        """Wait until everybody waits and the dead are reaped; then nobody may spin."""
        stage, waits = self.stage, self.stage.watch.child_waits
        self.reaps()
        wait(stage, lambda: asleep(self.parent) and all(map(waits, self.live)), within=stage.pace.round)
        before, began = ran(stage), stage.clock()
        stage.hold(ENOUGH)
        if ran(stage) != before:
            stage.hold(A_MOMENT - ENOUGH)
            self._nobody_spun(before, stage.clock() - began)

    def has_leaked_nothing(self) -> None:
        """Compare the descriptors of the parent and of its children with what they were before."""
        if seen := self._open.leaked(self.stage, ended=self.ended, load=self.meets_the_next_load):
            self._leaks(seen, _LETS_GO)

    def _leaks(self, seen: str, rests_on: tuple[ClauseId, ...]) -> NoReturn:
        """End the test: what killed children leave behind is told once, by the clause that kills most of them."""
        self.fails(seen, rests_on=(*rests_on, RECOVERY_4.id) if self.ended else rests_on)

    def _nobody_spun(self, before: dict[Pid, Ran], seconds: float) -> None:
        now = ran(self.stage)
        spent = {pid: each.since(before[pid]) for pid, each in now.items() if pid in before}
        for violation in judge_run_time(spent, seconds=seconds, parent=self.parent):
            self.fails(violation.seen.replace(" at rest", ""))


@contextmanager
def ordeal(
    launches: Launches, clause: Clause, *, max_children: int = 20, calls: Calls = UNWATCHED, from_the_start: str = ""
) -> Iterator[Ordeal]:
    """Launch the subject for one clause, its pool at rest; what ends the block is told as the clause's verdict.

    The parameters are drawn by the seed, another set for each clause. A fault that is there `from_the_start` is named
    there: then a pool that never comes to rest fails the clause.
    """
    insist_on(launches.profile, "min_spare", "max_spare")
    parameters = draw_for_recovery(Random(f"{clause.id} {launches.seed}"), max_children=max_children)
    with ExitStack() as launched:
        try:
            stage = launched.enter_context(launches.launched(launches.limited(parameters), calls=calls))
        except Blocked as error:
            if not from_the_start or error.by != LIFECYCLE_1.id or launches.notes.why_it_cannot_start():
                raise
            raise Violated(clause, seen=f"{from_the_start}: {error.seen}") from error
        told = Ordeal(stage, clause, from_the_start)
        try:
            told.start()
            yield told
        except (SubjectEnded, Unserved) as error:
            if told.fault:
                told.fails(str(error))
            raise Blocked(POOL_1.id, seen=str(error)) from error
        except (FaultRefused, SeatRefused, NotStopped, PermissionError) as error:
            raise (Refused if getattr(error, "whoever", False) else Inconclusive)(str(error)) from error
        except EndGone as error:
            raise Inconclusive(f"the channel was gone before anything was done to it: {error}") from error
