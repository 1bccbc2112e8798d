"""Hands out launches of the subject to the tests of one worker: fresh ones, shared ones, and played scenarios.

Launches are the main cost of a check. A server that a test left as it found it serves the next test too; a scenario is
played once and judged by many tests.
"""

import fcntl
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from threading import Thread
from typing import IO, TypeVar

from conformance.account import Account, Purpose, spent_on
from conformance.parameter_sets import POOL_A, DrawnSets
from conformance.records import Record, Records
from conformance.regulation import Stopped, settle, settle_start
from conformance.run_notes import RunNotes
from conformance.stage import UNWATCHED, Calls, CannotStart, More, Stage, SubjectEnded
from spec.event import Phase
from spec.lifecycle import LIFECYCLE_1
from spec.parameters import Parameters
from spec.pool import POOL_1
from spec.verdict import Blocked, Inconclusive, Violated
from subject.launch import LaunchRefused

Played = TypeVar("Played")

# Ports below those that the kernel gives to clients, and above those that services have.
FIRST_PORT, LAST_PORT = 20_000, 32_000


@dataclass
class Launches(DrawnSets):
    """The launches of one worker. `folder` is shared by all workers of the run."""

    folder: Path
    isolate: bool = True
    worker: str = "main"
    records: Records = field(default_factory=Records)  # of the launches that the last test used
    account: Account = field(default_factory=Account)
    used: list[Parameters] = field(default_factory=list)  # every set that the subject was told
    _scenes: dict[str, object] = field(default_factory=dict)
    _records: dict[str, tuple[Record, ...]] = field(default_factory=dict)  # of the scenes
    _shared: Stage | None = None
    _shared_settled: bool = True
    _current: Stage | None = None
    _count: int = 0

    def port(self) -> int:
        """Draw a port for one launch, or give the fixed one."""
        if self.profile.port is not None:
            return self.profile.port
        while True:
            self._count += 1
            port = Random(f"port {self.seed} {self.worker} {self._count}").randint(FIRST_PORT, LAST_PORT)
            # In a network of its own, every port is free.
            if self.isolate or _is_free(port):
                return port

    @property
    def notes(self) -> RunNotes:
        """What the workers of this run tell each other."""
        return RunNotes(self.folder)

    @contextmanager
    def launched(self, parameters: Parameters, *, calls: Calls = UNWATCHED) -> Iterator[Stage]:
        """Launch the subject for one test, listening but not yet settled; ended afterwards."""
        stage = self._start(parameters, calls)
        try:
            yield stage
        finally:
            stage.close()

    @contextmanager
    def unstarted(self, parameters: Parameters, port: int, *, occupied_port: int | None = None) -> Iterator[Stage]:
        """Launch the subject for a test of its refusals: nothing is waited for."""
        self._insist_on_subject()
        stage = self._launch(parameters, port, occupied_port=occupied_port)
        try:
            yield stage
        finally:
            stage.close()

    @contextmanager
    def settled(self, parameters: Parameters) -> Iterator[Stage]:
        """Launch the subject for one test, its pool within the bounds (or as near as it comes)."""
        with self.launched(parameters) as stage:
            try:
                settle_start(stage)
            except Stopped:
                self._insist_on_pool(stage)
            yield stage

    @contextmanager
    def shared(self) -> Iterator[Stage]:
        """Hand out the worker's shared launch, which the test must leave as it found it.

        Whether it did is looked at, not believed: the same parent, the pool within its bounds, no connection left;
        else the launch is ended, and the next test gets a fresh one.
        """
        self._insist_on_subject()
        if self._shared is None:
            stage = self._start(POOL_A if "max_children" in self.profile.placeholders else POOL_A.unlimited())
            self._shared = stage
            self._shared_settled = True
            try:
                settle_start(stage)
            except Stopped:
                self._insist_on_pool(stage)
                # There is nothing to come back to: the tests after it need not wait for it again.
                self._shared_settled = False
        stage = self._current = self._shared
        try:
            yield stage
        except Violated as error:
            stage.watch.sample()
            if stage.watch.parent_ended:
                # What was seen of a pool without a parent is not what the test looks at.
                raise SubjectEnded(f"{stage.how_it_ended()}; then: {error.seen}") from error
            raise
        finally:
            if not self._as_it_was(stage):
                stage.close()
                self._shared = None

    def play(self, key: str, parameters: Parameters, scene: Callable[[Stage], Played]) -> Played:
        """Play a scenario on a fresh launch, once; later calls give what it left."""
        return self.remember(key, lambda: self.played(parameters, scene))

    def played(self, parameters: Parameters, scene: Callable[[Stage], Played]) -> Played:
        """Play a scenario on a fresh launch."""
        with self.launched(parameters) as stage:
            return scene(stage)

    def remember(self, key: str, look: Callable[[], Played]) -> Played:
        """Look at something once; later calls give what was seen, or raise what was raised."""
        if key not in self._scenes:
            self.see(key, look)
        self._current, self.records = None, Records(self._records[key])
        left = self._scenes[key]
        if isinstance(left, Exception):
            raise left
        return left  # type: ignore[return-value]

    def see(self, key: str, look: Callable[[], object], *, by: "Launches | None" = None) -> None:
        """Look at something, for `remember` to give what was seen, or to raise what was raised.

        The launches were handed out `by` others, where several look at once.
        """
        try:
            self._scenes[key] = look()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next test that asks is told the same
            self._scenes[key] = error
        self._records[key] = tuple((by or self).all_records())

    def side_by_side(self, looks: Mapping[str, Callable[["Launches"], object]]) -> None:
        """Look at several things at once, most of which is waiting, each with launches of its own; `remember` tells.

        One after another where all of them need the same port.
        """
        unseen = {key: look for key, look in looks.items() if key not in self._scenes}
        if self._is_everybodys_port():
            for key, look in unseen.items():
                self.see(key, partial(look, self))
            return
        others = {
            key: replace(
                self, worker=f"{self.worker} {key}", account=Account(), records=Records(), _shared=None, _current=None
            )
            for key in unseen
        }
        # They are nobody's business at an interrupt: the wardens end what they launched.
        threads = [
            Thread(target=self.see, args=(key, partial(look, others[key])), kwargs={"by": others[key]}, daemon=True)
            for key, look in unseen.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.account.adopt(other.account for other in others.values())

    def close(self) -> None:
        """End whatever still runs."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    def _start(self, parameters: Parameters, calls: Calls = UNWATCHED) -> Stage:
        self._insist_on_subject()
        stage = self._launch(parameters, self.port(), calls=calls)
        try:
            return stage.start(elsewhere=self.notes.listens_elsewhere)
        except CannotStart as error:
            raise Blocked(LIFECYCLE_1.id, seen=f"with {parameters}: {error}") from error
        except BaseException:
            stage.close()
            raise

    @spent_on(Purpose.LAUNCHING)
    def _launch(
        self, parameters: Parameters, port: int, *, occupied_port: int | None = None, calls: Calls = UNWATCHED
    ) -> Stage:
        lock = self._only_one_on_port()
        more: More = {"account": self.account, "isolate": self.isolate, "occupied_port": occupied_port, "calls": calls}
        try:
            self._current = Stage(self.profile, parameters, port, pace=self.pace, **more)
        except LaunchRefused as error:
            lock.close()
            raise Inconclusive(f"this machine refused the launch: {error}") from error
        self._current.before_end(self._note)
        self._current.at_end(lock.close)
        told = {"min_spare", "max_spare", "max_connections"} <= self.profile.placeholders
        if told and parameters not in self.used:
            self.used.append(parameters)
        return self._current

    def _only_one_on_port(self) -> IO[str]:
        """Where a fixed port is everybody's, let only one launch of the run have it; gives the lock."""
        lock = (self.folder / "port.lock").open("a")
        if self._is_everybodys_port():
            if self._shared is not None:
                self._shared.close()
                self._shared = None
            fcntl.flock(lock, fcntl.LOCK_EX)
        return lock

    def _is_everybodys_port(self) -> bool:
        return self.profile.port is not None and not self.isolate

    def all_records(self) -> Records:
        """Give what is left of the launches that the last test used."""
        if self._current is not None:
            self._note(self._current)
        return self.records

    def record_of(self, seen: str) -> Record:
        """Give what is left of the launch that a text is about: a scene may have had several."""
        return self.all_records().shown_by(seen)

    def _note(self, stage: Stage) -> None:
        """Keep a record of a launch that still has its warden; without one, what was kept before stands."""
        if not stage.closed:
            self.records.note(stage)

    def _as_it_was(self, stage: Stage) -> bool:
        if stage.closed or stage.watch.parent_ended:
            return False
        for client in list(stage.clients()):
            stage.drop(client)
        parent = stage.watch.parent
        try:
            if self._shared_settled:
                settle(stage, Phase.END)
            clear = stage.until(stage.all_let_go, within=stage.pace.reaction)
        except (Stopped, SubjectEnded, LaunchRefused):
            return False
        return clear and stage.watch.parent == parent

    @staticmethod
    def _insist_on_pool(stage: Stage) -> None:
        """A pool outside its bounds can serve other sections; none at all can't."""
        if stage.watch.parent_ended:
            raise Blocked(POOL_1.id, seen=stage.how_it_ended())

    def _insist_on_subject(self) -> None:
        """Raise Blocked where the subject is known not to start, or enough is known of it."""
        with self.notes.first_launch() as nobody_knows:
            if nobody_knows:
                self._try_once()
        seen = self.notes.why_it_cannot_start()
        if seen is not None:
            raise Blocked(LIFECYCLE_1.id, seen=seen)
        self.notes.raise_if_enough()

    def _try_once(self) -> None:
        with self._launch(self.pool_set("first"), self.port()) as stage:
            try:
                stage.start()
            except CannotStart as error:
                self.notes.note_that_it_cannot_start(str(error))
                return
            self.notes.note_that_it_starts(elsewhere=stage.wrong_port is not None)


def _is_free(port: int) -> bool:
    """Tell whether nobody has a port now, in the network that all share."""
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
