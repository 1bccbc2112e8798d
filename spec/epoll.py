"""How parent and children wait: in epoll, on which descriptors, with which flags.

Owns the clauses `epoll-1` … `epoll-6` and their judges. The facts come from the kernel's own listing of an epoll
descriptor (`/proc/PID/fdinfo`): the inode of each watched file and the events asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from spec.accept import ACCEPT_6
from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Inode, Pid
from spec.verdict import Violation

EPOLL_1 = Clause(
    id=ClauseId("epoll-1"),
    level=Level.MUST,
    text="Each child waits in epoll, on the listening socket and on its channel, with an epoll descriptor of its own.",
    source="2 Design, second paragraph; 3 Implementation, I/O Multiplexing",
    observed="The system call that each idle child is in, and what its epoll descriptors watch.",
    needs=ids("lifecycle-1"),
    ability="epoll",
)
EPOLL_2 = Clause(
    id=ClauseId("epoll-2"),
    level=Level.MUST,
    text="The parent waits in epoll on the channel of every child, of later ones too.",
    source="2 Design, second paragraph; 3 Implementation, I/O Multiplexing",
    observed="The system call that the parent is in, and whether its epoll watches each child's channel.",
    needs=ids("lifecycle-1"),
    ability="epoll",
)
EPOLL_3 = Clause(
    id=ClauseId("epoll-3"),
    level=Level.MUST,
    text="Every child, later ones too, asks for EPOLLIN with EPOLLEXCLUSIVE on the listening socket.",
    source="3 Implementation, Thundering Herd Problem",
    observed="The events that the epoll of each idle child lists for the listening socket, at rest and after growth; "
    "after children were killed, or had no descriptors.",
    needs=ids("lifecycle-1", "epoll-1"),
    ability="epoll",
)
EPOLL_4 = Clause(
    id=ClauseId("epoll-4"),
    level=Level.MUST,
    text="One connection wakes about one child, not all of them.",
    source="3 Implementation, Thundering Herd Problem",
    observed="Voluntary context switches of the idle children that did not accept a silent connection.",
    needs=ids("lifecycle-1", "epoll-1"),
    ability="epoll",
)
EPOLL_5 = Clause(
    id=ClauseId("epoll-5"),
    level=Level.SHOULD,
    text="Nobody spins at rest: parent and children use no processor time while nothing happens.",
    source="1 Objective, second paragraph (context switching overhead)",
    observed=(
        "The run time that the scheduler counted for each process over one round at rest; that of the parent also "
        "where max_children serve silent clients, and of both where some do that were told K."
    ),
    needs=ids("lifecycle-1"),
    ability="epoll",
)
EPOLL_6 = Clause(
    id=ClauseId("epoll-6"),
    level=Level.SHOULD,
    text="On a kernel that does not know EPOLLEXCLUSIVE (before Linux 4.5) the server serves all the same.",
    source="3 Implementation, Thundering Herd Problem (the flag is only available since Linux 4.5)",
    observed="From the start, each epoll_ctl that asks for the flag is answered EINVAL.",
    needs=ids(
        *("lifecycle-1", "epoll-3", "epoll-5", "accept-1", "accept-2", "accept-3", "accept-4", "http-2", "http-3"),
        *("pool-1", "pool-2", "pool-3", "pool-5", "pool-7", "pool-9", "protocol-8"),
    ),
    ability="epoll",
)

SECTION = Section(
    name="epoll",
    title="How parent and children wait",
    introduction=(
        "Each child watches two descriptors, the parent one for each child. A listening socket that many children "
        "watch would wake all of them for one connection (the thundering herd), but for EPOLLEXCLUSIVE."
    ),
    clauses=(EPOLL_1, EPOLL_2, EPOLL_3, EPOLL_4, EPOLL_5, EPOLL_6),
)

# <sys/epoll.h>
EPOLLIN = 0x001
EPOLLEXCLUSIVE = 0x1000_0000
# The flag came with Linux 4.5.
FIRST_KERNEL_WITH_EXCLUSIVE = (4, 5)

# A spinning process burns what the scheduler gives it: all of a processor, or, among many others, little more than a
# hundredth, but then it is nearly always in line for more. A sound one uses next to nothing, and is never in line.
SPINNING, SPINNING_IN_A_CROWD, NEARLY_ALWAYS = 0.10, 0.01, 0.80
# A second. A timer for a look at the clock rings a hundred times at the most; who naps a millisecond at a time spins.
MOST_WAKE_UPS = 300
# Of calls that are refused, for each time that it sleeps: who grows in steps of 32 tries as often, and sleeps again.
MOST_TRIES = 100


@dataclass(frozen=True, slots=True)
class Watched:
    """One entry of an epoll's interest list."""

    inode: Inode
    events: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What one process did over a hold: seconds that it used the processor, and stood in line for it; its wake-ups.

    `asked` of these were from waits for the suite, which answers watched system calls.
    """

    used: float
    in_line: float
    woken: int = 0
    asked: int = 0

    def since(self, before: "Ran") -> "Ran":
        """Give what was added since an earlier look."""
        return Ran(
            self.used - before.used,
            self.in_line - before.in_line,
            self.woken - before.woken,
            self.asked - before.asked,
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """How one process waits.

    `calls` are the system calls in which it was seen. `epolls` are the interest lists of its epoll descriptors, those
    that it shares with another process left out. `channel` are the inodes of its own sockets and pipes that may lead
    to the parent, each with the inode at the far end.
    """

    calls: frozenset[str]
    epolls: tuple[tuple[Watched, ...], ...]
    shared_epolls: int = 0
    channel: Mapping[Inode, Inode] | None = None


def judge_children(children: Mapping[Pid, Waiting], listeners: frozenset[Inode]) -> Iterator[Violation]:
    """Judge epoll-1 and epoll-3 on idle children; and accept-6, of one that is in accept where its siblings are not."""
    some_wait_in_epoll = any(not _waits_elsewhere(waiting) for waiting in children.values())
    for pid, waiting in children.items():
        yield from _judge_child(pid, waiting, listeners, some_wait_in_epoll=some_wait_in_epoll)


def _judge_child(
    pid: Pid, waiting: Waiting, listeners: frozenset[Inode], *, some_wait_in_epoll: bool
) -> Iterator[Violation]:
    on_listener = [epoll for epoll in waiting.epolls if any(entry.inode in listeners for entry in epoll)]
    elsewhere = _waits_elsewhere(waiting)
    if elsewhere == "accept" and on_listener and some_wait_in_epoll:
        yield Violation(ACCEPT_6, f"idle child {pid} sleeps in accept, deaf to K, though it has an epoll to wait in")
    elif elsewhere:
        yield Violation(EPOLL_1, f"idle child {pid} waits in {elsewhere}")
        return
    if not on_listener:
        shared = f"; {waiting.shared_epolls} epoll descriptors are shared with another process" * bool(
            waiting.shared_epolls
        )
        yield Violation(EPOLL_1, f"no epoll descriptor of child {pid}'s own watches the listening socket{shared}")
        return
    channel = frozenset(waiting.channel or ())
    if not any(entry.inode in channel for epoll in on_listener for entry in epoll):
        yield Violation(EPOLL_1, f"the epoll of child {pid} watches the listening socket, but no channel to the parent")
    for epoll in on_listener:
        for entry in epoll:
            if entry.inode in listeners and not (entry.events & EPOLLEXCLUSIVE and entry.events & EPOLLIN):
                yield Violation(
                    EPOLL_3,
                    f"child {pid} watches the listening socket with events {entry.events:#x}: "
                    f"{'EPOLLIN is set' if entry.events & EPOLLIN else 'EPOLLIN is not set'}, "
                    f"EPOLLEXCLUSIVE ({EPOLLEXCLUSIVE:#x}) is {'set' if entry.events & EPOLLEXCLUSIVE else 'not'}",
                )


def _waits_elsewhere(waiting: Waiting) -> str:
    """Name the calls that a process sleeps in, where epoll is not among them. One that never sleeps spins (epoll-5)."""
    asleep = waiting.calls - {"running"}
    return "" if "epoll_wait" in asleep else " / ".join(sorted(asleep))


def judge_parent(parent: Pid, waiting: Waiting, children: Mapping[Pid, Waiting]) -> Iterator[Violation]:
    """Judge epoll-2: the parent's epoll watches the far end of a channel of each child."""
    if elsewhere := _waits_elsewhere(waiting):
        yield Violation(EPOLL_2, f"the parent {parent} waits in {elsewhere}")
        return
    watched = {entry.inode for epoll in waiting.epolls for entry in epoll}
    unwatched = [pid for pid, child in children.items() if not watched.intersection((child.channel or {}).values())]
    if unwatched:
        yield Violation(
            EPOLL_2,
            f"the parent {parent} watches no channel of {len(unwatched)} of {len(children)} children "
            f"({', '.join(map(str, unwatched[:4]))})",
        )


def judge_wakeups(bystanders: int, switches: Sequence[float]) -> Iterator[Violation]:
    """Judge epoll-4. `switches` are those of the `bystanders` at each of several connections, the noise taken off.

    Half a wake-up a bystander at the median connection is a herd; plain EPOLLIN shows at least one for each.
    """
    typical = median(switches)
    if typical >= max(1.0, bystanders / 2):
        yield Violation(
            EPOLL_4,
            f"of {bystanders} idle children that did not accept, one connection woke {typical:.1f} "
            f"(median of {len(switches)})",
        )


def judge_run_time(ran: Mapping[Pid, Ran], *, seconds: float, parent: Pid) -> Iterator[Violation]:
    """Judge epoll-5 on what each process ran in `seconds` at rest."""
    for pid, each in ran.items():
        runnable = each.used + each.in_line
        crowded = runnable > NEARLY_ALWAYS * seconds and each.used > SPINNING_IN_A_CROWD * seconds
        who = "the parent" if pid == parent else "child"
        slept = max(0, each.woken - each.asked)
        if slept > MOST_WAKE_UPS * seconds:
            yield Violation(EPOLL_5, f"{who} {pid} woke up {slept} times in {seconds:.2f} s at rest")
        elif each.asked > max(MOST_WAKE_UPS * seconds, MOST_TRIES * (slept + 1)):
            tried = f"tried again and again: {each.asked} calls in {seconds:.2f} s at rest, and it slept {slept} times"
            yield Violation(EPOLL_5, f"{who} {pid} {tried}")
        elif each.used > SPINNING * seconds or crowded:
            yield Violation(
                EPOLL_5,
                f"{who} {pid} used {each.used:.2f} s of processor time in {seconds:.2f} s at rest, "
                f"and stood in line for it {each.in_line:.2f} s",
            )
