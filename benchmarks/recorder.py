"""What one sample of the pool costs, at different sizes: `python benchmarks/recorder.py [CHILDREN …]`.

The recorder looks at every child at least every two milliseconds under load, on the processors that the subject needs
too. Printed are the median and the 99th percentile of one sample, its share of two milliseconds, and the cost of the
other looks that a stage takes: for the server's side of one connection, and for the pool's parent.
"""

import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from observers.pool_watch import PoolWatch
from observers.sock_diag import NETLINK_SOCK_DIAG, SockDiag
from subject.isolation import isolation_allowed
from subject.launch import Launch, Order

PORT = 28_080
EVERY = 0.002  # seconds between two samples
ROUNDS = 400
SERVER = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=256)
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        kept = []
        while True:
            kept[:] = [listener.accept()]
print("ready", flush=True)
signal.pause()
"""


def timed(look: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Give the median and the 99th percentile of a look, in microseconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        look()
        took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took), statistics.quantiles(took, n=100)[98]


def measure(children: int) -> None:
    """Launch so many children, and print what looking at them costs."""
    order = Order(
        argv=[sys.executable, "-I", "-S", "-c", SERVER, str(PORT), str(children)],
        cwd=Path("/"),
        env={},
        isolate=isolation_allowed(),
    )
    with Launch(order) as launch:
        while "ready" not in launch.report().output:
            signal.sigtimedwait([], 0.005)
        diag = SockDiag(launch.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
        outside = frozenset({launch.init} if launch.isolated else set())
        watch = PoolWatch(launch.warden, outside=outside, diag=diag, clock=time.monotonic)
        began = time.perf_counter()
        watch.find(PORT)
        first = (time.perf_counter() - began) * 1e3
        if len(watch.live) != children:
            raise SystemExit(f"saw {len(watch.live)} of {children} children")
        clients = []
        for _ in range(min(children, 100)):
            clients.append(launch.socket())
            clients[-1].connect(("127.0.0.1", PORT))
        middle, late = timed(watch.sample, ROUNDS)
        one = clients[0].getsockname()[1]
        side, _ = timed(lambda: diag.server_side(PORT, one), ROUNDS)
        again, _ = timed(lambda: watch.find(PORT), 10)
        share = middle / EVERY / 1e4
        looks = f"{side:12.0f} {first:14.1f} {again / 1e3:13.1f}"
        print(f"{children:8} {middle:10.0f} {late:9.0f} {share:7.1f} % {looks}", flush=True)
        for client in clients:
            client.close()
        diag.close()
        watch.close()


def main(sizes: list[int]) -> None:
    """Print a line a size."""
    print("children  sample µs   99 % µs  of 2 ms  connection µs  first find ms  find again ms")
    for size in sizes:
        measure(size)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [5, 20, 50, 100, 200])
