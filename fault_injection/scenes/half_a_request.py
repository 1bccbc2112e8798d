"""A client that has said one half of its request: its child waits for the other, in the middle of its work."""

from conformance.clients import GET
from conformance.seats import asleep, wait, why_not_held
from drivers.client import Client
from fault_injection.scenes.ordeal import Ordeal
from spec.verdict import Inconclusive

HALF = len(GET) // 2


def half_a_request(told: Ordeal) -> Client:
    """Let a client say one half of its request, and wait for its child to wait for the other."""
    stage, (client,) = told.stage, told.stage.hold_connections(1)
    wait(stage, lambda: stage.is_decided(client), within=stage.pace.reaction)
    if client.number not in stage.holders:
        raise why_not_held(stage) or Inconclusive(f"nobody was seen to accept a connection in {client.waited:.1f} s")
    stage.send(client, GET[client.greeted : HALF])
    wait(stage, lambda: asleep(stage.holders[client.number]), within=stage.pace.reaction)
    return client
