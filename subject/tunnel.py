"""A TUN device in a launch's own network: the near end of a wire whose far end the suite plays.

Called by the warden, inside the network that it made, and never in the machine's; standard library only, like the
warden. The kernel owns one address of 192.0.2.0/24 and hands every packet for the others to whoever has the device
open, so it never answers, or resets, in place of a peer.
"""

import fcntl
import os
import socket
import struct
import sys

NAME = "wire0"
# TEST-NET-1 (RFC 5737): nobody's addresses, anywhere.
NETWORK = "192.0.2."
NEAR = NETWORK + "1"

_DEVICE = "/dev/net/tun"
_MASK = "255.255.255.0"
# <linux/if_tun.h>, <linux/sockios.h>, <linux/if.h>
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x1, 0x1000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK, _IFF_UP = 0x8913, 0x8914, 0x8916, 0x891C, 1


class NoTunnel(Exception):
    """The device can't be had here, or would not be safe; the text says why."""


def open_tunnel(*, loopback: bool) -> int:
    """Make the device, bring it up, and give its descriptor, which does not block; closing it removes the device.

    With `loopback`, its packets reach servers that are bound to 127.0.0.1, too. Raises NoTunnel.
    """
    step, descriptor = _DEVICE, -1
    try:
        descriptor = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        step = "TUNSETIFF"
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", NAME.encode(), _IFF_TUN | _IFF_NO_PI))
        step = "disable_ipv6"
        _silence()
        step = "route_localnet"
        if loopback:
            # 127.0.0.0/8 on any other device is a martian, which the kernel drops, unless this allows it.
            _write(f"/proc/sys/net/ipv4/conf/{NAME}/route_localnet", b"1")
        step = "the device's address"
        _bring_up()
        step = "a look at the network"
        _check_that_nothing_leaves()
    except OSError as error:
        _close(descriptor)
        raise NoTunnel(f"{step}: {error.strerror}") from error
    except BaseException:
        _close(descriptor)
        raise
    return descriptor


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _silence() -> None:
    """Have no IPv6 on the device, or the kernel would solicit routers there."""
    try:
        _write(f"/proc/sys/net/ipv6/conf/{NAME}/disable_ipv6", b"1")
    except OSError:
        pass  # no IPv6 at all, or settings that can't be written: then only the suite hears it, and does not listen


def _bring_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, address in ((_SIOCSIFADDR, NEAR), (_SIOCSIFNETMASK, _MASK)):
            value = struct.pack("16sH2x4s16x", NAME.encode(), socket.AF_INET, socket.inet_aton(address))
            fcntl.ioctl(control, request, value)
        flags = _flags(control, NAME)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", NAME.encode(), flags | _IFF_UP))


def _flags(control: socket.socket, name: str) -> int:
    answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
    return int(struct.unpack("16xH22x", answer)[0])


def _check_that_nothing_leaves() -> None:
    """Raise NoTunnel unless packets can go to loopback and to the wire only, and there to the wire's own addresses.

    A new network may have others of the kernel's making (tunl0, sit0), where their modules are loaded; they are down.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # Two lines of headings.
        names = [line.partition(":")[0].strip() for line in _lines("/proc/self/net/dev")[2:]]
        others = [name for name in names if name not in ("lo", NAME) and _flags(control, name) & _IFF_UP]
    if others:
        raise NoTunnel(f"the network is not the launch's alone: it has {', '.join(others)}")
    for line in _lines("/proc/self/net/route")[1:]:
        name, destination, gateway, *_, mask = line.split()[:8]
        # Addresses are written as the machine's integers.
        address, width = (int(each, 16).to_bytes(4, sys.byteorder) for each in (destination, mask))
        within = address[:3] == socket.inet_aton(NEAR)[:3] and width[:3] == b"\xff\xff\xff" and int(gateway, 16) == 0
        if name != "lo" and not (name == NAME and within):
            raise NoTunnel(f"a route leaves the network: {line}")
    for line in _lines("/proc/self/net/ipv6_route"):
        destination, *_, name = line.split()
        # Link-local and multicast ones come with any device that has IPv6.
        if name != "lo" and not (name == NAME and destination.startswith(("fe8", "ff"))):
            raise NoTunnel(f"a route leaves the network: {line}")


def _lines(path: str) -> list[str]:
    """Read a list of the kernel's; none where there is no IPv6."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        text = b""
        while chunk := os.read(descriptor, 65536):
            text += chunk
    finally:
        os.close(descriptor)
    return text.decode().splitlines()


def _write(path: str, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
