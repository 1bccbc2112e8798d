"""The reference server, launched and watched from outside: signals, deaths, limits, requests in pieces."""

import contextlib
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 15_000  # milliseconds that anything may take on a machine in trouble
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
REFUSING_FORKS = """
import os, sys
fork, refusals = os.fork, [BlockingIOError(11, "refused")] * 3
def reluctant():
    if refusals:
        raise refusals.pop()
    return fork()
os.fork = reluctant
from reference_server.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    """A zombie is dead: it has let go of all it held."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server:
    """A launched server: its process, and what can be seen of it."""

    def __init__(self, *options: str, program: tuple[str, ...] = ("-m", "reference_server")) -> None:
        self.port = free_port()
        command = [sys.executable, *program, "--port", str(self.port), *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
        self.pid = self.process.pid
        self.watch = select.poll()
        self.watch.register(os.pidfd_open(self.pid))
        self.seen: set[int] = set()

    def until(self, fact: Callable[[], object]) -> None:
        """Wait for a fact, looking at it a thousand times a second, or for the server's death, whichever is first."""
        for _ in range(PATIENCE):
            if fact():
                return
            self.watch.poll(1)
        pytest.fail("it did not come true")

    def children(self) -> set[int]:
        with contextlib.suppress(FileNotFoundError):
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
            alive = {int(pid) for pid in text.split() if is_alive(int(pid))}
            self.seen |= alive
            return alive
        return set()

    def settle(self, count: int) -> set[int]:
        self.until(lambda: len(self.children()) == count)
        return self.children()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE / 1000)

    def get(self, request: bytes = REQUEST) -> bytes:
        with self.connect() as client:
            client.sendall(request)
            return read_all(client)

    def state(self) -> dict[int, tuple[str, int]]:
        """Ask for a report: what each child does, and how many connections it has served."""
        os.kill(self.pid, signal.SIGUSR1)
        assert self.process.stdout is not None
        report = os.read(self.process.stdout.fileno(), 65536).decode()
        return {int(pid): (word, int(served)) for pid, word, served in re.findall(r"(\d+): (\w+).* (\d+)\n", report)}

    def end(self) -> None:
        self.children()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        self.process.kill()
        self.process.communicate()
        for pid in filter(is_alive, self.seen):
            os.kill(pid, signal.SIGKILL)


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


Launch = Callable[..., Server]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Launch servers `min_spare, max_spare, max_connections, *options`, settled; end them all, whatever happened."""
    servers: list[Server] = []

    def settled(low: int, high: int, limit: int, *options: str, **how: tuple[str, ...]) -> Server:
        bounds = ("--min-spare", str(low), "--max-spare", str(high), "--max-connections", str(limit))
        servers.append(Server(*bounds, *options, **how))
        servers[-1].settle(low)
        return servers[-1]

    yield settled
    for server in servers:
        server.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_ends_all_of_it_and_frees_the_port(launch: Launch, number: signal.Signals) -> None:
    server = launch(3, 4, 100)
    children = server.children()
    os.kill(server.pid, number)
    assert server.process.wait(timeout=15) == 0
    assert not any(map(is_alive, children))
    with socket.socket() as successor:
        successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        successor.bind(("", server.port))


def test_it_reports_what_each_child_does_and_goes_on(launch: Launch) -> None:
    server = launch(1, 1, 100)
    assert server.get().startswith(b"HTTP/1.1 200 ")
    with server.connect():
        server.until(lambda: sorted(word for word, _ in server.state().values()) == ["busy", "idle"])
        assert sum(served for _, served in server.state().values()) == 1
        assert set(server.state()) == server.children()
    assert server.get().startswith(b"HTTP/1.1 200 ")


def test_ctrl_c_on_a_terminal_leaves_a_busy_child_to_finish(launch: Launch) -> None:
    server = launch(1, 1, 100)
    with server.connect() as client:
        server.settle(2)
        os.killpg(server.pid, signal.SIGINT)
        server.until(lambda: len(server.children()) == 1)
        client.sendall(REQUEST)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    assert server.process.wait(timeout=15) == 0


def test_children_end_when_the_parent_is_killed_the_busy_one_after_its_client(launch: Launch) -> None:
    server = launch(2, 3, 100)
    with server.connect() as client:
        server.settle(3)
        (busy,) = (pid for pid, (word, _) in server.state().items() if word == "busy")
        children = server.children()
        server.process.kill()
        server.until(lambda: [pid for pid in children if is_alive(pid)] == [busy])
        client.sendall(REQUEST)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
    server.until(lambda: not is_alive(busy))


@pytest.mark.parametrize("busy", [False, True])
def test_a_killed_child_is_replaced(launch: Launch, busy: bool) -> None:  # noqa: FBT001 - a case of the table above
    server = launch(2, 2, 100)
    with server.connect() as client:
        server.settle(3)
        if not busy:
            client.close()
            server.settle(2)
        (victim, *_) = (pid for pid, (word, _) in server.state().items() if (word == "busy") is busy)
        os.kill(victim, signal.SIGKILL)
        server.until(lambda: victim not in server.children() and len(server.children()) == 2)
        assert set(server.state()) == server.children()


def test_it_grows_to_many_never_beyond_its_limit_and_comes_back(launch: Launch) -> None:
    server = launch(2, 4, 1000, "--max-children", "40")
    clients = [server.connect() for _ in range(60)]
    server.until(lambda: sum(word == "busy" for word, _ in server.state().values()) == 40)
    assert len(server.children()) == 40
    for client in clients:
        client.close()
    server.settle(4)


def test_a_child_ends_after_its_last_connection_and_not_before(launch: Launch) -> None:
    server = launch(1, 1, 3, "--max-children", "1")
    (child,) = server.children()
    for _ in range(2):
        server.get()
    server.until(lambda: server.state() == {child: ("idle", 2)})
    server.get()
    server.until(lambda: not is_alive(child))
    assert server.settle(1) != {child}


def test_a_request_in_pieces_is_answered_when_it_is_complete_and_not_before(launch: Launch) -> None:
    server = launch(1, 1, 100)
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in REQUEST[:-1]:
            client.send(bytes([byte]))
        assert not select.select([client], [], [], 0.1)[0]
        client.send(REQUEST[-1:])
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


REQUESTS = {
    "bare newlines": (b"GET / HTTP/1.0\n\n", b"200"),
    "pipelined": (REQUEST * 2, b"200"),
    "with a body": (b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", b"200"),
    "binary": (b"\0\1\2\r\n\r\n", b"400"),
    "bad field": (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
    "too long": (b"GET / HTTP/1.1\r\nx: " + b"y" * 200_000 + b"\r\n\r\n", b"431"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_gets_one_response_which_no_reset_destroys(launch: Launch, name: str) -> None:
    request, status = REQUESTS[name]
    server = launch(1, 1, 100)
    (child,) = server.children()
    response = server.get(request)
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.split()[:2] == [b"HTTP/1.1", status]
    assert response.count(b"HTTP/1.1 ") == 1
    assert b"Content-Length: %d" % len(body) in head
    server.until(lambda: server.state().get(child) == ("idle", 1))


def test_a_client_that_leaves_early_costs_no_child(launch: Launch) -> None:
    server = launch(1, 1, 100, "--max-children", "1")
    (child,) = server.children()
    for sent, reset in ((b"", True), (b"GET /", True), (REQUEST, True), (b"GET /", False)):
        with server.connect() as client:
            client.sendall(sent)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            else:
                client.shutdown(socket.SHUT_WR)
                assert read_all(client) == b""
    server.until(lambda: server.state() == {child: ("idle", 4)})


def test_service_goes_on_while_the_parent_is_stopped_and_no_count_is_lost(launch: Launch) -> None:
    server = launch(1, 1, 1000)
    (child,) = server.children()
    os.kill(server.pid, signal.SIGSTOP)
    for _ in range(200):  # 400 messages, of which a channel holds 278
        assert server.get().startswith(b"HTTP/1.1 200 ")
    os.kill(server.pid, signal.SIGCONT)
    server.until(lambda: server.state().get(child) == ("idle", 200))


def test_a_child_out_of_descriptors_neither_ends_nor_spins_and_serves_when_it_has_one(launch: Launch) -> None:
    server = launch(1, 1, 100, "--max-children", "1")
    (child,) = server.children()
    server.get()  # now it has all it needs itself
    before = resource.prlimit(child, resource.RLIMIT_NOFILE)
    resource.prlimit(child, resource.RLIMIT_NOFILE, (3, before[1]))

    def waits() -> int:
        return int(Path(f"/proc/{child}/status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    with server.connect() as client:
        client.sendall(REQUEST)
        begun = waits()
        server.until(lambda: waits() >= begun + 3)  # one that spins never waits
        assert server.children() == {child}
        resource.prlimit(child, resource.RLIMIT_NOFILE, before)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


def test_refused_forks_are_tried_again(launch: Launch) -> None:
    server = launch(2, 3, 100, program=("-c", REFUSING_FORKS))
    assert server.get().startswith(b"HTTP/1.1 200 ")
