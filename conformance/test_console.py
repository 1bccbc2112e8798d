"""Section console: what is printed, where a profile claims it."""

import pytest

from conformance.seats import Heard, decide
from spec import console


@pytest.mark.clause("console-1")
def test_ctrl_c_reports_each_child_and_what_it_has_served(printed: Heard) -> None:
    decide(console.CONSOLE_1, printed)


@pytest.mark.clause("console-2")
def test_a_line_tells_of_growth_and_of_shedding(printed: Heard) -> None:
    decide(console.CONSOLE_2, printed)


@pytest.mark.clause("console-3")
def test_pid_address_and_port_are_printed_at_each_accept(printed: Heard) -> None:
    decide(console.CONSOLE_3, printed)
