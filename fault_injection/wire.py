"""A wire into a launch's network, with peers at its far end that no kernel plays.

Owns the device's descriptor: what comes out of it is handed to the peers, and what they say is written to it. A packet
is taken in by the server's kernel before the write returns, so a handshake, and most proofs, need no waiting. Nothing
here blocks, and there is no thread; whoever owns the loop calls `attend`.
"""

import itertools
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Protocol

from fault_injection.fault import FaultRefused
from fault_injection.network_facts import Network, Side, State
from fault_injection.wire_peer import Peer
from fault_injection.wire_segments import Endpoint, destination, packed, unpacked
from subject.launch import Launch, TunnelRefused
from subject.tunnel import NEAR, NETWORK

MOST_AT_ONCE = 500  # packets that the device keeps for its reader; more are lost, and repeated
HOSTS = 253  # addresses of the network beside the server's and the two that are nobody's
_FIRST_PORT, _PORTS = 1024, 60_000

# A flood's hosts and a peer's are drawn from one row: none is drawn twice while the other's end may be remembered.
_drawn = itertools.count()


class Until(Protocol):
    """The caller's loop: goes on until a fact is true; False when it was not in time, in seconds."""

    def __call__(self, fact: Callable[[], bool], /, *, within: float) -> bool:
        """Go on; the fact may look at anything, but not wait."""
        ...


class NotReached(FaultRefused):
    """The server listens where peers on the wire can't reach it; nothing is wrong with that."""


class Wire:
    """The far end of the wire: as many peers as are wanted, all talking to one port."""

    def __init__(self, network: Network, descriptor: int, server: Endpoint, *, until: Until, within: float) -> None:
        """Play on an open device; `within` is how many seconds a fault may take to show."""
        self.server = server
        self.peers: list[Peer] = []  # whose connections were not reset
        self._network = network
        self._descriptor = descriptor
        self._until = until
        self._within = within
        self._hears: dict[bytes, Callable[[bytes], None]] = {}
        self._kept: list[bytes] | None = None

    def fileno(self) -> int:
        """Give the descriptor to poll."""
        return self._descriptor

    def attend(self) -> None:
        """Hand out the packets that wait, and let peers repeat what was lost; never blocks."""
        for _ in range(MOST_AT_ONCE):
            try:
                packet = os.read(self._descriptor, 65536)
            except OSError:
                # Nothing waits; or the network has gone with the launch, which the loop will notice.
                break
            to = destination(packet)
            if to in self._hears:
                self._hears[to](packet)
        self.peers = [peer for peer in self.peers if not peer.over]
        for peer in self.peers:
            peer.tick()

    def settle(self, fact: Callable[[], bool], *, within: float | None = None) -> bool:
        """Attend in the caller's loop until a fact is true; False when it was not in time."""

        def attended() -> bool:
            self.attend()
            return fact()

        return self._until(attended, within=self._within if within is None else within)

    def took_in(self, count: int, *, since: Counter[str]) -> bool:
        """Wait until the server's TCP has taken in so many segments; does not attend, as answers would count, too."""
        return self._until(lambda: (self.counters() - since)["InSegs"] >= count, within=self._within)

    def peer(self) -> Peer:
        """Make a peer with an address and a port of its own; it has said nothing yet."""
        own = self.draw()
        peer = Peer(lambda segment: self.write(packed(segment)), own, self.server)
        self.listen(own, lambda packet: peer.hear(unpacked(packet)))
        self.peers.append(peer)
        return peer

    def draw(self) -> Endpoint:
        """Give an address and a port that nobody had before."""
        number = next(_drawn)
        return Endpoint(f"{NETWORK}{2 + number % HOSTS}", _FIRST_PORT + number // HOSTS % _PORTS)

    def listen(self, own: Endpoint, hears: Callable[[bytes], None]) -> None:
        """Have packets for this address and port handed to somebody."""
        self._hears[_key(own)] = hears

    def ignore(self, own: Endpoint) -> None:
        """Have packets for this address and port handed to nobody any more."""
        self._hears.pop(_key(own), None)

    def write(self, packet: bytes) -> None:
        """Put a packet on the wire; one that the device does not take is lost, as on others."""
        if self._kept is not None:
            self._kept.append(packet)
            return
        try:
            os.write(self._descriptor, packet)
        except OSError:
            pass

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Keep what is said in the context, and put all of it on the wire at its end, with microseconds between."""
        kept: list[bytes] = []
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None
            for packet in kept:
                self.write(packet)

    def side(self, peer: Peer) -> Side | None:
        """Give the server's socket for a peer; None where there is none, or none any more."""
        return self._network.side(self.server, peer.own)

    def sides(self) -> list[Side]:
        """Give all sockets of the server's port; takes some milliseconds."""
        return self._network.sides(self.server.port)

    def waiting(self) -> int:
        """Count the connections in the server's accept queue, dead ones too."""
        return sum(side.unread for side in self.sides() if side.state is State.LISTEN)

    def counters(self) -> Counter[str]:
        """Give the counters of the launch's network; others than peers move them too."""
        return self._network.counters()

    def leave(self) -> None:
        """Reset whatever is still open, so that the server's kernel forgets it at once."""
        for peer in self.peers:
            peer.come_back()
            if not peer.over:
                peer.rst()
        # What a kernel says to a reset with a number that it did not expect is answered.
        self.attend()


def _key(own: Endpoint) -> bytes:
    return socket.inet_aton(own.address) + struct.pack("!H", own.port)


@contextmanager
def wire(launch: Launch, port: int, *, until: Until, within: float = 5.0, address: str | None = None) -> Iterator[Wire]:
    """Lay a wire to a server's port for as long as the context lasts.

    `address` is where the server is reached: on the wire, or at 127.0.0.1; without it, where the kernel says that it
    listens. `until` is the caller's loop, such as the stage's; `within` bounds each wait for a fault to show, and must
    leave the server time to answer. At the end, open connections are reset and the device is gone. Raises FaultRefused
    where there can be no wire, NotReached where the server listens elsewhere.
    """
    with ExitStack() as undone:
        network = undone.enter_context(closing(Network(launch)))
        reached = _where_it_listens(network, port) if address is None else address
        try:
            descriptor = launch.tunnel(loopback=reached.startswith("127."))
        except TunnelRefused as refusal:
            raise FaultRefused(f"no device for a wire: {refusal}", whoever=True) from refusal
        undone.callback(os.close, descriptor)
        laid = Wire(network, descriptor, Endpoint(reached, port), until=until, within=within)
        undone.callback(laid.leave)
        yield laid


def _where_it_listens(network: Network, port: int) -> str:
    listening = [side.local.address for side in network.sides(port) if side.state is State.LISTEN]
    for address in listening:
        if address in ("0.0.0.0", NEAR):
            return NEAR
    for address in listening:
        if address.startswith("127."):
            return address
    raise NotReached(f"port {port} is not listened on by an IPv4 address that a wire reaches: {listening or 'nowhere'}")
