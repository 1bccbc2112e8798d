"""The judge of one exchange, fed by the parser that the suite uses: bytes in, clauses out."""

from dataclasses import replace

import pytest

from drivers.client import Client, Ending
from drivers.http_exchange import read_exchange
from spec import http
from spec.http import Exchange


class Finished(Client):
    """A client after its connection: what it received, and how that ended."""

    def __init__(self, received: bytes, ending: Ending) -> None:
        self.received = bytearray(received)
        self.connected = True
        self.ending = ending
        self.began = 10.0
        self.ended = 0.0 if ending is Ending.OPEN else 12.0


def exchange(received: bytes, ending: Ending = Ending.CLOSED, *, more_was_asked: bool = False) -> Exchange:
    return read_exchange(Finished(received, ending), asked="a GET", more_was_asked=more_was_asked)


def broken(received: bytes, ending: Ending = Ending.CLOSED, *, more_was_asked: bool = False) -> dict[str, str]:
    seen = exchange(received, ending, more_was_asked=more_was_asked)
    return {each.clause.id: each.seen for each in http.judge_exchange(seen)}


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
WHOLE = HEAD + b"\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@pytest.mark.parametrize(
    "received",
    [
        WHOLE,
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the connection ends",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        CHUNKED + b"0\r\n\r\n",
        b"HTTP/1.1 200 \r\nconnection: close\r\nCONTENT-length: 5\r\n\r\nhello",
    ],
    ids=["length", "empty", "until-close", "no-content", "redirect", "chunked", "any-case"],
)
def test_a_whole_response_passes(received: bytes) -> None:
    assert broken(received) == {}


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"hello",
        b"hello\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon here\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"<html>dummy</html>",
    ],
    ids=[
        "nothing",
        "body",
        "line",
        "head-cut",
        "no-status",
        "http-2",
        "no-colon",
        "length-word",
        "two-lengths",
        "html",
    ],
)
def test_what_is_not_http_breaks_the_first_clause_only(received: bytes) -> None:
    found = broken(received)
    assert list(found) == ["http-1"]
    assert repr(received[:20])[2:-1] in found["http-1"]
    assert "a GET" in found["http-1"]


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_an_error_is_no_answer_to_a_get(status: int) -> None:
    found = broken(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    assert f"status {status}" in found["http-1"]


def test_only_where_something_else_than_the_root_was_asked_for_there_may_be_nothing() -> None:
    for status, sound in ((404, True), (400, False), (500, False)):
        seen = exchange(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
        assert (not list(http.judge_exchange(replace(seen, elsewhere=True)))) is sound


def test_a_body_shorter_than_declared_is_found() -> None:
    found = broken(HEAD + b"\r\nhel")
    assert list(found) == ["http-2"]
    assert "5 bytes of body were declared, 3 came" in found["http-2"]


def test_a_body_longer_than_declared_is_found() -> None:
    found = broken(WHOLE + b", world")
    assert list(found) == ["http-2"]
    assert "7 bytes came after the first response ended" in found["http-2"]


def test_a_second_response_on_one_connection_is_found() -> None:
    assert f"{len(WHOLE)} bytes came after" in broken(WHOLE + WHOLE)["http-2"]


def test_a_last_chunk_that_never_comes_is_found() -> None:
    found = broken(CHUNKED)
    assert list(found) == ["http-2"]


def test_a_chunk_that_lies_about_its_length_is_found() -> None:
    assert list(broken(CHUNKED.replace(b"5\r\n", b"4\r\n") + b"0\r\n\r\n")) == ["http-2"]


@pytest.mark.parametrize(
    "received", [WHOLE, CHUNKED + b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nand so on"], ids=["length", "chunked", "none"]
)
def test_a_connection_that_stays_open_is_found(received: bytes) -> None:
    found = broken(received, Ending.OPEN)
    assert list(found) == ["http-2"]
    assert "not closed" in found["http-2"]


def test_a_body_cut_off_by_an_open_connection_is_found() -> None:
    assert "5 bytes of body were declared, 2 came" in broken(HEAD + b"\r\nhe", Ending.OPEN)["http-2"]


def test_a_reset_after_a_whole_response_is_no_close() -> None:
    """It may reach the client before the response does."""
    assert "had reset the connection" in broken(WHOLE, Ending.RESET)["http-2"]


def test_a_reset_is_the_kernels_doing_where_more_was_asked_than_is_read() -> None:
    assert broken(WHOLE, Ending.RESET, more_was_asked=True) == {}


def test_a_body_without_a_length_that_ends_with_a_reset_may_be_cut() -> None:
    """Only an orderly close ends a body that no length was declared for; whether this one was whole is not known."""
    found = broken(b"HTTP/1.0 200 OK\r\n\r\nhel", Ending.RESET)
    assert set(found) <= {"http-2"}


def test_an_exchange_says_what_was_declared_and_what_came() -> None:
    seen = exchange(WHOLE + b"!!")
    assert (seen.status, seen.declared, seen.body, seen.surplus, seen.closed) == (200, 5, 5, 2, True)
    assert seen.waited == 2.0
    endless = exchange(b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert (endless.declared, endless.body, endless.surplus) == (None, 5, 0)


def test_an_interim_response_is_not_the_answer() -> None:
    assert broken(b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE) == {}
    assert list(broken(b"HTTP/1.1 100 Continue\r\n\r\n")) == ["http-1"]


@pytest.mark.parametrize(("status", "sound"), [(199, False), (200, True), (399, True), (400, False)])
def test_answers_are_from_200_to_399(status: int, *, sound: bool) -> None:
    seen = replace(exchange(WHOLE), status=status)
    assert (not list(http.judge_exchange(seen))) is sound


def test_an_exchange_of_which_no_more_is_said_was_whole_and_closed_in_order() -> None:
    plain = Exchange(asked="a GET", received=b"HTTP/1.0 200 OK\r\n\r\n", status=200)
    assert list(http.judge_exchange(plain)) == []
    (open_still,) = http.judge_exchange(replace(plain, closed=False))
    assert open_still.seen == "a GET: the server had not closed the connection 0.0 s later"
    (empty,) = http.judge_exchange(replace(plain, declared=1))
    assert empty.seen == "a GET: 1 bytes of body were declared, 0 came"
    (missing,) = http.judge_exchange(replace(plain, status=404))
    assert missing.clause is http.HTTP_1


def test_the_first_sixty_bytes_of_an_answer_are_shown() -> None:
    (found,) = http.judge_exchange(Exchange(asked="a GET", received=b"x" * 70))
    assert found.seen == f"a GET was answered with {b'x' * 60!r}: the head never ended"


@pytest.mark.parametrize("coding", [b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"])
def test_to_a_client_of_http_1_0_chunks_are_no_answer(coding: bytes) -> None:
    said = CHUNKED.replace(b"Transfer-Encoding: chunked", coding) + b"0\r\n\r\n"
    seen = read_exchange(Finished(said, Ending.CLOSED), asked="a GET", chunks_are_known=False)
    assert [each.clause for each in http.judge_exchange(seen)] == [http.HTTP_1]
    assert read_exchange(Finished(WHOLE, Ending.CLOSED), asked="a GET", chunks_are_known=False).status == 200


def test_nothing_at_all_is_told_as_the_client_saw_it() -> None:
    for ending in (Ending.OPEN, Ending.CLOSED):
        silent = Finished(b"", ending)
        silent.began = silent.ended - 1.0
        seen = read_exchange(silent, asked="a GET")
        assert seen.status is None
        assert seen.error
