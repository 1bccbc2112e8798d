"""A pre-forking server in Python: PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN]."""

import contextlib
import errno
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass

EXCLUSIVE = getattr(select, "EPOLLEXCLUSIVE", 1 << 28)
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\npython\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
LONGEST_HEAD = 16384


def serve(client: socket.socket, words: "Words") -> None:
    """Answer one request on a blocking connection, and close it without a reset."""
    head = b""
    with client, contextlib.suppress(OSError):
        while b"\r\n\r\n" not in head and b"\n\n" not in head and len(head) < LONGEST_HEAD:
            while words.sent < words.said and not select.select([client], [], [], 0.1)[0]:
                words.flush()
            received = client.recv(4096)
            if not received:
                return
            head += received
        line = head.split(b"\n")[0].split()
        sound = len(line) == 3 and line[2].startswith(b"HTTP/1.") and len(head) < LONGEST_HEAD
        client.sendall(RESPONSE if sound else BAD_REQUEST)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(0.1)
        for _ in range(100):
            if not client.recv(65536):
                break


class Words:
    """What a child says: C and F by turns. What a full channel does not take is kept for later."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel, self.said, self.sent = channel, 0, 0

    def say(self) -> None:
        self.said += 1
        self.flush()

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            while self.sent < self.said:
                self.channel.send(b"CF"[self.sent % 2 :][:1])
                self.sent += 1


def dismissed(channel: socket.socket) -> bool:
    """K has come, or the parent is gone."""
    try:
        heard = channel.recv(16)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return not heard or b"K" in heard


def live_as_child(listener: socket.socket, channel: socket.socket, connections: int) -> None:
    channel.setblocking(False)
    words, own = Words(channel), select.epoll()
    try:
        own.register(listener, select.EPOLLIN | EXCLUSIVE)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        own.register(listener, select.EPOLLIN)
    own.register(channel, select.EPOLLIN)
    over = False
    while connections > 0 and not over:
        own.poll(0.1 if words.sent < words.said else None)
        words.flush()
        over = dismissed(channel)
        # One accept even when dismissed: nobody else was woken for a connection that woke this child.
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            continue
        except OSError:
            time.sleep(0.05)
            continue
        client.setblocking(True)
        words.say()
        serve(client, words)
        words.say()
        connections -= 1


@dataclass
class Child:
    pid: int
    channel: socket.socket
    served: int = 0
    state: str = "idle"


class Parent:
    def __init__(self, port: int, low: int, high: int, connections: int, limit: int) -> None:
        self.low, self.high, self.connections, self.limit = low, high, connections, limit
        self.listener = socket.create_server(("", port), backlog=512)
        self.listener.setblocking(False)
        self.events = select.epoll()
        self.children: dict[int, Child] = {}  # by the channel's descriptor; a dict keeps the order of birth
        self.leaving: set[int] = set()  # pids whose channel has ended, and who are to be waited for
        self.bell, ringer = socket.socketpair()
        self.bell.setblocking(False)
        ringer.setblocking(False)
        self.ringer = ringer
        signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self.events.register(self.bell, select.EPOLLIN)

    def spawn(self) -> bool:
        """Add a child; False where the system gives no descriptors or processes, for now."""
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            return False
        ours.setblocking(False)
        held = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, held)
        try:
            pid = os.fork()
        except OSError:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
            ours.close()
            theirs.close()
            return False
        if pid == 0:
            status = 1
            try:
                signal.set_wakeup_fd(-1)
                for number in held:
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
                for sibling in self.children.values():
                    sibling.channel.close()
                for own in (ours, self.bell, self.ringer, self.events):
                    own.close()
                live_as_child(self.listener, theirs, self.connections)
                status = 0
            finally:
                os._exit(status)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
        theirs.close()
        self.children[ours.fileno()] = Child(pid, ours)
        self.events.register(ours, select.EPOLLIN)
        return True

    def hear(self, child: Child) -> None:
        try:
            heard = child.channel.recv(256)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        for word in heard.decode("latin-1"):
            child.served += word == "F"
            if child.state != "leaving":
                child.state = {"C": "busy", "F": "idle"}.get(word, child.state)
            if child.served >= self.connections:
                child.state = "leaving"
        if not heard:
            self.events.unregister(child.channel)
            del self.children[child.channel.fileno()]
            child.channel.close()
            self.leaving.add(child.pid)

    def reap(self) -> None:
        for pid in list(self.leaving):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self.leaving.remove(pid)

    def regulate(self) -> bool:
        """One step towards the bounds; True where it could not be made, and is to be tried again."""
        idle = [child for child in self.children.values() if child.state == "idle"]
        missing = min(self.low - len(idle), self.limit - len(self.children) - len(self.leaving))
        if not all(self.spawn() for _ in range(missing)):
            return True
        for child in idle[self.high :]:
            child.state = "leaving"
            with contextlib.suppress(OSError):
                child.channel.send(b"K")
        return False

    def run(self) -> None:
        while True:
            self.reap()
            for descriptor, _ in self.events.poll(0.2 if self.regulate() else None):
                if descriptor == self.bell.fileno():
                    if set(self.bell.recv(64)) & {signal.SIGTERM, signal.SIGINT}:
                        self.end()
                elif descriptor in self.children:
                    self.hear(self.children[descriptor])

    def end(self) -> None:
        for child in self.children.values():
            os.kill(child.pid, signal.SIGTERM)
        for pid in [child.pid for child in self.children.values()] + list(self.leaving):
            os.waitpid(pid, 0)
        sys.exit(0)


def main() -> None:
    try:
        port, low, high, connections, *more = map(int, sys.argv[1:])
        limit = more[0] if more else 200
    except ValueError:
        sys.exit("usage: prefork.py PORT MIN_SPARE MAX_SPARE MAX_CONNECTIONS [MAX_CHILDREN]")
    if not (1 <= port <= 65535 and 1 <= low <= high and connections >= 1 and limit >= 1):
        sys.exit("prefork.py: an argument is out of range")
    try:
        parent = Parent(port, low, high, connections, limit)
    except OSError as error:
        sys.exit(f"prefork.py: port {port}: {error}")
    parent.run()


main()
