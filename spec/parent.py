"""The parent as a state machine: by what it was told and who came and went, what it must, may and must not do.

The rule itself is `regulation.owed`, on the idle children *by what the parent was told*. This file keeps the account,
and says of each birth and each end whether that rule, or one of the liberties that the clauses leave, allows it:

- growth up to max_spare, or by doubling rounds: the last step may be larger than what was lacking (pool-8);
- a replacement for each child that ended by itself, whether the bounds need one or not (recycle-3);
- after an excess, shedding down to min_spare, one by one or at once (pool-4);
- `K` to a child that has had its N connections (protocol-7).

The parent may be late: messages are on their way, and it acts by what it knew. So every state since it was last up to
date (it has read everything, and sleeps) counts as well. And in which order it reads what came together is its own
matter, channel by channel or a byte of each in turn: until it has read all of that, what counts is how few, and how
many, may have seemed idle to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spec.clause import Clause
from spec.event import Pid
from spec.parameters import Parameters
from spec.pool import POOL_2, POOL_3, POOL_4, POOL_5, POOL_6, POOL_7, POOL_8
from spec.protocol import NEXT, PROTOCOL_7, PROTOCOL_8, Message, Told
from spec.recycle import RECYCLE_3
from spec.regulation import Owed, last_doubling_step, owed
from spec.verdict import Violation

# Which clause falls when what is owed does not come.
UNPAID: dict[Owed, Clause] = {Owed.GROWTH: POOL_2, Owed.SHEDDING: POOL_3, Owed.REST: POOL_4}

# What is broken along with another: who tells a busy child K sheds it, though it may serve its client to the end.
BROKEN_WITH: dict[Clause, Clause] = {PROTOCOL_7: POOL_5}

# All that a plan of messages can show to be broken: what `check --replay` judges.
JUDGED = tuple(
    clause.id for clause in (PROTOCOL_7, PROTOCOL_8, POOL_2, POOL_3, POOL_4, POOL_5, POOL_6, POOL_7, POOL_8, RECYCLE_3)
)


@dataclass
class Account:
    """One live child as the parent was told of it."""

    told: Told = Told.IDLE
    said: bytes = b""  # all of it, for the report
    serviced: int = 0
    crossed: bool = False  # it said C when a K may have been on its way to it
    was_idle: bool = True  # at any time since the parent was last up to date; so it may have seemed to it
    was_busy: bool = False


class Parent:
    """The account that a sound parent keeps. Told what happens in the order in which it happens."""

    def __init__(self, parameters: Parameters, children: Iterable[Pid], *, born: int = 0) -> None:
        """Begin with the `children` that live now, and how many were `born` before, in rounds of growth or at once."""
        self.parameters = parameters
        self.children = {pid: Account() for pid in children}
        self._born = born  # in all: rounds of growth without a quiet one between them go on doubling
        self._growth = 0  # births that a shortage, now or since it was last up to date, allows
        self._overshot = False  # the last births were more than any shortage called for
        self._replacements = 0
        self._ends = 0  # ends that an excess allows: those who were told K may take a while
        self._unread = 0  # messages since it was last up to date: of several the order is not known
        self._allow()  # what is out of bounds now is about to be mended, or has been ordered already

    # --- what it knows ---------------------------------------------------------------------------------------------

    @property
    def busy(self) -> list[Pid]:
        """The children that are busy by what the parent was told, oldest first."""
        return [pid for pid, account in self.children.items() if account.told is Told.BUSY]

    @property
    def idle(self) -> list[Pid]:
        """The others, less those that have had their N connections: they end, and idle for nobody."""
        return [pid for pid, account in self.children.items() if account.told is Told.IDLE and not self._spent(account)]

    @property
    def spent(self) -> list[Pid]:
        """Those that have had their N connections and still live."""
        return [pid for pid, account in self.children.items() if self._spent(account)]

    @property
    def owes(self) -> Owed:
        """What the parent owes now."""
        return owed(live=len(self.children), busy=len(self.children) - len(self.idle), parameters=self.parameters)

    def __str__(self) -> str:
        return f"{len(self.children)} live, {len(self.busy)} busy, {len(self.idle)} idle"

    def may_say(self, child: Pid) -> Message | None:
        """Give what a child may say next; None after its N-th connection."""
        account = self.children[child]
        if self._spent(account):
            return None
        return next(message for (told, message) in NEXT if told is account.told)

    def _spent(self, account: Account) -> bool:
        return account.serviced >= self.parameters.max_connections

    # --- what happens ----------------------------------------------------------------------------------------------

    def tell(self, child: Pid, message: Message) -> None:
        """A child says something. It must be what `may_say` gives."""
        account = self.children[child]
        self._unread += 1
        may_be_shed = self._ends > 0 and self._most_idle >= self.parameters.min_spare
        account.told = NEXT[account.told, message]
        account.crossed = account.crossed or (message is Message.CONNECTED and may_be_shed)
        account.was_idle = account.was_idle or account.told is Told.IDLE
        account.was_busy = account.was_busy or account.told is Told.BUSY
        account.said += message.value
        account.serviced += message is Message.FINISHED
        if message is Message.FINISHED:
            # Within the bounds, too, a parent may shed once, down to min_spare, and then rests (pool-4).
            self._ends = max(self._ends, self._most_idle - self.parameters.min_spare)
        self._allow()

    def up_to_date(self) -> None:
        """The parent has read everything and sleeps: what it does from here on, it does by what is so now."""
        self._growth = self._unread = 0
        for account in self.children.values():
            account.was_idle, account.was_busy = account.told is Told.IDLE, account.told is Told.BUSY
        self._allow()

    def nobody_is_ending(self) -> None:
        """All children wait, and none has a K to read: what an excess called for was done, or is yet to be ordered."""
        for account in self.children.values():
            account.crossed = False
        if len(self.idle) <= self.parameters.min_spare:
            self._ends = 0

    def came(self, child: Pid) -> Iterator[Violation]:
        """A child was spawned."""
        before = str(self)
        limit = self.parameters.max_children
        if limit is not None and len(self.children) >= limit:
            yield Violation(POOL_6, f"child {child} was spawned though there were {before} ({self.parameters})")
        if self._growth > 0:
            self._growth -= 1
        elif self._replacements > 0:
            self._replacements -= 1
        else:
            clause = POOL_8 if self._overshot else POOL_7
            yield Violation(clause, f"child {child} was spawned though there were {before} ({self.parameters})")
        self._overshot = len(self.idle) >= self.parameters.max_spare
        self.children[child] = Account()
        self._born += 1
        self._allow()

    def ended(self, child: Pid) -> Iterator[Violation]:
        """A child has ended: because the parent told it to, or by itself after its N-th connection."""
        before = str(self)
        account = self.children.pop(child)
        if self._spent(account):
            self._replacements += 1
        elif account.told is Told.BUSY and not (
            account.crossed or (self._any_order and account.was_idle and self._ends)
        ):
            yield Violation(PROTOCOL_7, f"child {child} was ended though it had said {account.said!r}, and so is busy")
        elif self._ends > 0:
            self._ends -= 1
        else:
            yield Violation(POOL_7, f"child {child} was ended though there were {before} ({self.parameters})")
        self._allow()

    @property
    def _any_order(self) -> bool:
        return self._unread > 1

    @property
    def _fewest_idle(self) -> int:
        """How few may seem idle to the parent."""
        return sum(not account.was_busy and not self._spent(account) for account in self.children.values())

    @property
    def _most_idle(self) -> int:
        """How many may.

        Who has said its last F may be idle for the parent until it is gone: not every parent counts connections.
        """
        if not self._any_order:
            return len(self.idle) + len(self.spent)
        return sum(account.was_idle for account in self.children.values())

    def _allow(self) -> None:
        # Who was told K idles for nobody, as the parent knows, and it alone.
        fewest = self._fewest_idle - self._ends
        lacking = self.parameters.min_spare - fewest
        limit = self.parameters.max_children
        if lacking > 0 and (limit is None or len(self.children) < limit):
            by_doubling = lacking + last_doubling_step(self._born + lacking) - 1
            self._growth = max(self._growth, by_doubling, self.parameters.max_spare - fewest)
        if self._most_idle > self.parameters.max_spare:
            self._ends = max(self._ends, self._most_idle - self.parameters.min_spare)
