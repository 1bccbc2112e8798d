"""Servers of a few lines, as subjects of a stage: each a file in a test's folder, started by a profile."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from conformance.pace import Pace
from conformance.stage import Stage
from selftests.launching import free_port
from spec.parameters import Parameters
from subject.isolation import isolation_allowed
from subject.profile import Profile

# Waits of a tenth of a second and less: these servers do at once what they do at all.
QUICK = Pace(grow_round=0.1, shed_each=0.1, patience=0.2)
GENEROUS = Pace(patience=3.0)
BOUNDS = Parameters(min_spare=2, max_spare=3, max_connections=1000)

# Each server is a few of these, then what it does: port, min_spare and max_spare are its arguments.
WORDS = '''
import os, signal, socket, sys, time
port, min_spare, max_spare = map(int, sys.argv[1:4])
ANSWER = b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi"

def listen(port=port, backlog=64):
    return socket.create_server(("127.0.0.1", port), backlog=backlog)

def wait():
    while True:
        signal.pause()

def answer(connection):
    """Wait for something to be said, answer, and close."""
    try:
        if connection.recv(4096):
            connection.sendall(ANSWER)
    except OSError:
        pass
    connection.close()

def child(work):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        work()
        os._exit(0)
    return pid

def serve(listener, answer=answer):
    def work():
        while True:
            answer(listener.accept()[0])
    return work

def pool(count, answer=answer):
    listener = listen()
    for _ in range(count):
        child(serve(listener, answer))
    wait()
'''

Staged = Callable[..., AbstractContextManager[Stage]]


def staged(folder: Path) -> Staged:
    """Give what puts a server of a few lines on a stage, not yet started."""

    @contextmanager
    def stage(source: str, *, pace: Pace = GENEROUS, parameters: Parameters = BOUNDS) -> Iterator[Stage]:
        script = folder / "server.py"
        script.write_text(WORDS + source, encoding="utf-8")
        bounds = "{port} {min_spare} {max_spare} {max_connections}"
        command = f"{shlex.quote(sys.executable)} -I -S {shlex.quote(str(script))} {bounds}"
        profile = Profile(command=command, cwd=folder)
        with Stage(profile, parameters, free_port(), pace=pace, isolate=isolation_allowed()) as made:
            yield made

    return stage
