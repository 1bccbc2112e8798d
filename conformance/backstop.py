"""The backstop of pytest-timeout, for a run without a terminal report: in a check, and in every worker.

Its own handler asks for that report, and ends in an AssertionError, wherever the alarm finds the suite: in a test it
hides what was wrong, and in the middle of a test's report it ends the run. This one lets a machine that is slower take
longer, strikes while a test is at work and at no other time, and says what happened.
"""

import signal
import time
from collections.abc import Generator
from types import FrameType
from typing import Protocol

import pytest

from conformance.pace import machine_slowness

AGAIN_AFTER = 1.0  # seconds, where the alarm came between the phases of a test


class Settings(Protocol):
    """What pytest-timeout tells of a test."""

    timeout: float  # seconds


class Backstop:
    """The timer of the test that runs."""

    def __init__(self) -> None:
        self._at_work = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Settings) -> bool:
        """Set the alarm for a test."""
        began = time.monotonic()

        def strike(_number: int, _frame: FrameType | None) -> None:
            left = settings.timeout * machine_slowness() - (time.monotonic() - began)
            if left > 0 or not self._at_work:
                signal.setitimer(signal.ITIMER_REAL, max(left, AGAIN_AFTER))
                return
            pytest.fail(f"{item.name} had not ended after {time.monotonic() - began:.0f} s")

        signal.signal(signal.SIGALRM, strike)
        signal.setitimer(signal.ITIMER_REAL, settings.timeout)
        return True

    @pytest.hookimpl(optionalhook=True)
    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> bool:
        """Call it off."""
        del item
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        return True

    def _phase(self) -> Generator[None, object, object]:
        self._at_work = True
        try:
            return (yield)
        finally:
            self._at_work = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        """A scene is played here."""
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """The test's own part."""
        return (yield from self._phase())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """The way back."""
        return (yield from self._phase())
