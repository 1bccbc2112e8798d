"""TCP segments as packets and back, by scapy: the only module that knows it, and that meets what has no types.

Importing scapy takes a quarter of a second and more, so it happens with the first segment and not before.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntFlag
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

SPACE = 1 << 32  # sequence numbers wrap
MOST_DATA = 1460  # bytes of data in one segment: the device's 1,500 less two headers

# An IPv4 header without options, as scapy makes it and Linux sends it.
_HEADER = 20
_NOWHERE = "/dev/null/nowhere"


class Flags(IntFlag):
    """The control bits of a segment."""

    NONE = 0
    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10


class Endpoint(NamedTuple):
    """An IPv4 address and a port."""

    address: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One TCP segment. `window` is in bytes: nobody here scales it."""

    source: Endpoint
    target: Endpoint
    sequence: int
    acknowledgement: int = 0
    flags: Flags
    window: int = 65535
    data: bytes = b""


def packed(segment: Segment) -> bytes:
    """Make the IPv4 packet of a segment, with its sums."""
    scapy = _scapy()
    options = [("MSS", MOST_DATA)] if segment.flags & Flags.SYN else []
    packet = (
        scapy.IP(src=segment.source.address, dst=segment.target.address)
        / scapy.TCP(
            sport=segment.source.port,
            dport=segment.target.port,
            seq=segment.sequence % SPACE,
            ack=segment.acknowledgement % SPACE,
            flags=int(segment.flags),
            window=segment.window,
            options=options,
        )
        / segment.data
    )
    return bytes(packet)


def unpacked(packet: bytes) -> Segment:
    """Read the segment in a packet for which `destination` is not None."""
    scapy = _scapy()
    ip = scapy.IP(packet)
    tcp = ip[scapy.TCP]
    # What the headers declare: scapy keeps anything beyond it apart, as padding.
    data = bytes(tcp.payload)[: ip.len - 4 * ip.ihl - 4 * tcp.dataofs]
    return Segment(
        source=Endpoint(ip.src, tcp.sport),
        target=Endpoint(ip.dst, tcp.dport),
        sequence=tcp.seq,
        acknowledgement=tcp.ack,
        flags=Flags(int(tcp.flags) & 0x1F),
        window=tcp.window,
        data=data,
    )


def destination(packet: bytes) -> bytes | None:
    """Give the raw address and port that a packet is for, None where it is no TCP over IPv4; takes no scapy."""
    if len(packet) < 2 * _HEADER or packet[0] != 0x45 or packet[9] != 6:
        return None
    return packet[16:20] + packet[22:24]


def flags_of(packet: bytes) -> Flags:
    """Give the control bits of a packet for which `destination` is not None; takes no scapy."""
    return Flags(packet[_HEADER + 13] & 0x1F)


def readdressed(packet: bytes, source: Endpoint) -> bytes:
    """Give the same packet, which carries no data, from another source; takes no scapy, and a fiftieth of its time."""
    changed = bytearray(packet)
    changed[12:16] = socket.inet_aton(source.address)
    changed[_HEADER : _HEADER + 2] = struct.pack("!H", source.port)
    changed[10:12] = changed[_HEADER + 16 : _HEADER + 18] = bytes(2)
    # The sum of TCP covers a header that is never sent: both addresses, the protocol's number, the length.
    pseudo = changed[12:20] + struct.pack("!HH", 6, len(packet) - _HEADER)
    changed[_HEADER + 16 : _HEADER + 18] = _sum(pseudo + changed[_HEADER:])
    changed[10:12] = _sum(changed[:_HEADER])
    return bytes(changed)


def _sum(data: bytearray) -> bytes:
    """Give the internet's checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


@cache
def _scapy() -> ModuleType:
    """Import scapy's TCP, so that it writes no cache into the home folder and reads no routes.

    It lists the names of the suite's own interfaces as it is imported; nothing is sent anywhere.
    """
    with _no_folders():
        settings = import_module("scapy.config").conf
        settings.route_autoload = settings.route6_autoload = False
        return import_module("scapy.layers.inet")


@contextmanager
def _no_folders() -> Iterator[None]:
    """Let folders that can't be made be the ones where scapy would keep its settings and its cache."""
    names = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, _NOWHERE))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
