"""Faults on the wire: a TUN device in the server's own network, and peers that no kernel plays."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from conformance.clients import GET
from conformance.launches import Launches
from fault_injection.scenes.ordeal import Ordeal, ordeal
from fault_injection.wire import NotReached, Wire, wire
from fault_injection.wire_faults import (
    ServerFirst,
    data_after_fin,
    fin_before_any_byte,
    in_single_bytes,
    out_of_order,
    repeated,
    reset_before_accept,
    reset_in_reply,
    reset_in_request,
    reset_unacknowledged,
    unacknowledged,
    vanished,
    zero_window,
)
from fault_injection.wire_flood import half_open
from fault_injection.wire_peer import Peer
from spec import recovery
from spec.verdict import NotApplicable

Seen = Callable[[str], None]
SYNS, RESETS = 3000, 20
FEW_CHILDREN = 8
PART = GET[: len(GET) // 2]


@contextmanager
def laid(told: Ordeal) -> Iterator[Wire]:
    """Lay a wire to the pool. Raises NotApplicable where the server does not listen for it."""
    told.insist_on_silent_connections()
    stage = told.stage
    within = stage.pace.answer + stage.pace.service_time
    try:
        with wire(stage.launch, stage.port, until=stage.until, within=within) as made:
            yield made
    except NotReached as error:
        raise NotApplicable(str(error)) from error


@pytest.mark.clause("recovery-8")
def test_resets_and_odd_segments_on_the_wire_cost_no_child(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_8) as told, laid(told) as made:
        stage, children, refused = told.stage, list(told.live), []
        faults: list[tuple[str, Callable[[], object]]] = [
            ("handshakes were reset before they were accepted", lambda: reset_before_accept(made, 3)),
            ("a request was reset in its middle", lambda: reset_in_request(made, PART)),
            ("a reply was reset in its middle", lambda: reset_in_reply(made, GET)),
            ("a reply was reset while it was in flight", lambda: reset_unacknowledged(made, GET)),
            ("a request came in single bytes", lambda: in_single_bytes(made, GET)),
            ("a request came out of order", lambda: out_of_order(made, GET)),
            ("a request came twice", lambda: repeated(made, GET)),
            ("a client ended its side without a byte", lambda: fin_before_any_byte(made)),
            ("data came after the client's end", lambda: data_after_fin(made, GET)),
        ]
        with told.quiet():
            for words, fault in faults:
                told.fault = words
                try:
                    fault()
                except ServerFirst as error:
                    refused.append(f"{words}: {error}")
                    continue
                told.happens(words)
                # To its end, or to one that the server makes for lack of patience; what is left is reset.
                made.settle(lambda: all(peer.ended or peer.over for peer in made.peers), within=stage.pace.reaction)
                made.leave()
                told.keeps(children)
        told.recovers()
        seen(f"{told}{'; not made: ' if refused else ''}{'; '.join(refused)}")


@contextmanager
def not_taken(told: Ordeal, made: Wire, fault: Callable[[Wire, bytes], AbstractContextManager[Peer]]) -> Iterator[None]:
    """Have two clients ask and not take the reply: two children that stayed busy would be replaced, and be too many.

    Who has more to say than the connection's send queue holds must wait for the client, and is busy. Nobody else is:
    what waits then waits in the kernel.
    """
    stage, passing = told.stage, told.stage.passing
    with fault(made, GET) as one, fault(made, GET) as other:

        def count_writers() -> None:
            sides = [made.side(peer) for peer in (one, other)]
            stage.passing = passing + sum(side is not None and side.held and not side.ended for side in sides)

        told.meanwhile = count_writers
        yield
    # Now they take it: whoever was busy is through.
    stage.passing, told.meanwhile = passing, made.attend
    told.comes_back(when="once they took the reply, ", within=stage.pace.answer)
    told.meanwhile = None


@pytest.mark.clause("recovery-8")
def test_f_comes_though_the_reply_is_not_taken(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_8) as told, laid(told) as made:
        for words, fault in (
            ("two clients advertised a window of zero", zero_window),
            ("two clients acknowledged nothing of the reply", unacknowledged),
        ):
            with not_taken(told, made, fault):
                told.happens(words)
                told.comes_back(within=told.stage.pace.answer)
                told.meets_the_next_load()
        made.leave()
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-7")
def test_clients_that_take_no_reply_or_vanish_hold_only_their_own_children(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_7) as told, laid(told) as made:
        with zero_window(made, GET), vanished(made, PART):
            told.happens("a client advertised a window of zero, and another one vanished in its request")
            with told.passing(1):  # the child of the one that vanished
                told.serves(4, at_once=1)
                # Those who served them are idle again; the first one's child may wait for it to close.
                told.comes_back(or_busy=1)
        made.leave()
        told.recovers()
        seen(str(told))


@pytest.mark.clause("recovery-9")
def test_the_pool_comes_back_after_a_flood_of_syns(launches: Launches, seen: Seen) -> None:
    with ordeal(launches, recovery.RECOVERY_9, max_children=FEW_CHILDREN) as told, laid(told) as made:
        with half_open(made, SYNS) as flood:
            told.happens(f"{SYNS} SYNs had come from as many clients")
            told.stage.check_parent()
        told.fault += f", and {RESETS} handshakes that were reset at once"
        try:
            reset_before_accept(made, RESETS)
        except ServerFirst:
            pass  # this server is quick; the SYNs stand
        made.leave()
        told.recovers()
        seen(f"{told}: {flood.taken_in} SYNs, {flood.half_open} half open, {flood.cookies} cookies")
