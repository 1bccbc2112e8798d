"""Faults by system calls that are refused: an old kernel, and an accept that fails."""

from collections.abc import Callable

import pytest

from conformance.clients import GET
from conformance.launches import Launches
from conformance.seats import wait
from conformance.stage import Calls
from fault_injection.scenes.ordeal import A_MOMENT, ordeal
from fault_injection.syscalls import Answers, old_kernel, refused
from spec import epoll, recovery
from spec.verdict import Blocked

Seen = Callable[[str], None]


@pytest.mark.clause("epoll-6")
def test_on_an_old_kernel_the_server_serves_all_the_same(launches: Launches, seen: Seen) -> None:
    refusal = old_kernel()
    calls = Calls(watched=("epoll_ctl",), refusals=(refusal,))
    fault = "each epoll_ctl with EPOLLEXCLUSIVE was answered EINVAL"
    with ordeal(launches, epoll.EPOLL_6, calls=calls, from_the_start=fault) as told:
        stage, children = told.stage, list(told.live)
        with told.quiet():
            # Each of these wakes them all, and none is lost for it. Then each has to take one.
            told.serves()
            clients = stage.hold_connections(len(children))
            wait(stage, lambda: not stage.queued() or bool(stage.broken_holds), within=stage.pace.reaction)
            if stage.queued() and not stage.broken_holds:
                told.fails(
                    f"{stage.queued()} of {len(clients)} connections were not accepted by {len(children)} children"
                )
            told.keeps(children)
            stage.let_go(clients)
        told.recovers()
        count = Answers(told.stage.launch, refusal).count
        if not count:
            raise Blocked(epoll.EPOLL_3.id, seen="nobody asked for EPOLLEXCLUSIVE")
        seen(f"{told}: {count} requests for EPOLLEXCLUSIVE were refused")


@pytest.mark.clause("recovery-10")
@pytest.mark.parametrize(
    "errnos", [("ENFILE",), ("ECONNABORTED", "EINTR", "EMFILE", "ENOBUFS", "ENOMEM")], ids=["ENFILE", "in-turn"]
)
def test_an_accept_that_fails_ends_no_child(launches: Launches, seen: Seen, errnos: tuple[str, ...]) -> None:
    with ordeal(launches, recovery.RECOVERY_10, calls=Calls(watched=("accept",))) as told:
        stage, children = told.stage, list(told.live)
        times = None if errnos == ("ENFILE",) else 3 * len(errnos)
        with told.quiet():
            with refused(stage.launch, "accept", errnos, times=times) as refusals:
                told.happens(f"accept had failed with {' and '.join(errnos)}")
                client = stage.connect(GET, follow=False)
                if times is None:
                    told.bears(A_MOMENT, children=children)
                else:
                    stage.await_end([client])
                # A child that slept in accept took this client in, and is refused when it calls again.
                wait(stage, lambda: bool(refusals.count), within=stage.pace.reaction)
                refusals.insist()
            stage.drop(client)
            told.keeps(children)
        told.recovers()
        seen(f"{told}: accept failed {refusals.count} times")
