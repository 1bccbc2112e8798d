"""The judges of how processes wait: in which call, on which descriptors, with which flags, and how often they wake."""

import select

import pytest

from spec import epoll
from spec.epoll import EPOLLEXCLUSIVE, EPOLLIN, FIRST_KERNEL_WITH_EXCLUSIVE, SPINNING, Ran, Waiting, Watched
from spec.event import Inode, Pid
from spec.verdict import Violation

LISTENER, CHANNEL, FAR_END = Inode(10), Inode(20), Inode(21)
LISTENERS = frozenset({LISTENER})
BOTH = EPOLLIN | EPOLLEXCLUSIVE
IN_EPOLL = frozenset({"epoll_wait"})
PARENT = Pid(100)


def child(
    *entries: tuple[Inode, int],
    calls: frozenset[str] = IN_EPOLL,
    channel: dict[Inode, Inode] | None = None,
    shared: int = 0,
) -> Waiting:
    """A child with one epoll, a channel to the parent, and these entries."""
    return Waiting(
        calls=calls,
        epolls=(tuple(Watched(*entry) for entry in entries),) if entries else (),
        shared_epolls=shared,
        channel={CHANNEL: FAR_END} if channel is None else channel,
    )


SOUND = child((LISTENER, BOTH), (CHANNEL, EPOLLIN))


def told(violations: list[Violation], clause: str) -> str:
    assert [violation.clause.id for violation in violations] == [clause]
    return violations[0].seen


def of_children(*children: Waiting) -> list[Violation]:
    return list(epoll.judge_children({Pid(101 + place): each for place, each in enumerate(children)}, LISTENERS))


def test_children_that_wait_on_both_with_the_exclusive_flag_pass() -> None:
    assert of_children(SOUND, child((CHANNEL, 0x19), (LISTENER, BOTH | 0x18))) == []


def test_no_children_break_nothing() -> None:
    assert of_children() == []


@pytest.mark.parametrize("call", ["poll", "select", "clock_nanosleep"])
def test_a_child_that_waits_elsewhere_than_in_epoll_is_found(call: str) -> None:
    found = told(of_children(SOUND, child((LISTENER, BOTH), (CHANNEL, EPOLLIN), calls=frozenset({call}))), "epoll-1")
    assert found == f"idle child 102 waits in {call}"


def test_a_child_in_accept_beside_siblings_in_epoll_has_lost_a_race_if_it_has_an_epoll_too() -> None:
    late = child((LISTENER, BOTH), (CHANNEL, EPOLLIN), calls=frozenset({"accept", "running"}))
    assert told(of_children(SOUND, late), "accept-6").startswith("idle child 102 sleeps in accept")
    assert told(of_children(late), "epoll-1") == "idle child 101 waits in accept"
    without = child((CHANNEL, EPOLLIN), calls=frozenset({"accept"}))
    assert told(of_children(SOUND, without), "epoll-1") == "idle child 102 waits in accept"


def test_how_a_child_in_accept_would_watch_is_judged_all_the_same() -> None:
    late = child((LISTENER, EPOLLIN), (CHANNEL, EPOLLIN), calls=frozenset({"accept"}))
    assert [violation.clause.id for violation in of_children(SOUND, late)] == ["accept-6", "epoll-3"]


def test_a_child_that_was_seen_in_epoll_once_waits_there() -> None:
    waking = child((LISTENER, BOTH), (CHANNEL, EPOLLIN), calls=frozenset({"epoll_wait", "running"}))
    assert of_children(waking) == []


@pytest.mark.parametrize("calls", [frozenset(), frozenset({"running"})], ids=["unseen", "running"])
def test_a_child_that_was_never_seen_asleep_is_not_said_to_sleep_elsewhere(calls: frozenset[str]) -> None:
    """That it spins is for epoll-5 to say."""
    assert of_children(child((LISTENER, BOTH), (CHANNEL, EPOLLIN), calls=calls)) == []


def test_a_child_whose_epoll_is_shared_has_none_of_its_own() -> None:
    found = told(of_children(child(shared=1)), "epoll-1")
    assert "child 101's own" in found
    assert "1 epoll descriptors are shared" in found


def test_a_child_that_does_not_watch_its_channel_is_found() -> None:
    assert "no channel" in told(of_children(child((LISTENER, BOTH))), "epoll-1")


def test_a_child_without_any_channel_is_found() -> None:
    assert "no channel" in told(of_children(child((LISTENER, BOTH), (Inode(30), EPOLLIN), channel={})), "epoll-1")


def test_the_channel_must_be_in_the_same_epoll_as_the_listening_socket() -> None:
    apart = Waiting(
        calls=IN_EPOLL,
        epolls=((Watched(LISTENER, BOTH),), (Watched(CHANNEL, EPOLLIN),)),
        channel={CHANNEL: FAR_END},
    )
    assert "no channel" in told(of_children(apart), "epoll-1")


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (0x19, ["0x19", "EPOLLIN is set", "is not"]),
        (EPOLLEXCLUSIVE | 0x18, ["0x10000018", "EPOLLIN is not set", "is set"]),
        (0, ["0x0"]),
    ],
)
def test_a_child_without_one_of_the_two_flags_is_found(events: int, words: list[str]) -> None:
    found = told(of_children(SOUND, child((LISTENER, events), (CHANNEL, EPOLLIN))), "epoll-3")
    assert "child 102" in found
    for word in words:
        assert word in found


def test_the_parent_must_watch_the_far_end_of_each_channel() -> None:
    sound = Waiting(calls=IN_EPOLL, epolls=((Watched(FAR_END, EPOLLIN),),))
    assert list(epoll.judge_parent(PARENT, sound, {Pid(101): SOUND})) == []
    later = child((LISTENER, BOTH), (Inode(22), EPOLLIN), channel={Inode(22): Inode(23)})
    found = told(list(epoll.judge_parent(PARENT, sound, {Pid(101): SOUND, Pid(102): later})), "epoll-2")
    assert "1 of 2 children (102)" in found


def test_a_parent_that_waits_elsewhere_than_in_epoll_is_found() -> None:
    sleeping = Waiting(calls=frozenset({"clock_nanosleep"}), epolls=())
    found = told(list(epoll.judge_parent(PARENT, sleeping, {Pid(101): SOUND})), "epoll-2")
    assert found == "the parent 100 waits in clock_nanosleep"


def test_a_child_without_a_channel_is_watched_by_nobody() -> None:
    sound = Waiting(calls=IN_EPOLL, epolls=((Watched(FAR_END, EPOLLIN),),))
    assert "1 of 1" in told(list(epoll.judge_parent(PARENT, sound, {Pid(101): child(channel={})})), "epoll-2")


@pytest.mark.parametrize(
    ("bystanders", "switches", "herd"),
    [
        (4, [0, 0, 0], False),
        (4, [0, 0, 9, 0], False),  # one noisy connection decides nothing
        (4, [1.9, 1.9], False),
        (4, [2.0, 2.0], True),
        (4, [4.0, 3.0, 4.0], True),
        (15, [7.0], False),
        (15, [7.5], True),
        (1, [0.9], False),
        (1, [1.0], True),
        (2, [1.0], True),
    ],
)
def test_half_a_wake_up_a_bystander_is_a_herd(bystanders: int, switches: list[float], *, herd: bool) -> None:
    violations = list(epoll.judge_wakeups(bystanders, switches))
    assert bool(violations) == herd
    if herd:
        assert f"of {bystanders} idle children" in told(violations, "epoll-4")


def spinning(ran: dict[int, Ran], *, seconds: float = 1.2) -> list[str]:
    violations = list(
        epoll.judge_run_time({Pid(pid): each for pid, each in ran.items()}, seconds=seconds, parent=PARENT)
    )
    assert {violation.clause.id for violation in violations} <= {"epoll-5"}
    return [violation.seen for violation in violations]


def test_processes_at_rest_may_use_a_tenth_of_the_processor() -> None:
    assert spinning({PARENT: Ran(used=SPINNING * 1.2, in_line=0.0), 101: Ran(0.0, 0.0)}) == []


@pytest.mark.parametrize(("pid", "who"), [(100, "the parent 100"), (101, "child 101")])
def test_a_spinning_process_is_found(pid: int, who: str) -> None:
    (found,) = spinning({pid: Ran(used=0.6, in_line=0.1), 102: Ran(0.01, 0.0)})
    assert found.startswith(f"{who} used 0.60 s of processor time in 1.20 s")


def test_a_process_that_spins_in_a_crowd_is_found_by_its_place_in_the_line() -> None:
    """A hundred spinning children share two processors: each has little of them, and wants all the time."""
    (found,) = spinning({101: Ran(used=0.024, in_line=1.1)})
    assert "1.10 s" in found
    assert spinning({101: Ran(used=0.001, in_line=1.19)}) == [], (
        "one that was to run once, on a machine that did not let it"
    )
    assert spinning({101: Ran(used=0.024, in_line=0.5)}) == []


def test_the_flags_are_the_kernels() -> None:
    assert (EPOLLIN, EPOLLEXCLUSIVE) == (select.EPOLLIN, select.EPOLLEXCLUSIVE)
    assert FIRST_KERNEL_WITH_EXCLUSIVE == (4, 5)  # epoll_ctl(2)


@pytest.mark.parametrize(
    ("ran", "spins"),
    [
        (Ran(used=0.1, in_line=0.0), False),
        (Ran(used=0.101, in_line=0.0), True),
        (Ran(used=0.01, in_line=0.99), False),
        (Ran(used=0.011, in_line=0.79), True),
        (Ran(used=0.05, in_line=0.75), False),
        (Ran(used=0.0, in_line=0.0, woken=300), False),
        (Ran(used=0.0, in_line=0.0, woken=301), True),
        (Ran(used=0.0, in_line=0.0, woken=640, asked=620), False),
        (Ran(used=0.0, in_line=0.0, woken=640, asked=340), False),
        (Ran(used=0.0, in_line=0.0, woken=640, asked=339), True),
        (Ran(used=0.0, in_line=0.0, woken=640, asked=640), True),
        (Ran(used=0.0, in_line=0.0, woken=300, asked=301), True),
        (Ran(used=0.0, in_line=0.0, woken=300, asked=300), False),
    ],
)
def test_a_second_at_rest_may_have_just_so_much_work_and_so_many_wake_ups(ran: Ran, *, spins: bool) -> None:
    assert bool(spinning({101: ran}, seconds=1.0)) is spins


def test_in_two_seconds_it_may_be_twice_as_much() -> None:
    assert spinning({101: Ran(used=0.2, in_line=0.0, woken=600)}, seconds=2.0) == []
    assert spinning({101: Ran(used=0.021, in_line=1.55)}, seconds=2.0) == []
    assert len(spinning({101: Ran(used=0.0, in_line=0.0, woken=601)}, seconds=2.0)) == 1


def test_what_one_process_did_lies_between_two_looks() -> None:
    assert Ran(3.0, 2.0, 9, 7).since(Ran(1.0, 0.5, 4, 3)) == Ran(2.0, 1.5, 5, 4)
    assert (Ran(3.0, 2.0).woken, Ran(3.0, 2.0).asked) == (0, 0)


def test_wake_ups_are_told_before_the_time_that_they_took() -> None:
    (found,) = spinning({101: Ran(used=0.9, in_line=0.0, woken=5000)}, seconds=1.0)
    assert found == "child 101 woke up 5000 times in 1.00 s at rest"


def test_the_first_four_children_that_nobody_watches_are_named() -> None:
    parent = Waiting(calls=IN_EPOLL, epolls=())
    found = told(list(epoll.judge_parent(PARENT, parent, {Pid(pid): SOUND for pid in range(101, 107)})), "epoll-2")
    assert found == "the parent 100 watches no channel of 6 of 6 children (101, 102, 103, 104)"


def test_epolls_are_shared_only_where_some_are() -> None:
    assert told(of_children(child()), "epoll-1").endswith("own watches the listening socket")
    alone = Waiting(calls=IN_EPOLL, epolls=())
    assert "shared" not in told(of_children(alone), "epoll-1")


def test_the_channel_may_be_any_of_the_entries_and_of_the_epolls() -> None:
    several = Waiting(
        calls=IN_EPOLL,
        epolls=((Watched(Inode(40), 1),), (Watched(Inode(41), 1), Watched(LISTENER, BOTH), Watched(CHANNEL, 1))),
        channel={Inode(19): Inode(18), CHANNEL: FAR_END},
    )
    assert of_children(several) == []
