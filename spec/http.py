"""The dummy service: enough of HTTP/1.x that any client gets a whole answer, and no more.

Owns the clauses `http-1` … `http-4` and the judge of one exchange. Everywhere else in the suite, "served" only means
that some bytes came and the connection ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from spec.clause import Clause, ClauseId, Level, Section, ids
from spec.verdict import Violation

HTTP_1 = Clause(
    id=ClauseId("http-1"),
    level=Level.MUST,
    text="A GET gets a well-formed HTTP/1.x response.",
    source="3 Implementation, HTTP Capabilities",
    observed="Requests of HTTP/1.0 and HTTP/1.1, one with some of the next behind it; the answers are parsed.",
    needs=ids("lifecycle-1"),
    ability="http",
)
HTTP_2 = Clause(
    id=ClauseId("http-2"),
    level=Level.MUST,
    text=(
        "The body is as long as declared, then the server closes the connection; there is one response a connection, "
        "whatever the client asks for."
    ),
    source="3 Implementation, HTTP Capabilities (no persistent connections, no pipelining)",
    observed=(
        "Requests with keep-alive, two in one go, one after another; the client waits for the server to close. And the "
        "N-th response of a child, and each of more than 256."
    ),
    needs=ids("lifecycle-1", "http-1"),
    ability="http",
)
HTTP_3 = Clause(
    id=ClauseId("http-3"),
    level=Level.SHOULD,
    text="No reply comes before the request's head is complete, in however many segments it arrives.",
    source="1 Objective, first paragraph (the server handles HTTP requests)",
    observed=(
        "Connections that are silent or stop at different places of the head, for one round; then they go on. A head "
        "of 1.5 kB, and one that comes byte by byte."
    ),
    needs=ids("lifecycle-1"),
    ability="http",
)
HTTP_4 = Clause(
    id=ClauseId("http-4"),
    level=Level.SHOULD,
    text="A malformed or oversized request costs the child nothing: it lives, and serves the next client.",
    source="1 Objective, first paragraph",
    observed=(
        "Garbage, NUL bytes, blank lines, an endless line, a long method, half a request; then every child must be "
        "alive and idle again."
    ),
    needs=ids("lifecycle-1", "accept-1", "http-2", "pool-1", "pool-4", "pool-5", "recycle-2"),
    ability="http",
)

SECTION = Section(
    name="http",
    title="The dummy service",
    introduction="The reply is a dummy; it must still be one that any HTTP client can read.",
    clauses=(HTTP_1, HTTP_2, HTTP_3, HTTP_4),
)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One connection as the client saw it.

    `error` is what the parser objected to, if anything; `declared` the body's length by Content-Length, None where the
    body ends with the connection; `surplus` the bytes after the first response. `closed` tells that the server ended
    the connection in order within `waited` seconds. `elsewhere` where something else than / was asked for.
    """

    asked: str
    received: bytes
    elsewhere: bool = False
    error: str | None = None
    status: int | None = None
    declared: int | None = None
    body: int = 0
    surplus: int = 0
    closed: bool = True
    reset: bool = False
    waited: float = 0.0


NOT_FOUND = 404


def judge_exchange(exchange: Exchange) -> Iterator[Violation]:
    """Judge http-1 and http-2 on one exchange."""
    start = exchange.received[:60]
    if exchange.status is None:
        why = exchange.error or "the head never ended"
        yield Violation(HTTP_1, f"{exchange.asked} was answered with {start!r}: {why}")
        return
    nothing_there = exchange.elsewhere and exchange.status == NOT_FOUND
    if (exchange.status >= 400 or exchange.status < 200) and not nothing_there:
        yield Violation(HTTP_1, f"{exchange.asked} was answered with status {exchange.status}: {start!r}")
    if exchange.declared is not None and exchange.body < exchange.declared:
        yield Violation(
            HTTP_2, f"{exchange.asked}: {exchange.declared} bytes of body were declared, {exchange.body} came"
        )
    elif exchange.error is not None:
        yield Violation(HTTP_2, f"{exchange.asked}: the body is not as declared: {exchange.error}")
    elif exchange.surplus:
        yield Violation(HTTP_2, f"{exchange.asked}: {exchange.surplus} bytes came after the first response ended")
    elif not exchange.closed:
        how = "had reset" if exchange.reset else "had not closed"
        yield Violation(HTTP_2, f"{exchange.asked}: the server {how} the connection {exchange.waited:.1f} s later")
