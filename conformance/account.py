"""Where a worker's time goes: every second is spent on one purpose, or else is the tests' own."""

import time
from collections.abc import Callable, Iterable
from enum import Enum
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Purpose(Enum):
    """What time is spent on, but for what a test does and waits for itself."""

    LAUNCHING = "launching"  # until the subject listens
    SETTLING = "settling"  # until the pool is within its bounds
    HOLDING = "holding"  # nothing may happen for a while
    ENDING = "ending"  # until nothing of the subject is left


class Account:
    """The seconds spent, by purpose. What is done for the sake of something else counts as that."""

    def __init__(self) -> None:
        self._spent = dict.fromkeys(Purpose, 0.0)
        self._purpose: Purpose | None = None

    def spend(self, purpose: Purpose, action: Callable[[], Result]) -> Result:
        """Do something, on account of a purpose."""
        if self._purpose is not None:
            return action()
        self._purpose, began = purpose, time.monotonic()
        try:
            return action()
        finally:
            self._spent[purpose] += time.monotonic() - began
            self._purpose = None

    def adopt(self, others: Iterable["Account"]) -> None:
        """Take over what was spent on the longest of some accounts that were kept at the same time."""
        longest = max((other._spent for other in others), key=lambda spent: sum(spent.values()), default={})  # noqa: SLF001
        for purpose, seconds in longest.items():
            self._spent[purpose] += seconds

    def close(self) -> dict[str, float]:
        """Give what was spent since the last time, and begin anew."""
        spent = {purpose.value: seconds for purpose, seconds in self._spent.items()}
        self._spent = dict.fromkeys(Purpose, 0.0)
        return spent


class HasAccount(Protocol):
    """Whatever time is spent for."""

    account: Account


Spender = TypeVar("Spender", bound=HasAccount)


def spent_on(
    purpose: Purpose,
) -> Callable[[Callable[Concatenate[Spender, Given], Result]], Callable[Concatenate[Spender, Given], Result]]:
    """Mark what spends time on a purpose: the account is that of its first argument."""

    def decorate(
        action: Callable[Concatenate[Spender, Given], Result],
    ) -> Callable[Concatenate[Spender, Given], Result]:
        @wraps(action)
        def spending(spender: Spender, /, *args: Given.args, **kwargs: Given.kwargs) -> Result:
            return spender.account.spend(purpose, lambda: action(spender, *args, **kwargs))

        return spending

    return decorate
