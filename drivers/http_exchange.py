"""Reads what a client received as HTTP/1.x, with a parser that others wrote and test (h11)."""

import time

import h11

from drivers.client import Client, Ending
from spec.http import Exchange


def read_exchange(client: Client, *, asked: str, more_was_asked: bool = False) -> Exchange:
    """Parse one connection's bytes as the response to one GET; `more_was_asked` where more was sent than that."""
    received = bytes(client.received)
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
    # The parser forgives a line that ends with LF alone, as many clients do and none need to.
    head = received.partition(b"\r\n\r\n")[0]
    if b"\n" in head.replace(b"\r\n", b""):
        return Exchange(asked=asked, received=received, error="a line of the head ends with LF in place of CRLF")
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
