"""How long to wait for what: the subject's rounds, the user's patience, and the machine's own slowness.

Slow is not wrong. A wait for a *step* (one more child, one child fewer) is generous and begins anew with each step;
so a server that takes one step a second passes, and one that takes none costs seconds.
"""

import time
from dataclasses import dataclass

from subject.profile import Profile

# A hold ("nothing may happen") outlasts a tick of one round by a fifth.
ROUND_AND_A_FIFTH = 1.2
A_WHILE = 0.2  # seconds of a service
# Between two looks at the clock, no more than this counts against the subject: where the suite itself was kept from
# running for longer, so was the subject.
MOST_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class Pace:
    """The waits for one subject on one machine, in seconds. `patience` scales those that end in a verdict."""

    grow_round: float = 1.0
    shed_each: float = 1.0
    service_time: float = 0.0
    patience: float = 1.0

    @property
    def round(self) -> float:
        """A hold: one round of the subject."""
        return ROUND_AND_A_FIFTH * max(self.grow_round, self.shed_each)

    @property
    def moment(self) -> float:
        """A short hold, in which a parent that goes on after it has what it owes is seen to: a quarter of a round."""
        return 0.25 * self.round

    @property
    def unhurried(self) -> bool:
        """Tell whether the subject takes its time in each service: many of them one after another take too long."""
        return self.service_time > A_WHILE

    @property
    def step(self) -> float:
        """The longest wait for one step of regulation: two rounds and a margin.

        A child that was let go of may first serve to its end, before the parent learns that it is idle.
        """
        return (2 * max(self.grow_round, self.shed_each) + self.service_time + 0.5) * self.patience

    @property
    def start(self) -> float:
        """The longest wait for a launched server to listen."""
        return 8.0 * self.patience

    @property
    def answer(self) -> float:
        """The longest wait for an answer: growth by several rounds may come before it."""
        return (6 * self.grow_round + 1.0 + 3 * self.service_time) * self.patience

    @property
    def reaction(self) -> float:
        """The longest wait for what takes no regulation: a child that ends, a connection that is accepted."""
        return (2.0 + self.service_time) * self.patience

    @property
    def stop(self) -> float:
        """The longest wait for a server to end; it may drain."""
        return (4.0 + self.service_time) * self.patience


class Patience:
    """A deadline on a clock that does not run while the suite itself is kept from running."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin anew: a step was seen."""
        self.spent = 0.0
        self._looked = time.monotonic()

    def resume(self) -> None:
        """Leave out the time since the last look."""
        self._looked = time.monotonic()

    def over(self) -> bool:
        """Tell whether the time is up."""
        now = time.monotonic()
        self.spent += min(now - self._looked, MOST_BETWEEN_LOOKS)
        self._looked = now
        return self.spent > self.seconds


def of(profile: Profile, *, patience: float) -> Pace:
    """Give the pace of a subject."""
    return Pace(
        grow_round=profile.settle.grow_round,
        shed_each=profile.settle.shed_each,
        service_time=profile.service_time,
        patience=patience * machine_slowness(),
    )


def machine_slowness() -> float:
    """Measure how much longer than its processor time a little work takes here now: 1 when idle, at most 4."""
    wall, used = time.perf_counter(), time.thread_time()
    total = 0
    while time.thread_time() - used < 0.02:
        total += 1
    return min(4.0, max(1.0, (time.perf_counter() - wall) / 0.02))
