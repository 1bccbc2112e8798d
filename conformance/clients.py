"""The clients of one launch, and which process holds the server's side of each connection.

Clients never wait: whoever owns the loop (`stage.py`) calls `attend` as often as it can. What they see of the server is
written on the timeline.
"""

import itertools
import select
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property

from drivers.client import LOOPBACK, Client
from observers import listening_socket, procfs
from observers.pool_watch import PoolWatch
from observers.sock_diag import SockDiag
from spec.event import Accepted, Connected, ConnectionId, Dropped, Inode, Left, Pid, Served
from subject.launch import Launch

HANDSHAKE = 0.25  # on loopback one takes microseconds, unless the backlog is full
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Clients:
    """The connections to one subject: short ones, and silent ones that keep its children busy."""

    def __init__(
        self, launch: Launch, port: int, *, watch: PoolWatch, diag: SockDiag, clock: Callable[[], float]
    ) -> None:
        """Connect to `port` in the launch's network, and write on the timeline of `watch`."""
        self.launch = launch
        self.port = port
        self.watch = watch
        self.diag = diag
        self.clock = clock
        self._poll = select.poll()
        self._polled: dict[int, Client] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[ConnectionId, Client] = {}  # whose holder is not known yet
        # Ports and addresses of clients whose connections the server may still have.
        self._followed: dict[int, str] = {}
        self._inodes: dict[ConnectionId, Inode] = {}
        self.held: dict[ConnectionId, Client] = {}
        self.holders: dict[ConnectionId, Pid] = {}
        self.broken_holds: list[Client] = []  # silent connections that the server ended
        self.passing = 0  # short clients that are being served now

    def attend(self, *, within: float) -> None:
        """Let every client that can do something do it; waits for `within` seconds at most for one that can."""
        for descriptor, _ in self._poll.poll(within * 1000):
            client = self._polled.get(descriptor)
            if client is not None:
                self._advance(client)

    def look(self) -> None:
        """Look after those whose child is not known yet."""
        if self._waiting:
            self._retry_handshakes(time.monotonic())
            self.find_holders()

    def leave(self) -> None:
        """Let go of all."""
        for client in self._polled.values():
            client.close()

    @cached_property
    def waits_for_data(self) -> bool:
        """Whether the kernel gives the subject no connection before its client has said something."""
        return listening_socket.waits_for_data([self.watch.parent, *self.watch.live], self.watch.listeners)

    def connect_silently(self, *, until: bytes = GET, follow: bool = True, source: str = LOOPBACK) -> Client:
        """Open a connection that says nothing `until` its time comes; only its first byte, where the kernel waits."""
        return self.connect(greeting=until[:1] if self.waits_for_data else b"", follow=follow, source=source)

    def connect(
        self, request: bytes = b"", *, greeting: bytes = b"", follow: bool = True, source: str = LOOPBACK
    ) -> Client:
        """Open a connection. With `follow`, the process that accepts it is found and written on the timeline."""
        number = ConnectionId(next(self._numbers))
        client = Client(self.launch.socket, self.port, greeting=greeting, request=request, number=number, source=source)
        if follow:
            self._waiting[client.number] = client
        self._register(client)
        return client

    def _register(self, client: Client) -> None:
        if not client.open:
            # All of it happened before it could be polled.
            if client.connected:
                self.watch.write(Connected(self.clock(), client.number))
            self._waiting.pop(client.number, None)
            if client.asked and client.served:
                self.watch.write(Served(self.clock(), client.number))
            return
        self._polled[client.fileno()] = client
        self._poll.register(client.fileno(), select.POLLIN | (select.POLLOUT if client.wants_to_send else 0))
        self._followed[client.local_port] = client.source
        if client.connected:
            self.watch.write(Connected(self.clock(), client.number))

    def hold_connections(self, count: int) -> list[Client]:
        """Open silent connections and keep them."""
        clients = [self.connect_silently() for _ in range(count)]
        self.held |= {client.number: client for client in clients if client.open}
        # Ended before it could be polled: refused, or answered unasked at once.
        self.broken_holds += [client for client in clients if not client.open]
        return clients

    def let_go(self, clients: Iterable[Client]) -> None:
        """Close held connections, silently: their children become idle."""
        for client in list(clients):
            self._forget(client)
            client.close()
            self.watch.write(Dropped(self.clock(), client.number))

    def ask(self, clients: Iterable[Client]) -> None:
        """Send a request on held connections: their children serve and become idle."""
        for client in clients:
            self.send(client, GET[client.greeted :])

    def send(self, client: Client, data: bytes) -> None:
        """Send on one connection."""
        if client.open:
            self._advance(client, data)

    def _advance(self, client: Client, data: bytes = b"") -> None:
        descriptor = client.fileno()
        was_connected = client.connected
        client.send(data)
        if client.connected and not was_connected:
            self.watch.write(Connected(self.clock(), client.number))
        if client.open:
            self._poll.modify(descriptor, select.POLLIN | (select.POLLOUT if client.wants_to_send else 0))
        else:
            # The descriptor is closed already; poll forgets it by number.
            with suppress(KeyError):
                self._poll.unregister(descriptor)
            self._finished(client, descriptor)

    def _finished(self, client: Client, descriptor: int) -> None:
        self._polled.pop(descriptor, None)
        self._waiting.pop(client.number, None)
        silent = self.held.pop(client.number, None) is not None and not client.asked
        if silent:
            self.watch.write(Left(self.clock(), client.number))
            self.broken_holds.append(client)
        elif client.served:
            self.watch.write(Served(self.clock(), client.number))

    def _forget(self, client: Client) -> None:
        descriptor = client.fileno()
        if descriptor >= 0 and self._polled.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)
        self._waiting.pop(client.number, None)
        self.held.pop(client.number, None)

    def clients(self) -> list[Client]:
        """Give all clients that are still here."""
        return list(self._polled.values())

    def drop(self, client: Client, *, reset: bool = False) -> None:
        """Let go of any one connection, in order or with a reset."""
        self._forget(client)
        if reset:
            client.reset()
        else:
            client.close()
        self.watch.write(Dropped(self.clock(), client.number))

    def _retry_handshakes(self, now: float) -> None:
        for client in list(self.held.values()):
            if client.open and not client.connected and now - client.tried > HANDSHAKE:
                self._poll.unregister(client.fileno())
                self._polled.pop(client.fileno())
                self._followed.pop(client.local_port, None)
                client.connect_again()
                self._register(client)

    def find_holders(self) -> None:
        """Find which process accepted each connection that has no known holder, and write it."""
        free = [pid for pid in self.watch.live if pid not in self.holders.values()]
        for number, client in list(self._waiting.items()):
            side = self.diag.server_side(self.port, client.local_port, client=client.source)
            if side is None or not side.inode:
                continue
            inode = side.inode
            self._inodes[number] = inode
            if self._write_holder(number, inode, free):
                self._waiting.pop(number, None)

    def recheck_holders(self) -> None:
        """Look again who holds each held connection; a change is written, and that the parent has one as well."""
        parents = procfs.socket_inodes(self.watch.parent)
        for number in self.held:
            if self._inodes.get(number) in parents:
                self.watch.write(Accepted(self.clock(), number, self.watch.parent))
            elif number in self._inodes:
                self._write_holder(
                    number, self._inodes[number], [self.holders[number]] if number in self.holders else []
                )

    def _write_holder(self, number: ConnectionId, inode: Inode, likely: list[Pid]) -> bool:
        # The walk over all processes is only taken where no child has it: a sound server's accepts never need it.
        for pid in itertools.chain(likely, self.watch.live, self._everyone()):
            if inode in procfs.socket_inodes(pid):
                self.watch.sample()  # a newborn may hold it before it was ever sampled
                holder = self._answerable(pid)
                if self.watch.parent_ended and holder not in self.watch.live:
                    return True  # an orphan: whose child it was can't be told any more
                if self.holders.get(number) != holder:
                    self.holders[number] = holder
                    self.watch.write(Accepted(self.clock(), number, holder))
                return True
        return False

    def _everyone(self) -> Iterator[Pid]:
        yield from (pid for pid in procfs.descendants(self.launch.warden) if pid != self.launch.init)
        if not self.launch.isolated:
            yield self.launch.init

    def _answerable(self, holder: Pid) -> Pid:
        """Give the child of the pool that a holder is, or is a descendant of: one that forks for each connection."""
        ancestor = holder
        for _ in range(4):
            if ancestor in self.watch.live:
                return ancestor
            ancestor = procfs.look(ancestor).parent
        return holder

    def all_let_go(self) -> bool:
        """Tell whether the server has let go of every connection of clients that are gone."""
        present = {client.local_port for client in self._polled.values()}
        for port in self._followed.keys() - present:
            side = self.diag.server_side(self.port, port, client=self._followed[port])
            if side is None or not side.inode:
                del self._followed[port]
        return not self._followed.keys() - present

    def busy(self) -> frozenset[Pid]:
        """Give the live children that hold a held connection."""
        return frozenset(self.holders[number] for number in self.held if number in self.holders) & set(self.watch.live)

    def is_decided(self, client: Client) -> bool:
        """Tell whether somebody has taken a connection, or it has ended."""
        return client.number in self.holders or not client.open

    def queued(self) -> int:
        """Count the held connections that nobody has accepted yet."""
        return sum(number in self._waiting for number in self.held)
