"""What children say and what the parent orders, judged on bytes."""

import pytest

from spec import protocol
from spec.event import Pid
from spec.protocol import NEXT, Message, Order, Told, Voice, judge_orders, judge_voice, shown

CHILD = Pid(12)


def broken(voice: Voice) -> list[str]:
    return [str(violation.clause.id) for violation in judge_voice(voice)]


def said(words: bytes, *, accepted: int | None = None, serviced: int | None = None, ended: bool = False) -> list[str]:
    return broken(Voice(child=CHILD, said=words, accepted=accepted, serviced=serviced, ended=ended, within=2.0))


@pytest.mark.parametrize(
    ("words", "accepted", "serviced"), [(b"", 0, 0), (b"C", 1, 0), (b"CF", 1, 1), (b"CFC", 2, 1), (b"CF" * 50, 50, 50)]
)
def test_a_stream_of_c_and_f_by_turns_is_what_a_child_says(words: bytes, accepted: int, serviced: int) -> None:
    assert said(words, accepted=accepted, serviced=serviced) == []
    assert said(words) == []


@pytest.mark.parametrize(
    ("words", "accepted", "serviced", "found"),
    [
        (b"", 1, 0, ["protocol-1"]),  # late, or never
        (b"CC", 1, 0, ["protocol-1"]),
        (b"CCF", 1, 1, ["protocol-1"]),
        (b"F", 1, 1, ["protocol-1"]),
        (b"CF", 1, 0, ["protocol-2"]),  # before the service has ended
        (b"C", 1, 1, ["protocol-2"]),
        (b"CFC", 2, 2, ["protocol-2"]),  # no last F
        (b"FC", 1, 1, ["protocol-2"]),
        (b"C\nF\n", 1, 1, ["protocol-3"]),
        (b"AF", 1, 1, ["protocol-3", "protocol-1"]),
        (b"c", 1, 0, ["protocol-3", "protocol-1"]),
        (b"\x0c\x00\x00\x00C", 1, 0, ["protocol-3"]),
    ],
)
def test_each_way_to_say_it_wrong_breaks_its_clause(
    words: bytes, accepted: int, serviced: int, found: list[str]
) -> None:
    assert said(words, accepted=accepted, serviced=serviced) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [(b"CCF", ["protocol-1"]), (b"CFF", ["protocol-2"]), (b"F", ["protocol-2"]), (b"CFx", ["protocol-3"])],
)
def test_without_a_count_the_order_alone_is_judged(words: bytes, found: list[str]) -> None:
    assert said(words) == found


def test_the_bytes_stand_in_the_message() -> None:
    (violation,) = judge_voice(Voice(child=CHILD, said=b"CCF", accepted=1, serviced=1, within=2.0))
    assert "child 12 said b'CCF', where it had accepted 1 connection and serviced 1: 2 C in 2.0 s" in violation.seen
    (violation,) = judge_voice(Voice(child=CHILD, said=b"CFC", accepted=2, serviced=2, ended=True, within=2.0))
    assert "b'CFC'" in violation.seen
    assert "and ended" in violation.seen


def test_a_long_stream_is_cut_in_the_middle() -> None:
    assert shown(b"CF" * 4) == "b'CFCFCFCF'"
    assert shown(b"CF" * 500) == "b'CFCFCFCFCFCF' … b'CFCFCFCFCFCF' (1000 bytes)"


def test_the_table_lets_a_child_be_idle_or_busy_by_turns() -> None:
    assert NEXT == {(Told.IDLE, Message.CONNECTED): Told.BUSY, (Told.BUSY, Message.FINISHED): Told.IDLE}


def orders(*given: tuple[bytes, Told, bool]) -> list[str]:
    made = [Order(child=CHILD, written=words, told=told, ended=ended) for words, told, ended in given]
    return [str(violation.clause.id) for violation in judge_orders(made)]


def test_k_for_those_that_are_idle_and_nothing_for_those_that_are_busy_is_right() -> None:
    assert orders((b"K", Told.IDLE, False), (b"", Told.IDLE, False), (b"", Told.BUSY, False)) == []


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ((b"KK", Told.IDLE, False), ["protocol-4"]),
        ((b"K\n", Told.IDLE, False), ["protocol-4"]),
        ((b"Q", Told.BUSY, False), ["protocol-4"]),
        ((b"", Told.IDLE, True), ["protocol-4"]),  # a signal
        ((b"K", Told.BUSY, False), ["protocol-7", "pool-5"]),
        ((b"", Told.BUSY, True), ["pool-5"]),
    ],
)
def test_each_wrong_order_breaks_its_clause(order: tuple[bytes, Told, bool], found: list[str]) -> None:
    assert orders(order) == found


def test_protocol_names_its_clauses_in_order() -> None:
    assert [each.id for each in protocol.SECTION] == [f"protocol-{n}" for n in range(1, 10)]


def seen(words: bytes, accepted: int | None = None, serviced: int | None = None) -> list[str]:
    return [each.seen for each in judge_voice(Voice(child=CHILD, said=words, accepted=accepted, serviced=serviced))]


def test_what_is_missing_is_told_with_the_time_that_it_was_waited_for_and_what_is_early_without() -> None:
    (missing,) = judge_voice(Voice(child=CHILD, said=b"C", accepted=1, serviced=1, within=2.0))
    assert missing.seen == "child 12 said b'C', where it had accepted 1 connection and serviced 1: no F in 2.0 s"
    (early,) = seen(b"CF", accepted=1, serviced=0)
    assert early.endswith("and serviced 0: F came before the service had ended")
    (late,) = seen(b"CFC", accepted=2, serviced=2)
    assert late.endswith("1 F in 0.0 s")


def test_a_count_of_one_kind_alone_is_none() -> None:
    assert seen(b"CF", accepted=1) == []
    assert seen(b"CF", serviced=2) == []


def test_the_first_byte_that_is_out_of_turn_is_told_by_its_place() -> None:
    (found,) = seen(b"CFF")
    assert found == "child 12 said b'CFF': byte 3 is b'F' where it was idle"


def test_twenty_four_bytes_are_shown_whole() -> None:
    assert shown(b"C" * 24) == repr(b"C" * 24)
    assert shown(b"C" * 25) == f"{b'C' * 12!r} … {b'C' * 12!r} (25 bytes)"


def test_a_child_obeys_within_what_the_clause_says() -> None:
    assert f"within {protocol.OBEYS_WITHIN:.0f} s" in protocol.PROTOCOL_5.text


def test_an_order_of_which_no_more_is_said_ended_nobody() -> None:
    assert list(judge_orders([Order(child=CHILD, written=b"", told=Told.IDLE)])) == []
