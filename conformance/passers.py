"""Short clients, one after another, a few at a time: the load under which nobody may be lost."""

from conformance.clients import GET
from conformance.stage import Stage
from drivers.client import Client
from spec.event import ConnectionId, Lost

A_WHILE = 0.01  # seconds between two clients at a steady pace: less than anybody's tick


class Passers:
    """Short clients, one after another, a few at a time; each that is not served is written as lost."""

    def __init__(self, stage: Stage, *, most: int, at_once: int, in_haste: int | None = None) -> None:
        """Let at most `most` clients come in all, `at_once` of them at a time.

        Those beyond the first `in_haste`, if it is given, come at a steady pace, as long as anybody lets them come.
        """
        self._stage = stage
        self._in_haste = most if in_haste is None else in_haste
        self._most = most
        self._at_once = at_once
        self._present: list[Client] = []
        self._since: dict[ConnectionId, float] = {}
        self._come = 0
        self._last = 0.0  # when somebody came
        self.served = 0
        self.lost: list[str] = []

    def come(self) -> None:
        """See off who is finished, and let others in."""
        stage = self._stage
        for client in list(self._present):
            if not client.open:
                self._see_off(client)
            elif stage.is_stuck(client) or stage.clock() - self._since[client.number] > stage.pace.answer:
                self._see_off(client)
                stage.drop(client)
        # The first loss decides; waiting for more of them would only take long.
        while len(self._present) < self._at_once and self._come < self._most and not self.lost:
            if self._come >= self._in_haste and stage.clock() - self._last < A_WHILE:
                break
            self._come += 1
            self._last = stage.clock()
            client = stage.connect(GET, follow=False)
            self._since[client.number] = stage.clock()
            self._present.append(client)
        stage.passing = len(self._present)

    @property
    def all_gone(self) -> bool:
        """Tell whether all have come, and none is left."""
        return self._come >= self._most and not self._present

    def leave(self, *, within: float | None = None) -> int:
        """Wait for those that are here; gives how many were served in all."""
        self._come = self._most
        self._stage.await_end(self._present, within=within)
        for client in list(self._present):
            self._see_off(client)
            if client.open:
                self._stage.drop(client)
        self._stage.passing = 0
        return self.served

    def _see_off(self, client: Client) -> None:
        self._present.remove(client)
        if client.served:
            self.served += 1
        else:
            self.lost.append(client.why_lost())
            self._stage.watch.write(Lost(self._stage.clock(), client.number, client.why_lost()))
