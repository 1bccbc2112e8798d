"""Faults by system calls: an accept that fails, or comes too late, a fork for which there is no room, a sudden end.

The subject's launch must watch the call (`Order.watched`); the warden answers (`subject/referee.py`). Only calls that
are made while the fault lasts are refused: who sleeps in the kernel already, in a blocking accept, may succeed once
more.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

from fault_injection.fault import DidNotTakeHold, FaultRefused
from spec.event import Pid
from subject.launch import SECCOMP_HELP, Launch, LaunchRefused
from subject.refusal import Refusal


class Answers:
    """What a refusal has answered so far, whether it is one of `refused` or of the launch's order."""

    def __init__(self, launch: Launch, refusal: Refusal) -> None:
        self.refusal = refusal
        self._launch = launch
        self._outcome: int | LaunchRefused | None = None  # once it is lifted

    @property
    def count(self) -> int:
        """How often it was answered. Raises FaultRefused where the system does not let calls be told apart."""
        outcome = self._look() if self._outcome is None else self._outcome
        if isinstance(outcome, LaunchRefused):
            raise FaultRefused(f"{outcome}; what would help: {SECCOMP_HELP}") from outcome
        return outcome

    def callers(self) -> list[Pid]:
        """Give the threads whose calls wait, where they are held back. Raises FaultRefused."""
        try:
            return self._launch.held_back(self.refusal.id)
        except LaunchRefused as error:
            raise FaultRefused(str(error)) from error

    def insist(self) -> None:
        """Raise DidNotTakeHold where it was never answered; FaultRefused, as `count` does."""
        if not self.count:
            exclusive = " with EPOLLEXCLUSIVE" if self.refusal.only_exclusive else ""
            raise DidNotTakeHold(f"no {self.refusal.call}{exclusive} was refused")

    def end(self) -> None:
        """Lift the refusal, and keep the count. A launch that has ended took it along."""
        if self._outcome is None:
            with suppress(LaunchRefused):
                self._launch.lift(self.refusal.id)
            self._outcome = self._look()

    def _look(self) -> int | LaunchRefused:
        try:
            return self._launch.refused(self.refusal.id)
        except LaunchRefused as error:
            return error


@contextmanager
def refused(
    launch: Launch,
    call: str,
    errnos: str | Sequence[str],
    *,
    times: int | None = None,
    after: int = 0,
    pids: Collection[Pid] | None = None,
    only_exclusive: bool = False,
) -> Iterator[Answers]:
    """Refuse system calls for as long as the block lasts; what the parameters mean, `Refusal` says.

    Taken hold: so many were answered; whoever uses it must `insist` that it was any. Raises ValueError where the launch
    does not watch the call.
    """
    names = (errnos,) if isinstance(errnos, str) else tuple(errnos)
    refusal = Refusal(call=call, errnos=names, times=times, after=after, pids=pids, only_exclusive=only_exclusive)
    with _in_force(launch, refusal) as answers:
        yield answers


@contextmanager
def killed_at(launch: Launch, call: str, *, times: int = 1, pids: Collection[Pid] | None = None) -> Iterator[Answers]:
    """Kill (SIGKILL) who makes a system call, before it is made, so many times at most while the block lasts.

    Taken hold: so many calls were answered that way; whoever uses it must `insist` that it was any, or count. Raises
    ValueError where the launch does not watch the call.
    """
    with _in_force(launch, Refusal(call=call, kills=True, times=times, pids=pids)) as answers:
        yield answers


@contextmanager
def held_back(launch: Launch, call: str, *, times: int = 1, pids: Collection[Pid] | None = None) -> Iterator[Answers]:
    """Have so many system calls at most wait until the block ends; then they are made.

    Their callers sleep like somebody whose turn has not come: no signal but a fatal one wakes them (before Linux 5.19,
    any). Taken hold: there are `callers`; whoever uses it must look. Raises ValueError where the launch does not watch
    the call.
    """
    with _in_force(launch, Refusal(call=call, holds=True, times=times, pids=pids)) as answers:
        yield answers


@contextmanager
def _in_force(launch: Launch, refusal: Refusal) -> Iterator[Answers]:
    answers = Answers(launch, refusal)
    launch.refuse(refusal)
    try:
        yield answers
    finally:
        answers.end()


def old_kernel() -> Refusal:
    """Give what an order refuses from the start for a system that does not take EPOLLEXCLUSIVE: EINVAL."""
    return Refusal(call="epoll_ctl", errnos=("EINVAL",), only_exclusive=True)
