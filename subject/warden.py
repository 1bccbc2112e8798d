"""The process that stands between the suite and one launched subject, and outlives a crash of the suite.

Run in an interpreter of its own (`launch.py` says how), with the standard library only, so that it starts in
milliseconds and holds none of the suite's descriptors. It enters namespaces of its own, starts the subject under a
tiny reaping init, drains the subject's terminal into a bounded record, makes sockets inside the subject's network for
the suite, and, as soon as the suite asks or is gone, ends everything.

Talk: one JSON object a message on a SOCK_SEQPACKET socket; the first one from the suite is the launch.
"""

import array
import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import termios
import time
from typing import Any

from subject import cgroup, confinement, namespaces, tunnel
from subject.referee import Referee
from subject.syscall_filter import HandOver

RECORD = 64 * 1024  # bytes of output kept: the last ones
# Bytes: more than any message, the record in hex among them, and less than a socket's buffer holds (212,992 by
# default), or it could not be sent. SOCK_SEQPACKET keeps their bounds.
MESSAGE = 200_000
PATROL = 0.1  # seconds between two counts of the subject's processes
GULPS = 16  # reads of the terminal before others get their turn: a subject may write without end


class Warden:
    """One launch: the subject's processes, its terminal, and the talk with the suite."""

    def __init__(self, talk: socket.socket) -> None:
        self.talk = talk
        self.record = bytearray()
        self.written = 0  # bytes of output in all
        self.status: int | None = None  # of the launched process, negative for a signal
        self.ended_for: str | None = None
        self.init = 0
        self.terminal = -1
        self.exit_pipe = -1
        self.isolated = False
        self.occupant: socket.socket | None = None
        self.referee: Referee | None = None
        self.process_limit = 0
        self.memory_limit = 0
        self.scratch: confinement.Scratch | None = None
        self.group: cgroup.Group | None = None
        self.counted = 0.0

    def launch(self, order: dict[str, Any]) -> None:
        """Enter the namespaces that are to be had, and start the subject."""
        self.terminal, subject_end = os.openpty()
        attributes = termios.tcgetattr(subject_end)
        attributes[1] &= ~termios.OPOST  # no carriage returns of the terminal's in the record
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(subject_end, termios.TCSANOW, attributes)
        os.set_blocking(self.terminal, False)
        if order["sandbox"] is not None:
            self.memory_limit = order["sandbox"]["memory"]
            if order["sandbox"]["rung"] == confinement.PARTIAL:
                self.scratch = confinement.Scratch(order["sandbox"]["folder"], most=order["sandbox"]["scratch"])
            self.group = cgroup.make(order["sandbox"])
            confinement.become_nobody(order["sandbox"]["user"], terminal=subject_end)
        if order["isolate"]:
            namespaces.enter_network_and_pids()
            self.isolated = True
        else:
            namespaces.become_subreaper()
        if order["occupied_port"]:
            self.occupant = _listen_everywhere(order["occupied_port"])
        self.exit_pipe, report = os.pipe()
        hand_over = HandOver() if order["watched"] else None
        self.init = os.fork()
        if self.init == 0:
            try:
                self.talk.close()
                os.close(self.exit_pipe)
                if self.group is not None:
                    self.group.enter()
                if self.isolated:
                    namespaces.run_init(order, subject_end, report, hand_over)
                else:
                    namespaces.become_subject(order, subject_end, hand_over)
            finally:
                os._exit(127)
        os.close(report)
        os.close(subject_end)
        if hand_over is not None:
            self.referee = Referee(hand_over.take(), order["watched"], order["refusals"])
        group = self.group.path if self.group is not None else None
        self.tell({"init": self.init, "isolated": self.isolated, "group": group})

    def tell(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        """Send one message to the suite, with descriptors for it to keep."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self.talk.sendmsg([json.dumps(message).encode()], ancillary)

    def serve(self) -> None:
        """Drain, count and answer until the suite says stop or is gone."""
        heard = {self.terminal: self.drain, self.exit_pipe: self.hear_exit}
        if self.referee is not None:
            heard[self.referee.listener] = self.referee.hear
        poll = select.poll()
        for descriptor in (self.talk.fileno(), *heard):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, events in poll.poll(PATROL * 1000):
                if descriptor == self.talk.fileno():
                    if not self.answer():
                        return
                # POLLHUP alone: nobody is left at the other end. A referee who listened then might do so for ever.
                elif not (events & select.POLLIN and heard[descriptor]()):
                    poll.unregister(descriptor)
                    if descriptor == self.exit_pipe and self.isolated and self.status is None:
                        self.ended_for = self.ended_for or "the init of its namespace was ended"
            if not self.isolated:
                self.collect()
            self.patrol()

    def drain(self) -> bool:
        """Move output to the record; False once no process has the terminal open."""
        try:
            for _ in range(GULPS):
                chunk = os.read(self.terminal, 65536)
                self.written += len(chunk)
                self.record += chunk
                del self.record[:-RECORD]
        except BlockingIOError:
            pass
        except OSError as error:  # EIO: the last process that had the terminal open is gone
            return error.errno != errno.EIO
        return True

    def hear_exit(self) -> bool:
        """Read what the init says of the launched process: its wait status, as text."""
        report = os.read(self.exit_pipe, 64)
        if report:
            self.status = os.waitstatus_to_exitcode(int(report.split()[0]))
        return bool(report)

    def collect(self) -> None:
        """Reap orphans, where no init of a pid namespace does; the launched process itself is one of ours then."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.init:
                self.status = os.waitstatus_to_exitcode(status)

    def answer(self) -> bool:
        """Answer one request; False at the end of the talk."""
        request = self.talk.recv(MESSAGE)
        if not request:
            return False
        asked = json.loads(request)
        if asked["ask"] == "stop":
            return False
        if asked["ask"] == "sockets":
            made = [socket.socket(asked["family"], asked["type"], asked["protocol"]) for _ in range(asked["count"])]
            self.tell({}, [each.fileno() for each in made])
            for each in made:
                each.close()
        elif asked["ask"] == "tunnel":
            self.offer_tunnel(loopback=asked["loopback"])
        elif asked["ask"] == "prlimit":
            self.tell(_prlimit(asked))
        elif asked["ask"] in ("refuse", "lift", "calls"):
            self.tell(self.referee.obey(asked) if self.referee is not None else {})
        else:
            self.drain()
            self.tell(
                {
                    "status": self.status,
                    "written": self.written,
                    # Twice as long as it is, whatever it is: as text in JSON, noise would be six times as long.
                    "output": self.record.hex() if asked.get("output") else "",
                    "ended_for": self.ended_for,
                }
            )
        return True

    def offer_tunnel(self, *, loopback: bool) -> None:
        """Make a device in the launch's own network, and pass its descriptor; say why not, where it can't be."""
        if not self.isolated:
            self.tell({"refused": "the launch has no network of its own"})
            return
        try:
            descriptor = tunnel.open_tunnel(loopback=loopback)
        except tunnel.NoTunnel as refusal:
            self.tell({"refused": str(refusal)})
            return
        try:
            self.tell({}, [descriptor])
        finally:
            os.close(descriptor)
        # Only now does the device go when the suite lets go of it.
        self.tell({})

    def patrol(self) -> None:
        """End a subject that multiplies without end, before the machine suffers; looks every now and then."""
        if self.ended_for or self.process_limit <= 0 or time.monotonic() - self.counted < PATROL:
            return
        self.counted = time.monotonic()
        if why := self.too_much():
            self.ended_for = why
            self.end_all()

    def too_much(self) -> str | None:
        """Say what the subject has too much of, or nothing."""
        count = namespaces.count_processes(self.init, isolated=self.isolated)
        if count > self.process_limit:
            return f"it had {count} processes, more than {self.process_limit}"
        if self.group and self.group.has_run_out():
            return f"it used more than {self.memory_limit >> 20} MiB of memory"
        if self.scratch and (filled := self.scratch.filled()):
            return filled
        root = self.init if self.isolated else os.getpid()
        if self.memory_limit and (used := namespaces.memory_used(root)) > self.memory_limit:
            return f"it used {used >> 20} MiB of memory, more than {self.memory_limit >> 20}"
        return None

    def end_all(self) -> None:
        """End every process of the subject. The end of a pid namespace's init takes all of its processes."""
        if not self.init:
            return
        if self.isolated:
            namespaces.end_init(self.init)
            self.init = 0
        else:
            namespaces.end_descendants()
            self.status = self.status if self.status is not None else -signal.SIGKILL


def _prlimit(asked: dict[str, Any]) -> dict[str, Any]:
    """Read or set a limit of a process of this user."""
    limits = () if asked["limits"] is None else (tuple(asked["limits"]),)
    try:
        return {"limits": resource.prlimit(asked["pid"], asked["kind"], *limits)}
    except OSError as error:
        return {"errno": error.errno}


def _listen_everywhere(port: int) -> socket.socket:
    """Take a port for IPv4 and IPv6 alike, where there is IPv6."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError:
        return socket.create_server(("0.0.0.0", port))


def main(descriptor: int) -> None:
    """Serve one launch on the socket whose descriptor is given."""
    # Ctrl-C is for the suite; it ends us by letting go of the socket.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    talk = socket.socket(fileno=descriptor)
    fcntl.fcntl(talk.fileno(), fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    warden = Warden(talk)
    try:
        order = json.loads(talk.recv(MESSAGE))
        try:
            warden.process_limit = order["process_limit"]
            warden.launch(order)
        except OSError as error:
            warden.tell({"refused": f"{error.strerror or error}", "step": getattr(error, "filename", None) or "launch"})
            return
        warden.serve()
    except (ConnectionError, BrokenPipeError):
        pass  # the suite is gone
    finally:
        warden.end_all()
