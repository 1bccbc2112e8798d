"""One TCP client that never blocks: it connects, may send, notes every byte and the end.

Built on raw sockets, since the tests need connections that are silent, cut into segments, reset or malformed; what
comes back is parsed elsewhere (`http_exchange.py`).
"""

import errno
import socket
import struct
import time
from collections.abc import Callable
from enum import Enum

from spec.event import ConnectionId

# One answer; a subject that talks without end is cut off here.
MOST_KEPT = 1 << 24
LOOPBACK = "127.0.0.1"


class Ending(Enum):
    """How a connection stands, as the client sees it."""

    OPEN = "open"
    CLOSED = "closed in order by the server"
    RESET = "reset"
    REFUSED = "refused"


class Client:
    """One connection to the subject. `make` gives a fresh socket inside the subject's network.

    A `greeting` is sent at once, and asks for nothing. A `source` is the address to come from.
    """

    def __init__(
        self,
        make: Callable[[], socket.socket],
        port: int,
        *,
        greeting: bytes = b"",
        request: bytes = b"",
        number: ConnectionId,
        source: str = LOOPBACK,
    ) -> None:
        self._make = make
        self.source = source
        self._port = port
        self._to_send = greeting + request
        self.greeted = len(greeting)
        self.asked = bool(request)
        self.number = number
        self.received = bytearray()
        self.ending = Ending.OPEN
        self.connected = False
        self.began = time.monotonic()
        self.tried = self.began  # when the handshake under way, or the last one, was begun
        self.answered = 0.0  # when the first byte came
        self.ended = 0.0
        self.stays = False  # and does not close its side when the server has closed its own
        self.local_port = 0
        self._connect()

    def _connect(self) -> None:
        self._socket = self._make()
        self._socket.setblocking(False)
        if self.source != LOOPBACK:
            self._socket.bind((self.source, 0))
        status = self._socket.connect_ex((LOOPBACK, self._port))
        if status not in (0, errno.EINPROGRESS, errno.EAGAIN):
            self._end(Ending.REFUSED)
        else:
            self.local_port = int(self._socket.getsockname()[1])
            self.step()

    def connect_again(self) -> None:
        """Give up a handshake that nobody completes, and begin another.

        The kernel would repeat its own only after 1, 3, 7 … seconds. That a backlog is short is judged once, and not
        everywhere that clients come from.
        """
        self._socket.close()
        self.tried = time.monotonic()
        self._connect()

    def fileno(self) -> int:
        """Give the descriptor to poll."""
        return self._socket.fileno()

    @property
    def open(self) -> bool:
        """Tell whether the connection may still bring something."""
        return self.ending is Ending.OPEN

    @property
    def wants_to_send(self) -> bool:
        """Tell whether the client waits for room to send, or for the handshake."""
        return not self.connected or bool(self._to_send)

    @property
    def served(self) -> bool:
        """Some bytes came and the connection ended: what "served" means in every clause but http's own."""
        return bool(self.received) and self.ending in (Ending.CLOSED, Ending.RESET)

    def send(self, data: bytes) -> None:
        """Send as soon as there is room, and step."""
        self._to_send += data
        self.asked = self.asked or bool(data)
        self.step()

    def step(self) -> None:
        """Do all that can be done without waiting."""
        if self.open and not self.connected:
            self._finish_handshake()
        if self.open and self.connected and self._to_send:
            self._push()
        if self.open and self.connected:
            self._pull()

    def _finish_handshake(self) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._end(Ending.REFUSED if error == errno.ECONNREFUSED else Ending.RESET)
            return
        try:
            self._socket.getpeername()
        except OSError:
            return  # the handshake is under way
        self.connected = True

    def _push(self) -> None:
        try:
            sent = self._socket.send(self._to_send, socket.MSG_NOSIGNAL)
            self._to_send = self._to_send[sent:]
        except BlockingIOError:
            return
        except OSError:
            # Not the end: a reply may have come before the server closed its side.
            self._to_send = b""

    def _pull(self) -> None:
        try:
            while chunk := self._socket.recv(65536):
                self.answered = self.answered or time.monotonic()
                self.received += chunk
                if len(self.received) > MOST_KEPT:
                    break
        except BlockingIOError:
            return
        except OSError:
            self._end(Ending.RESET)
            return
        self._end(Ending.CLOSED)

    def _end(self, ending: Ending) -> None:
        self.ending = ending
        self.ended = time.monotonic()
        if not self.stays:
            self._socket.close()

    def finish_sending(self) -> None:
        """Close the client's half in order; what the server says is still read."""
        if self.open:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.step()

    def close(self) -> None:
        """Let go in order."""
        self._socket.close()

    def reset(self) -> None:
        """Let go with a reset."""
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()

    @property
    def waited(self) -> float:
        """The seconds from the first handshake to the end, or to now."""
        return (self.ended or time.monotonic()) - self.began

    def why_lost(self) -> str:
        """Say how a connection that was not served stands."""
        waited = self.waited
        if not self.connected and self.open:
            return f"the handshake was not completed in {waited:.1f} s"
        if self.open and self.received:
            return f"answered, and not closed in {waited:.1f} s"
        if self.open:
            return f"no answer in {waited:.1f} s"
        return f"{self.ending.value} after {len(self.received)} bytes and {waited:.3f} s"
