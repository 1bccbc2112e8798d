"""Recovery: what a pool makes of killed and stopped processes, of clients that misbehave, and of a system that refuses.

Owns the clauses `recovery-1` … `recovery-17` and the judges of an aftermath. Each clause is judged after a fault that
is known to have happened; how faults are made and proven is told in `fault_injection/`.
"""

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Collapsed, Restless, Stalled, Stranded, Timeline
from spec.parameters import Parameters
from spec.pool import described
from spec.regulation import owed

_REGULATES = "2 Design, first paragraph (the parent regulates the pool by its idle processes)"
_PLACE = "2 Design, third paragraph (a new process takes the place of one that is terminated)"
_ACCEPTS = "2 Design, first paragraph (connections are accepted by the children)"
_SIZE = "1 Objective, second paragraph (the size of the pool is of critical importance)"
_TALK = "3 Implementation, Messages and UNIX Domain Sockets"

# A pool that does not regulate, or serves nobody, can't recover either; one that loses clients or spins without a
# fault does so after one as well; and who is counted wrong, or does not end when told to, leaves it outside its bounds.
SOUND = ids(
    *("lifecycle-1", "accept-1", "accept-2", "accept-3", "accept-4"),
    *("pool-1", "pool-2", "pool-3", "pool-5", "pool-7", "pool-9"),
    *("http-2", "http-3", "epoll-5", "protocol-1", "protocol-2", "protocol-3", "protocol-5", "protocol-8"),
)
# That others are not served beside a silent client, and that no F comes after a reset, is seen as such. Only what
# becomes of the pool then rests on a sound one.
_SERVES = ids("lifecycle-1", "accept-1", "accept-2", "http-2", "http-3", "pool-9")
# Some children serve more clients than others.
_TAKES_N = ids("recycle-1", "recycle-2")
# The parent, or a child, is stopped and continued on the way to the fault.
_STOPS_PARENT = ids("recovery-11")
_STOPS_CHILD = ids("recovery-6")
# Somebody is killed so that the fault can come about.
_REPLACES = ids("recovery-1")


def _clause(
    number: int,
    text: str,
    observed: str,
    *,
    source: str,
    needs: tuple[ClauseId, ...] = (),
    sound: tuple[ClauseId, ...] = SOUND,
) -> Clause:
    return Clause(
        id=ClauseId(f"recovery-{number}"),
        level=Level.SHOULD,
        text=text,
        source=source,
        observed=observed,
        needs=(*sound, *needs),
        ability="recovery",
    )


RECOVERY_1 = _clause(
    1,
    "An idle child that is killed is replaced where the bounds need it, and is counted no more.",
    "Idle children, the newest and the oldest, get SIGKILL, SIGSEGV, SIGABRT and SIGTERM, so many that fewer than "
    "min_spare are left; then the load goes up and down once. Some are killed that were told K, and stopped; then "
    "max_children are kept busy.",
    source=_PLACE,
    needs=_STOPS_CHILD,
)
RECOVERY_2 = _clause(
    2,
    "A busy child that is killed is counted no more, neither as busy nor as idle, and is replaced where need be.",
    "Children that hold silent clients get SIGKILL and SIGSEGV, more of them than lie between the bounds, once with "
    "all max_children busy; then the load goes up and down once.",
    source=_PLACE,
    needs=_REPLACES + ids("recovery-3"),
)
RECOVERY_3 = _clause(
    3,
    "When all children are killed at once, the pool comes back, and serves.",
    "All get SIGKILL at once; and once more while the parent is stopped, so that it learns of all deaths together.",
    source=_PLACE,
    needs=_STOPS_PARENT + _REPLACES,
)
RECOVERY_4 = _clause(
    4,
    "When children are killed again and again, newborns too, the pool comes back as soon as that is over.",
    "For some rounds, every newborn gets SIGKILL at first sight, more of them than max_children; then descriptors and "
    "zombies are counted.",
    source=_PLACE,
    needs=_REPLACES + ids("recovery-2", "channel-5"),
)
RECOVERY_5 = _clause(
    5,
    "When the parent is killed, its children end: idle ones at once, busy ones when they have served their client, a "
    "stopped one as soon as it is continued. Then the port is free.",
    "The parent gets SIGKILL while two children are busy and the newest idle one is stopped. Then the clients ask.",
    source="2 Design, second paragraph (each child watches the channel to the parent)",
)
RECOVERY_6 = _clause(
    6,
    "A stopped child stops nobody else, and serves on when it is continued.",
    "An idle child is stopped: clients are served and the pool grows meanwhile. Continued, it takes connections again. "
    "Another is stopped in the middle of a request, and serves it.",
    source=_ACCEPTS,
    needs=_STOPS_PARENT,
)
RECOVERY_7 = _clause(
    7,
    "Clients that are silent, or slow, hold only their own children.",
    "Silent clients, requests a byte at a time and readers that never read, beside others who are served at once; then "
    "more silent ones than there may be children, who leave again.",
    source=_ACCEPTS,
    needs=ids("pool-2"),  # beside those who hold their children, somebody has to be left
    sound=_SERVES,
)
RECOVERY_8 = _clause(
    8,
    "Clients that reset, vanish, close half of their connection or never read cost no child, and its F still comes.",
    "A reset before accept, in the middle of the request and of the reply; a half-close; a request whose client is "
    "gone when it is read (the child is stopped meanwhile). On the wire: the same, and segments that are split, "
    "repeated or out of order, a window of zero, a reply that nobody acknowledges (whoever has more to write than the "
    "kernel keeps is busy until it is taken).",
    source=_ACCEPTS,
    needs=_STOPS_CHILD + _STOPS_PARENT + _TAKES_N,
    sound=_SERVES,
)
RECOVERY_9 = _clause(
    9,
    "After a flood of connections clients are served, and the pool is back within its bounds.",
    "Connections past the backlog, clients that connect and close or reset at once; on the wire, thousands of SYNs and "
    "handshakes that are reset.",
    source=_SIZE,
    needs=ids("recovery-8"),
)
RECOVERY_10 = _clause(
    10,
    "Where the system refuses descriptors or processes, neither side ends or spins; and it recovers as soon as the "
    "system gives them again.",
    "RLIMIT_NOFILE of children and parent is set to the lowest free descriptor, accept answers ENFILE and the like, "
    "socketpair ENFILE, fork EAGAIN, also while all children are killed; for some rounds each, then lifted.",
    source=_SIZE,
    needs=_STOPS_PARENT + _REPLACES + ids("recovery-3"),
)
RECOVERY_11 = _clause(
    11,
    "A parent that was stopped under load regulates again when it is continued.",
    "The parent is stopped while clients come and go and others stay, and continued.",
    source=_REGULATES,
)
RECOVERY_12 = _clause(
    12,
    "A parent that is stopped for longer than a channel holds stops no child: clients are served, and it counts right "
    "afterwards.",
    "More than 278 messages of one child while the parent is stopped, with max_connections above that.",
    source=_TALK,
    needs=_STOPS_PARENT + _TAKES_N,
)
RECOVERY_13 = _clause(
    13,
    "Signals that mean nothing, raining on parent and children, disturb nobody.",
    "Hundreds of SIGCHLD, SIGCONT and SIGURG, and those that the profile lists, while clients come and go.",
    source=_REGULATES,
)
RECOVERY_14 = _clause(
    14,
    "A connection whose woken child is killed is served without another's arrival, where a replacement is due.",
    "With idle = min_spare, a client connects, and the child that this wakes is killed as it calls accept.",
    source="3 Implementation, Thundering Herd Problem",
    needs=_REPLACES + ids("accept-5"),
)
RECOVERY_15 = _clause(
    15,
    "A newborn that gets SIGTERM at first sight harms nobody else.",
    "Newborns get SIGTERM as soon as the kernel lists them, mostly before they have handlers of their own.",
    source=_PLACE,
    needs=_REPLACES,
)
RECOVERY_16 = _clause(
    16,
    "A channel of which one side is shut makes nobody end or spin but its own child, and costs no client.",
    "The oldest and the newest of the excess children are stopped and their ends shut for reading, so that K finds "
    "nobody; then an idle child's end is shut both ways, and the parent's end for reading.",
    source=_TALK,
    needs=_STOPS_CHILD + ids("recovery-5", "recycle-3"),
)
RECOVERY_17 = _clause(
    17,
    "Faults and load together, in whatever order, cost only the clients that were their victims.",
    "Random faults and load by the seed, for some seconds, or as long as --soak says; then an aftermath as after each.",
    source=_REGULATES,
    needs=ids(*(f"recovery-{number}" for number in range(1, 17)), "accept-6", "pool-4", "pool-6", "pool-8"),
)

SECTION = Section(
    name="recovery",
    title="What happens when something goes wrong",
    introduction=(
        "Faults that no server can prevent, made on purpose and undone again. What is judged is what comes after: the "
        "pool is within its bounds, clients are served, the next load is met both ways, nothing has leaked, and nobody "
        "spins."
    ),
    clauses=(
        RECOVERY_1,
        RECOVERY_2,
        RECOVERY_3,
        RECOVERY_4,
        RECOVERY_5,
        RECOVERY_6,
        RECOVERY_7,
        RECOVERY_8,
        RECOVERY_9,
        RECOVERY_10,
        RECOVERY_11,
        RECOVERY_12,
        RECOVERY_13,
        RECOVERY_14,
        RECOVERY_15,
        RECOVERY_16,
        RECOVERY_17,
    ),
)


def why_not_back(timeline: Timeline, parameters: Parameters) -> str:
    """Say why the pool did not come back within its bounds, by the last thing on its timeline that tells."""
    seen = "the pool did not come back within its bounds"
    for event, before, state in timeline.states():
        match event:
            case Stalled(after=after):
                what = owed(live=len(state.live), busy=len(state.busy), parameters=parameters)
                seen = f"{described(state)}, and no {what.value} for {after:.1f} s ({parameters})"
            case Stranded(waiting=waiting, after=after):
                seen = f"{waiting} connections were not accepted in {after:.1f} s; {described(state)} ({parameters})"
            case Restless(after=after):
                seen = f"children come and go: no quiet round in {after:.1f} s; {described(state)} ({parameters})"
            case Collapsed(how=how):
                seen = f"{how}; before, {described(before)}"
    return seen
