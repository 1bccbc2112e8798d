"""The parent, who never accepts: it spawns, hears, sheds and reaps, and so keeps the idle children within bounds."""

import contextlib
import gc
import os
import select
import signal
import socket
import time
from typing import NoReturn

from reference_server.channel import KILL, hear, make_channel
from reference_server.child import Child
from reference_server.parameters import Parameters
from reference_server.pool import Pool
from reference_server.report import note, report
from reference_server.signals import HANDLED, Signals

RETRY = 0.1  # seconds until a birth that was refused is tried again
EXCESS = 0.05  # seconds that an excess must last to be shed: under load the idle count flickers
GRACE = 1.0  # seconds that busy children have at the end, on top of one service
ENDING = {signal.SIGTERM, signal.SIGINT}


class Parent:
    """The regulating process."""

    def __init__(self, parameters: Parameters, listener: socket.socket) -> None:
        self.parameters = parameters
        self.listener = listener
        self.pool = Pool(parameters)
        self.signals = Signals()
        self.epoll = select.epoll()
        self.epoll.register(self.signals.fd, select.EPOLLIN)
        self.refused_until = self.excess_until = 0.0
        self.lasting_excess = 0  # the least since the excess began

    def run(self) -> None:
        """Keep the pool until SIGTERM or SIGINT, then end it."""
        gc.freeze()  # what lives now lives for good: a collection in a child would only copy the pages it is on
        take_turns()
        while True:
            arrived = self.attend(self.regulate())
            if arrived & {signal.SIGUSR1, signal.SIGINT}:
                report(self.pool)
            if arrived & ENDING:
                return self.end()

    def attend(self, timeout: float | None) -> set[int]:
        """Wait until something is heard, follow all of it, and return the signals among it."""
        arrived: set[int] = set()
        for fd, _ in self.epoll.poll(timeout, 256):
            if fd == self.signals.fd:
                arrived = set(os.read(fd, 65536))
                self.reap()
            # A channel closed earlier in this batch is in no table; and none is opened before the batch is done.
            elif member := self.pool.by_channel.get(fd):
                if (said := hear(fd)) is None:
                    self.let_go(fd)
                else:
                    self.pool.hear(member, said)
        return arrived

    def let_go(self, channel: int) -> None:
        """Close our end. A child that lives sees its parent gone, and ends."""
        # Closing alone would leave it in the epoll for as long as a newborn still holds what it has inherited.
        self.epoll.unregister(channel)
        os.close(channel)
        self.pool.lose(channel)

    def reap(self) -> None:
        """Collect those that have ended, having heard all that they said."""
        with contextlib.suppress(ChildProcessError):
            # Without waiting: SIGCHLD also comes for a child that was only stopped.
            for pid, status in iter(lambda: os.waitpid(-1, os.WNOHANG), (0, 0)):
                member = self.pool.members.pop(pid, None)  # None: left behind by what ran in this process before us
                if member and member.channel is not None:
                    while said := hear(member.channel):
                        self.pool.hear(member, said)
                    self.let_go(member.channel)  # even with no end of file: a stranger may keep the dead child's end
                self.tell(f"child {pid} has ended")
                if member and os.waitstatus_to_exitcode(status) > 0:  # it could not set itself up; no more could others
                    self.refused_until = time.monotonic() + RETRY

    def regulate(self) -> float | None:
        """Do one round. Return the seconds until the next one is due, or None if only news can make it so."""
        now, excess = time.monotonic(), self.pool.excess()
        if self.lasting_excess == 0:
            self.excess_until = now + EXCESS
        self.lasting_excess = min(excess, self.lasting_excess or excess)
        if excess:
            due, act = self.excess_until, self.shed
        elif self.pool.lacking():
            due, act = self.refused_until, self.grow
        else:
            self.pool.step = 1
            return None
        if due <= now:
            act()
        # Between two rounds of growth there is no clock's tick but a look at the news: quick, and no step too many.
        return max(0.0, due - now)

    def grow(self) -> None:
        """Spawn as many as are due, or as there are descriptors, processes and memory for."""
        try:
            for _ in range(self.pool.births()):
                self.spawn()
        except OSError as refusal:
            self.refused_until = time.monotonic() + RETRY
            self.tell(f"cannot spawn: {refusal.strerror}")

    def tell(self, news: str) -> None:
        """Print what has come of the pool, if it is to be printed."""
        if self.parameters.verbose:
            note(f"{news}: {len(self.pool.members)} children, {self.pool.idle} idle")

    def shed(self) -> None:
        """Tell `K` to as many as have been in excess all the time."""
        for channel in self.pool.shed(self.lasting_excess):
            with contextlib.suppress(OSError):  # it has just died: its end of file is on the way
                os.write(channel, KILL)
        self.lasting_excess = 0

    def spawn(self) -> None:
        """Add a child to the pool. Raises OSError if that is refused."""
        ours, theirs = make_channel()
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # a newborn must first let go of the parent's pipe
        try:
            self.epoll.register(ours, select.EPOLLIN)
            pid = os.fork()
            if pid == 0:
                self.become_child(ours, theirs)
            self.pool.add(pid, ours)
            self.tell(f"spawned child {pid}")
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def become_child(self, ours: int, theirs: int) -> NoReturn:
        """In the newborn: let go of all that is the parent's, live, and end."""
        try:
            # An end kept here would hide its holder's death: siblings would outlive a killed parent.
            for channel in (ours, *self.pool.by_channel):
                os.close(channel)
            self.epoll.close()
            self.signals.disown()
            Child(self.parameters, self.listener, theirs).live()
            os._exit(0)
        except BaseException as failure:  # noqa: BLE001 - whatever it is, it must not unwind into the parent's loop
            note(f"a child failed: {failure!r}")
        finally:
            os._exit(1)

    def end(self) -> None:
        """End all children: the idle at once, the busy after their client, or by force when the grace is over."""
        self.listener.close()
        for channel in list(self.pool.by_channel):
            self.let_go(channel)
        deadline = time.monotonic() + GRACE + self.parameters.service_time
        arrived: set[int] = set()  # asked a second time, it does not wait
        while self.pool.members and not arrived & ENDING and (left := deadline - time.monotonic()) > 0:
            arrived = self.attend(left)
        for pid in self.pool.members:
            os.kill(pid, signal.SIGKILL)  # not reaped, so it can be nobody else's
            os.waitpid(pid, 0)


def take_turns() -> None:
    """Let none of us, when woken, preempt another in mid-service: under load, half as many clients again are served."""
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
