"""The sets of parameters with which subjects are launched; `launches.py` draws those that depend on the seed."""

from spec.parameters import Parameters

# The first set is always the same, so that two runs have something in common; the second is drawn.
POOL_A = Parameters(min_spare=3, max_spare=5, max_connections=3000, max_children=16)
# One number that is both bounds: between spawning and shedding there is no room for a mistake by one.
NARROW = Parameters(min_spare=3, max_spare=3, max_connections=3000, max_children=16)
# The least that is legal; and the same with room to grow.
LEAST = Parameters(min_spare=1, max_spare=1, max_connections=1, max_children=1)
ONE = Parameters(min_spare=1, max_spare=1, max_connections=3000, max_children=8)
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
RECYCLE_A = Parameters(min_spare=2, max_spare=12, max_connections=5, max_children=40)
