"""The sets of parameters with which subjects are launched: those that are always the same, and those that are drawn."""

from dataclasses import dataclass, replace
from random import Random

from conformance.pace import Pace
from spec.parameters import Parameters, draw_for_long_life, draw_for_plans, draw_for_pool, draw_for_recycle
from subject.profile import Profile

# The first set is always the same, so that two runs have something in common; the second is drawn.
POOL_A = Parameters(min_spare=3, max_spare=5, max_connections=3000, max_children=16)
# One number that is both bounds: between spawning and shedding there is no room for a mistake by one.
NARROW = Parameters(min_spare=3, max_spare=3, max_connections=3000, max_children=16)
# The least that is legal; and the same with room to grow.
LEAST = Parameters(min_spare=1, max_spare=1, max_connections=1, max_children=1)
ONE = Parameters(min_spare=1, max_spare=1, max_connections=3000, max_children=8)
# From 8, the steps that make up for nine come to 16 at the next one, where they do not begin anew.
LEFT_ALONE = Parameters(min_spare=8, max_spare=9, max_connections=3000, max_children=60)
# N above all that the races of this scenario take, and below a burst: some give listen() their N for a backlog.
FROZEN = Parameters(min_spare=3, max_spare=5, max_connections=90, max_children=16)
# N = 1 at the limit: a child that still ends while another already takes its place is one too many (pool-6).
SINGLE = Parameters(min_spare=2, max_spare=4, max_connections=1, max_children=4)
# In the parent's and the child's seat. Those who race need somebody beside each of twenty that end; orders are seen
# where the excess is larger than max_spare; and soon after, the limit is reached.
VOICE_A = Parameters(min_spare=3, max_spare=5, max_connections=3, max_children=16)
FULL_SPEED = Parameters(min_spare=4, max_spare=6, max_connections=3000, max_children=40)
RACES = Parameters(min_spare=22, max_spare=26, max_connections=3000, max_children=40)
ORDERS = Parameters(min_spare=2, max_spare=3, max_connections=3000, max_children=14)
TOGETHER = Parameters(min_spare=5, max_spare=6, max_connections=3000, max_children=40)
PLAN_A = Parameters(min_spare=2, max_spare=4, max_connections=5, max_children=12)
# From 1, steps that double without end come to 127 children here.
MANY = Parameters(min_spare=64, max_spare=66, max_connections=3000, max_children=200)
RECYCLE_A = Parameters(min_spare=2, max_spare=12, max_connections=5, max_children=40)


@dataclass
class DrawnSets:
    """The sets for one subject, by the seed of the run."""

    profile: Profile
    pace: Pace
    seed: int

    def pool_set(self, which: str) -> Parameters:
        """Give one of the two sets to judge the pool with: `first`, or the one drawn by the seed."""
        if which == "first":
            return self.limited(POOL_A)
        random = Random(f"pool {self.seed}")
        while True:
            drawn = draw_for_pool(random)
            if drawn.min_spare != POOL_A.min_spare and drawn.max_spare != POOL_A.max_spare:
                return self.limited(drawn)

    def recycle_set(self, which: str) -> Parameters:
        """Give one of the two sets to judge recycling with."""
        if which == "first":
            return self.limited(RECYCLE_A)
        random = Random(f"recycle {self.seed}")
        while True:
            drawn = draw_for_recycle(random)
            if drawn.max_connections != RECYCLE_A.max_connections:
                return self.limited(drawn)

    def long_life_set(self) -> Parameters:
        """Give the set to see a child through more connections than a byte can count."""
        return self.limited(draw_for_long_life(Random(f"long life {self.seed}")))

    def voice_set(self, which: str) -> Parameters:
        """Give one of the two sets to hear children with, from their first connection to their last."""
        few = [2] if self.pace.unhurried else [2, 4, 5]
        drawn = Random(f"voice {self.seed}").choice(few)
        return self.limited(VOICE_A if which == "first" else replace(VOICE_A, max_connections=drawn))

    def plan_sets(self) -> list[Parameters]:
        """Give the two sets to perform plans with."""
        return [self.limited(PLAN_A), self.limited(draw_for_plans(Random(f"plans {self.seed}")))]

    def limited(self, parameters: Parameters) -> Parameters:
        """Give a set as the subject can be told it: without a limit where its command has no place for one."""
        return parameters if "max_children" in self.profile.placeholders else parameters.unlimited()
