"""Loads that make a machine busy, each a context manager: its processors, its disk, its loopback.

A load is two programs a processor. They end with the block, and with us, however we end.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from selftests.facts import PYTHON

_ENDS_WITH_US = "import ctypes; ctypes.CDLL(None).prctl(1, 9)\n"  # PR_SET_PDEATHSIG, SIGKILL
_COMPUTES = "while True: pass\n"
# 64 MiB, over and over: each block is forced to the disk, and all of them are read again.
_WRITES = """
import os, sys

block = os.urandom(1 << 20)
with open(sys.argv[1], "w+b", buffering=0) as file:
    while True:
        file.seek(0)
        for _ in range(64):
            file.write(block)
            os.fdatasync(file.fileno())
        file.seek(0)
        while file.read(1 << 20):
            pass
"""
# One connection at full speed, and beside it one after another that says a word and is reset: none lingers.
_TALKS = """
import socket, struct, threading

listener = socket.create_server(("127.0.0.1", 0), backlog=128)

def drain(client):
    with client:
        try:
            while client.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass

def serve():
    while True:
        threading.Thread(target=drain, args=[listener.accept()[0]], daemon=True).start()

def stream():
    with socket.create_connection(listener.getsockname()) as client:
        while True:
            client.sendall(bytes(1 << 16))

for work in (serve, stream):
    threading.Thread(target=work, daemon=True).start()
while True:
    with socket.create_connection(listener.getsockname()) as client:
        client.send(b"x")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""

LOADS = {"none": "", "processors": _COMPUTES, "disk": _WRITES, "loopback": _TALKS}


@contextmanager
def load(name: str) -> Iterator[list[int]]:
    """Keep the machine busy for as long as the block lasts; gives the pids of what does so. Raises KeyError."""
    source = LOADS[name]
    count = 2 * (os.cpu_count() or 1) if source else 0
    with tempfile.TemporaryDirectory(prefix="load-") as scratch, ExitStack() as running:
        programs = []
        for number in range(count):
            file = Path(scratch) / str(number)
            program = subprocess.Popen([*PYTHON, _ENDS_WITH_US + source, str(file)])
            running.callback(_end, program)
            programs.append(program.pid)
        yield programs


def _end(program: subprocess.Popen[bytes]) -> None:
    program.kill()
    program.wait()
