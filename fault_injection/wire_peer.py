"""One TCP endpoint that is played: a client whose every segment is sent on purpose.

Knows segments and sequence numbers, and neither device nor launch. It never waits: `hear` is told what came, `tick`
that time has passed, and the verbs send at once. Without being told otherwise it does what a kernel would: it answers
the server's half of the handshake, acknowledges what comes, and repeats what the server's kernel did not take.
"""

import time
from collections.abc import Callable, Iterable

from fault_injection.wire_segments import MOST_DATA, SPACE, Endpoint, Flags, Segment

REPEAT_AFTER = 0.25  # seconds; twice that after each repetition, as kernels do
MOST_REPEATS = 6  # about 16 s in all

# Which pieces of some bytes are sent, and in what order: the first byte and the one behind the last of each.
Pieces = Iterable[tuple[int, int]]
Cut = Callable[[int], Pieces]


def in_order(length: int) -> Pieces:
    """Cut into segments as large as can be."""
    return [(start, min(start + MOST_DATA, length)) for start in range(0, length, MOST_DATA)]


def byte_by_byte(length: int) -> Pieces:
    """Cut into segments of one byte."""
    return [(start, start + 1) for start in range(length)]


def backwards(length: int) -> Pieces:
    """Cut into four segments, of which the last is sent first."""
    size = max(1, -(-length // 4))
    return [(start, min(start + size, length)) for start in reversed(range(0, length, size))]


def each_twice(length: int) -> Pieces:
    """Cut into four segments, each sent twice, and at last send all of it once more."""
    size = max(1, -(-length // 4))
    pieces = [(start, min(start + size, length)) for start in range(0, length, size)]
    return [*(piece for piece in pieces for _ in range(2)), (0, length)]


class Peer:
    """A client on the wire.

    `window` is what it advertises with every segment that it sends, in bytes. `acknowledges` may be set to False, also
    before the handshake, which is completed all the same: then nothing that the server sends is acknowledged.
    """

    def __init__(
        self,
        send: Callable[[Segment], None],
        own: Endpoint,
        server: Endpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Play the client `own`; `send` puts a segment on the wire."""
        self.own = own
        self.server = server
        self.window = 65535
        self.acknowledges = True
        self.answered = False  # its SYN was, by the server's
        self.established = False  # it has sent the last segment of the handshake
        self.refused = False  # its SYN was answered by a reset
        self.received = bytearray()  # in order
        self.fin_seen = False
        self.rst_seen = False
        self.heard = 0  # segments
        self.probes = 0  # of its window, or of whether it is still there
        self.repeated = 0  # segments that brought nothing new
        self._send = send
        self._clock = clock
        self._half_open = False
        self._gone = False
        self._reset = False
        # Its numbers wrap early on purpose; they count from 0, the SYN, while the server's count from its own SYN.
        self._first = SPACE - 16
        self._data = bytearray()
        self._fin_sent = False
        self._space_used = 0
        self._space_taken = 0  # acknowledged by the server's kernel
        self._server_first = 0
        self._server_next = 0  # heard without a gap
        self._server_told = 0  # acknowledged by us
        self._early: dict[int, tuple[bytes, bool]] = {}
        self._repeat_at = 0.0
        self._repeats = 0

    @property
    def local_port(self) -> int:
        """Give its own port."""
        return self.own.port

    @property
    def acknowledged(self) -> int:
        """Count the bytes of data that the server's kernel has acknowledged: they have arrived there."""
        return max(0, min(self._space_taken - 1, len(self._data)))

    @property
    def fin_acknowledged(self) -> bool:
        """Tell whether the server's kernel has taken the end of what this peer sends."""
        return self._fin_sent and self._space_taken > 1 + len(self._data)

    @property
    def ended(self) -> bool:
        """Tell whether the server ended its side, in order or with a reset."""
        return self.fin_seen or self.rst_seen

    @property
    def over(self) -> bool:
        """Tell whether a reset of either side ended the connection."""
        return self.rst_seen or self._reset

    # --- verbs --------------------------------------------------------------------------------------------------------

    def syn(self, *, half_open: bool = False) -> None:
        """Ask for a connection; with `half_open`, leave the handshake incomplete until `complete`."""
        self._half_open = half_open
        self._space_used = 1
        self._emit(Flags.SYN, 0)
        self._await_acknowledgement()

    def complete(self) -> None:
        """Send the last segment of the handshake: the server's kernel now has a connection to accept."""
        self._half_open = False
        self.established = True
        self._server_told = max(self._server_told, 1)
        self._emit(Flags.ACK, self._space_used)

    def send(self, data: bytes, *, segments: Cut = in_order) -> None:
        """Send data, cut and ordered as `segments` says; what is sent after `fin` is beyond its end.

        Before the handshake is complete it would only be answered by a reset.
        """
        start = self._space_used
        if self._fin_sent:
            # Not right behind the FIN: Linux merges neighbouring segments while the server's process has hold of the
            # socket, and would take this for data before the end. For nobody, so it is not repeated either.
            start += 1
        else:
            self._data += data
            self._space_used += len(data)
        for first, behind in segments(len(data)):
            self._emit(Flags.ACK | Flags.PSH, start + first, data[first:behind])
        self._await_acknowledgement()

    def fin(self) -> None:
        """Send the end of this side's data."""
        self._emit(Flags.FIN | Flags.ACK, self._space_used)
        self._fin_sent = True
        self._space_used += 1
        self._await_acknowledgement()

    def rst(self) -> None:
        """Reset the connection; whatever still comes is answered by another reset."""
        self._reset = True
        self._emit(Flags.RST | Flags.ACK, self._space_used)

    def acknowledge(self) -> None:
        """Acknowledge all that came, and go on doing so."""
        self.acknowledges = True
        self._tell()

    def open_window(self, size: int = 65535) -> None:
        """Advertise a window of so many bytes, at once."""
        self.window = size
        self._emit(Flags.ACK, self._space_used)

    def vanish(self) -> None:
        """Send and answer nothing from now on, as if the line were cut; what comes is still noted."""
        self._gone = True

    def come_back(self) -> None:
        """Take part again."""
        self._gone = False

    # --- what happens to it -------------------------------------------------------------------------------------------

    def hear(self, segment: Segment) -> None:
        """Take in a segment of the server's, and answer it where one would."""
        self.heard += 1
        if segment.flags & Flags.RST:
            self.rst_seen = True
            self.refused = not self.answered
            return
        if segment.flags & Flags.ACK:
            self._take_acknowledgement((segment.acknowledgement - self._first) % SPACE)
        if self._reset:
            # The server's kernel has the last word on which number it takes a reset for (RFC 5961).
            self._emit(Flags.RST, segment.acknowledgement - self._first)
        elif segment.flags & Flags.SYN:
            self._take_handshake(segment)
        elif self.answered:
            self._take_data(segment)

    def tick(self) -> None:
        """Repeat what the server's kernel has not acknowledged in time; a full backlog drops SYNs, and what follows."""
        left = self._space_taken < self._space_used
        if not left or self._gone or self.over or self._repeats >= MOST_REPEATS or self._clock() < self._repeat_at:
            return
        self._repeats += 1
        self._repeat_at = self._clock() + REPEAT_AFTER * 2**self._repeats
        if self._space_taken == 0:
            self._emit(Flags.SYN, 0)
        elif self.acknowledged < len(self._data):
            start = self.acknowledged
            self._emit(Flags.ACK | Flags.PSH, 1 + start, bytes(self._data[start : start + MOST_DATA]))
        elif self._fin_sent:
            self._emit(Flags.FIN | Flags.ACK, 1 + len(self._data))

    def _take_acknowledgement(self, taken: int) -> None:
        if self._space_taken < taken <= self._space_used:
            self._space_taken = taken
            self._repeats = 0
            self._repeat_at = self._clock() + REPEAT_AFTER

    def _take_handshake(self, segment: Segment) -> None:
        self.answered = True
        self._server_first = segment.sequence
        self._server_next = max(self._server_next, 1)
        if not self._half_open:
            # Also the second time: a kernel whose accept queue is full forgets that it was told.
            self.complete()

    def _take_data(self, segment: Segment) -> None:
        offset = (segment.sequence - self._server_first) % SPACE
        ends = bool(segment.flags & Flags.FIN)
        length = len(segment.data) + ends
        if length == 0:
            if offset != self._server_next:
                # One below the next: a probe, by a number that was acknowledged already.
                self.probes += 1
                self._tell()
            return
        if offset >= SPACE // 2 or offset + length <= self._server_next:
            self.repeated += 1
        else:
            self._early[offset] = (segment.data, ends)
            self._put_in_order()
        self._tell()

    def _put_in_order(self) -> None:
        for offset in sorted(self._early):
            if offset > self._server_next:
                return
            data, ends = self._early.pop(offset)
            new = data[self._server_next - offset :]
            self.received += new
            self._server_next += len(new)
            if ends and not self.fin_seen:
                self.fin_seen = True
                self._server_next += 1

    def _tell(self) -> None:
        if self.acknowledges:
            self._server_told = self._server_next
            self._emit(Flags.ACK, self._space_used)

    def _await_acknowledgement(self) -> None:
        self._repeats = 0
        self._repeat_at = self._clock() + REPEAT_AFTER

    def _emit(self, flags: Flags, offset: int, data: bytes = b"") -> None:
        if not self._gone:
            self._send(self._segment(flags, self._first + offset, data))

    def _segment(self, flags: Flags, sequence: int, data: bytes = b"") -> Segment:
        told = self._server_first + self._server_told if flags & Flags.ACK else 0
        return Segment(
            source=self.own,
            target=self.server,
            sequence=sequence % SPACE,
            acknowledgement=told % SPACE,
            flags=flags,
            window=self.window,
            data=data,
        )
