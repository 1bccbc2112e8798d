"""Faults by clients, on a small pool: each is proven by the kernel's side of the connection, and undone at the end."""

import select
import socket
from collections.abc import Iterator

import pytest

from fault_injection.fault import DidNotTakeHold
from fault_injection.floods import Leave, counters, crowd, storm
from fault_injection.stalls import Network, dead, half_closed, never_reading, reset, servers_side, silent, slow
from observers import procfs
from selftests.facts import settle
from selftests.launching import POOL, order, settle_output
from spec.event import Pid
from subject.launch import Launch
from subject.stopping import stopped

PORT = 20_123
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
NOT_SERVED = 20_124


@pytest.fixture
def launch() -> Iterator[Launch]:
    """A pool of two children that accept, read once, answer and close."""
    with Launch(order(POOL, PORT, 2)) as launched:
        settle_output(launched, "ready")
        yield launched


def family(launch: Launch) -> list[Pid]:
    """Give the parent and its children."""
    return [pid for pid in procfs.descendants(launch.warden) if pid != launch.init]


def connected(launch: Launch) -> socket.socket:
    client = launch.socket()
    client.connect(("127.0.0.1", PORT))
    return client


def network(launch: Launch) -> Network:
    return Network(family(launch)[0], PORT)


def test_silent_clients_are_held_and_let_go(launch: Launch) -> None:
    parent = family(launch)[0]
    with silent(launch.socket, PORT, 3) as sockets:
        ports = [each.getsockname()[1] for each in sockets]
        assert all(servers_side(parent, PORT, port) for port in ports)
    settle(lambda: not any(servers_side(parent, PORT, port) for port in ports), what="all connections gone")


def test_a_client_that_can_not_connect_is_no_fault(launch: Launch) -> None:
    with pytest.raises(DidNotTakeHold, match="refused"), silent(launch.socket, NOT_SERVED, 1):
        pass


def test_a_slow_client_is_answered_when_all_has_dripped(launch: Launch) -> None:
    with stopped(family(launch)), slow(launch.socket, PORT, 2, REQUEST) as dripping:
        assert dripping.sent == 1
        while dripping.drip():
            assert dripping.answered == 0
        assert dripping.sent == len(REQUEST)
        assert not dripping.drip()


def test_who_never_reads_has_asked(launch: Launch) -> None:
    with never_reading(launch.socket, PORT, 1, REQUEST) as (client,):
        poll = select.poll()
        poll.register(client, select.POLLIN)
        settle(lambda: poll.poll(0), what="an answer that waits")


def test_a_half_closed_connection_still_hears(launch: Launch) -> None:
    with stopped(family(launch)), connected(launch) as client:
        client.send(REQUEST)
        with half_closed(client, network(launch)):
            side = servers_side(family(launch)[0], PORT, client.getsockname()[1])
            assert side is not None
            assert side.state == 8
            client.setblocking(False)


def test_a_reset_takes_the_server_s_side_away(launch: Launch) -> None:
    with stopped(family(launch)), connected(launch) as client:
        port = client.getsockname()[1]
        assert servers_side(family(launch)[0], PORT, port) is not None
        with reset(client, network(launch)):
            assert servers_side(family(launch)[0], PORT, port) is None


def test_a_dead_client_s_request_can_still_be_read(launch: Launch) -> None:
    parent, *children = family(launch)
    with connected(launch) as client:
        settle(lambda: len(procfs.children(parent)) == 2, what="both children")
        with stopped(children), dead(client, network(launch), REQUEST):
            assert servers_side(parent, PORT, client.getsockname()[1]) is None
    # POOL ignores no SIGPIPE, but Python does: the child bears it, or ends with a traceback.
    settle(lambda: all(procfs.look(pid).asleep or procfs.look(pid).ended for pid in children), what="both at rest")


def test_what_does_not_come_about_is_told(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fault_injection.stalls.TAKES_WITHIN", 0.05)
    with stopped(family(launch)), connected(launch) as client:
        elsewhere = Network(Pid(1), PORT)  # another network, where nothing of it can be seen
        with pytest.raises(DidNotTakeHold, match="FIN"), dead(client, elsewhere, REQUEST):
            pass


@pytest.mark.parametrize("leave", list(Leave))
def test_a_storm_is_counted(launch: Launch, leave: Leave) -> None:
    parent = family(launch)[0]
    before = counters(parent)
    with stopped(family(launch)), storm(launch.socket, PORT, 100, leave=leave, network=parent) as counted:
        assert counted.accepted + counted.overflowed >= 50
        assert counters(parent).accepted - before.accepted >= counted.accepted
    assert leave is Leave.CLOSE or counted.reset > 0


def test_a_crowd_overflows_the_backlog(launch: Launch) -> None:
    parent = family(launch)[0]
    with stopped(family(launch)), crowd(launch.socket, PORT, 100, network=parent) as counted:
        assert counted.overflowed > 0, "the backlog of this pool is 64"


def test_a_storm_on_nobody_is_none(launch: Launch) -> None:
    parent = family(launch)[0]
    with pytest.raises(DidNotTakeHold), storm(launch.socket, NOT_SERVED, 10, leave=Leave.CLOSE, network=parent):
        pass
