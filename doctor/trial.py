"""What a trial gives, and what trials launch: a child that waits in epoll on a listening socket, and short programs."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from observers import procfs
from spec.event import Pid
from subject.isolation import isolation_allowed
from subject.launch import Launch, Order
from subject.refusal import Refusal

# Seconds; a Python interpreter is up in a twentieth of one.
UP_WITHIN = 10.0

# EPOLLEXCLUSIVE where the kernel takes it.
_SERVER = """
import select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
poll = select.epoll()
try:
    poll.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
except OSError:
    poll.register(listener, select.EPOLLIN)
print("ready", flush=True)
poll.poll()
"""


class Refused(Exception):
    """The machine refused what was tried; the text is its reason."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One thing that was tried. `refused` is the reason, None where it works.

    `clauses` are selectors of what can't be judged without it; `without` says what happens then, `remedy` what would
    help.
    """

    name: str
    refused: str | None = None
    works: str = ""
    clauses: tuple[str, ...] = ()
    without: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Waiting:
    """A launched process that waits in epoll."""

    launch: Launch
    pid: Pid


@contextmanager
def waiting_server() -> Iterator[Waiting]:
    """Launch a server as a check would. Raises Refused, and LaunchRefused."""
    order = Order(
        argv=[sys.executable, "-I", "-S", "-c", _SERVER],
        cwd=Path("/"),
        env=dict(os.environ),
        isolate=isolation_allowed(),
    )
    with Launch(order) as launch:
        end = time.monotonic() + UP_WITHIN
        # It is a process, so there is nothing better to wait on than its own word.
        while "ready" not in (report := launch.report()).output:
            if report.status is not None or time.monotonic() > end:
                raise Refused(f"a server of five lines does not start: {report.output.strip()[-200:]}")
            time.sleep(0.005)
        below = [pid for pid in procfs.descendants(launch.warden) if pid != launch.init]
        yield Waiting(launch, below[0] if launch.isolated and below else launch.init)


def says(code: str, *words: str, refusal: Refusal | None = None) -> str:
    """Launch a program of a few lines, and give what it says. Raises Refused, and LaunchRefused."""
    order = Order(
        argv=[sys.executable, "-I", "-S", "-c", code, *words],
        cwd=Path("/"),
        env=dict(os.environ),
        isolate=isolation_allowed(),
        watched=(refusal.call,) if refusal else (),
        refusals=(refusal,) if refusal else (),
    )
    with Launch(order) as launch:
        while (report := launch.report()).status is None or not report.output:
            time.sleep(0.005)
            if report.status not in (None, 0):
                raise Refused(report.output.strip())
        if refusal:
            launch.refused(refusal.id)  # says why, where it is not known which calls were meant
    return report.output.strip()
