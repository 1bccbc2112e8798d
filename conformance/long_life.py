"""The scene of a large N: more connections than a byte can count, one after another, until a child has had its last."""

from collections import Counter
from dataclasses import dataclass

from conformance.regulation import Stopped, settle_start
from conformance.seats import why_not_held
from conformance.stage import Stage
from drivers.client import Client
from drivers.http_exchange import read_exchange
from spec import http
from spec.event import Pid
from spec.parameters import Parameters
from spec.pool import POOL_1
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violation

# Who takes longer for so many, by the first few of them, has it judged with few connections only.
MOST_SECONDS, FIRST = 8.0, 30
# A lone client keeps no more than two children beside its own; more than that, and they come and go.
LANES = 4


@dataclass
class LongLife:
    """The first child that had its N connections, whether it ended within so many seconds, and if a reply was odd."""

    parameters: Parameters
    child: Pid
    ended: bool
    within: float
    odd: Violation | None


def play_long_life(stage: Stage) -> LongLife:
    """Let one client after another come. Raises Blocked, Inconclusive and NotApplicable where none gets there."""
    try:
        settle_start(stage)
    except Stopped:
        if stage.watch.parent_ended or not stage.watch.live:
            raise Blocked(POOL_1.id, seen="there was no pool after the start") from None
    served: Counter[Pid] = Counter()
    last, began, odd = stage.parameters.max_connections, stage.clock(), None
    for come in range(1, LANES * last):
        client = _serve_one(stage)
        child = stage.holders[client.number]
        served[child] += 1
        exchange = read_exchange(client, asked=f"a GET on connection number {served[child]} of a child")
        odd = odd or next(http.judge_exchange(exchange), None)
        if served[child] == last:
            within = stage.pace.reaction
            ended = stage.until(lambda: child not in stage.watch.live, within=within)  # noqa: B023
            return LongLife(stage.parameters, child, ended, within, odd)
        if come == FIRST and (stage.clock() - began) * last / FIRST > MOST_SECONDS:
            raise NotApplicable(f"{last} connections of one child would take more than {MOST_SECONDS:.0f} s")
    raise NotApplicable(f"no child came to {last} connections of {LANES * last} in all")


def _serve_one(stage: Stage) -> Client:
    """Hold a connection until its child is known, and have it served."""
    client = stage.hold_connections(1)[0]
    if not stage.await_holder(client):
        raise why_not_held(stage) or Inconclusive(f"nobody was seen to accept a connection in {client.waited:.1f} s")
    stage.ask([client])
    stage.await_end([client])
    if not client.served:
        raise Inconclusive(f"a client was {client.why_lost()}")
    return client
