"""What this machine allows a launch to have: namespaces of its own, or only a process group. Found out by trying."""

import os
import select
import sys
import tempfile
from functools import cache
from pathlib import Path

from subject import landlock, refused_calls
from subject.launch import Launch, LaunchRefused, Order
from subject.sandbox import FULL, PARTIAL, Sandbox


@cache
def why_not_isolated() -> str | None:
    """Try a launch in namespaces of its own; gives the refusal in words, or None where it works."""
    order = Order(argv=[sys.executable, "-I", "-S", "-c", ""], cwd=Path("/"), env=dict(os.environ))
    try:
        with Launch(order):
            return None
    except LaunchRefused as error:
        return str(error)


@cache
def why_not_sandboxed() -> str | None:
    """Try a launch in a sandbox; gives the refusal in words, or None where all of it is to be had."""
    return _why_not(FULL, isolate=True)


@cache
def why_not_partly() -> str | None:
    """Try a launch in what can be had without a root folder of its own; gives the refusal, or None."""
    if (version := landlock.version()) < landlock.ENOUGH:
        return f"Landlock's version is {version}, and {landlock.ENOUGH} is needed (Linux 6.12)"
    if not refused_calls.are_known():
        return "the numbers of this architecture's system calls are not known"
    return _why_not(PARTIAL, isolate=isolation_allowed())


def rung() -> str | None:
    """Give how much of a sandbox there is here: full, partial, or None."""
    if why_not_sandboxed() is None:
        return FULL
    return PARTIAL if why_not_partly() is None else None


def _why_not(rung: str, *, isolate: bool) -> str | None:
    with tempfile.TemporaryDirectory(prefix="preforkspec-") as folder:
        Path(folder).chmod(0o755)
        confined = Sandbox(folder=folder, rung=rung)
        order = Order(
            argv=["/bin/sh", "-c", "exit 7"], cwd=Path(confined.home), env={}, sandbox=confined, isolate=isolate
        )
        try:
            with Launch(order) as launch:
                while (report := launch.report()).status is None:
                    select.poll().poll(1)
        except LaunchRefused as error:
            return str(error)
    return None if report.status == 7 else " ".join(report.output.split())


def isolation_allowed() -> bool:
    """Tell whether each launch has a network and a pid space of its own here."""
    return why_not_isolated() is None


def in_words() -> str:
    """Name the isolation of launches on this machine, for the verdict document."""
    why = why_not_isolated()
    return "namespaces" if why is None else f"process groups only ({why})"
