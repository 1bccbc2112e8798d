"""Launches of small servers written for one test: by their source, with what each says on its terminal."""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

from observers import procfs
from selftests.facts import PYTHON, Identity, identities, settle
from spec.event import Pid
from subject.launch import Launch, Order

# A pool as small as can be: so many children on one port, each serving one connection after another.
POOL = """
import os, signal, socket, sys
port, children = int(sys.argv[1]), int(sys.argv[2])
listener = socket.create_server(("0.0.0.0", port), backlog=64)
for _ in range(children):
    if os.fork() == 0:
        while True:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")
            connection.close()
print("ready", flush=True)
while True:
    signal.pause()
"""


class More(TypedDict, total=False):
    """What else an order may say."""

    cwd: Path
    env: Mapping[str, str]
    occupied_port: int
    process_limit: int


def order(source: str, *arguments: object, isolate: bool = True, **more: Unpack[More]) -> Order:
    """Order a launch of a program of the standard library's only."""
    argv = [*PYTHON, source, *map(str, arguments)]
    more.setdefault("cwd", Path("/"))
    more.setdefault("env", {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
    return Order(argv=argv, isolate=isolate, **more)


def plain(*argv: str, isolate: bool, cwd: Path = Path("/"), **more: str) -> Order:
    """Order a program that is no interpreter of ours."""
    return Order(argv=argv, cwd=cwd, env={"PATH": os.environ["PATH"], **more}, isolate=isolate)


def settle_output(launch: Launch, text: str) -> str:
    """Wait until the subject has written this; gives all that it wrote."""
    settle(lambda: text in launch.report().output, what=f"{text!r} in the subject's output")
    return launch.report().output


def settle_status(launch: Launch) -> int:
    """Wait until the launched process has ended; gives its exit status."""
    settle(lambda: launch.report(output=False).status is not None, what="the launched process's end")
    status = launch.report().status
    assert status is not None
    return status


def said(launch: Launch) -> list[Any]:
    """Wait for the launched process's end; gives the JSON list on the last line that it wrote."""
    settle_status(launch)
    told: list[Any] = json.loads(launch.report().output.splitlines()[-1])
    return told


def everyone(launch: Launch) -> set[Identity]:
    """Tell who belongs to a launch: the warden, the init, and all of the subject."""
    return identities([launch.warden, *procfs.descendants(launch.warden)])


def subject_processes(launch: Launch) -> list[Pid]:
    """Give the live processes of the subject."""
    own = procfs.descendants(launch.warden)
    return [pid for pid in own if not (launch.isolated and pid == launch.init) and not procfs.look(pid).ended]


def free_port() -> int:
    """Draw a port that nobody listens on; another test may draw it too, so only for networks that are shared anyway."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(launch: Launch, port: int) -> bytes:
    """Connect inside the subject's network, and give the whole answer."""
    with launch.socket() as client:
        client.settimeout(20)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
        return answer
