"""A server of one process for the tests of faults on the wire, and whether there can be a wire at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from selftests.facts import settle
from selftests.launching import order, settle_output
from subject.isolation import why_not_isolated
from subject.launch import Launch, TunnelRefused

PORT, BACKLOG = 8000, 32
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
REPLY = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"
# Reads to the end of the request's head, or of what comes; then answers, and closes.
SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
dual = family == socket.AF_INET6 and sys.argv[1] == "::" and "only" not in sys.argv
listener = socket.create_server(
    (sys.argv[1], int(sys.argv[2])), family=family, dualstack_ipv6=dual, backlog=int(sys.argv[3]))
print("ready", flush=True)
while True:
    with listener.accept()[0] as connection:
        if "late" in sys.argv:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        try:
            head = b""
            while "hasty" not in sys.argv and b"\\r\\n\\r\\n" not in head and (more := connection.recv(1000)):
                head += more
            if head:
                connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
        except ConnectionError:
            pass
"""


def why_no_tunnel() -> str | None:
    """Try; gives the refusal in words, or None where a wire can be laid."""
    if (why := why_not_isolated()) is not None:
        return why
    with Launch(order("import signal; signal.pause()")) as launch:
        try:
            os.close(launch.tunnel())
        except TunnelRefused as refusal:
            return str(refusal).partition(";")[0]
    return None


NEEDS_A_WIRE = pytest.mark.skipif((_WHY := why_no_tunnel()) is not None, reason=f"no wire here: {_WHY}")


@contextmanager
def served(*, at: str = "0.0.0.0", backlog: int = BACKLOG, how: str = "") -> Iterator[Launch]:
    """Launch the server; with `how` "hasty" it closes each connection at once, with "only" it knows IPv6 alone.

    With "late" it acknowledges as late as it may.
    """
    with Launch(order(SERVER, at, PORT, backlog, how)) as launch:
        settle_output(launch, "ready")
        yield launch


def until(fact: Callable[[], bool], *, within: float) -> bool:
    """Wait for a fact, as a stage does."""
    try:
        settle(fact, what="", within=within)
    except AssertionError:
        return False
    return True
