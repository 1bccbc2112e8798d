"""A pytest plugin that joins the launcher's keeper, who can stop a check, and its bookkeeper, who can tell of it."""

from collections.abc import Generator
from typing import Any

import pytest

from preforkspec.keeper import Keeper


class Stopper:
    """Runs in the controller only."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper

    def pytest_configure(self, config: pytest.Config) -> None:
        """Find the bookkeeper: conftest.py has made it by now."""
        bookkeeper: Any = config.pluginmanager.get_plugin("bookkeeper")
        self.keeper.tell = bookkeeper.tell
        bookkeeper.stop = self.keeper.stop

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Generator[None]:
        """Let the signals come again, once xdist has started its workers: it does that last in this hook."""
        try:
            yield
        finally:
            self.keeper.let_come()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Hold the signals back while the workers are started."""
        self.keeper.hold_back()
