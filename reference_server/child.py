"""A child's life, all of it in the child: wait for clients and orders, serve one at a time, end after the last."""

import os
import select
import socket

from reference_server.channel import CONNECTED, FINISHED, KILL, hear
from reference_server.listener import watch
from reference_server.parameters import Parameters
from reference_server.report import note
from reference_server.service import serve

RETRY = 0.1  # seconds until a connection that could not be accepted is tried again


class Child:
    """One child, from its first wait to its last message."""

    def __init__(self, parameters: Parameters, listener: socket.socket, channel: int) -> None:
        self.parameters = parameters
        self.listener = listener
        self.channel = channel
        self.unsent = b""
        self.served = 0
        # Of its own: an epoll made before the fork would be shared, and its wake-ups go to any of those who wait.
        self.epoll = select.epoll()
        self.epoll.register(channel, select.EPOLLIN)
        watch(self.epoll, listener)

    def live(self) -> None:
        """Serve until the limit is reached, the parent says `K`, or there is no parent any more."""
        told = self.work()
        self.epoll.close()  # which also frees a descriptor, so that the accept below does not fail for want of one
        if told:
            # The lost wake-up: a connection may have woken us, and nobody else, when the `K` came. One attempt is
            # enough: it is in the queue, or somebody has it; and later ones find us not waiting, and wake another.
            self.serve_next()
        # After the N-th connection no attempt is allowed, and none is needed: we were woken once and accepted once.
        # What came while we served has woken an idle child, or will be found by a busy one or a newborn.
        os.set_blocking(self.channel, True)  # who keeps no client waiting may wait for the parent to make room
        self.say(b"")

    def work(self) -> bool:
        """Serve up to max_connections. Return whether it was `K` that ended it before."""
        channel, listener = self.channel, self.listener.fileno()
        while self.served < self.parameters.max_connections:
            ready = dict(self.epoll.poll(-1, 2))
            # The channel first: an accept ahead of `K` and another after it would be one too many.
            if channel in ready:
                if (said := hear(channel)) is None or KILL in said:
                    return said is not None
                self.say(b"")
            if listener in ready and not self.serve_next():
                # What cannot be accepted leaves the socket ready: a level-triggered wait would return at once, and
                # again. So look away from it for a moment, though not from the channel.
                self.epoll.unregister(self.listener)
                self.epoll.poll(RETRY, 1)
                watch(self.epoll, self.listener)
            if self.unsent or ready.get(channel, 0) & select.EPOLLOUT:
                self.epoll.modify(channel, select.EPOLLIN | (select.EPOLLOUT if self.unsent else 0))
        return False

    def serve_next(self) -> bool:
        """Serve a connection if one is left. Return False if there may be one that cannot be accepted now."""
        try:
            # The public accept() makes a socket object of it, and an enum of its family. We need only the number.
            client, address = self.listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except (BlockingIOError, ConnectionAbortedError):  # another child was quicker, or the client gave up
            return True
        except OSError:  # no descriptors, no memory: it stays in the queue
            return False
        self.say(CONNECTED)
        if self.parameters.verbose:
            note(f"accepted {address[0]}:{address[1]}")
        serve(client, self.parameters.service_time)
        os.close(client)
        self.served += 1
        self.say(FINISHED)
        if self.parameters.verbose:
            note(f"served connection {self.served} of {self.parameters.max_connections}")
        return True

    def say(self, message: bytes) -> None:
        """Send, or keep for later what finds no room: service must go on while the parent is stopped.

        A channel holds 278 one-byte messages, as the kernel charges several hundred bytes for each. The rest gather
        here and leave together, to be counted one by one. If the parent is gone (EPIPE) they stay.
        """
        self.unsent += message
        try:
            self.unsent = self.unsent[os.write(self.channel, self.unsent) :]
        except OSError:
            pass  # contextlib.suppress would say it in one line, and cost every connection as much as a system call
