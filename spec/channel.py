"""The channel: what joins each child to the parent, who made it, and who holds its two ends.

Owns the clauses `channel-1` … `channel-5` and their judges. The facts come from the kernel's list of sockets: what kind
each end is, what stands at the far end, which processes have it open, and who made the pair.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.event import Inode, Pid
from spec.verdict import Violation

CHANNEL_1 = Clause(
    id=ClauseId("channel-1"),
    level=Level.MUST,
    text="Each child is joined to the parent by an AF_UNIX stream socket pair of its own.",
    source="2 Design, first paragraph; 3 Implementation, UNIX Domain Sockets",
    observed="The kernel's list of sockets tells the kind of each end, and what is at its far end; who waits on which.",
    needs=ids("lifecycle-1"),
    ability="channel",
)
CHANNEL_2 = Clause(
    id=ClauseId("channel-2"),
    level=Level.MUST,
    text="The pair is made by the parent, ahead of the fork.",
    source="3 Implementation, UNIX Domain Sockets",
    observed="A pair remembers the process that made it (SO_PEERCRED of a duplicate of the parent's end).",
    needs=ids("lifecycle-1", "channel-1"),
    ability="channel",
)
CHANNEL_3 = Clause(
    id=ClauseId("channel-3"),
    level=Level.MUST,
    text="No path name is bound to a channel: other processes can't see it.",
    source="3 Implementation, UNIX Domain Sockets",
    observed="The names of both ends in the kernel's list of sockets, abstract ones too.",
    needs=ids("lifecycle-1", "channel-1"),
    ability="channel",
)
CHANNEL_4 = Clause(
    id=ClauseId("channel-4"),
    level=Level.SHOULD,
    text="No third process holds an end of a channel, and no process holds both.",
    source="3 Implementation, UNIX Domain Sockets (the channel joins parent and child)",
    observed=(
        "Every process of the server, and which ends it has open: at rest, when the pool has grown, after recycling, "
        "and where many live."
    ),
    needs=ids("lifecycle-1", "channel-1"),
    ability="channel",
)
CHANNEL_5 = Clause(
    id=ClauseId("channel-5"),
    level=Level.SHOULD,
    text="The parent lets go of a channel when its child has ended, and keeps none as children come and go.",
    source="2 Design, third paragraph (a child is terminated, a new one takes its place)",
    observed=(
        "The parent's ends of channels at whose far side nobody else lives, before and after many children were "
        "recycled, and others shed."
    ),
    needs=ids("lifecycle-1", "recycle-1", "recycle-3"),
    ability="channel",
)

SECTION = Section(
    name="channel",
    title="The channel between parent and child",
    introduction=(
        "A socket pair, made ahead of each fork: one end stays with the parent, the other goes to the child, and "
        "nobody else has either. Whoever lets go of an end can be sure that the other side sees it."
    ),
    clauses=(CHANNEL_1, CHANNEL_2, CHANNEL_3, CHANNEL_4, CHANNEL_5),
)


class Kind(StrEnum):
    """What may join two processes, in words."""

    STREAM = "an AF_UNIX stream socket"
    DATAGRAM = "an AF_UNIX datagram socket"
    PACKETS = "an AF_UNIX seqpacket socket"
    PIPE = "a pipe"


@dataclass(frozen=True, slots=True)
class Channel:
    """Where one channel's ends are: the inode of each, and its descriptor in its holder."""

    child: Pid
    childs_inode: Inode
    childs_descriptor: int
    parents_inode: Inode
    parents_descriptor: int


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a channel: the kind of file, its bound name, and the processes that have it open."""

    inode: Inode
    kind: str
    name: str = ""
    holders: frozenset[Pid] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Link:
    """What joins one child to the parent. `maker` is who made it, None where that can't be told."""

    child: Pid
    childs_end: End
    parents_end: End
    maker: Pid | None = None

    @property
    def inodes(self) -> frozenset[Inode]:
        """Both ends."""
        return frozenset({self.childs_end.inode, self.parents_end.inode})


@dataclass(frozen=True, kw_only=True)
class Joined:
    """How all children are joined to the parent, at one moment.

    `links` has the one link of each child that is its own and a stream; `others` says in words by what else a child
    without such a link is joined, nothing at all if it is empty. `apart` says in words what two streams do that one
    should, where a child has more than one: C and F by one, and K by the other. A stream for its log is no such thing.
    """

    parent: Pid
    links: Mapping[Pid, Link]
    others: Mapping[Pid, tuple[str, ...]]
    apart: Mapping[Pid, str] = field(default_factory=dict)


def judge_links(joined: Joined) -> Iterator[Violation]:
    """Judge channel-1: each child has a stream of its own, and that goes both ways."""
    for child, others in joined.others.items():
        if child not in joined.links:
            instead = " and ".join(others) if others else "nothing that the kernel's lists show"
            yield Violation(CHANNEL_1, f"child {child} is joined to the parent {joined.parent} by {instead}")
    for child, streams in joined.apart.items():
        yield Violation(CHANNEL_1, f"child {child} is joined to the parent {joined.parent} by {streams}")


def judge_makers(joined: Joined) -> Iterator[Violation]:
    """Judge channel-2. What an ancestor of the parent made, before it became a daemon, was made ahead as well."""
    children = {*joined.links, *joined.others}
    for child, link in joined.links.items():
        if link.maker == child:
            yield Violation(CHANNEL_2, f"the channel of child {child} was made by the child itself, after the fork")
        elif link.maker in children:
            yield Violation(CHANNEL_2, f"the channel of child {child} was made by its sibling {link.maker}")


def judge_names(joined: Joined) -> Iterator[Violation]:
    """Judge channel-3."""
    for child, link in joined.links.items():
        for whose, end in (("the child's", link.childs_end), ("the parent's", link.parents_end)):
            if end.name:
                yield Violation(CHANNEL_3, f"{whose} end of child {child}'s channel is bound to the name {end.name!r}")


def judge_holders(joined: Joined) -> Iterator[Violation]:
    """Judge channel-4: only the child has its end, only the parent has the other."""
    for child, link in joined.links.items():
        for whose, end, keeper in (
            ("the child's", link.childs_end, child),
            ("the parent's", link.parents_end, joined.parent),
        ):
            strangers = sorted(end.holders - {keeper})
            if strangers:
                what = f"{whose} end of child {child}'s channel"
                yield Violation(CHANNEL_4, f"{what} is held by {_in_words(strangers, joined, child)} as well")


def _in_words(pids: Iterable[Pid], joined: Joined, child: Pid) -> str:
    def word(pid: Pid) -> str:
        if pid == joined.parent:
            return f"the parent {pid}"
        if pid == child:
            return "the child itself"
        sibling = pid in joined.links or pid in joined.others
        return f"its sibling {pid}" if sibling else f"process {pid}"

    return ", ".join(word(pid) for pid in list(pids)[:4])


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The parent's channels over many recycled children: how many it had beyond one for each live child."""

    ended: int
    before: int
    after: int
    put_by: int  # as many as one may have that closes a dead child's end only when its place is taken


# Fewer ended children than this show no growth.
ENOUGH_ENDED = 4


def judge_kept(kept: Kept) -> Iterator[Violation]:
    """Judge channel-5: whoever keeps a few, as they are put by until a place is taken, keeps no more and more."""
    grown = kept.after - kept.before
    if kept.ended >= ENOUGH_ENDED and grown >= max(ENOUGH_ENDED, kept.ended // 2) and grown > kept.put_by:
        yield Violation(
            CHANNEL_5,
            f"the parent had {grown} more ends of channels after {kept.ended} children had ended than before, "
            f"those to live children not counted",
        )
