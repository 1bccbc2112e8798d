"""The client, against listening sockets that the tests hold themselves."""

import os
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from drivers.client import MOST_KEPT, Client, Ending
from selftests.facts import settle
from spec.event import ConnectionId

REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket with room for many."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        listening.settimeout(20)
        yield listening


@pytest.fixture
def connect(listener: socket.socket) -> Iterator[Callable[..., Client]]:
    """Make clients of that socket; all are let go of at the end."""
    clients: list[Client] = []

    def make(request: bytes = b"", port: int | None = None) -> Client:
        number = ConnectionId(len(clients) + 1)
        clients.append(Client(socket.socket, port or listener.getsockname()[1], request=request, number=number))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def accepted(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(20)
    return connection


def resets(connection: socket.socket) -> None:
    """Let the connection's end be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def step_until(client: Client, fact: Callable[[], object], what: str) -> None:
    def stepped() -> object:
        client.step()
        return fact()

    settle(stepped, what=what)


def step_to_the_end(client: Client) -> None:
    step_until(client, lambda: not client.open, "the connection's end")


def test_a_client_that_is_answered_and_let_go_of_was_served(
    listener: socket.socket, connect: Callable[..., Client]
) -> None:
    client = connect(REQUEST)
    server = accepted(listener)
    assert server.getpeername()[1] == client.local_port
    assert server.recv(100) == REQUEST
    assert (client.connected, client.open, client.asked, client.wants_to_send) == (True, True, True, False)
    server.sendall(b"hi")
    server.close()
    step_to_the_end(client)
    assert (client.ending, bytes(client.received), client.served) == (Ending.CLOSED, b"hi", True)
    assert client.fileno() == -1
    assert client.ended >= client.began


def test_a_port_that_nobody_listens_on_refuses(listener: socket.socket, connect: Callable[..., Client]) -> None:
    port = listener.getsockname()[1]
    listener.close()
    client = connect(REQUEST, port)
    step_to_the_end(client)
    assert (client.ending, client.connected, client.served) == (Ending.REFUSED, False, False)
    assert "refused after 0 bytes" in client.why_lost()


def test_a_connection_that_is_closed_without_a_byte_is_not_served(
    listener: socket.socket, connect: Callable[..., Client]
) -> None:
    client = connect()
    accepted(listener).close()
    step_to_the_end(client)
    assert (client.ending, client.served) == (Ending.CLOSED, False)
    assert "closed in order by the server after 0 bytes" in client.why_lost()


def test_a_reset_is_told_and_is_service_only_after_some_bytes(
    listener: socket.socket, connect: Callable[..., Client]
) -> None:
    silent, answered = connect(), connect()
    resets(accepted(listener))
    step_to_the_end(silent)
    assert (silent.ending, silent.served) == (Ending.RESET, False)
    connection = accepted(listener)
    connection.sendall(b"hi")
    step_until(answered, lambda: answered.received, "two bytes")
    resets(connection)
    step_to_the_end(answered)
    assert (answered.ending, answered.served) == (Ending.RESET, True)


def test_a_client_that_closes_its_half_still_hears_the_answer(
    listener: socket.socket, connect: Callable[..., Client]
) -> None:
    client = connect(REQUEST)
    server = accepted(listener)
    client.finish_sending()
    assert server.recv(100) == REQUEST
    assert server.recv(100) == b""
    server.sendall(b"still here")
    server.close()
    step_to_the_end(client)
    assert client.served
    client.finish_sending()


def test_a_request_may_come_in_pieces(listener: socket.socket, connect: Callable[..., Client]) -> None:
    client = connect()
    server = accepted(listener)
    assert not client.asked
    for piece in (REQUEST[:5], REQUEST[5:]):
        client.send(piece)
        assert server.recv(100) == piece
    assert client.asked
    server.close()


def test_a_request_larger_than_the_sockets_take_is_sent_as_there_is_room(
    listener: socket.socket, connect: Callable[..., Client]
) -> None:
    large = bytes(range(256)) * 80_000
    client = connect(large)
    server = accepted(listener)
    client.step()
    assert client.wants_to_send
    heard = bytearray()

    def heard_all() -> bool:
        heard.extend(server.recv(1 << 20))
        return len(heard) == len(large)

    step_until(client, heard_all, "the whole request")
    assert heard == large
    assert not client.wants_to_send
    server.close()


def test_a_large_answer_is_kept_whole(listener: socket.socket, connect: Callable[..., Client]) -> None:
    client = connect(REQUEST)
    server = accepted(listener)
    assert server.recv(100) == REQUEST  # unread, it would make the close a reset
    server.setblocking(False)
    left = memoryview(b"x" * (MOST_KEPT - 1))

    def said_all() -> bool:
        nonlocal left
        try:
            left = left[server.send(left) :]
        except BlockingIOError:
            pass
        return not left

    step_until(client, said_all, "the whole answer sent")
    server.close()
    step_to_the_end(client)
    assert len(client.received) == MOST_KEPT - 1
    assert client.ending is Ending.CLOSED


def test_an_answer_without_end_is_cut_off(listener: socket.socket, connect: Callable[..., Client]) -> None:
    client = connect(REQUEST)
    server = accepted(listener)
    server.setblocking(False)

    def cut_off() -> bool:
        try:
            server.send(b"y" * 65536)
        except OSError:
            pass
        return not client.open

    step_until(client, cut_off, "the client's patience")
    assert MOST_KEPT < len(client.received) <= MOST_KEPT + (1 << 17)
    server.close()


def test_an_answer_that_came_before_the_request_was_sent_is_heard(
    listener: socket.socket, connect: Callable[..., Client]
) -> None:
    """A server that answers unasked and closes: the request then meets a reset, the answer does not get lost."""
    client = connect()
    server = accepted(listener)
    server.sendall(b"early")
    server.close()
    client.send(REQUEST)
    step_to_the_end(client)
    assert bytes(client.received) == b"early"
    assert client.served
    client.send(REQUEST)
    assert not client.open


def test_a_full_backlog_leaves_the_handshake_open_and_it_is_completed_once_there_is_room() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        clients = [Client(socket.socket, port, request=REQUEST, number=ConnectionId(number)) for number in range(4)]
        waiting = [client for client in clients if not client.connected]
        assert waiting, "a backlog of none takes one"
        last = waiting[-1]
        assert (last.open, last.wants_to_send) == (True, True)
        assert "handshake was not completed" in last.why_lost()
        served: list[socket.socket] = []

        def last_is_in() -> bool:
            listener.setblocking(False)
            try:
                served.append(listener.accept()[0])
            except BlockingIOError:
                pass
            return last.connected

        step_until(last, last_is_in, "the handshake")  # the kernel tries again after a second
        for connection in served:
            connection.close()
        for client in clients:
            client.close()


def test_letting_go_in_order_and_by_reset_are_told_apart_by_the_server(
    listener: socket.socket, connect: Callable[..., Client]
) -> None:
    orderly, rude = connect(), connect()
    one, other = accepted(listener), accepted(listener)
    orderly.close()
    assert one.recv(1) == b""
    rude.reset()
    with pytest.raises(ConnectionResetError):
        other.recv(1)
    rude.reset()
    for each in (one, other):
        each.close()


def test_a_client_leaves_no_descriptor(listener: socket.socket) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for ending in (Client.close, Client.reset):
        client = Client(socket.socket, listener.getsockname()[1], number=ConnectionId(1))
        ending(client)
        accepted(listener).close()
    assert set(os.listdir("/proc/self/fd")) == before
