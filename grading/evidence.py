"""What a failure is shown by: the timeline of the launch that it was seen on, and what the launch was told.

As plain values, which travel in a report and stand in the verdict document. Owns how an event is written down there,
and how much of a timeline is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from enum import Enum
from typing import Any

from spec import event as events
from spec.event import Connected, Dropped, Event, Phase, Served, Timeline
from spec.parameters import Parameters

# Clients that come and go by the hundred say little each, and are what a long timeline is made of.
SHORT = (Connected, Served, Dropped)
MOST_EVENTS = 1500
MOST_OF_A_TEXT = 200  # characters
KINDS: Mapping[str, type[Event]] = {
    kind.__name__.lower(): kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}


def plain(parameters: Parameters | None, timeline: Timeline) -> dict[str, Any] | None:
    """Give the evidence as plain values; None where there is nothing to show."""
    if not timeline.events:
        return None
    kept = _cut(timeline.events)
    return {
        "parameters": asdict(parameters) if parameters is not None else None,
        "until": round(timeline.until, 6),
        "left_out": len(timeline.events) - len(kept),
        "events": [_as_plain(event) for event in kept],
    }


def read(evidence: Mapping[str, Any]) -> Timeline:
    """Give the timeline of what `plain` gave."""
    return Timeline(tuple(map(_as_event, evidence["events"])), evidence["until"])


def _cut(everything: Sequence[Event]) -> list[Event]:
    """Leave out first the oldest of the short connections' comings and goings, then the oldest of all."""
    excess = len(everything) - MOST_EVENTS
    kept = []
    for event in everything:
        if excess > 0 and isinstance(event, SHORT):
            excess -= 1
        else:
            kept.append(event)
    return kept[-MOST_EVENTS:]


def _as_plain(event: Event) -> dict[str, Any]:
    values = {field.name: _value(getattr(event, field.name)) for field in fields(event)}
    return {"event": type(event).__name__.lower(), **values}


def _value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return round(value, 6)
    return value[:MOST_OF_A_TEXT] if isinstance(value, str) else value


def _as_event(written: Mapping[str, Any]) -> Event:
    values = {name: value for name, value in written.items() if name != "event"}
    if "phase" in values:
        values["phase"] = Phase(values["phase"])
    return KINDS[written["event"]](**values)
