"""Who accepts: each child for itself, one connection at a time, all on one listening socket.

Owns the clauses `accept-1` … `accept-7` and the judges of who held what.
"""

from collections.abc import Iterable, Iterator, Mapping

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Accepted, Inode, Pid, Timeline
from spec.verdict import Violation

ACCEPT_1 = Clause(
    id=ClauseId("accept-1"),
    level=Level.MUST,
    text=(
        "Each child accepts for itself, scheduled by the kernel: the parent never holds a connection, and no child "
        "hands one to another."
    ),
    source="1 Objective, first paragraph; 2 Design, first paragraph",
    observed="Which process holds the server's side of each connection; again while the parent is stopped.",
    needs=ids("lifecycle-1"),
)
ACCEPT_2 = Clause(
    id=ClauseId("accept-2"),
    level=Level.MUST,
    text="All children wait on one listening socket.",
    source="1 Objective, first paragraph",
    observed="The sockets that listen on the port, and which of them each child has open.",
    needs=ids("lifecycle-1"),
)
ACCEPT_3 = Clause(
    id=ClauseId("accept-3"),
    level=Level.MUST,
    text="A child serves one connection at a time.",
    source="1 Objective, first paragraph (connections are handled iteratively)",
    observed="More connections are held than there are children; none may have two of them.",
    needs=ids("lifecycle-1"),
)
ACCEPT_4 = Clause(
    id=ClauseId("accept-4"),
    level=Level.MUST,
    text="A queued connection goes to whichever child is idle first; a full pool queues, it does not refuse.",
    source="1 Objective, first paragraph",
    observed=(
        "With the parent stopped, so that nobody is spawned, all children are kept busy and more clients come; then "
        "one child after another is let go."
    ),
    needs=ids("lifecycle-1", "accept-1", "accept-2"),
)
ACCEPT_5 = Clause(
    id=ClauseId("accept-5"),
    level=Level.SHOULD,
    text="No lost wake-up: a connection that comes together with K is served without waiting for the next one.",
    source="3 Implementation, Messages; Thundering Herd Problem (a wake-up goes to one process)",
    observed=(
        "With the parent stopped, and all on one processor, a client connects and K is written in one go to the child "
        "that the connection wakes, twenty times and more; somebody must accept it."
    ),
    needs=ids("lifecycle-1", "accept-1", "channel-1", "protocol-5", "protocol-6"),
    ability="channel",
)
ACCEPT_6 = Clause(
    id=ClauseId("accept-6"),
    level=Level.SHOULD,
    text="A child that lost the race for a connection goes back to waiting: it does not sleep in accept, deaf to K.",
    source="2 Design, second paragraph (each child monitors both sockets)",
    observed=(
        "All children are stopped, a connection comes, all go on at once; afterwards nobody may be inside accept. And "
        "a child that was woken is kept from accepting until a sibling has the connection: then it is told K."
    ),
    needs=ids("lifecycle-1", "accept-1"),
)
ACCEPT_7 = Clause(
    id=ClauseId("accept-7"),
    level=Level.SHOULD,
    text="A burst of 128 connections is held by the backlog of the listening socket.",
    source="1 Objective, first paragraph",
    observed="With parent and children stopped, 128 clients connect at once; each handshake must be completed.",
    needs=ids("lifecycle-1"),
)

SECTION = Section(
    name="accept",
    title="Who accepts",
    introduction=(
        "The parent makes the listening socket; the children wait on it, and the kernel decides who gets a connection. "
        "Each accepted connection is a socket with an inode: the process that has it open is its holder."
    ),
    clauses=(ACCEPT_1, ACCEPT_2, ACCEPT_3, ACCEPT_4, ACCEPT_5, ACCEPT_6, ACCEPT_7),
)

BURST = 128  # accept-7
FEWEST_RACES = 5  # accept-5: where fewer were met, nothing is known


def judge_holders(timeline: Timeline, *, parent: Pid) -> Iterator[Violation]:
    """Judge accept-1 and accept-3 by who was seen to hold which connection."""
    children: set[Pid] = set()
    for event, before, state in timeline.states():
        children |= state.live
        if not isinstance(event, Accepted):
            continue
        earlier = before.holders.get(event.connection)
        others = [
            other
            for other, pid in before.holders.items()
            if pid == event.pid and other != event.connection and other not in before.left
        ]
        if event.pid == parent:
            yield Violation(ACCEPT_1, f"the parent {parent} held connection {event.connection} at {event.at:.3f} s")
        elif event.pid not in children:
            yield Violation(
                ACCEPT_1,
                f"process {event.pid}, none of those that wait on the listener, held connection {event.connection}",
            )
        elif earlier is not None and earlier != event.pid:
            yield Violation(
                ACCEPT_1, f"connection {event.connection} was held by child {earlier}, then by child {event.pid}"
            )
        elif others:
            yield Violation(
                ACCEPT_3,
                f"child {event.pid} held connections {others[0]} and {event.connection} at once, at {event.at:.3f} s",
            )


def judge_listeners(
    open_in_child: Mapping[Pid, Iterable[Inode]], listeners: Mapping[Inode, str]
) -> Iterator[Violation]:
    """Judge accept-2. `listeners` maps each socket that listens on the port to its address, which tells its family.

    One socket for IPv4 and one for IPv6 are still one place to wait at; two of the same family are two.
    """
    families: dict[bool, list[Inode]] = {}
    for inode, address in listeners.items():
        families.setdefault(":" in address, []).append(inode)
    for same in families.values():
        if len(same) > 1:
            yield Violation(ACCEPT_2, f"{len(same)} sockets listen on the port: inodes {', '.join(map(str, same))}")
    for pid, inodes in open_in_child.items():
        if not set(listeners).intersection(inodes):
            yield Violation(ACCEPT_2, f"child {pid} has no listening socket open")


def judge_race_count(met: int, trials: int) -> str:
    """Say why accept-5 can't be decided, or nothing where enough races were met."""
    if met >= FEWEST_RACES:
        return ""
    return f"a connection and K met in one child {met} times in {trials} trials; at least {FEWEST_RACES} are needed"
