"""The standard streams: what a command may find closed when it starts, or abandoned when it ends."""

import os
import sys


def open_all() -> None:
    """Give a closed standard stream the null device: a socket that got its number would be printed to."""
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(null, True)
    os.close(null)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        else:
            # Not every terminal knows every sign; better a question mark than an end.
            stream.reconfigure(errors="replace")


def hush() -> None:
    """Send what is still to be printed nowhere: the interpreter would try once more at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def finish(status: int) -> int:
    """Give a status that stands, whether what was printed could be read or not."""
    try:
        sys.stdout.flush()
    except OSError:
        hush()
    return status
