"""Runs the real command, as a user does, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# -P: as with the console command, the current folder is not on the import path.
COMMAND = (sys.executable, "-P", "-m", "preforkspec")

# Forks its children once, and answers before it has read the request, with a body shorter than declared: it fails
# http-2 (a MUST) and http-3 (a SHOULD), both within a second.
HASTY_SERVER = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        break
else:
    signal.pause()
while True:
    client, _ = listener.accept()
    client.recv(1000)
    client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nhi")
    client.close()
"""


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and what it printed."""

    status: int
    out: str
    err: str


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a user who runs no tests of his own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80", **(more or {})}


def preforkspec(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Done:
    """Run one command to its end."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def verdicts(document: Path) -> dict[str, str]:
    """Read the verdict on each clause from a document."""
    return {clause["id"]: clause["verdict"] for clause in read(document)["clauses"]}


def read(document: Path) -> dict[str, Any]:
    """Read a verdict document."""
    found: dict[str, Any] = json.loads(document.read_text(encoding="utf-8"))
    return found
