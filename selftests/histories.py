"""Writes timelines by hand: one method an event, each a hundredth of a second after the one before."""

from typing import Self

from spec.event import (
    Abandoned,
    Accepted,
    Collapsed,
    Connected,
    ConnectionId,
    Dropped,
    Ended,
    Event,
    Left,
    Lost,
    Phase,
    Pid,
    Reaped,
    Rested,
    Restless,
    Served,
    Settled,
    Spawned,
    Stalled,
    State,
    Timeline,
    Wanted,
)


class History:
    """A timeline in the making. Pids and connections are plain numbers here."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def timeline(self) -> Timeline:
        """Give what was written so far."""
        return Timeline(tuple(self._events))

    def state(self) -> State:
        """Give the pool's state after all that was written."""
        return [State(), *(after for _, _, after in self.timeline().states())][-1]

    @property
    def now(self) -> float:
        """The time of the next event."""
        return round(len(self._events) / 100, 2)

    def _write(self, event: Event) -> Self:
        self._events.append(event)
        return self

    def spawned(self, *pids: int) -> Self:
        """Children were seen for the first time."""
        for pid in pids:
            self._write(Spawned(self.now, Pid(pid)))
        return self

    def ended(self, *pids: int) -> Self:
        """Children were seen ended."""
        for pid in pids:
            self._write(Ended(self.now, Pid(pid)))
        return self

    def connected(self, connection: int) -> Self:
        """A handshake was completed."""
        return self._write(Connected(self.now, ConnectionId(connection)))

    def accepted(self, holders: dict[int, int]) -> Self:
        """Each connection with the process that was seen to hold it."""
        for connection, pid in holders.items():
            self._write(Accepted(self.now, ConnectionId(connection), Pid(pid)))
        return self

    def served(self, *connections: int) -> Self:
        """Connections ended after some bytes."""
        for connection in connections:
            self._write(Served(self.now, ConnectionId(connection)))
        return self

    def dropped(self, *connections: int) -> Self:
        """The client let go."""
        for connection in connections:
            self._write(Dropped(self.now, ConnectionId(connection)))
        return self

    def left(self, *connections: int) -> Self:
        """The server ended silent connections."""
        for connection in connections:
            self._write(Left(self.now, ConnectionId(connection)))
        return self

    def abandoned(self, connection: int) -> Self:
        """The child of a silent connection that was ended lives on."""
        return self._write(Abandoned(self.now, ConnectionId(connection)))

    def lost(self, connection: int, how: str) -> Self:
        """A connection brought nothing."""
        return self._write(Lost(self.now, ConnectionId(connection), how))

    def wanted(self, phase: Phase, held: int) -> Self:
        """The load changes."""
        return self._write(Wanted(self.now, phase, held))

    def settled(self, phase: Phase) -> Self:
        """The pool is within its bounds."""
        return self._write(Settled(self.now, phase))

    def rested(self, phase: Phase) -> Self:
        """A quiet round went by."""
        return self._write(Rested(self.now, phase))

    def stalled(self, phase: Phase, after: float = 2.5) -> Self:
        """No step towards the bounds."""
        return self._write(Stalled(self.now, phase, after))

    def restless(self, phase: Phase, after: float = 2.5) -> Self:
        """No quiet round."""
        return self._write(Restless(self.now, phase, after))

    def collapsed(self, phase: Phase, how: str) -> Self:
        """The parent ended."""
        return self._write(Collapsed(self.now, phase, how))

    def reaped(self) -> Self:
        """The parent reaped someone unseen."""
        return self._write(Reaped(self.now))
