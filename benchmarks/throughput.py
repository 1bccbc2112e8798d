"""Compare the connections a second of the reference server with those of the example server in C.

    python benchmarks/throughput.py [--rounds 9] [--requests 20000] [--clients 16] [--tool ab|wrk]

Both servers run all the time; the tool loads one, then the other, in turns, so that whatever else the machine does
strikes both alike. The figure is the median of the rounds' ratios. Loopback only. ab (Debian: apache2-utils) opens a
connection for each request; wrk (Debian: wrk) does so because each response closes.
"""

import argparse
import contextlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"ab": "apache2-utils", "wrk": "wrk"}
RATE = re.compile(r"Requests(?: per second|/sec):\s+([0-9.]+)")
FAILED = re.compile(r"Failed requests:\s+([1-9]\d*)|Socket errors:.*")


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[int]:
    """Launch a server, wait until it answers, and end it at last. The command's `{port}` is filled in."""
    port = free_port()
    server = subprocess.Popen([word.format(port=port) for word in command], cwd=ROOT)
    try:
        while True:
            if server.poll() is not None:
                sys.exit(f"{command[0]} ended with status {server.returncode}")
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
        yield port
    finally:
        server.terminate()
        server.wait(timeout=10)


def rate(tool: str, port: int, clients: int, requests: int) -> float:
    """Load one server, and return the connections a second that the tool counted."""
    url = f"http://127.0.0.1:{port}/"
    if tool == "ab":
        command = ["ab", "-q", "-c", str(clients), "-n", str(requests), url]
    else:
        command = ["wrk", "-t", "1", "-c", str(clients), "-d", "1s", "-H", "Connection: close", url]
    output = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
    found = RATE.search(output)
    if found is None or FAILED.search(output):
        sys.exit(f"{tool} failed:\n{output}")
    return float(found[1])


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=20_000, help="in each round, by ab (wrk runs for a second)")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pool", default="16 32 100000", help="min_spare max_spare max_connections")
    parser.add_argument("--tool", choices=sorted(PACKAGES), default=next(filter(shutil.which, PACKAGES), "ab"))
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the reference server")
    chosen = parser.parse_args()
    if shutil.which(chosen.tool) is None:
        sys.exit(f"{chosen.tool} is not installed: apt-get install {PACKAGES[chosen.tool]}")

    subprocess.run(["make", "-s", "-C", ROOT / "subjects/example_c"], check=True)
    low, high, limit = chosen.pool.split()
    reference = [chosen.python, "-m", "reference_server", "--port", "{port}"]
    reference += ["--min-spare", low, "--max-spare", high, "--max-connections", limit]
    example = ["subjects/example_c/prefork", "{port}", low, high, limit]

    print(f"{chosen.tool}, {chosen.clients} clients, a connection for each request; pool {chosen.pool}")
    print(f"{'round':>6} {'reference':>10} {'example C':>10} {'ratio':>6}")
    rows: list[tuple[float, float]] = []
    with running(reference) as first, running(example) as second:
        for port in (first, second):  # caches, and a pool grown to what the load needs
            rate(chosen.tool, port, chosen.clients, chosen.requests // 4)
        for number in range(chosen.rounds):
            # Who goes first alternates as well: a drift of the machine favours neither.
            order = (first, second) if number % 2 == 0 else (second, first)
            seen = {port: rate(chosen.tool, port, chosen.clients, chosen.requests) for port in order}
            rows.append((seen[first], seen[second]))
            print(f"{number + 1:>6} {seen[first]:>10.0f} {seen[second]:>10.0f} {seen[first] / seen[second]:>6.2f}")
    ours, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(one / other for one, other in rows)
    print(f"{'median':>6} {ours:>10.0f} {theirs:>10.0f} {ratio:>6.2f}")


if __name__ == "__main__":
    main()
