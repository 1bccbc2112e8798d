"""What the tests of this folder are given. The faults as fixtures, for tests of one's own, are in `fixtures.py`."""

import pytest

A_SHORT_SOAK = 2.0  # seconds, in every check; --soak asks for more


@pytest.fixture
def soak_seconds(request: pytest.FixtureRequest) -> float:
    """Give the seconds that the soak is to take."""
    asked: float | None = request.config.option.soak
    return A_SHORT_SOAK if asked is None else asked
