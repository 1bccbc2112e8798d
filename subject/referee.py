"""The answers to a subject's watched system calls: an errno, SIGKILL, or none for a while; all other calls go on.

Standard library only, like the warden, in whose loop it runs. A referee for tests, no guard: what it reads of a
caller's memory may be another word by the time that the kernel reads it.
"""

import ctypes
import errno
import fcntl
import os
import signal
import struct
from collections.abc import Sequence
from typing import Any

from subject.syscall_filter import CLONE_THREAD, NUMBERS

_CLONE3 = 435  # on every architecture
_EPOLLEXCLUSIVE = 0x1000_0000

# <linux/seccomp.h>
_RECEIVE, _SEND, _CONTINUE = 0xC050_2100, 0xC018_2101, 1
_SET_FLAGS, _ON_THE_SAME_PROCESSOR = 0x4008_2104, 1
_IS_VALID = 0x8008_2102  # its number before Linux 5.8, which later ones take all the same
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_ROOM = 256  # bytes: a kernel may tell more than we know of, and wants all of it zeroed
_libc = ctypes.CDLL(None, use_errno=True)


class Rule:
    """One refusal: which calls it is about, how many of them there were, and how many were answered."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.call: str = told["call"]
        self.errnos: list[int] = told["errnos"]  # they take turns
        self.kills: bool = told["kills"]
        self.holds: bool = told["holds"]
        self.times: int | None = told["times"]
        self.after: int = told["after"]  # calls that are let through before
        self.pids: list[int] | None = told["pids"]
        self.only_exclusive: bool = told["only_exclusive"]
        self.in_force = True
        self.met = 0
        self.answered = 0
        self.held: dict[int, int] = {}  # the notifications of the calls that are held back, and whose they are

    def is_about(self, call: str, caller: "Caller") -> bool:
        """Tell whether a call is one of those that it may refuse."""
        return (
            self.in_force
            and self.call == call
            and (self.pids is None or caller.belongs_to(self.pids))
            and (not self.only_exclusive or caller.asks_for_exclusive())
        )

    @property
    def is_due(self) -> bool:
        """Tell whether the next call that it is about is refused."""
        return self.met >= self.after and (self.times is None or self.answered < self.times)

    @property
    def error(self) -> int:
        """The errno for the next call that is refused, where its caller is not killed."""
        return self.errnos[self.answered % len(self.errnos)]


class Caller:
    """The thread that waits for an answer, by its id in the pid namespace of the warden, which is the suite's."""

    def __init__(self, thread: int, number: int, arguments: Sequence[int]) -> None:
        self.thread = thread
        self.number = number
        self.arguments = arguments
        self.unread: str | None = None  # why its memory could not be read

    def belongs_to(self, pids: Sequence[int]) -> bool:
        """Tell whether it is a thread of one of these processes."""
        return self.thread in pids or any(os.access(f"/proc/{pid}/task/{self.thread}", os.F_OK) for pid in pids)

    def may_start_a_thread(self) -> bool:
        """Tell whether it makes a thread, by the one call whose flags are where the filter can't look: in memory."""
        return self.number == _CLONE3 and bool(self._word(self.arguments[0]) & CLONE_THREAD or self.unread)

    def asks_for_exclusive(self) -> bool:
        """Tell whether it adds to an epoll with EPOLLEXCLUSIVE."""
        return bool(self._word(self.arguments[3]) & _EPOLLEXCLUSIVE)

    def kill(self) -> bool:
        """End its process; False where it is gone. It waits for an answer, so its id is nobody else's."""
        try:
            # The kernel takes any thread's id for its whole process.
            os.kill(self.thread, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _word(self, address: int) -> int:
        """Read 32 bits of its memory; 0 where there are none, or it is gone."""
        word = ctypes.c_uint32()
        near, far = struct.pack("PN", ctypes.addressof(word), 4), struct.pack("PN", address, 4)
        # Not /proc/PID/mem: where its process hides its memory, that is root's, and a user namespace has no root.
        if _libc.process_vm_readv(self.thread, near, 1, far, 1, 0) != 4:
            if (number := ctypes.get_errno()) in (errno.EPERM, errno.ENOSYS):
                self.unread = f"process_vm_readv: {os.strerror(number)}"
            return 0
        return word.value


class Referee:
    """What one subject's watched calls are answered, and how many there were."""

    def __init__(self, listener: int, calls: Sequence[str], refusals: Sequence[dict[str, Any]]) -> None:
        self.listener = listener
        self._names = {number: call for call in calls for number in NUMBERS[call]}
        self._rules = {told["id"]: Rule(told) for told in refusals}
        self._seen = dict.fromkeys(calls, 0)
        self._heard: dict[int, int] = {}  # how often each thread waited here
        self._unread: str | None = None
        # Caller and warden never run at once: from Linux 6.6 on, a third of the time is saved.
        self._ask(_SET_FLAGS, _ON_THE_SAME_PROCESSOR)

    def obey(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Put a rule in force or lift one, where asked to; gives all counts so far."""
        if asked["ask"] == "refuse":
            self._rules[asked["refusal"]["id"]] = Rule(asked["refusal"])
        elif asked["ask"] == "lift" and asked["id"] in self._rules:
            self._lift(self._rules[asked["id"]])
        return {
            "seen": self._seen,
            "answered": {name: rule.answered for name, rule in self._rules.items()},
            "callers": {name: list(rule.held.values()) for name, rule in self._rules.items()},
            "unread": self._unread,
            "heard": self._heard,
        }

    def _lift(self, rule: Rule) -> None:
        rule.in_force = False
        for waiting in rule.held:
            self._ask(_SEND, _made(waiting))
        rule.held.clear()

    def hear(self) -> bool:
        """Answer the call that waits, where it still does; False once nothing can be heard any more."""
        told = bytearray(_ROOM)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, told)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # the caller was killed, or got a signal, meanwhile
                return True
            # It would come again and again. Without a listener the kernel lets nobody wait: calls get ENOSYS.
            os.close(self.listener)
            return False
        waiting, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack_from(told)
        self._heard[thread] = self._heard.get(thread, 0) + 1
        self._answer(waiting, Caller(thread, number, arguments))
        return True

    def _answer(self, waiting: int, caller: Caller) -> None:
        call = self._names[caller.number]
        counts = not caller.may_start_a_thread()
        rules = [rule for rule in self._rules.values() if counts and rule.is_about(call, caller)]
        refusing = next((rule for rule in rules if rule.is_due), None)
        # Whose caller is gone is not counted; who was looked at may have been another thread of the same id.
        if not self._ask(_IS_VALID, struct.pack("=Q", waiting)):
            return
        self._unread = caller.unread or self._unread
        if not self._is_answered(waiting, caller, refusing) or not counts:
            return
        self._seen[call] += 1
        for rule in rules:
            rule.met += 1
        if refusing:
            refusing.answered += 1

    def _is_answered(self, waiting: int, caller: Caller, refusing: Rule | None) -> bool:
        if refusing is None:
            return self._ask(_SEND, _made(waiting))
        if refusing.kills:
            return caller.kill()
        if refusing.holds:
            refusing.held[waiting] = caller.thread
            return True
        return self._ask(_SEND, struct.pack("=QqiI", waiting, 0, -refusing.error, 0))

    def _ask(self, request: int, argument: bytes | int) -> bool:
        try:
            fcntl.ioctl(self.listener, request, argument)
        except OSError:  # ENOENT: nobody waits any more; EINVAL: not known yet
            return False
        return True


def _made(waiting: int) -> bytes:
    """Answer that the call is to be made, as if nobody had asked."""
    return struct.pack("=QqiI", waiting, 0, 0, _CONTINUE)
