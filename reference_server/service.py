"""One connection's worth of HTTP: read a request's head, send the same dummy response to all, and let go."""

import os
import re
import socket
import time

SEGMENT = 1024  # bytes read at once
HEAD_LIMIT = 16 * 1024  # bytes
LINGER = 0.2  # seconds granted to a client that still sends, to take its reply

# A whole head: request line, fields, blank line. Empty lines may precede it, and lines may end in a bare newline
# (RFC 9112, 2.2). The second group tells whether the client means to send a body as well.
HEAD = re.compile(
    rb"[\r\n]*([A-Z]+) [!-~]+ HTTP/1\.\d\r?\n"
    rb"(?:(?:(?i:(content-length|transfer-encoding))|[!-9;-~]+):[^\n]*\n)*\r?\n"
)
BLANK_LINE = re.compile(rb"[^\r\n]\r?\n\r?\n")

REPLY = b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
BODY = b"Served by a pre-forked child.\n"
OK = REPLY % (b"200 OK", len(BODY), BODY)
BAD_REQUEST = REPLY % (b"400 Bad Request", 0, b"")
TOO_LARGE = REPLY % (b"431 Request Header Fields Too Large", 0, b"")


def serve(client: int, service_time: float) -> None:
    """Service one client, who may keep us for ever; the descriptor stays the caller's. No client makes this raise."""
    try:
        received = os.read(client, SEGMENT)
        while not (head := HEAD.match(received)) and len(received) < HEAD_LIMIT and not BLANK_LINE.search(received):
            segment = os.read(client, SEGMENT)
            if not segment:  # closed, or half closed, before the head was complete: nothing has been asked
                return
            received += segment
        if service_time:
            time.sleep(service_time)
        response = BAD_REQUEST if len(received) < HEAD_LIMIT else TOO_LARGE
        if head:
            response = OK.removesuffix(BODY) if head[1] == b"HEAD" else OK
        os.write(client, response)  # fits any send buffer: it returns at once, even if the client's window is shut
        if head is None or head[2] or head.end() < len(received):
            linger(client)
    except OSError:  # reset by the client; its business
        return


def linger(client: int) -> None:
    """End our half of the connection and swallow, for a while, what the client still sends."""
    # A socket closed with unread data sends a reset instead of an end, and a reset may destroy the reply on its way.
    connection = socket.socket(fileno=client)
    try:
        connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(HEAD_LIMIT):
                return
    finally:
        connection.detach()  # the descriptor is the caller's
