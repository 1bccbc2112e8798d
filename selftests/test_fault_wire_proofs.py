"""The proofs of faults on the wire: each is missing where its fault is prevented."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from fault_injection import wire_faults, wire_flood
from fault_injection.fault import DidNotTakeHold, Unserved
from fault_injection.wire import NotReached, Wire, wire
from fault_injection.wire_faults import ServerFirst
from fault_injection.wire_peer import Peer, in_order
from selftests.facts import IN_TROUBLE
from selftests.launching import subject_processes
from selftests.wired import GET, NEEDS_A_WIRE, PORT, served, until
from subject.launch import Launch
from subject.stopping import stopped
from subject.tunnel import NEAR

pytestmark = NEEDS_A_WIRE

SHORTLY = 0.1  # seconds, for what will not come


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    with served() as launch:
        yield launch


def held(context: AbstractContextManager[object]) -> None:
    with context:
        pass


FAULTS: dict[str, Callable[[Wire], object]] = {
    "reset_before_accept": lambda laid: wire_faults.reset_before_accept(laid, 3),
    "reset_in_request": lambda laid: wire_faults.reset_in_request(laid, GET),
    "reset_in_reply": lambda laid: wire_faults.reset_in_reply(laid, GET),
    "reset_unacknowledged": lambda laid: wire_faults.reset_unacknowledged(laid, GET),
    "zero_window": lambda laid: held(wire_faults.zero_window(laid, GET)),
    "unacknowledged": lambda laid: held(wire_faults.unacknowledged(laid, GET)),
    "vanished": lambda laid: held(wire_faults.vanished(laid, GET)),
    "in_single_bytes": lambda laid: wire_faults.in_single_bytes(laid, GET),
    "out_of_order": lambda laid: wire_faults.out_of_order(laid, GET),
    "repeated": lambda laid: wire_faults.repeated(laid, GET),
    "fin_before_any_byte": wire_faults.fin_before_any_byte,
    "data_after_fin": lambda laid: wire_faults.data_after_fin(laid, GET),
    "half_open": lambda laid: held(wire_flood.half_open(laid, 100)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_takes_hold_where_nobody_listens(launch: Launch, name: str) -> None:
    with (
        wire(launch, PORT + 1, until=until, within=IN_TROUBLE, address=NEAR) as laid,
        pytest.raises(DidNotTakeHold, match="flood" if name == "half_open" else "nobody listens"),
    ):
        FAULTS[name](laid)


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_takes_hold_where_packets_are_lost(launch: Launch, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "write", lambda *_: None)
    with wire(launch, PORT, until=until, within=SHORTLY) as laid, pytest.raises(DidNotTakeHold):
        FAULTS[name](laid)


@pytest.mark.parametrize("name", ["reset_in_reply", "reset_unacknowledged", "zero_window", "unacknowledged"])
def test_no_fault_of_a_reply_takes_hold_without_one(launch: Launch, name: str) -> None:
    with (
        wire(launch, PORT, until=until, within=SHORTLY) as laid,
        stopped(subject_processes(launch)),
        pytest.raises(Unserved),
    ):
        FAULTS[name](laid)


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("reset_before_accept", "rst"),
        ("reset_in_request", "rst"),
        ("reset_unacknowledged", "rst"),
        ("fin_before_any_byte", "fin"),
    ],
)
def test_a_fault_without_its_segment_does_not_take_hold(
    launch: Launch, name: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire(launch, PORT, until=until, within=SHORTLY) as laid, monkeypatch.context() as prevented:
        prevented.setattr(Peer, verb, lambda _: None)
        with pytest.raises(DidNotTakeHold):
            FAULTS[name](laid)


@pytest.mark.parametrize(
    ("name", "cut"), [("in_single_bytes", "byte_by_byte"), ("out_of_order", "backwards"), ("repeated", "each_twice")]
)
def test_segments_in_order_are_no_fault(launch: Launch, name: str, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_faults, cut, in_order)
    with wire(launch, PORT, until=until, within=SHORTLY) as laid, pytest.raises(DidNotTakeHold):
        FAULTS[name](laid)


def test_no_data_after_the_end_is_no_fault(launch: Launch) -> None:
    with wire(launch, PORT, until=until, within=SHORTLY) as laid, pytest.raises(DidNotTakeHold):
        wire_faults.data_after_fin(laid, GET, more=b"")


@pytest.mark.parametrize("name", ["reset_in_reply", "zero_window", "unacknowledged"])
def test_a_server_that_ends_the_connection_first_is_told_apart(name: str) -> None:
    with (
        served(how="hasty") as launch,
        wire(launch, PORT, until=until, within=IN_TROUBLE) as laid,
        pytest.raises(ServerFirst),
    ):
        FAULTS[name](laid)


def test_a_port_that_nobody_listens_on_is_not_reached(launch: Launch) -> None:
    with pytest.raises(NotReached), wire(launch, PORT + 1, until=until):
        pass
