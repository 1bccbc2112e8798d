"""A refusal of system calls, as the suite words it: which calls of whom get which answer, and how often."""

import errno
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from spec.event import Pid
from subject.syscall_filter import NAMES

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Calls of one name (`syscall_filter.NAMES`) that are answered with an errno in place of being made.

    Several errnos take turns. Where it `kills`, there are none, and the answer is SIGKILL for the caller; where it
    `holds`, there are none either, and the call is made once the refusal is lifted. The first `after` of these calls
    are let through, then `times` are refused (None: all, until lifted). `pids` are those of processes as the suite
    sees them (None: all). With `only_exclusive` only those epoll_ctl are meant that add with EPOLLEXCLUSIVE. Raises
    ValueError for what can't be.
    """

    call: str
    errnos: tuple[str, ...] = ()
    kills: bool = False
    holds: bool = False
    times: int | None = None
    after: int = 0
    pids: Collection[Pid] | None = None
    only_exclusive: bool = False
    id: str = field(default_factory=lambda: f"refusal {next(_numbers)}")

    def __post_init__(self) -> None:
        if self.call not in NAMES:
            raise ValueError(f"{self.call!r} can't be refused, but {', '.join(NAMES)} can")
        unknown = [name for name in self.errnos if not (name.isupper() and hasattr(errno, name))]
        if unknown or (bool(self.errnos), self.kills, self.holds).count(True) != 1:
            raise ValueError(f"no answer at all, or more than one, or an errno that is none: {', '.join(unknown)}")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError(f"{self.times} times after {self.after} calls is never")
        if self.only_exclusive and self.call != "epoll_ctl":
            raise ValueError(f"{self.call} has nothing to do with EPOLLEXCLUSIVE")

    def told(self) -> dict[str, Any]:
        """Give it as the warden is told it: errnos by number."""
        return {
            "id": self.id,
            "call": self.call,
            "errnos": [getattr(errno, name) for name in self.errnos],
            "kills": self.kills,
            "holds": self.holds,
            "times": self.times,
            "after": self.after,
            "pids": None if self.pids is None else list(self.pids),
            "only_exclusive": self.only_exclusive,
        }
