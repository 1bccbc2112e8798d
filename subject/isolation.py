"""What this machine allows a launch to have: namespaces of its own, or only a process group. Found out by trying."""

import os
import select
import sys
import tempfile
from functools import cache
from pathlib import Path

from subject.launch import Launch, LaunchRefused, Order
from subject.sandbox import HOME, Sandbox


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
    with tempfile.TemporaryDirectory(prefix="preforkspec-") as folder:
        Path(folder).chmod(0o755)
        confined = Sandbox(folder=folder)
        order = Order(argv=["/bin/sh", "-c", "exit 7"], cwd=Path(HOME), env={}, sandbox=confined)
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
