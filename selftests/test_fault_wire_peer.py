"""A peer on its own, told by the test what the server says; and its segments, as packets and back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fault_injection.wire_peer import MOST_REPEATS, Cut, Peer, backwards, byte_by_byte, each_twice, in_order
from fault_injection.wire_segments import (
    SPACE,
    Endpoint,
    Flags,
    Segment,
    destination,
    flags_of,
    packed,
    readdressed,
    unpacked,
)

OWN, SERVER = Endpoint("192.0.2.7", 1024), Endpoint("192.0.2.1", 8000)
SERVERS_FIRST = SPACE - 3  # wraps within the reply
ACK, FIN, RST, SYN = Flags.ACK, Flags.FIN, Flags.RST, Flags.SYN


class Line:
    """A peer and all that it has sent."""

    def __init__(self) -> None:
        self.sent: list[Segment] = []
        self.now = 0.0
        self.peer = Peer(self.sent.append, OWN, SERVER, clock=lambda: self.now)

    def says(self, offset: int, data: bytes = b"", *, flags: Flags = ACK, of_ours: int = 1) -> list[Segment]:
        """Let the server say something, `of_ours` acknowledged; gives the answers."""
        before = len(self.sent)
        self.peer.hear(
            Segment(
                source=SERVER,
                target=OWN,
                sequence=(SERVERS_FIRST + offset) % SPACE,
                acknowledgement=(self.sent[0].sequence + of_ours) % SPACE,
                flags=flags,
                data=data,
            )
        )
        return self.sent[before:]

    def waits(self) -> list[Segment]:
        """Let time go by; gives what is sent meanwhile."""
        before = len(self.sent)
        self.now += 100.0
        self.peer.tick()
        return self.sent[before:]

    def told(self) -> int:
        """How much of the server's was acknowledged last, from its SYN on."""
        return (self.sent[-1].acknowledgement - SERVERS_FIRST) % SPACE


@pytest.fixture(name="line")
def established() -> Line:
    line = Line()
    line.peer.syn()
    line.says(0, flags=SYN | ACK)
    return line


def test_a_handshake_is_completed_unless_it_is_to_stay_half_open(line: Line) -> None:
    assert [each.flags for each in line.sent] == [SYN, ACK]
    assert line.peer.established
    half = Line()
    half.peer.syn(half_open=True)
    assert not half.says(0, flags=SYN | ACK)
    assert half.peer.answered
    assert not half.peer.established


def test_a_refusal_is_told_from_a_reset() -> None:
    line = Line()
    line.peer.syn()
    line.says(0, flags=RST | ACK)
    assert line.peer.refused


def test_the_reply_is_put_in_order_whatever_the_order_of_its_segments(line: Line) -> None:
    line.says(4, b"def")
    line.says(7, b"g", flags=FIN | ACK)
    assert line.peer.received == b""
    assert line.told() == 1
    line.says(1, b"abcd")
    assert line.peer.received == b"abcdefg"
    assert line.peer.fin_seen
    assert line.told() == 9


def test_what_comes_again_is_acknowledged_and_not_taken_again(line: Line) -> None:
    line.says(1, b"abc")
    assert [each.flags for each in line.says(1, b"abc")] == [ACK]
    assert line.peer.received == b"abc"
    assert line.peer.repeated == 1


def test_a_probe_is_answered_by_the_window_as_it_is(line: Line) -> None:
    line.peer.window = 0
    (answer,) = line.says(0)
    assert answer.window == 0
    assert line.peer.probes == 1
    line.peer.open_window(100)
    assert line.sent[-1].window == 100


def test_who_acknowledges_nothing_says_so_afterwards(line: Line) -> None:
    line.peer.acknowledges = False
    assert not line.says(1, b"abc")
    line.peer.send(b"more")
    assert line.told() == 1
    line.peer.acknowledge()
    assert line.told() == 4


def test_who_vanished_notes_and_answers_nothing(line: Line) -> None:
    line.peer.vanish()
    assert not line.says(1, b"abc")
    line.peer.send(b"more")
    assert line.sent[-1].flags == ACK
    assert line.peer.received == b"abc"


def test_after_a_reset_the_servers_word_on_the_number_is_taken(line: Line) -> None:
    line.peer.send(b"lost")
    line.peer.rst()
    (answer,) = line.says(1, of_ours=1)
    assert answer.flags == RST
    assert answer.sequence == (line.sent[0].sequence + 1) % SPACE


def test_what_is_not_acknowledged_is_repeated_so_and_so_often(line: Line) -> None:
    line.peer.send(b"GET")
    again = [each.data for _ in range(MOST_REPEATS + 3) for each in line.waits()]
    assert again == [b"GET"] * MOST_REPEATS


def test_what_is_acknowledged_is_not_repeated(line: Line) -> None:
    line.peer.send(b"GET")
    line.peer.fin()
    line.says(1, of_ours=4)
    assert line.peer.acknowledged == 3
    assert not line.peer.fin_acknowledged
    assert [each.flags for each in line.waits()] == [FIN | ACK]
    line.says(1, of_ours=5)
    assert line.peer.fin_acknowledged
    assert line.peer.acknowledged == 3
    assert not line.waits()


def test_a_syn_that_was_dropped_is_repeated() -> None:
    line = Line()
    line.peer.syn()
    assert line.waits() == line.sent[:1]


def test_data_after_the_end_is_beyond_it_and_never_repeated(line: Line) -> None:
    line.peer.fin()
    line.peer.send(b"more")
    assert (line.sent[-1].sequence - line.sent[0].sequence) % SPACE > 2
    line.says(1, of_ours=2)
    assert not line.waits()


@pytest.mark.parametrize("cut", [in_order, byte_by_byte, backwards, each_twice])
@pytest.mark.parametrize("length", [1, 2, 5, 64, 3000])
def test_every_cut_sends_each_byte(cut: Cut, length: int) -> None:
    assert {index for first, behind in cut(length) for index in range(first, behind)} == set(range(length))


# --- packets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", b"data"])
def test_a_segment_comes_out_of_its_packet_as_it_went_in(data: bytes) -> None:
    segment = Segment(
        source=OWN, target=SERVER, sequence=5, acknowledgement=SPACE - 1, flags=ACK | Flags.PSH, window=77, data=data
    )
    packet = packed(segment)
    assert unpacked(packet) == segment
    assert unpacked(packet + bytes(6)) == segment
    assert destination(packet) == bytes([192, 0, 2, 1, 8000 >> 8, 8000 & 255])
    assert flags_of(packet) == segment.flags


def test_a_packet_from_elsewhere_is_the_one_that_scapy_would_make() -> None:
    there = Endpoint("192.0.2.254", 65000)
    for flags in (SYN, RST):
        here, elsewhere = (
            packed(Segment(source=source, target=SERVER, sequence=9, flags=flags)) for source in (OWN, there)
        )
        assert readdressed(here, there) == elsewhere


def test_what_is_no_segment_is_for_nobody() -> None:
    assert destination(b"\x60" + bytes(60)) is None
    assert destination(b"\x45" + bytes(60)) is None
    assert destination(b"") is None


def test_scapy_writes_nothing_into_the_home_folder_and_leaves_the_environment(tmp_path: Path) -> None:
    code = """
import os
from fault_injection.wire_segments import Endpoint, Flags, Segment, packed
before = dict(os.environ)
packed(Segment(source=Endpoint("192.0.2.2", 1), target=Endpoint("192.0.2.1", 2), sequence=0, flags=Flags.SYN))
assert os.environ == before
"""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    home = {"HOME": str(tmp_path), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], env={**os.environ, **home}, check=True)
    assert not list(tmp_path.iterdir())
