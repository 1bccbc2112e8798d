"""The reference server's command line: what is refused, and how."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def refuse(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reference_server", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"--port": "70000"},
        {"--port": "0"},
        {"--port": "http"},
        {"--min-spare": "0"},
        {"--max-spare": "1"},
        {"--max-connections": "0"},
        {"--max-connections": "-1"},
        {"--max-children": "1"},
        {"--service-time": "nan"},
    ],
)
def test_a_parameter_out_of_range_is_refused_in_one_line(wrong: dict[str, str]) -> None:
    legal = {"--port": "8080", "--min-spare": "2", "--max-spare": "3", "--max-connections": "9"}
    refused = refuse(*(word for option in (legal | wrong).items() for word in option))
    assert refused.returncode == 2
    assert next(iter(wrong)) in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_port_in_use_is_refused_in_one_line() -> None:
    with socket.create_server(("", 0)) as occupant:
        port = str(occupant.getsockname()[1])
        refused = refuse("--port", port, "--min-spare", "1", "--max-spare", "1", "--max-connections", "1")
    assert refused.returncode == 1
    assert port in refused.stderr
    assert refused.stderr.count("\n") == 1
