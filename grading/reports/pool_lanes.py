"""A pool's timeline as it is shown: a lane for each child, marks for what happened to all, and each event in words."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from spec.event import (
    Accepted,
    Collapsed,
    ConnectionId,
    Dropped,
    Ended,
    Event,
    Faulted,
    Left,
    Lost,
    Ordered,
    Pid,
    Reaped,
    Restless,
    Said,
    Served,
    Spawned,
    Stalled,
    Stranded,
    Timeline,
)


@dataclass
class Lane:
    """One child: from when to when it lived, held connections, and what was said by it and to it."""

    pid: Pid
    born: float
    ended: float | None = None
    busy: list[tuple[float, float]] = field(default_factory=list)
    words: list[tuple[float, str, bool]] = field(default_factory=list)  # at, what, and whether the child said it


class _Lanes:
    """Draws up the lanes, event by event."""

    def __init__(self) -> None:
        self._found: dict[Pid, Lane] = {}
        self._before: list[Lane] = []  # whose pids the kernel has given again
        self._held: dict[ConnectionId, tuple[Pid, float]] = {}

    def take(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Spawned(at=at, pid=pid):
                if pid in self._found:
                    self._before.append(self._found[pid])
                self._found[pid] = Lane(pid, at)
            case Accepted(at=at, connection=connection, pid=pid):
                self._held[connection] = pid, at
            case Served() | Dropped() | Left() | Lost():
                self._let_go(event.connection, event.at)
            case Ended(at=at, pid=pid) if pid in self._found:
                for connection in [each for each, (holder, _) in self._held.items() if holder == pid]:
                    self._let_go(connection, at)
                self._found[pid].ended = at
            case Said(at=at, pid=pid, words=words) | Ordered(at=at, pid=pid, words=words) if pid in self._found:
                self._found[pid].words.append((at, words, isinstance(event, Said)))

    def done(self, until: float) -> list[Lane]:
        """Give the lanes, in the order of the births."""
        for connection in list(self._held):
            self._let_go(connection, until)
        return sorted([*self._before, *self._found.values()], key=lambda lane: lane.born)

    def _let_go(self, connection: ConnectionId, at: float) -> None:
        pid, since = self._held.pop(connection, (Pid(0), 0.0))
        if pid in self._found:
            self._found[pid].busy.append((since, at))


def lanes(timeline: Timeline) -> list[Lane]:
    """Give a lane for each child, in the order of their births."""
    drawn = _Lanes()
    for event in timeline:
        drawn.take(event)
    return drawn.done(end_of(timeline))


def marks(timeline: Timeline) -> Iterator[tuple[float, str]]:
    """Give what happened to the whole pool: faults, and why the suite gave up waiting."""
    for event in timeline:
        match event:
            case Faulted(at=at, how=how):
                yield at, how
            case Stalled(at=at) | Restless(at=at) | Stranded(at=at):
                yield at, f"waited in vain: {event.phase.value}"
            case Collapsed(at=at):
                yield at, "the parent has ended"
            case Reaped(at=at):
                yield at, "reaped unseen"


def end_of(timeline: Timeline) -> float:
    """Give when a timeline ends."""
    return max((timeline.until, *(event.at for event in timeline)))


def in_words(event: Event) -> str:
    """Put one event in words, for those who don't see the drawing."""
    kind = type(event).__name__.lower()
    parts = [
        f"{name} {getattr(event, name)}" for name in ("pid", "connection", "held", "waiting") if hasattr(event, name)
    ]
    text = [str(getattr(event, name)) for name in ("words", "how") if hasattr(event, name)]
    phase = [event.phase.value] if hasattr(event, "phase") else []
    return ", ".join([kind, *parts, *text, *phase])
