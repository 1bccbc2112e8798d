"""Section http: what one connection brings, whatever is asked and in however many pieces."""

from dataclasses import replace

import pytest

from conformance.clients import GET
from conformance.long_life import LongLife
from conformance.regulation import Stopped, may_have_been_shed, settle
from conformance.seats import asleep, is_read, wait
from conformance.stage import Stage
from conformance.turnover import Turnover
from drivers.http_exchange import read_exchange
from spec import http
from spec.clause import Clause, ids
from spec.event import Phase
from spec.verdict import Blocked, Inconclusive, NotApplicable, Violated, raise_first

OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEEPING = b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
# As those say it who speak HTTP/1.0 still, benchmarks most of all; in what letters, means nothing.
OLD_KEEPING_IN_CAPITALS = b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
NEW = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NEW_KEEPING = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
NEW_WITH_PATH = b"GET /some/where?x=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: preforkspec\r\n\r\n"
# A client of HTTP/1.1 may have begun its next request: what follows a head is no reason to doubt that it has ended.
NEW_AND_MORE = NEW + b"GET /x HT"

# A head cut in two: after each of these pieces it is not complete.
PIECES = [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n", GET[:-1]]
A_MOMENT = 0.1  # seconds for a child to go to sleep over a byte
# Longer than the buffers of many; but who finds it too long, and says so, may say it early.
LONG = b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a" * 1500 + b"\r\n\r\n"

MALFORMED = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
    "NUL bytes": b"\x00" * 2000 + b"\r\n\r\n",
    "a method and nothing else": b"GET\r\n\r\n",
    "a method of 300 letters": b"G" * 300 + b" / HTTP/1.1\r\n\r\n",
    "a method and a path, and nothing else": b"GET /\r\n\r\n",
    "blanks and nothing else": b"  \t  \r\n\r\n",
    "percent signs that are no escapes": b"GET /%zz%4%00%% HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a length below zero": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "a line that goes on where there was none": b"GET / HTTP/1.1\r\n and on\r\n\r\n",
    "a field without a colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "blank lines and nothing else": b"\r\n" * 8,
    "an endless line": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    "endless fields": b"GET / HTTP/1.1\r\n" + b"X-Field: 1234567890\r\n" * 4000 + b"\r\n",
    "half a request": b"GET / HT",
    "format characters": b"GET /%s%n%s%n%x HTTP/1.1\r\nHost: %s%s%s%n\r\n\r\n",
}


@pytest.mark.clause("http-1")
@pytest.mark.parametrize("request_sent", [OLD, NEW_WITH_PATH, NEW_AND_MORE], ids=["1.0", "1.1", "1.1-and-more"])
def test_a_get_is_answered_with_a_well_formed_response(stage: Stage, request_sent: bytes) -> None:
    decide(stage, http.HTTP_1, request_sent)


@pytest.mark.clause("http-2")
@pytest.mark.parametrize(
    "request_sent",
    [OLD, OLD_KEEPING, OLD_KEEPING_IN_CAPITALS, NEW, NEW_KEEPING, NEW_WITH_PATH, NEW + NEW],
    ids=["1.0", "1.0-keep-alive", "1.0-Keep-Alive", "1.1", "1.1-keep-alive", "1.1-path", "1.1-pipelined"],
)
def test_one_response_of_the_declared_length_and_then_the_end(stage: Stage, request_sent: bytes) -> None:
    decide(stage, http.HTTP_2, request_sent)


@pytest.mark.clause("http-2")
def test_the_last_response_of_a_child_is_as_whole_as_any(played_turnover: Turnover) -> None:
    which = f"a GET on connection number {played_turnover.parameters.max_connections} of a child"
    for client in played_turnover.last_of_a_child:
        judge(http.HTTP_2, read_exchange(client, asked=which))
    if not played_turnover.last_of_a_child:
        raise NotApplicable("no child was seen to serve its last connection")


@pytest.mark.clause("http-2")
def test_each_response_in_a_long_life_is_as_whole_as_the_first(long_life: LongLife) -> None:
    if long_life.odd:
        raise_first([long_life.odd], http.HTTP_2)


@pytest.mark.clause("http-2")
def test_a_second_request_that_follows_the_response_gets_none(stage: Stage) -> None:
    decide(stage, http.HTTP_2, NEW, then=NEW)


def decide(stage: Stage, clause: Clause, request_sent: bytes, *, then: bytes = b"") -> None:
    """Send one request, another one `then`, when the response begins, and judge what came."""
    client = stage.connect(request_sent)
    stage.until(lambda: not client.open or bool(client.received), within=stage.pace.answer)
    stage.send(client, then)
    request_sent += then
    # The rest of the response and the server's close follow at once, or are not going to come.
    stage.until(lambda: not client.open, within=stage.pace.round * stage.pace.patience + stage.pace.service_time)
    line, whole = request_sent.splitlines()[0].decode(), request_sent.count(b"\r\n\r\n")
    times = f", sent {whole} times" * (whole > 1) + ", and some of another" * (not request_sent.endswith(b"\r\n\r\n"))
    exchange = read_exchange(
        client, asked=f"{line!r}{times}", more_was_asked=bool(times), chunks_are_known=line.endswith("1.1")
    )
    judge(clause, replace(exchange, elsewhere=" / " not in line))


def judge(clause: Clause, exchange: http.Exchange) -> None:
    """Raise what one exchange shows against a clause."""
    for violation in http.judge_exchange(exchange):
        if violation.clause is clause:
            raise violation.raised()
        if violation.clause is http.HTTP_1:
            raise Blocked(violation.clause.id, seen=violation.seen)


# A client whose child is shed loses its connection.
_KEEPS_ITS_CHILD = ids("pool-5")


@pytest.mark.clause("http-3")
def test_no_reply_comes_before_the_head_is_complete(stage: Stage) -> None:
    clients = [stage.connect(piece) for piece in PIECES]
    # Each keeps a child of its own; where the pool does not grow, those in the queue have their turn at the end.
    stage.until(lambda: not stage.queued() or any(client.received for client in clients), within=stage.pace.step)
    # A server that does not wait for the end answers when it has taken the first piece and served.
    stage.await_any(clients, within=stage.pace.round + stage.pace.service_time)
    for piece, client in zip(PIECES, clients, strict=True):
        if client.received:
            raise Violated(
                http.HTTP_3,
                seen=f"after {piece!r} alone came {bytes(client.received[:40])!r} ({len(PIECES)} clients)",
            )
        if not client.open:
            seen = f"after {piece!r} alone the connection was {client.ending.value}"
            raise Violated(http.HTTP_3, seen=seen, rests_on=_KEEPS_ITS_CHILD)
        stage.send(client, GET[len(piece) :])
    stage.await_end(clients)
    for piece, client in zip(PIECES, clients, strict=True):
        if not client.received:
            seen = f"{piece!r}, then the rest of the head: {client.why_lost()}"
            raise Violated(http.HTTP_3, seen=seen, rests_on=_KEEPS_ITS_CHILD)


@pytest.mark.clause("http-3")
def test_a_long_head_too_is_read_to_its_end(stage: Stage) -> None:
    client = stage.connect(LONG[:-1])
    stage.await_any([client], within=stage.pace.moment + stage.pace.service_time)
    early = bytes(client.received[:40])
    if early and b" 4" not in early[:12]:
        raise Violated(http.HTTP_3, seen=f"after {len(LONG) - 1} bytes of a head of {len(LONG)} came {early!r}")
    stage.send(client, LONG[-1:])
    stage.await_end([client])
    if not client.received:
        raise Violated(http.HTTP_3, seen=f"a head of {len(LONG)} bytes, the last of them later: {client.why_lost()}")


@pytest.mark.clause("http-3")
def test_a_head_that_comes_byte_by_byte_is_answered(stage: Stage) -> None:
    client = stage.connect_silently()
    if not stage.await_holder(client):
        raise Inconclusive(f"a silent client's child could not be found: {client.why_lost()}")
    child, sleeps = stage.holders[client.number], True
    for place in range(client.greeted, len(GET)):
        stage.send(client, GET[place : place + 1])
        # The next one when this one has been read, so that each is a segment, and a read, of its own. One who spins
        # over it is never seen asleep.
        read = wait(stage, lambda: is_read(stage, client) or not client.open, within=stage.pace.reaction)
        sleeps = sleeps and wait(stage, lambda: asleep(child) or not client.open, within=A_MOMENT)
        if not read or not client.open:
            break
    stage.send(client, GET[place + 1 :])
    stage.await_end([client])
    if not client.received:
        raise Violated(http.HTTP_3, seen=f"a head of {len(GET)} bytes, one by one: {client.why_lost()}")


@pytest.mark.clause("http-4")
def test_a_malformed_request_costs_the_child_nothing(stage: Stage) -> None:
    began = stage.clock()
    for name, sent in MALFORMED.items():
        client = stage.connect_silently(until=sent)
        # Silent until its child is known: one that a bad request ends may be gone before anybody has looked.
        if not stage.await_holder(client):
            raise Inconclusive(f"a silent client's child could not be found: {client.why_lost()}")
        child = stage.holders[client.number]
        stage.send(client, sent[client.greeted :])
        # What it answers is its own matter; nothing at all is fine too. Then the client leaves.
        patience = 0.2 * stage.pace.patience
        stage.await_close(client, within=0.0 if name == "half a request" else patience)
        client.finish_sending()
        stage.await_close(client, within=patience)
        stage.drop(client)
        clear = stage.until(stage.all_let_go, within=stage.pace.answer)
        stage.hold(0.02)
        # One that was not told how many connections it may serve may have had its last.
        told = "max_connections" in stage.profile.placeholders
        if child not in stage.watch.live and told and not may_have_been_shed(stage, since=began):
            raise Violated(http.HTTP_4, seen=f"child {child} ended after {name}")
        if not clear:
            raise Violated(
                http.HTTP_4,
                seen=f"child {child} still held the connection {stage.pace.answer:.1f} s after {name}, its client gone",
            )
    follower = stage.connect(GET)
    stage.await_end([follower])
    if not follower.served:
        raise Violated(http.HTTP_4, seen=f"the next client was not served: {follower.why_lost()}")
    try:
        settle(stage, Phase.END)
    except Stopped as error:
        raise Violated(http.HTTP_4, seen="the pool did not come back within its bounds") from error
