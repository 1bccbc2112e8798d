"""The judges of who accepts: holders that are the parent, strangers, changed or doubled; sockets that are too many."""

from collections.abc import Callable

import pytest

from selftests.histories import History
from spec import accept
from spec.event import Inode, Pid

PARENT = Pid(100)


def held(history: History) -> dict[str, str]:
    return {each.clause.id: each.seen for each in accept.judge_holders(history.timeline(), parent=PARENT)}


def pool() -> History:
    return History().spawned(101, 102, 103)


def test_children_that_take_one_connection_each_pass() -> None:
    assert held(pool().accepted({1: 101, 2: 102, 3: 103}).served(1).accepted({4: 101})) == {}


def test_a_parent_that_holds_a_connection_is_found() -> None:
    found = held(pool().accepted({7: 100}))
    assert list(found) == ["accept-1"]
    assert "the parent 100 held connection 7 at 0.030 s" in found["accept-1"]


def test_a_holder_that_is_no_child_of_the_pool_is_found() -> None:
    found = held(pool().accepted({7: 555}))
    assert list(found) == ["accept-1"]
    assert "process 555" in found["accept-1"]


def test_a_child_that_has_ended_since_was_a_child_nevertheless() -> None:
    assert held(pool().ended(101).accepted({7: 101})) == {}


def test_a_connection_that_goes_from_child_to_child_is_found() -> None:
    found = held(pool().accepted({7: 101}).accepted({7: 102}))
    assert list(found) == ["accept-1"]
    assert "by child 101, then by child 102" in found["accept-1"]


def test_a_holder_that_is_seen_again_is_no_change() -> None:
    assert held(pool().accepted({7: 101}).accepted({7: 101})) == {}


def test_a_child_with_two_connections_at_once_is_found() -> None:
    found = held(pool().accepted({1: 101, 2: 101}))
    assert list(found) == ["accept-3"]
    assert "child 101 held connections 1 and 2 at once" in found["accept-3"]


@pytest.mark.parametrize(
    "ending",
    [History.served, History.dropped, History.left, lambda history, connection: history.lost(connection, "reset")],
    ids=["served", "dropped", "left", "lost"],
)
def test_a_child_may_take_another_connection_once_the_first_has_ended(
    ending: Callable[[History, int], History],
) -> None:
    assert held(ending(pool().accepted({1: 101}), 1).accepted({2: 101})) == {}


def test_each_connection_that_the_server_ended_lets_its_own_child_go_on() -> None:
    history = pool().accepted({1: 101, 2: 102}).left(1, 2)
    assert held(history.accepted({3: 101, 4: 102})) == {}
    assert list(held(pool().accepted({1: 101, 2: 102}).left(2).accepted({3: 101}))) == ["accept-3"]


def listening(open_in_child: dict[int, list[int]], listeners: dict[int, str]) -> list[str]:
    violations = list(
        accept.judge_listeners(
            {Pid(pid): [Inode(each) for each in inodes] for pid, inodes in open_in_child.items()},
            {Inode(inode): address for inode, address in listeners.items()},
        )
    )
    assert {violation.clause.id for violation in violations} <= {"accept-2"}
    return [violation.seen for violation in violations]


def test_one_socket_that_all_children_have_open_passes() -> None:
    assert listening({101: [7, 8], 102: [9, 7]}, {7: "0.0.0.0"}) == []


def test_one_socket_for_each_family_is_one_place_to_wait_at() -> None:
    assert listening({101: [7, 8], 102: [8]}, {7: "0.0.0.0", 8: "::"}) == []


@pytest.mark.parametrize("addresses", [("0.0.0.0", "0.0.0.0"), ("127.0.0.1", "0.0.0.0"), ("::", "::1")])
def test_a_socket_for_each_child_is_found(addresses: tuple[str, str]) -> None:
    found = listening({101: [7], 102: [8]}, dict(zip((7, 8), addresses, strict=True)))
    assert found == ["2 sockets listen on the port: inodes 7, 8"]


def test_a_child_without_the_listening_socket_is_found() -> None:
    assert listening({101: [7], 102: [5]}, {7: "::"}) == ["child 102 has no listening socket open"]


def test_of_several_connections_that_a_child_holds_the_first_is_told() -> None:
    history = pool().accepted({1: 102, 2: 101}).accepted({4: 101}).accepted({5: 101})
    *_, last = accept.judge_holders(history.timeline(), parent=PARENT)
    assert last.seen.startswith("child 101 held connections 2 and 5 at once")


def test_nobody_judges_a_race_that_was_met_four_times() -> None:
    assert accept.judge_race_count(5, 20) == ""
    assert accept.judge_race_count(4, 20) == (
        "a connection and K met in one child 4 times in 20 trials; at least 5 are needed"
    )


def test_the_burst_is_what_the_clause_says() -> None:
    assert accept.BURST == 128
    assert f"{accept.BURST} " in accept.ACCEPT_7.text + accept.ACCEPT_7.observed
