"""What this machine allows a launch to have: namespaces of its own, or only a process group. Found out by trying."""

import os
import sys
from functools import cache
from pathlib import Path

from subject.launch import Launch, LaunchRefused, Order


@cache
def why_not_isolated() -> str | None:
    """Try a launch in namespaces of its own; gives the refusal in words, or None where it works."""
    order = Order(argv=[sys.executable, "-I", "-S", "-c", ""], cwd=Path("/"), env=dict(os.environ))
    try:
        with Launch(order):
            return None
    except LaunchRefused as error:
        return str(error)


def isolation_allowed() -> bool:
    """Tell whether each launch has a network and a pid space of its own here."""
    return why_not_isolated() is None


def in_words() -> str:
    """Name the isolation of launches on this machine, for the verdict document."""
    why = why_not_isolated()
    return "namespaces" if why is None else f"process groups only ({why})"
