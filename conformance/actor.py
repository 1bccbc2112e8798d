"""Performs plans: says to a real parent what its children would say, and compares step by step with what is allowed.

The children know nothing of it: they wait for connections that never come, and obey `K`. No TCP is involved. After each
step the parent is left to read what was said and to go to sleep; then the account in `spec/parent.py` is up to date,
and what comes after that is judged by what is so now.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NoReturn

from conformance.pace import Patience
from conformance.regulation import MOST_SWINGS, Approach
from conformance.seats import asleep, order, say, wait
from conformance.stage import Stage
from observers import channels as observed
from spec.channel import Channel
from spec.event import Pid, Spawned
from spec.parent import UNPAID, Parent
from spec.plan import Burst, Connect, Finish, Rest, Step
from spec.protocol import PROTOCOL_5, K
from spec.regulation import Owed
from spec.verdict import Blocked, Inconclusive, Violation

# Seconds between two looks while something is waited for: the parent, on another processor, needs no longer.
BETWEEN_LOOKS = 0.0002
# A parent that never sleeps, or of which that can't be seen, is given so long after it has read everything.
SLEEPLESS = 0.25
HELPER_SHOWS = 0.5  # seconds in which one lets go of what it has from the parent
END_SHOWS = 0.2  # seconds from the first of its descriptors that a process lets go of to its end


NOBODY = "(nobody can say it)"


class PlanFailed(Exception):
    """The parent did what it must not, or did not do what it must."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.seen)
        self.violation = violation


@dataclass
class Row:
    """One step of a performance, as the report tells it."""

    sent: str
    expected: str = ""
    seen: list[str] = field(default_factory=list)


class Actor:
    """Speaks for all children of one launch, whose pool is settled and whose channels are known."""

    def __init__(self, stage: Stage, channels: dict[Pid, Channel], *, within: float | None = None) -> None:
        """Wait `within` seconds for each step of the parent; as long as the subject's pace has it, where it is None."""
        self.stage = stage
        self.within = stage.pace.step if within is None else within
        self.slowest = 0.0  # seconds that the parent took for a step that it owed
        self.channels = channels
        # The start, or what came before, may be a round of growth that goes on.
        born = sum(isinstance(event, Spawned) for event in stage.watch.timeline())
        self.model = Parent(stage.parameters, stage.watch.live, born=born)
        self.rows: list[Row] = []
        self.begin_anew()
        self._unread: set[Pid] = set()  # who said something that the parent may not have read

    def begin_anew(self) -> None:
        """Begin the report with what is there now."""
        self.rows = [Row("(before)", self._expected())]

    # --- steps -----------------------------------------------------------------------------------------------------

    def perform_step(self, step: Step) -> None:
        """Perform one step to its end. Raises PlanFailed, Blocked and Inconclusive."""
        if isinstance(step, Rest):
            self.rest()
            return
        self.say(step)
        self.absorb()
        self._see_off_spent()

    def say(self, step: Connect | Finish | Burst, *, after: bytes = b"") -> None:
        """Say what a step says, and no more, each time after some bytes that mean nothing. Raises PlanFailed."""
        words: dict[Pid, bytes] = {}
        match step:
            case Connect(place=place) if idle := self.model.idle:
                words[idle[place % len(idle)]] = self._next(idle[place % len(idle)], 1)
            case Finish(place=place) if busy := self.model.busy:
                words[busy[place % len(busy)]] = self._next(busy[place % len(busy)], 1)
            case Burst(parts=parts):
                everyone = list(self.model.children)
                for place, count in parts if everyone else ():
                    pid = everyone[place % len(everyone)]
                    words[pid] = words.get(pid, b"") + self._next(pid, count)
        sent = ", ".join(f"{said.decode()} of {pid}" for pid, said in words.items() if said)
        self.rows.append(Row(sent or NOBODY, self._expected()))
        for pid, said in words.items():
            if said:
                self._insist_on_saying(pid, after + said)
            self._unread.add(pid)

    def mumble(self, children: Iterable[Pid], words: bytes) -> None:
        """Have children say what means nothing: the account stays as it is."""
        self.rows.append(Row(f"{words!r} of each", self._expected()))
        for pid in children:
            self._insist_on_saying(pid, words)
            self._unread.add(pid)

    def _insist_on_saying(self, pid: Pid, words: bytes) -> None:
        """Say it, unless the child has ended; one that has become another program since has its end elsewhere."""
        patience = Patience(self.stage.pace.reaction)
        while (channel := self._channel(pid)) is None or not say(self.stage, channel, words):
            self._look()
            if pid not in self.model.children:
                return
            self.channels.pop(pid, None)
            if patience.over():
                raise Inconclusive(f"child {pid} could not be spoken for")

    def _next(self, pid: Pid, count: int) -> bytes:
        """Let the account hear the next messages of a child, up to its N-th F; gives them."""
        said = b""
        for _ in range(count):
            message = self.model.may_say(pid)
            if message is None:
                break
            self.model.tell(pid, message)
            said += message.value
        return said

    # --- waiting ---------------------------------------------------------------------------------------------------

    def absorb(self) -> None:
        """Wait until the parent has read everything and sleeps. Raises PlanFailed where it does not read."""
        patience, read = Patience(self.within), Patience(SLEEPLESS)
        while True:
            self._look()
            unread = [pid for pid in self._unread if self._queued(pid)]
            if not unread:
                if self.stage.watch.parent_waits_for_news():
                    break
                if read.over():
                    return
            else:
                read.renew()
                if patience.over():
                    seen = f"what child {unread[0]} said was not read in {patience.seconds:.1f} s; {self.model}"
                    self._fail(Violation(UNPAID[self.model.owes], seen))
            self.stage.attend(within=BETWEEN_LOOKS)
        # What it did before it went to sleep is seen now at the latest.
        self._look()
        self._unread.clear()
        self.model.up_to_date()

    def _queued(self, pid: Pid) -> bool:
        channel = self.channels.get(pid)
        if channel is None or pid not in self.model.children:
            return False
        return self.stage.diag.has_unread(channel.parents_inode)

    def rest(self) -> None:
        """Wait until the parent owes nothing; each step towards that renews the patience. Raises PlanFailed."""
        if self.rows[-1].sent != "(rest)":
            self.rows.append(Row("(rest)", self._expected()))
        approach, patience = Approach(), Patience(self.within)
        while True:
            self.absorb()
            self._see_off_spent()
            what = self.model.owes
            if what is Owed.REST:
                self.slowest = max(self.slowest, patience.spent)
                if self._nobody_is_ending():
                    self.model.nobody_is_ending()
                return
            busy = len(self.model.children) - len(self.model.idle)
            if approach.nearer(what, live=len(self.model.children), busy=busy):
                self.slowest = max(self.slowest, patience.spent)
                patience.renew()
            if patience.over() or approach.setbacks > MOST_SWINGS or approach.swings > MOST_SWINGS:
                seen = f"{self.model}, and no {what.value} for {patience.seconds:.1f} s ({self.model.parameters})"
                self._fail(Violation(UNPAID[what], seen))
            self.stage.attend(within=BETWEEN_LOOKS)

    def rest_for_a_turn(self) -> None:
        """Rest for as long as the parent's slowest step took: who regulates by a clock has made up its mind by then."""
        self.rest()
        turn = Patience(self.slowest)
        while not turn.over():
            self.absorb()
            self.stage.attend(within=BETWEEN_LOOKS)
        self.rest()

    def _nobody_is_ending(self) -> bool:
        """Tell whether every child waits, with nothing to read: one that was told K would be on its way out."""
        for pid in self.model.children:
            channel = self._channel(pid)
            end = self.stage.diag.unix_socket(channel.childs_inode) if channel is not None else None
            if end is None or end.queued or not asleep(pid):
                return False
        return True

    def _see_off_spent(self) -> None:
        """Let children that have had their N connections end, as they would by themselves."""
        for pid in self.model.spent:
            if channel := self._channel(pid):
                order(self.stage, channel, K)
            patience = Patience(self.stage.pace.reaction)
            while pid in self.model.children:
                self._look()
                if patience.over():
                    raise Blocked(PROTOCOL_5.id, seen=f"child {pid} did not end on K in {patience.seconds:.1f} s")
                self.stage.attend(within=BETWEEN_LOOKS)
            self.absorb()

    # --- looking ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """See who came and who went, ends first, and ask the account whether that may be."""
        watch = self.stage.watch
        watch.sample()
        self._insist_on_parent()
        live = watch.live
        gone = [pid for pid in self.model.children if pid not in live]
        new = [pid for pid in live if pid not in self.model.children]
        # What is seen in one look came in an order that nobody knows: it is sound where there is one that is.
        while gone or new:
            if gone and not (violations := self._book(gone[0], "ended")):
                gone.pop(0)
            elif new and (not (more := self._book(new[0], "spawned")) or self._is_helper(new[0])):
                new.pop(0)
            elif gone:
                self.rows[-1].seen.append(f"{gone[0]} ended")
                # A parent lets go of its channels some time before it is gone, and its children may be quicker.
                wait(self.stage, lambda: watch.parent_ended, within=END_SHOWS)
                self._insist_on_parent()
                self._fail(violations[0])
            else:
                self.rows[-1].seen.append(f"{new[0]} spawned")
                self._fail(more[0])

    def _book(self, pid: Pid, what: str) -> list[Violation]:
        """Book that a child was `spawned`, or `ended`, unless that violates something: gives what."""
        after = deepcopy(self.model)
        violations = list(after.came(pid) if what == "spawned" else after.ended(pid))
        if not violations:
            self.model = after
            self.rows[-1].seen.append(f"{pid} {what}")
        return violations

    def _insist_on_parent(self) -> None:
        """Fail what it owes where it has ended."""
        if self.stage.watch.parent_ended:
            self._fail(Violation(UNPAID[self.model.owes], f"{self.stage.how_it_ended()}; before, {self.model}"))

    def _is_helper(self, pid: Pid) -> bool:
        """Tell whether a newborn that nobody asked for is no part of the pool: it lets go of the listening socket."""
        watch = self.stage.watch
        wait(self.stage, watch.leave_out_helpers, within=HELPER_SHOWS)
        return pid not in watch.live

    def _fail(self, violation: Violation) -> NoReturn:
        raise PlanFailed(violation)

    def _expected(self) -> str:
        what = self.model.owes
        counts = f"{len(self.model.children)}, {len(self.model.busy)}, {len(self.model.idle)}"
        return f"{counts}: {'nothing' if what is Owed.REST else what.value}"

    def _channel(self, pid: Pid) -> Channel | None:
        """Find the channel of a child; None where it has ended meanwhile."""
        watch, patience = self.stage.watch, Patience(self.stage.pace.reaction)
        while pid not in self.channels and pid in watch.live:
            # In the middle of a fork the parent has both ends of the newborn's channel: which is whose can't be told.
            wait(self.stage, watch.parent_waits_for_news, within=self.stage.pace.round)
            self.channels = observed.channels(watch.parent, watch.live, self.stage.diag, known=self.channels)
            watch.sample()
            if patience.over():
                raise Inconclusive(f"the channel of child {pid} was not found in {patience.seconds:.1f} s")
        return self.channels.get(pid)
