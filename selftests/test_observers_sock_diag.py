"""Sockets as the kernel lists them, against sockets that the tests make."""

import os
import socket
from collections.abc import Iterator

import pytest

from observers.sock_diag import CLOSE_WAIT, ESTABLISHED, LISTEN, NETLINK_SOCK_DIAG, SockDiag, TcpSocket
from selftests.facts import settle
from selftests.launching import order
from subject.isolation import isolation_allowed, why_not_isolated
from subject.launch import Launch


@pytest.fixture
def diag() -> Iterator[SockDiag]:
    """The suite's own network."""
    asked = SockDiag(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
    yield asked
    asked.close()


def inode(each: socket.socket) -> int:
    return os.fstat(each.fileno()).st_ino


def listening(diag: SockDiag, port: int) -> list[TcpSocket]:
    return [each for each in diag.listening() if each.port == port]


def server_side(diag: SockDiag, client: socket.socket) -> TcpSocket | None:
    return diag.server_side(client.getpeername()[1], client.getsockname()[1])


def test_a_listening_socket_is_told_with_its_address_its_backlog_and_its_inode(diag: SockDiag) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=7) as listener:
        port = listener.getsockname()[1]
        (seen,) = listening(diag, port)
        assert (seen.state, seen.address, seen.port, seen.peer_port) == (LISTEN, "127.0.0.1", port, 0)
        assert (seen.inode, seen.queued, seen.backlog) == (inode(listener), 0, 7)
    assert listening(diag, port) == []


def test_a_bound_socket_that_does_not_listen_is_not_listed(diag: SockDiag) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert listening(diag, bound.getsockname()[1]) == []


def test_queued_connections_are_counted_and_have_no_inode_until_they_are_accepted(diag: SockDiag) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=7) as listener:
        port = listener.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        assert listening(diag, port)[0].queued == 3
        for client in clients:
            side = server_side(diag, client)
            assert side is not None
            assert (side.state, side.inode, side.peer_port) == (ESTABLISHED, 0, client.getsockname()[1])
        accepted, (_, peer_port) = listener.accept()
        inodes = {client.getsockname()[1]: server_side(diag, client) for client in clients}
        assert {port: side.inode for port, side in inodes.items() if side is not None and side.inode} == {
            peer_port: inode(accepted)
        }
        assert listening(diag, port)[0].queued == 2
        for each in (*clients, accepted):
            each.close()


def test_a_connection_that_the_client_has_left_is_there_until_the_server_leaves_too(diag: SockDiag) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        client_port = client.getsockname()[1]
        accepted, _ = listener.accept()
        client.close()

        def state() -> int | None:
            side = diag.server_side(port, client_port)
            return None if side is None else side.state

        settle(lambda: state() == CLOSE_WAIT, what="the client's end seen")
        side = diag.server_side(port, client_port)
        assert side is not None
        assert side.inode == inode(accepted)
        accepted.close()
        settle(lambda: state() is None, what="no connection")


def test_a_connection_that_there_is_not_is_not_taken_for_the_listening_socket(diag: SockDiag) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert diag.server_side(listener.getsockname()[1], 1) is None
    assert diag.server_side(1, 1) is None


def test_a_socket_for_both_families_is_listed_once_and_its_ipv4_clients_are_found(diag: SockDiag) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        port = listener.getsockname()[1]
        (seen,) = listening(diag, port)
        assert (seen.address, seen.inode) == ("::", inode(listener))
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listener.accept()
            side = server_side(diag, client)
            assert side is not None
            assert side.inode == inode(accepted)
            accepted.close()


def test_two_sockets_on_one_port_are_two(diag: SockDiag) -> None:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 0))
        other.bind(one.getsockname())
        for each in (one, other):
            each.listen()
        assert {each.inode for each in listening(diag, one.getsockname()[1])} == {inode(one), inode(other)}


def test_the_ends_of_a_socket_pair_are_mapped_to_each_other(diag: SockDiag) -> None:
    one, other = socket.socketpair()
    with one, other, socket.socket(socket.AF_UNIX) as alone:
        peers = diag.unix_peers()
        assert peers[inode(one)] == inode(other)  # type: ignore[index]
        assert peers[inode(other)] == inode(one)  # type: ignore[index]
        assert inode(alone) not in peers
        gone = inode(other)
        other.close()
        assert gone not in diag.unix_peers()


def test_many_sockets_are_all_listed(diag: SockDiag) -> None:
    """The kernel answers in several messages."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(300)]
    pairs = [socket.socketpair() for _ in range(300)]
    assert {inode(each) for each in listeners} <= {each.inode for each in diag.listening()}
    assert {inode(one) for one, _ in pairs} <= diag.unix_peers().keys()
    for each in (*listeners, *(end for pair in pairs for end in pair)):
        each.close()


@pytest.mark.skipif(not isolation_allowed(), reason=f"no namespaces here: {why_not_isolated()}")
def test_only_the_network_that_the_netlink_socket_was_made_in_is_seen() -> None:
    with Launch(order("import signal; signal.pause()")) as launch, socket.create_server(("127.0.0.1", 0)) as outside:
        diag = SockDiag(launch.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG))
        with launch.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            assert [each.inode for each in diag.listening()] == [inode(listener)]
            assert inode(outside) not in {each.inode for each in diag.listening()}
        diag.close()
