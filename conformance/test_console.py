"""Section console: what is printed, where a profile claims it."""

import pytest

from conformance.seats import Heard
from spec import console
from spec.clause import Clause
from spec.verdict import Inconclusive, raise_first


def decide(clause: Clause, heard: Heard) -> None:
    """Raise what was found against the clause; else it must have been judged."""
    raise_first(heard.violations, clause)
    if clause.id not in heard.judged:
        raise heard.why_not or Inconclusive("the server could not be brought to where it would print")


@pytest.mark.clause("console-1")
def test_ctrl_c_reports_each_child_and_what_it_has_served(printed: Heard) -> None:
    decide(console.CONSOLE_1, printed)


@pytest.mark.clause("console-2")
def test_a_line_tells_of_growth_and_of_shedding(printed: Heard) -> None:
    decide(console.CONSOLE_2, printed)


@pytest.mark.clause("console-3")
def test_pid_address_and_port_are_printed_at_each_accept(printed: Heard) -> None:
    decide(console.CONSOLE_3, printed)
