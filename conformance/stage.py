"""One launched subject with its clients and its observers: the stage on which a test plays.

A single loop does everything: it lets the clients step, samples the pool at least every two milliseconds, and looks at
the fact that is waited for. There is no thread, so nothing is sampled late because something else runs.
"""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, TypedDict, Unpack

from conformance.account import Account, Purpose, spent_on
from conformance.clients import Clients
from conformance.pace import Pace, Patience
from drivers.client import Client
from observers import procfs, sock_diag
from observers.pool_watch import NoPool, PoolWatch, find_parent
from observers.sock_diag import SockDiag, TcpSocket
from spec.clause import ids
from spec.event import Pid
from spec.parameters import Parameters
from spec.verdict import Decision, Verdict
from subject.launch import Launch, Order, Report
from subject.profile import Profile
from subject.refusal import Refusal

SAMPLE_EVERY = 0.002


class CannotStart(Exception):
    """The subject did not come to listen on any port; the text is what was seen."""


class SubjectEnded(Decision):
    """The pool's parent ended while the suite waited for something; the text is what was seen.

    Where nobody has made more of it, it fails the clause that was being judged, but for a pool that does not regulate.
    """

    verdict = Verdict.FAIL
    rests_on = ids(*(f"pool-{number}" for number in range(1, 10)))


@dataclass(frozen=True)
class Calls:
    """The system calls of a subject that may be refused while it runs, and what is refused from the very start."""

    watched: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()


UNWATCHED = Calls()


class More(TypedDict, total=False):
    """What else a launch may be given. `occupied_port` is listened on by another process."""

    account: Account
    isolate: bool
    occupied_port: int | None
    calls: Calls


class Stage(Clients):
    """A subject in its own network, its pool under watch, and the clients that hold its children busy."""

    def __init__(
        self,
        profile: Profile,
        parameters: Parameters,
        port: int,
        *,
        pace: Pace,
        **more: Unpack[More],
    ) -> None:
        """Launch the subject; raises LaunchRefused."""
        self.account = more.get("account") or Account()
        self.calls = more.get("calls", UNWATCHED)
        self.profile = profile
        self.parameters = parameters
        self.pace = pace
        self.given = profile.words(parameters, port)
        self._began = time.monotonic()
        launch = Launch(
            Order(
                argv=self.given,
                cwd=profile.cwd,
                env=profile.environment(),
                isolate=more.get("isolate", True),
                occupied_port=more.get("occupied_port"),
                watched=self.calls.watched,
                refusals=self.calls.refusals,
                sandbox=profile.sandbox,
            )
        )
        diag = SockDiag(launch.socket(socket.AF_NETLINK, socket.SOCK_RAW, sock_diag.NETLINK_SOCK_DIAG))
        self.outside = frozenset({launch.init} if launch.isolated else ())
        watch = PoolWatch(launch.warden, outside=self.outside, diag=diag, clock=self._seconds)
        super().__init__(launch, port, watch=watch, diag=diag, clock=self._seconds)
        watch.before_ends = lambda: self.attend(within=0.0)
        self.wrong_port: int | None = None
        self.deaf: tuple[Pid, ...] = ()  # children that slept in accept when the pool was given up
        self._last_looks: list[Callable[[Stage], None]] = []
        self._at_end: list[Callable[[], None]] = []
        self._sampled = 0.0
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @spent_on(Purpose.ENDING)
    def close(self) -> None:
        """End the subject and let go of everything."""
        if self.closed:
            return
        for look in self._last_looks:
            look(self)
        self.closed = True
        self.leave()
        self.diag.close()
        self.watch.close()
        self.launch.close()
        for action in self._at_end:
            action()

    def before_end(self, look: Callable[["Stage"], None]) -> None:
        """Look once more before the subject is ended."""
        self._last_looks.append(look)

    def at_end(self, action: Callable[[], None]) -> None:
        """Do something when the subject has ended."""
        self._at_end.append(action)

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    @spent_on(Purpose.LAUNCHING)
    def start(self, *, elsewhere: bool = False) -> Self:
        """Wait until the subject listens; gives itself. Raises CannotStart, and closes, when it does not.

        A subject that does not listen on the port that it was given, and has a pool on another, is judged there;
        `wrong_port` tells. It may open another port first, and take its time, unless it is known to be `elsewhere`.
        """
        patience = Patience(self.pace.start)
        while not self.watch.find(self.port):
            report = self.launch.report(output=False)
            over = patience.over()
            ended = report.status is not None and not self.processes()
            if (elsewhere or over) and (ports := self._ports_of_pools()):
                self.wrong_port = self.port = ports[0]
                continue
            if over or ended or report.ended_for:
                why = CannotStart(self._why_not_started(report.status))
                self.close()
                raise why
            self.hold(SAMPLE_EVERY)
        return self

    def _ports_of_pools(self) -> list[int]:
        """Give the ports on which children of a process listen: a parent alone may have one for other purposes."""
        ports = []
        for each in self.own_listeners():
            with suppress(NoPool):
                if find_parent(self.launch.warden, {each.inode}, outside=self.outside)[1]:
                    ports.append(each.port)
        return ports

    def processes(self) -> list[Pid]:
        """Give all live processes of the subject."""
        return [
            pid
            for pid in procfs.descendants(self.launch.warden)
            if pid not in self.outside and not procfs.look(pid).ended
        ]

    def _why_not_started(self, status: int | None) -> str:
        report = self.launch.report()
        waited = f"in {self.clock():.1f} s"
        how = f"it ended with {_status_in_words(status)} {waited}" if status is not None else "it still runs"
        if report.ended_for:
            how = f"the suite ended it, as {report.ended_for}"
        said = last_lines(report.output)
        return f"it did not listen on port {self.port} {waited}; {how}; it said {repr(said) if said else 'nothing'}"

    def step(self) -> None:
        """Let clients and observers have their turn; takes at most two milliseconds when nothing happens."""
        self.attend(within=max(0.0, SAMPLE_EVERY - (time.monotonic() - self._sampled)))
        now = time.monotonic()
        if now - self._sampled >= SAMPLE_EVERY:
            self._sampled = now
            if self.watch.parent:
                self.watch.sample()
            self.look()

    def until(self, fact: Callable[[], bool], *, within: float) -> bool:
        """Wait for a fact; False when it did not come true in time. Raises SubjectEnded."""
        patience = Patience(within)
        while not fact():
            if patience.over():
                return False
            self.step()
            self.check_parent()
        return True

    def await_end(self, clients: Sequence[Client], *, within: float | None = None) -> bool:
        """Wait until all of these connections have ended, or can't be expected to. Raises SubjectEnded."""
        return self.until(
            lambda: not any(client.open and not self.is_stuck(client) for client in clients),
            within=self.pace.answer if within is None else within,
        )

    def await_any(self, clients: Sequence[Client], *, within: float) -> bool:
        """Wait until any of these connections has ended or brought something."""
        return self.until(lambda: any(client.received or not client.open for client in clients), within=within)

    def await_close(self, client: Client, *, within: float) -> bool:
        """Wait until one connection has ended, whatever it brought."""
        return self.until(lambda: not client.open, within=within)

    def await_connected(self, clients: Sequence[Client], *, within: float) -> bool:
        """Wait until the handshakes of all these are completed."""
        return self.until(lambda: all(client.connected for client in clients), within=within)

    def await_holder(self, client: Client) -> bool:
        """Wait until it is known who accepted a connection; False also where it ended first."""
        self.until(lambda: self.is_decided(client), within=self.pace.answer)
        return client.number in self.holders and client.open

    def await_queue_below(self, waiting: int, *, within: float) -> bool:
        """Wait until fewer than so many held connections wait to be accepted."""
        return self.until(lambda: self.queued() < waiting, within=within)

    def is_stuck(self, client: Client) -> bool:
        """Tell whether a client was answered a round ago and the server keeps the connection."""
        return (
            client.open
            and bool(client.received)
            and (time.monotonic() - client.answered > self.pace.round * self.pace.patience + self.pace.service_time)
        )

    @spent_on(Purpose.HOLDING)
    def hold(self, seconds: float) -> None:
        """Let time go by under observation."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()

    def check_parent(self) -> None:
        """Raise SubjectEnded where the pool's parent is gone."""
        if self.watch.parent_ended:
            raise SubjectEnded(self.how_it_ended())

    def how_it_ended(self) -> str:
        """Say what is known of the end of the pool's parent."""
        report = self.launch.report()
        if report.ended_for:
            return f"the suite ended the server, as {report.ended_for}"
        how = "" if report.status is None else f" with {_status_in_words(report.status)}"
        return f"the pool's parent {self.watch.parent} ended{how}"

    def own_listeners(self) -> list[TcpSocket]:
        """Give the listening sockets that a process of the subject has open."""
        open_here = set().union(*(procfs.socket_inodes(pid) for pid in self.processes()))
        return [each for each in self.diag.listening() if each.inode in open_here]

    def report(self) -> Report:
        """Give what is known of the launched process and its output."""
        return self.launch.report()


def last_lines(output: str, *, lines: int = 3, width: int = 200, joined_by: str = " / ") -> str:
    """Give the last lines of a subject's output, cut to size, without control characters."""
    clean = ["".join(each for each in line if each.isprintable()) for line in output.splitlines()]
    return joined_by.join(line.strip()[:width] for line in [line for line in clean if line.strip()][-lines:])


def _status_in_words(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
