"""The judges of what joins children to the parent, on facts made by hand."""

from dataclasses import replace

import pytest

from spec.channel import (
    Channel,
    End,
    Joined,
    Kept,
    Kind,
    Link,
    judge_holders,
    judge_kept,
    judge_links,
    judge_makers,
    judge_names,
)
from spec.event import Inode, Pid

PARENT, ONE, TWO, STRANGER = Pid(10), Pid(11), Pid(12), Pid(99)


def link(child: Pid, *, maker: Pid | None = PARENT) -> Link:
    return Link(
        child=child,
        childs_end=End(inode=Inode(child * 2), kind=Kind.STREAM, holders=frozenset({child})),
        parents_end=End(inode=Inode(child * 2 + 1), kind=Kind.STREAM, holders=frozenset({PARENT})),
        maker=maker,
    )


def joined(*links: Link, others: dict[Pid, tuple[str, ...]] | None = None) -> Joined:
    words = {each.child: (str(Kind.STREAM),) for each in links} | (others or {})
    return Joined(parent=PARENT, links={each.child: each for each in links}, others=words)


def everything(facts: Joined) -> list[str]:
    judges = (judge_links, judge_makers, judge_names, judge_holders)
    return [violation.seen for judged in judges for violation in judged(facts)]


def test_a_pair_for_each_child_made_by_the_parent_and_held_by_nobody_else_is_right() -> None:
    assert everything(joined(link(ONE), link(TWO))) == []


@pytest.mark.parametrize("kind", [(Kind.PIPE,), (Kind.DATAGRAM,), (Kind.PACKETS, Kind.PIPE), ()])
def test_a_child_without_a_stream_of_its_own_is_told_with_what_it_has(kind: tuple[Kind, ...]) -> None:
    (seen,) = everything(joined(link(ONE), others={TWO: tuple(map(str, kind))}))
    assert seen.startswith(f"child {TWO} is joined to the parent {PARENT} by ")
    assert all(each in seen for each in kind)
    assert kind or "nothing" in seen


def test_two_streams_for_one_are_told_though_each_child_has_a_stream_of_its_own() -> None:
    (seen,) = everything(replace(joined(link(ONE), link(TWO)), apart={TWO: "two streams"}))
    assert seen == f"child {TWO} is joined to the parent {PARENT} by two streams"


@pytest.mark.parametrize(("maker", "word"), [(ONE, "the child itself"), (TWO, f"its sibling {TWO}")])
def test_a_pair_that_a_child_made_was_not_made_ahead_of_the_fork(maker: Pid, word: str) -> None:
    (seen,) = everything(joined(link(ONE, maker=maker), link(TWO)))
    assert word in seen


@pytest.mark.parametrize("maker", [None, STRANGER])
def test_a_maker_that_is_no_child_is_an_ancestor_or_not_known(maker: Pid | None) -> None:
    assert everything(joined(link(ONE, maker=maker))) == []


def test_a_name_is_told_with_whose_end_has_it() -> None:
    named = link(ONE)
    named = replace(named, parents_end=replace(named.parents_end, name="@00001"))
    (seen,) = everything(joined(named))
    assert "the parent's end" in seen
    assert "'@00001'" in seen


@pytest.mark.parametrize(
    ("of_child", "of_parent", "words"),
    [
        ({ONE, PARENT}, {PARENT}, f"the child's end of child {ONE}'s channel is held by the parent {PARENT} as well"),
        ({ONE}, {PARENT, ONE}, f"the parent's end of child {ONE}'s channel is held by the child itself as well"),
        ({ONE}, {PARENT, TWO}, f"the parent's end of child {ONE}'s channel is held by its sibling {TWO} as well"),
        ({ONE, STRANGER}, {PARENT}, f"process {STRANGER}"),
    ],
)
def test_everybody_else_who_holds_an_end_is_told(of_child: set[Pid], of_parent: set[Pid], words: str) -> None:
    held = link(ONE)
    held = replace(
        held,
        childs_end=replace(held.childs_end, holders=frozenset(of_child)),
        parents_end=replace(held.parents_end, holders=frozenset(of_parent)),
    )
    (seen,) = everything(joined(held, link(TWO)))
    assert words in seen


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        (Kept(ended=50, before=5, after=5, put_by=4), False),
        (Kept(ended=50, before=5, after=55, put_by=4), True),
        (Kept(ended=50, before=5, after=9, put_by=4), False),  # closes when the place is taken again
        (Kept(ended=6, before=5, after=11, put_by=4), True),
        (Kept(ended=3, before=5, after=8, put_by=2), False),  # too few to tell
    ],
)
def test_descriptors_that_grow_with_ended_children_are_leaked(kept: Kept, found: bool) -> None:  # noqa: FBT001
    assert bool(list(judge_kept(kept))) is found


@pytest.mark.parametrize(
    ("kept", "found"),
    [
        (Kept(ended=4, before=1, after=5, put_by=0), True),
        (Kept(ended=4, before=1, after=4, put_by=0), False),
        (Kept(ended=3, before=1, after=5, put_by=0), False),
        (Kept(ended=20, before=1, after=11, put_by=0), True),
        (Kept(ended=20, before=1, after=10, put_by=0), False),
        (Kept(ended=20, before=1, after=11, put_by=10), False),
        (Kept(ended=20, before=1, after=12, put_by=10), True),
    ],
)
def test_half_of_those_who_ended_and_four_at_the_least_are_a_leak(kept: Kept, *, found: bool) -> None:
    assert bool(list(judge_kept(kept))) is found


def test_a_leak_is_told_in_numbers() -> None:
    (violation,) = judge_kept(Kept(ended=6, before=5, after=11, put_by=4))
    assert violation.seen.startswith("the parent had 6 more ends of channels after 6 children had ended than before")


def test_four_of_those_who_hold_an_end_are_named_and_siblings_without_a_channel_are_siblings_too() -> None:
    held, orphan = link(ONE), Pid(13)
    strangers = frozenset({ONE, TWO, orphan, Pid(90), Pid(91), Pid(92)})
    held = replace(held, childs_end=replace(held.childs_end, holders=strangers))
    (seen,) = (each.seen for each in judge_holders(joined(held, link(TWO), others={orphan: ()})))
    assert seen.endswith("is held by its sibling 12, its sibling 13, process 90, process 91 as well")


def test_where_a_channel_is_is_told_end_by_end() -> None:
    channel = Channel(ONE, Inode(1), 3, Inode(2), 4)
    assert (channel.child, channel.childs_inode, channel.childs_descriptor) == (ONE, 1, 3)
    assert (channel.parents_inode, channel.parents_descriptor) == (2, 4)
    assert link(ONE).inodes == {22, 23}
