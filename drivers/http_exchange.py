"""Reads what a client received as HTTP/1.x, with a parser that others wrote and test (h11)."""

import time

import h11

from drivers.client import Client, Ending
from spec.http import Exchange


def read_exchange(
    client: Client, *, asked: str, more_was_asked: bool = False, chunks_are_known: bool = True
) -> Exchange:
    """Parse one connection's bytes as the response to one GET.

    `more_was_asked` where more was sent than that. To a client of HTTP/1.0 chunks are not known: it would take what
    frames them for the body (RFC 9112, 6.1).
    """
    received = bytes(client.received)
    if amiss := _amiss_at_sight(client, received):
        return Exchange(asked=asked, received=received, error=amiss)
    closed = client.ending is Ending.CLOSED
    parser = h11.Connection(our_role=h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "localhost"), ("Connection", "close")]))
    parser.send(h11.EndOfMessage())
    status: int | None = None
    declared: int | None = None
    body = 0
    error: str | None = None
    surplus = 0
    parser.receive_data(received)
    # Only an orderly close ends a body that no length was declared for.
    told_end = False
    try:
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                if told_end or not closed:
                    error = None if not closed and status is not None else error or "it ended in the middle"
                    break
                parser.receive_data(b"")
                told_end = True
            elif isinstance(event, h11.Response):
                if not chunks_are_known and any(name == b"transfer-encoding" for name, _ in event.headers):
                    return Exchange(asked=asked, received=received, error="HTTP/1.0 knows no Transfer-Encoding")
                status = event.status_code
                lengths = [value for name, value in event.headers if name == b"content-length"]
                declared = int(lengths[0]) if lengths else None
            elif isinstance(event, h11.Data):
                body += len(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
                surplus = len(parser.trailing_data[0])
                break
    except h11.RemoteProtocolError as problem:
        error = str(problem) or "not HTTP"
    return Exchange(
        asked=asked,
        received=received,
        error=error,
        status=status,
        declared=declared,
        body=body,
        surplus=surplus,
        # What a client said beyond its request, and the server did not read, makes the kernel reset the connection.
        closed=closed or (client.ending is Ending.RESET and more_was_asked),
        reset=client.ending is Ending.RESET,
        waited=(client.ended or time.monotonic()) - client.began,
    )


def _amiss_at_sight(client: Client, received: bytes) -> str:
    """Say what the parser would not."""
    if not received:
        return client.why_lost()  # to the parser, no bytes are the end of the connection
    # It forgives a line that ends with LF alone, as many clients do and none need to.
    head = received.partition(b"\r\n\r\n")[0]
    return "a line of the head ends with LF in place of CRLF" if b"\n" in head.replace(b"\r\n", b"") else ""
