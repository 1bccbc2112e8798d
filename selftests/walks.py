"""Random walks through the pool's model, written down as the timelines that an observer would have left.

What the model allows must pass the judges of `spec/`, and a step that a clause forbids must be found by that clause's
judge: so that the model and the judges are two readings of one text.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from selftests.pool_model import Kind, Move, PoolModel, State
from spec.clause import ClauseId
from spec.event import Accepted, ConnectionId, Dropped, Ended, Event, Phase, Pid, Rested, Spawned, Timeline, Wanted
from spec.parameters import Parameters


@dataclass
class Walk:
    """One server's history so far: its state in the model, its children by pid, and the timeline."""

    model: PoolModel
    state: State = field(default_factory=State)
    events: list[Event] = field(default_factory=list)
    served: dict[Pid, int] = field(default_factory=dict)  # by each live child
    holds: dict[Pid, ConnectionId] = field(default_factory=dict)
    rested: bool = False
    _pids: Iterator[int] = field(default_factory=lambda: itertools.count(101))
    _connections: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def parameters(self) -> Parameters:
        """The parameters of the server."""
        return self.model.parameters

    def timeline(self) -> Timeline:
        """Give the history so far."""
        return Timeline(tuple(self.events))

    def forbidden(self) -> list[tuple[Move, ClauseId]]:
        """Give the possible moves that one clause, and no other, forbids here."""
        by: dict[Move, list[ClauseId]] = {}
        for demand in self.model.demands(self.state):
            for move in demand.forbidden:
                by.setdefault(move, []).append(demand.clause)
        possible = dict(self.model.moves(self.state))
        return [(move, by[move][0]) for move in possible if len(by.get(move, ())) == 1]

    def wander(self, random: Random, steps: int) -> None:
        """Make allowed moves, by chance; now and then, rest where that is allowed."""
        for _ in range(steps):
            banned = {move for demand in self.model.demands(self.state) for move in demand.forbidden}
            allowed = [move for move, _ in self.model.moves(self.state) if move not in banned]
            if self.model.within_bounds(self.state) and not self.rested and random.random() < 0.5:
                self.rest()
            elif allowed:
                self.make(random.choice(allowed), random)

    def rest(self) -> None:
        """Note a quiet round."""
        self.rested = True
        self._write(Rested(self._now, Phase.END))

    def make(self, move: Move, random: Random) -> None:
        """Make one move, allowed or not."""
        self.state = dict(self.model.moves(self.state))[move]
        held = len(self.state.busy) + self.state.waiting
        match move.kind:
            case Kind.CONNECT:
                self._write(Wanted(self._now, Phase.FLOOD_TIDE, held))
                self.rested = False
            case Kind.FINISH:
                self._write(Wanted(self._now, Phase.EBB, held))
                self.rested = False
                child = self._one(random, move.number, busy=True)
                self.served[child] += 1
                self._write(Dropped(self._now, self.holds.pop(child)))
            case Kind.ACCEPT:
                child = self._one(random, move.number, busy=False)
                self.holds[child] = ConnectionId(next(self._connections))
                self._write(Accepted(self._now, self.holds[child], child))
            case Kind.GROW:
                for _ in range(move.number):
                    child = Pid(next(self._pids))
                    self.served[child] = 0
                    self._write(Spawned(self._now, child))
            case Kind.SHED | Kind.END | Kind.KILL:
                child = self._one(random, move.number, busy=move.kind is Kind.KILL)
                del self.served[child]
                self.holds.pop(child, None)
                self._write(Ended(self._now, child))

    def _one(self, random: Random, served: int, *, busy: bool) -> Pid:
        return random.choice(
            [pid for pid, count in self.served.items() if count == served and (pid in self.holds) == busy]
        )

    @property
    def _now(self) -> float:
        return len(self.events) / 100

    def _write(self, event: Event) -> None:
        self.events.append(event)
