"""The faults as pytest fixtures, for tests of one's own: `pytest_plugins = ["fault_injection.fixtures"]`.

Each fixture is a verb that makes its fault happen for the rest of the test, and gives what the fault gives; at the
test's end all of them are undone, the last one first. Composed by hand, a fault is a context manager:
`with killed([pid]):`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import ParamSpec, TypeVar

import pytest

from fault_injection import channel, floods, limits, signals, stalls, syscalls, wire_faults, wire_flood
from fault_injection import wire as wires

Asked = ParamSpec("Asked")
Given = TypeVar("Given")


@pytest.fixture
def faults() -> Iterator[ExitStack]:
    """Hold the faults of one test, to be undone at its end."""
    with ExitStack() as held:
        yield held


def _verb(
    fault: Callable[Asked, AbstractContextManager[Given]],
) -> Callable[[ExitStack], Callable[Asked, Given]]:
    def verb(faults: ExitStack) -> Callable[Asked, Given]:
        def happen(*arguments: Asked.args, **named: Asked.kwargs) -> Given:
            return faults.enter_context(fault(*arguments, **named))

        return happen

    verb.__doc__ = fault.__doc__
    return pytest.fixture(verb)


killed = _verb(signals.killed)
signalled = _verb(signals.signalled)
rain = _verb(signals.rain)
silent = _verb(stalls.silent)
slow = _verb(stalls.slow)
never_reading = _verb(stalls.never_reading)
half_closed = _verb(stalls.half_closed)
reset = _verb(stalls.reset)
dead = _verb(stalls.dead)
storm = _verb(floods.storm)
crowd = _verb(floods.crowd)
shut_for_reading = _verb(channel.shut_for_reading)
shut_both_ways = _verb(channel.shut_both_ways)
deaf_parent = _verb(channel.deaf_parent)
said_to_child = _verb(channel.said_to_child)
said_to_parent = _verb(channel.said_to_parent)
filled = _verb(channel.filled)
out_of_descriptors = _verb(limits.out_of_descriptors)
no_more_processes = _verb(limits.no_more_processes)
no_more_memory = _verb(limits.no_more_memory)
refused = _verb(syscalls.refused)
killed_at = _verb(syscalls.killed_at)
held_back = _verb(syscalls.held_back)
wire = _verb(wires.wire)
zero_window = _verb(wire_faults.zero_window)
unacknowledged = _verb(wire_faults.unacknowledged)
vanished = _verb(wire_faults.vanished)
half_open = _verb(wire_flood.half_open)
