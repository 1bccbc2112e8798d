"""A launched program that makes one system call after another as a test tells it to, and says what each was answered.

It is told, and answers, by named pipes in its folder: none of what is watched is needed for that.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import pytest

from selftests.facts import PYTHON
from selftests.launching import order, settle_output
from subject.launch import Launch, LaunchRefused, Order
from subject.refusal import Refusal
from subject.syscall_filter import NAMES

# Does what its lines say; "let through" where a call was made, whatever the kernel itself said to it.
_PUPPET = """
import errno, os, select, signal, socket, sys, threading

listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
reading = os.pipe()[0]

def watch(events):
    with select.epoll() as poll:
        poll.register(reading, events)

def accept():
    try:
        listener.accept()
    except BlockingIOError:
        pass  # nobody ever connects

def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def thread(what=lambda: None):
    answers = []
    one = threading.Thread(target=lambda: answers.append(answer(what)))
    one.start()
    one.join()
    if answers != ["let through"]:
        raise OSError(getattr(errno, answers[0]), "")

acts = {
    "accept": accept,
    "plain": lambda: watch(select.EPOLLIN),
    "exclusive": lambda: watch(select.EPOLLIN | select.EPOLLEXCLUSIVE),
    "fork": fork,
    "thread": thread,
    "accept in a thread": lambda: thread(accept),
}

def answer(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "let through"

name = "first"
if sys.argv[1:] == ["two"] and os.fork() == 0:
    name = "second"
print(name, "is ready", flush=True)
with open(name + ".told", "w") as told, open(name + ".asked") as asked:
    for line in asked:
        print(answer(acts[line.strip()]), file=told, flush=True)
"""


LET_THROUGH = "let through"


def why_not_watched() -> str | None:
    """Try; gives the refusal in words, or None where calls can be watched."""
    try:
        with Launch(replace(order("", isolate=False), watched=NAMES)):
            return None
    except LaunchRefused as error:
        return str(error)


_WHY_NOT = why_not_watched()
WATCHED = pytest.mark.skipif(_WHY_NOT is not None, reason=f"no calls are watched here: {_WHY_NOT}")


@dataclass
class Puppet:
    """The launched program: a process of the name `first`, and its child `second`, where there are two."""

    launch: Launch
    told: dict[str, TextIO]
    asked: dict[str, TextIO]

    def does(self, what: str, *, times: int = 1, who: str = "first") -> list[str]:
        """Have a process make a call so many times, and give the answers: an errno's name each, or `let through`."""
        self.begins(what, times=times, who=who)
        return [self.was_answered(who=who) for _ in range(times)]

    def begins(self, what: str, *, times: int = 1, who: str = "first") -> None:
        """Have a process make a call so many times, and wait for nothing."""
        self.asked[who].write(f"{what}\n" * times)
        self.asked[who].flush()

    def was_answered(self, *, who: str = "first") -> str:
        """Wait for the answer to the next call that was begun."""
        return self.told[who].readline().strip()

    def ends(self) -> None:
        """Let all of it come to its end."""
        for end in self.asked.values():
            end.close()


@contextmanager
def puppet(
    folder: Path,
    *,
    isolate: bool,
    watched: Sequence[str] = (),
    refusals: Sequence[Refusal] = (),
    two: bool = False,
) -> Iterator[Puppet]:
    """Launch the program in a folder of its own."""
    names = ["first", "second"] if two else ["first"]
    for name in names:
        for end in ("told", "asked"):
            os.mkfifo(folder / f"{name}.{end}")
    program = Order(
        argv=[*PYTHON, _PUPPET, "two" if two else "one"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        isolate=isolate,
        watched=watched,
        refusals=refusals,
    )
    with Launch(program) as launch, ExitStack() as opened:
        told: dict[str, TextIO] = {}
        asked: dict[str, TextIO] = {}
        for name in names:
            settle_output(launch, f"{name} is ready")
            told[name] = opened.enter_context((folder / f"{name}.told").open(encoding="ascii"))
            asked[name] = opened.enter_context((folder / f"{name}.asked").open("w", encoding="ascii"))
        yield Puppet(launch, told, asked)
