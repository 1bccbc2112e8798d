"""A soak: random load and random faults together, drawn from a seed, with a record of all that was done.

Only those clients may be lost whose child was killed while it had them. To know whom it has, a child is stopped before
it is killed. What is drawn does not depend on time, so that a seed gives the same faults in the same order again.
"""

import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from conformance.clients import GET
from conformance.seats import wait
from drivers.client import Client
from fault_injection.floods import Leave, storm
from fault_injection.scenes.ordeal import Ordeal
from fault_injection.signals import killed, rain
from fault_injection.stalls import half_closed, reset
from observers import procfs
from spec.event import Lost, Pid
from subject.stopping import stopped

AT_ONCE, BETWEEN = 2, 0.01  # short clients, and seconds between two that come
MOST_HELD = 5
STORM = 40
TOLD = 5  # the last faults, in a failure


@dataclass(frozen=True)
class Drawn:
    """One step as it was drawn: which fault, to whom (a place from 0 to 1), and for how many seconds."""

    fault: str
    place: float
    seconds: float


@dataclass
class Soak:
    """A pool under random faults and load. `record` has all that was done, in order."""

    told: Ordeal
    random: Random
    served: int = 0
    victims: int = 0
    record: deque[str] = field(default_factory=lambda: deque(maxlen=TOLD))
    faults: int = 0
    _present: list[Client] = field(default_factory=list)
    _excused: set[int] = field(default_factory=set)  # numbers of clients whose child was killed
    _last_came: float = 0.0

    def run(self, seconds: float) -> None:
        """Go on for so many seconds, then see all clients off."""
        stage = self.told.stage
        end = stage.clock() + seconds
        while stage.clock() < end:
            drawn = self._draw()
            self._do(drawn)
            self._load(0.02)
        self._see_all_off()

    def _draw(self) -> Drawn:
        # Always as many draws: what one fault comes to must not change the next.
        return Drawn(self.random.choice(tuple(FAULTS)), self.random.random(), self.random.uniform(0.01, 0.15))

    def _do(self, drawn: Drawn) -> None:
        stage = self.told.stage
        words = FAULTS[drawn.fault](self, drawn)
        if not words:
            return  # there was nobody whom it could happen to
        self.faults += 1
        self.record.append(f"{stage.clock():.2f} s {words}")
        self.told.happens(f"{', '.join(self.record)} (fault {self.faults})")

    # --- load -------------------------------------------------------------------------------------------------------

    def _load(self, seconds: float) -> None:
        """Let short clients come and go for a while."""
        stage = self.told.stage
        end = stage.clock() + seconds
        while stage.clock() < end:
            if len(self._present) < AT_ONCE and stage.clock() - self._last_came > BETWEEN:
                self._come()
            stage.step()
            stage.check_parent()
            self._see_off()

    def _come(self) -> None:
        self._last_came = self.told.stage.clock()
        self._present.append(self.told.stage.connect(GET, follow=False))
        self.told.stage.passing = len(self._present)

    def _see_off(self) -> None:
        stage = self.told.stage
        for client in [client for client in self._present if not client.open]:
            self._present.remove(client)
            if client.served:
                self.served += 1
            elif client.number in self._excused:
                self.victims += 1
            else:
                self._lost(client)
        for client in stage.broken_holds:
            holder = stage.holders.get(client.number)
            if client.number not in self._excused and holder is not None and holder not in stage.watch.live:
                self.told.fails(f"child {holder} ended, which nobody had killed; its client was {client.why_lost()}")
        for client in self._present:
            # One that waits for a child that was killed on its way to it is freed by the next one's arrival.
            if client.waited > stage.pace.answer + stage.pace.step:
                self._lost(client)
        stage.passing = len(self._present)

    def _lost(self, client: Client) -> None:
        stage = self.told.stage
        stage.watch.write(Lost(stage.clock(), client.number, client.why_lost()))
        self.told.fails(f"a client that was nobody's victim was lost: {client.why_lost()}")

    def _see_all_off(self) -> None:
        stage = self.told.stage
        stage.let_go(list(stage.held.values()))
        end = stage.clock() + stage.pace.answer + stage.pace.step
        while self._present and stage.clock() < end:
            stage.step()
            stage.check_parent()
            # The last ones have nobody after them whose arrival would free a wake-up that died with a child.
            if len(self._present) < AT_ONCE and stage.clock() - self._last_came > stage.pace.round:
                self._come()
            self._see_off()

    # --- faults -----------------------------------------------------------------------------------------------------

    def _anyone(self, place: float, among: list[Pid]) -> Pid | None:
        return among[int(place * len(among))] if among else None

    def kill(self, drawn: Drawn) -> str:
        """Kill any child, having seen which clients it has."""
        stage = self.told.stage
        pid = self._anyone(drawn.place, self.told.live)
        if pid is None:
            return ""
        with stopped([pid]):
            self._excuse(pid)
            with killed([pid]):  # no other signal ends one that is stopped
                self.told.ended += 1
        stage.watch.sample()
        return f"child {pid} got SIGKILL"

    def _excuse(self, pid: Pid) -> None:
        """Note the clients of a stopped child: they go with it."""
        stage = self.told.stage
        inodes = procfs.socket_inodes(pid)
        for client in [*self._present, *stage.held.values()]:
            side = stage.diag.server_side(stage.port, client.local_port) if client.open else None
            if side is not None and side.inode in inodes:
                self._excused.add(client.number)

    def stop_child(self, drawn: Drawn) -> str:
        """Stop any child while the load goes on."""
        pid = self._anyone(drawn.place, self.told.live)
        if pid is None:
            return ""
        with stopped([pid]):
            self._load(drawn.seconds)
        return f"child {pid} was stopped for {drawn.seconds:.2f} s"

    def stop_parent(self, drawn: Drawn) -> str:
        """Stop the parent while the load goes on."""
        with stopped([self.told.parent]):
            self._load(drawn.seconds)
        return f"the parent was stopped for {drawn.seconds:.2f} s"

    def rain(self, drawn: Drawn) -> str:
        """Let meaningless signals rain on all."""
        with rain([self.told.parent, *self.told.live], (signal.SIGCHLD, signal.SIGCONT, signal.SIGURG)) as falling:
            for _ in range(10):
                falling.fall()
                self._load(drawn.seconds / 10)
        return f"{falling.fallen} signals rained"

    def hold(self, drawn: Drawn) -> str:
        """Hold more silent clients."""
        stage = self.told.stage
        count = min(1 + int(drawn.place * 3), MOST_HELD - len(stage.held))
        if count < 1:
            return ""
        stage.hold_connections(count)
        return f"{count} silent clients came"

    def let_go(self, drawn: Drawn) -> str:
        """Let go of some silent clients, in order, by half or with a reset."""
        stage = self.told.stage
        clients = [client for client in stage.held.values() if client.connected]
        if not clients:
            return ""
        client = clients[int(drawn.place * len(clients))]
        if drawn.seconds < 0.05:
            stage.let_go([client])
            return "a silent client left"
        way = half_closed if drawn.seconds < 0.1 else reset
        with way(client, self.told.network):
            stage.drop(client)
        return "a silent client closed its half, and left" if way is half_closed else "a silent client reset"

    def storm(self, drawn: Drawn) -> str:
        """Let clients come and go at once."""
        stage = self.told.stage
        count = 4 if stage.pace.unhurried else STORM
        leave = Leave.CLOSE if drawn.place < 0.5 else Leave.RESET
        if stage.waits_for_data:
            return ""  # it would never be heard of
        with storm(stage.launch.socket, stage.port, count, leave=leave, network=self.told.parent):
            return f"{count} clients came and went ({leave.value})"


FAULTS: dict[str, Callable[[Soak, Drawn], str]] = {
    "kill": Soak.kill,
    "stop a child": Soak.stop_child,
    "stop the parent": Soak.stop_parent,
    "rain": Soak.rain,
    "hold": Soak.hold,
    "let go": Soak.let_go,
    "storm": Soak.storm,
}


def memory(pid: Pid) -> int:
    """Give the bytes of memory that are a process's own (RssAnon); 0 where that is not told."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def await_quiet(told: Ordeal) -> None:
    """Wait until no connection of the soak is left with the server."""
    wait(told.stage, told.stage.all_let_go, within=told.stage.pace.answer)
