"""The listening socket that all children share, and how a connection comes to wake only one of them.

Facts about the kernel on which the rest leans:

- A connection that arrives walks along the epolls that watch the socket. Plainly watched, it wakes all of them: the
  thundering herd. Watched with EPOLLEXCLUSIVE (Linux 4.5), it wakes the first one *in which a process waits*, and
  stops there. An epoll whose owner is busy elsewhere is passed over: a busy child never swallows a wake-up.
- That wake-up is all a connection gets. If the child that it went to ends without trying to accept, the connection
  stays in the queue, among idle children who sleep. Hence the last accept of a child that is told to end.
- Who adds the socket to an epoll, or waits (level-triggered) after having found it ready, has the queue looked at
  anew. So newborns, and children back from a client, find what came meanwhile without being woken for it.
"""

import errno
import select
import socket

BACKLOG = 1024  # connections of a burst that may wait; the kernel cuts it to net.core.somaxconn


def open_listener(port: int) -> socket.socket:
    """Listen on the port, on every IPv4 address. Raises OSError: in use, or not permitted."""
    listener = socket.create_server(("", port), backlog=BACKLOG)  # SO_REUSEADDR: a past launch's TIME_WAITs are no bar
    listener.setblocking(False)  # in a blocking accept, who lost the race for a connection sleeps, deaf to `K`
    return listener


def watch(epoll: select.epoll, listener: socket.socket) -> None:
    """Add the listening socket to a child's epoll; on a kernel that does not know the flag, bear the herd."""
    try:
        epoll.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
    except OSError as refusal:
        if refusal.errno != errno.EINVAL:
            raise
        epoll.register(listener, select.EPOLLIN)
