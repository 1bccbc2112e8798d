"""Faults on the wire against a real server: each takes hold, and is undone.

One server of one process serves most tests, one after another; that it still does so at the end is part of each.
"""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fault_injection import wire_faults
from fault_injection.fault import FaultRefused
from fault_injection.network_facts import State
from fault_injection.wire import NotReached, Wire, wire
from fault_injection.wire_faults import asked, connected
from fault_injection.wire_flood import half_open
from fault_injection.wire_peer import Peer
from selftests.facts import IN_TROUBLE
from selftests.launching import ask, order, subject_processes
from selftests.programs import Program
from selftests.wired import GET, NEEDS_A_WIRE, PORT, REPLY, served, until
from subject.launch import Launch, TunnelRefused
from subject.stopping import stopped
from subject.tunnel import NAME

pytestmark = NEEDS_A_WIRE


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    with served() as launch:
        yield launch


@pytest.fixture(name="laid")
def laid_wire(launch: Launch) -> Iterator[Wire]:
    with wire(launch, PORT, until=until, within=IN_TROUBLE) as laid:
        yield laid
    assert ask(launch, PORT) == REPLY


def established(laid: Wire, peer: Peer) -> None:
    assert laid.settle(lambda: peer.established)


def answered(laid: Wire, peer: Peer) -> bytes:
    assert laid.settle(lambda: peer.ended)
    assert peer.fin_seen
    return bytes(peer.received)


# --- the device -----------------------------------------------------------------------------------------------------


def devices(launch: Launch) -> set[str]:
    lines = Path(f"/proc/{launch.init}/net/dev").read_text(encoding="ascii").splitlines()[2:]
    return {line.partition(":")[0].strip() for line in lines}


def test_the_network_has_a_wire_only_while_it_is_laid_and_no_way_out(launch: Launch) -> None:
    before = devices(launch)
    assert NAME not in before
    with wire(launch, PORT, until=until):
        assert devices(launch) == {*before, NAME}
        routes = Path(f"/proc/{launch.init}/net/route").read_text(encoding="ascii").splitlines()[1:]
        network = f"{int.from_bytes(socket.inet_aton('192.0.2.0'), sys.byteorder):08X}"
        assert [line.split()[:3] for line in routes] == [[NAME, network, "00000000"]]
    assert devices(launch) == before


def test_there_is_one_wire_at_a_time_and_another_afterwards(launch: Launch) -> None:
    for _ in range(2):
        with wire(launch, PORT, until=until), pytest.raises(TunnelRefused, match="what would help"):
            launch.tunnel()


def test_a_launch_without_a_network_of_its_own_is_refused_a_wire() -> None:
    with Launch(order("import signal; signal.pause()", isolate=False)) as launch:
        with pytest.raises(TunnelRefused, match="no network of its own"):
            launch.tunnel()
        with (
            pytest.raises(FaultRefused, match="what would help"),
            wire(launch, PORT, until=until, address="192.0.2.1"),
        ):
            pass


def test_a_network_with_another_way_out_is_refused_a_wire() -> None:
    source = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from subject import namespaces, tunnel
namespaces.enter_network_and_pids()
tunnel.NAME = "other0"
tunnel.open_tunnel(loopback=False)
tunnel.NAME = {NAME!r}
try:
    tunnel.open_tunnel(loopback=False)
except tunnel.NoTunnel as refusal:
    print(refusal, flush=True)
"""
    program = Program(source)
    try:
        assert "other0" in program.says()
    finally:
        program.end()


@pytest.mark.parametrize("at", ["127.0.0.1", "::"])
def test_a_server_is_reached_where_it_listens(at: str) -> None:
    with served(at=at) as launch, wire(launch, PORT, until=until) as laid:
        assert answered(laid, asked(laid, GET)) == REPLY


@pytest.mark.parametrize(("at", "how"), [("::1", ""), ("::", "only")], ids=["loopback", "any"])
def test_a_server_of_ipv6_alone_is_not_reached_and_that_is_no_error_of_anybodys(at: str, how: str) -> None:
    with (
        served(at=at, how=how) as launch,
        pytest.raises(NotReached),
        wire(launch, PORT, until=until, within=IN_TROUBLE) as laid,
    ):
        connected(laid)


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_peer_is_served_as_any_client(laid: Wire) -> None:
    peer = asked(laid, GET)
    assert answered(laid, peer) == REPLY
    assert peer.established
    assert peer.acknowledged == len(GET)


def test_handshakes_that_are_reset_before_accept_lie_dead_in_the_queue(launch: Launch, laid: Wire) -> None:
    with stopped(subject_processes(launch)):
        before = laid.waiting()
        wire_faults.reset_before_accept(laid, 20)
        assert laid.waiting() - before == 20
    assert laid.settle(lambda: laid.waiting() == 0)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (wire_faults.reset_in_request, GET[:-2]),
        (wire_faults.reset_in_reply, GET),
        (wire_faults.reset_unacknowledged, GET),
    ],
)
def test_a_reset_ends_the_connection_at_the_server(
    laid: Wire, fault: Callable[[Wire, bytes], Peer], said: bytes
) -> None:
    peer = fault(laid, said)
    assert laid.side(peer) is None
    assert not peer.rst_seen


def test_a_request_is_reset_though_its_part_is_never_acknowledged() -> None:
    """Who puts acknowledgements off sends none once the reset has come."""
    with served(how="late") as launch, wire(launch, PORT, until=until, within=IN_TROUBLE) as laid:
        assert laid.side(wire_faults.reset_in_request(laid, GET[:-2])) is None


def test_a_reset_in_the_reply_comes_after_its_first_byte(laid: Wire) -> None:
    assert wire_faults.reset_in_reply(laid, GET).received == REPLY[:1]


def test_a_reply_waits_for_a_window_and_then_comes_whole(laid: Wire) -> None:
    with wire_faults.zero_window(laid, GET) as peer:
        assert laid.settle(lambda: peer.probes > 0)
        assert not peer.received
    assert answered(laid, peer) == REPLY


@pytest.mark.parametrize("fault", [wire_faults.in_single_bytes, wire_faults.out_of_order, wire_faults.repeated])
def test_a_request_in_odd_segments_is_answered(laid: Wire, fault: Callable[[Wire, bytes], Peer]) -> None:
    assert answered(laid, fault(laid, GET)) == REPLY


def test_an_end_before_any_byte_is_answered_by_an_end(laid: Wire) -> None:
    assert answered(laid, wire_faults.fin_before_any_byte(laid)) == b""


def test_data_after_the_end_spoils_no_reply(laid: Wire) -> None:
    assert answered(laid, wire_faults.data_after_fin(laid, GET)) == REPLY


def test_a_reply_that_is_not_acknowledged_is_repeated_until_it_is(laid: Wire) -> None:
    with wire_faults.unacknowledged(laid, GET) as peer:
        assert laid.settle(lambda: peer.repeated > 0)
    assert laid.settle(lambda: (side := laid.side(peer)) is None or side.unsent == 0)


def test_a_peer_that_vanished_leaves_its_connection_behind_until_it_comes_back(laid: Wire) -> None:
    with wire_faults.vanished(laid, GET[:10]) as peer:
        side = laid.side(peer)
        assert side is not None
        assert side.state is State.ESTABLISHED
    assert laid.side(peer) is None


def test_thousands_of_half_open_handshakes_keep_nobody_from_being_served_and_are_forgotten_after(
    launch: Launch, laid: Wire
) -> None:
    with half_open(laid, 3000) as flood:
        assert flood.taken_in >= 3000
        assert flood.half_open > 0
        assert ask(launch, PORT) == REPLY
    assert not [side for side in laid.sides() if side.state is State.SYN_RECEIVED]


def test_what_a_full_backlog_dropped_is_repeated_until_it_is_served() -> None:
    with served(backlog=1) as launch, wire(launch, PORT, until=until, within=IN_TROUBLE) as laid:
        peers = [laid.peer() for _ in range(5)]
        with stopped(subject_processes(launch)):
            for peer in peers:
                peer.syn()
                laid.attend()
            assert not all(peer.established for peer in peers)
        for peer in peers:
            established(laid, peer)
            peer.send(GET)
            assert answered(laid, peer) == REPLY


def test_whatever_happens_the_wires_end_resets_what_is_open(launch: Launch) -> None:
    kept = []

    def break_off() -> None:
        with wire(launch, PORT, until=until) as laid:
            kept.append(connected(laid))
            kept[0].vanish()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    with wire(launch, PORT, until=until) as laid:
        assert laid.side(kept[0]) is None
    assert ask(launch, PORT) == REPLY
