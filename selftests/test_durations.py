"""Where the time of a check went: each second is on one account, and the table adds them up."""

from pathlib import Path

import pytest

from conformance.account import Account, Purpose, spent_on
from grading.durations import durations
from grading.finding import Finding
from selftests.facts import settle
from selftests.scripted import staged
from spec.clause import ClauseId
from spec.verdict import Verdict


class Spender:
    """What spends its time on this and that."""

    def __init__(self) -> None:
        self.account = Account()

    @spent_on(Purpose.SETTLING)
    def settles(self, waits: int) -> int:
        settle(lambda: True, what="nothing")
        return waits

    @spent_on(Purpose.HOLDING)
    def holds(self) -> int:
        return self.settles(waits=2)

    @spent_on(Purpose.ENDING)
    def fails(self) -> None:
        raise KeyError(3)


def spends(spent: dict[str, float]) -> set[str]:
    return {purpose for purpose, seconds in spent.items() if seconds > 0.0}


def test_what_is_done_for_the_sake_of_something_else_counts_as_that() -> None:
    spender = Spender()
    assert spender.settles(1) == 1
    assert spends(spender.account.close()) == {"settling"}
    assert spender.holds() == 2
    assert spends(spender.account.close()) == {"holding"}
    assert spends(spender.account.close()) == set()


def test_what_fails_took_its_time_too_and_what_follows_is_on_its_own_account() -> None:
    spender = Spender()
    with pytest.raises(KeyError):
        spender.fails()
    spender.settles(1)
    assert spends(spender.account.close()) == {"ending", "settling"}


def found(clause: str, test: str, seconds: float, **spent: float) -> Finding:
    return Finding(clause=ClauseId(clause), test=test, verdict=Verdict.PASS, seconds=seconds, spent=spent)


def test_the_table_adds_up_and_begins_with_the_slowest() -> None:
    shared = [found(clause, "pool", 2.0, holding=1.5, launching=0.25) for clause in ("pool-1", "pool-2")]
    table = durations([*shared, found("http-1", "http", 3.0, holding=1.0), found("http-2", "none", 0.001)], most=2)
    lines = [line.split() for line in table.plain.splitlines() if line]
    assert lines == [
        ["Where", "the", "time", "went"],
        ["seconds", "in", "all", "holding", "launching", "tests"],
        ["http-1", "3.00", "1.00", "0.00", "2.00"],
        ["pool-1", "2.00", "1.50", "0.25", "0.25"],
        ["all", "5.00", "2.50", "0.25", "2.25"],
    ]


def test_a_launch_has_its_time_on_account(tmp_path: Path) -> None:
    with staged(tmp_path)("pool(min_spare)") as stage:
        stage.start()
        stage.hold(0.01)
    spent = stage.account.close()
    assert spends(spent) == {"launching", "holding", "ending"}
    assert set(spent) == {purpose.value for purpose in Purpose}
