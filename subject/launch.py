"""One launched subject, as the suite holds it: start, sockets in its network, its output, and its end.

Owns the talk with the warden (`warden.py`), which does the work in a process of its own. Knows nothing of pools.
"""

import array
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from spec.event import Pid
from subject import cgroup
from subject.refusal import Refusal
from subject.sandbox import Sandbox
from subject.syscall_filter import NAMES

ROOT = Path(__file__).resolve().parent.parent
# Nothing but the standard library, so that a warden is there in milliseconds.
INTERPRETER: tuple[str, ...] = (sys.executable, "-I", "-S")
# A launch is refused or answered at once; a warden that says nothing for so long is broken.
WARDEN_ANSWERS_WITHIN = 20.0
SOCKETS_AT_ONCE = 64  # descriptors that travel in one message; the kernel takes at most 253
MOST_PROCESSES = 1000
TUNNEL_HELP = (
    "modprobe tun; /dev/net/tun readable and writable (chmod 666, in a container --device /dev/net/tun); CAP_NET_ADMIN "
    "in a network of the launch's own, which user namespaces give"
)

SECCOMP_HELP = (
    "Linux 5.5 or later with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64; Yama's ptrace_scope 0 or 1; "
    "in a container, a profile that lets seccomp pass, and no listener of the container's own: there can be but one"
)


class LaunchRefused(Exception):
    """The warden could not start the subject: the machine refused, not the subject."""


class TunnelRefused(Exception):
    """There can be no TUN device in the subject's network; the text says why, and what would help."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to launch. `occupied_port` is listened on by another process, for as long as the launch lasts.

    `watched` are the system calls (`syscall_filter.NAMES`) that may be refused while it runs; watching costs each of
    them some twenty microseconds. `refusals` are in force from the subject's first instruction. Raises ValueError for a
    call that is not known, or is refused and not watched.
    """

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    isolate: bool = True
    occupied_port: int | None = None
    process_limit: int = MOST_PROCESSES
    watched: Sequence[str] = ()
    refusals: Sequence[Refusal] = ()
    sandbox: Sandbox | None = None  # for a subject that is not trusted

    def __post_init__(self) -> None:
        if unknown := set(self.watched) - set(NAMES):
            raise ValueError(f"these calls can't be watched: {', '.join(sorted(unknown))}")
        for refusal in self.refusals:
            self.insist_on_watched(refusal)

    def insist_on_watched(self, refusal: Refusal) -> None:
        """Raise ValueError where no call that the refusal is about would be noticed."""
        if refusal.call not in self.watched:
            raise ValueError(f"{refusal.call} is not watched in this launch")


@dataclass(frozen=True)
class Report:
    """What the warden knows of a launch.

    `status` is the exit status of the launched process (negative: the signal that ended it), None while it runs;
    `kept` the last 64 KiB that the subject wrote, `written` how many bytes it wrote in all; `ended_for` says why the
    warden ended it by itself.
    """

    status: int | None
    kept: bytes
    written: int
    ended_for: str | None

    @property
    def output(self) -> str:
        """What is kept of the output, as text."""
        return self.kept.decode("utf-8", "replace")

    def output_after(self, written: int) -> str:
        """Give what came after so many bytes, as far as it is kept, as text."""
        return self.kept[max(0, len(self.kept) - (self.written - written)) :].decode("utf-8", "replace")


class Launch:
    """A running subject under its warden. Use it with `with`: at the end no process of it is left."""

    def __init__(self, order: Order) -> None:
        """Start the subject; raises LaunchRefused."""
        self.order = order
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._talk = ours
        self._talk.settimeout(WARDEN_ANSWERS_WITHIN)
        self._spare: dict[tuple[int, int, int], list[socket.socket]] = {}
        self._group: str | None = None
        with theirs:
            code = (
                "import sys; sys.path.insert(0, sys.argv[1]); from subject.warden import main; main(int(sys.argv[2]))"
            )
            self._warden = subprocess.Popen(
                [*INTERPRETER, "-c", code, str(ROOT), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # Ctrl-C on the suite's terminal must reach the suite alone.
                start_new_session=True,
                # Not the caller's folder: it may be gone or hidden, and the subject's own comes with the order.
                cwd="/",
            )
        try:
            self._tell(
                {
                    "argv": list(order.argv),
                    "cwd": str(order.cwd),
                    "env": dict(order.env),
                    "isolate": order.isolate,
                    "occupied_port": order.occupied_port,
                    "process_limit": order.sandbox.processes if order.sandbox else order.process_limit,
                    "keep": _folders_needed(order),
                    "sandbox": order.sandbox.told() if order.sandbox is not None else None,
                    "watched": list(order.watched),
                    "refusals": [refusal.told() for refusal in order.refusals],
                }
            )
            answer, _ = self._hear()
            if "refused" in answer:
                raise LaunchRefused(f"{answer['step']}: {answer['refused']}")  # noqa: TRY301 - to be closed below
        except BaseException:
            self.close()
            raise
        self.init = Pid(answer["init"])
        self.isolated = bool(answer["isolated"])
        self._group = answer["group"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the subject and everything that it left; returns when it is gone."""
        for kept in self._spare.values():
            for each in kept:
                each.close()
        self._spare.clear()
        self._talk.close()
        self._warden.wait()
        if self._group is not None:
            cgroup.remove(self._group)

    @property
    def warden(self) -> Pid:
        """The warden's pid: every process of the subject is among its descendants."""
        return Pid(self._warden.pid)

    def report(self, *, output: bool = True) -> Report:
        """Ask what is known of the launch; with the output only where asked for."""
        self._tell({"ask": "report", "output": output})
        answer, _ = self._hear()
        return Report(answer["status"], bytes.fromhex(answer["output"]), answer["written"], answer["ended_for"])

    def socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        """Make a socket in the subject's network. A socket stays in the network that it was made in, whoever has it."""
        if not self.isolated:
            return socket.socket(family, kind, protocol)
        spare = self._spare.setdefault((family, kind, protocol), [])
        if not spare:
            count = SOCKETS_AT_ONCE if kind == socket.SOCK_STREAM else 1
            self._tell({"ask": "sockets", "family": family, "type": kind, "protocol": protocol, "count": count})
            _, descriptors = self._hear()
            spare += [socket.socket(family, kind, protocol, fileno=descriptor) for descriptor in descriptors]
        return spare.pop()

    def tunnel(self, *, loopback: bool = False) -> int:
        """Make a TUN device in the subject's network, and give its descriptor, for the caller to close.

        Closing it removes the device; there is one at a time. With `loopback`, what comes out of it reaches servers on
        127.0.0.1, too. Raises TunnelRefused.
        """
        self._tell({"ask": "tunnel", "loopback": loopback})
        answer, descriptors = self._hear()
        if "refused" in answer:
            raise TunnelRefused(f"{answer['refused']}; what would help: {TUNNEL_HELP}")
        self._hear()  # the warden has closed its own
        return descriptors[0]

    def prlimit(self, pid: int, kind: int, limits: tuple[int, int] | None = None, /) -> tuple[int, int]:
        """Read or set a limit of one of the subject's processes, as `resource.prlimit` does, and raise as it does.

        In a sandbox they are another user's, and the warden is that user.
        """
        if self.order.sandbox is None:
            return resource.prlimit(pid, kind) if limits is None else resource.prlimit(pid, kind, limits)
        self._tell({"ask": "prlimit", "pid": pid, "kind": kind, "limits": limits})
        answer, _ = self._hear()
        if "errno" in answer:
            # Of an OSError the number says which one it is: PermissionError, ProcessLookupError.
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        soft, hard = answer["limits"]
        return soft, hard

    def refuse(self, refusal: Refusal) -> None:
        """Refuse calls that are made from now on; one that sleeps in the kernel already may succeed yet.

        Raises ValueError for calls that the order does not watch.
        """
        self.order.insist_on_watched(refusal)
        self._ask_referee({"ask": "refuse", "refusal": refusal.told()})

    def lift(self, refusal_id: str) -> None:
        """Refuse no more; what was counted stays known. Nothing happens where it was lifted before."""
        self._ask_referee({"ask": "lift", "id": refusal_id})

    def refused(self, refusal_id: str) -> int:
        """Tell how many calls a refusal has answered.

        Raises LaunchRefused where there were none, and the system does not show the arguments of some; KeyError for a
        refusal that was never made here.
        """
        counts = self._ask_referee({"ask": "calls"})
        answered = int(counts["answered"][refusal_id])
        if not answered and counts["unread"] is not None:
            raise LaunchRefused(f"calls could not be told apart: {counts['unread']}")
        return answered

    def held_back(self, refusal_id: str) -> list[Pid]:
        """Give whose calls wait for the end of a refusal that holds them: the ids of threads.

        Raises KeyError as `refused` does.
        """
        return [Pid(thread) for thread in self._ask_referee({"ask": "calls"})["callers"][refusal_id]]

    def seen_calls(self) -> Mapping[str, int]:
        """Tell how many calls of each watched name there were, refused or not; starts of threads are no forks."""
        seen: dict[str, int] = self._ask_referee({"ask": "calls"})["seen"]
        return seen

    def heard_calls(self) -> Mapping[Pid, int]:
        """Tell how often each thread waited for an answer to a watched call: each is a wake-up that is not its own."""
        heard: dict[str, int] = self._ask_referee({"ask": "calls"})["heard"]
        return {Pid(int(thread)): times for thread, times in heard.items()}

    def _ask_referee(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if not self.order.watched:
            return {"seen": {}, "answered": {}, "callers": {}, "unread": None, "heard": {}}
        self._tell(asked)
        return self._hear()[0]

    def _tell(self, message: Mapping[str, Any]) -> None:
        try:
            self._talk.sendall(json.dumps(message).encode())
        except OSError as error:
            raise LaunchRefused(f"the warden is gone: {error.strerror}") from error

    def _hear(self) -> tuple[dict[str, Any], list[int]]:
        try:
            body, ancillary, _, _ = self._talk.recvmsg(
                200_000, socket.CMSG_SPACE(SOCKETS_AT_ONCE * 4), socket.MSG_CMSG_CLOEXEC
            )
        except OSError as error:
            raise LaunchRefused(f"the warden does not answer: {error.strerror or error}") from error
        if not body:
            raise LaunchRefused("the warden ended")
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data)
        answer: dict[str, Any] = json.loads(body)
        return answer, list(descriptors)


def _folders_needed(order: Order) -> list[str]:
    """Give the absolute paths that the subject is known to need, for its private /tmp to show them."""
    words = [os.path.normpath(order.cwd / word) for word in order.argv]
    return [str(order.cwd), sys.prefix, *words, *order.env.get("PATH", "").split(os.pathsep), str(Path.cwd())]
