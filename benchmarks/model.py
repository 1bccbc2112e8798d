"""Explore the whole system as a model, in scopes too large for the tests, and tell what is found.

    python benchmarks/model.py [--stories]

One line for each design and scope: the states and transitions, the seconds, the states a second, and the length of the
shortest counterexample where there is one. With --stories, these are told as well.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spec.model.exploration import explore
from spec.model.scope import SPECIFIED, Design, Scope, Victim
from spec.model.story import Story
from spec.parameters import Parameters

NO_RECYCLING = 99  # connections a child


def scope(bounds: tuple[int, int, int], limit: int, clients: int, crashes: int = 0) -> Scope:
    """Give a scope: the bounds are min_spare, max_spare and max_children."""
    low, high, children = bounds
    parameters = Parameters(min_spare=low, max_spare=high, max_connections=limit, max_children=children)
    return Scope(parameters=parameters, clients=clients, crashes=crashes)


WITHOUT_THE_RULE = replace(SPECIFIED, one_accept_after_k=False)
ROWS: list[tuple[str, Design, Scope]] = [
    ("as specified", SPECIFIED, scope((1, 1, 2), NO_RECYCLING, 3)),
    ("as specified", SPECIFIED, scope((1, 1, 3), NO_RECYCLING, 3)),
    ("as specified", SPECIFIED, scope((1, 1, 4), NO_RECYCLING, 3)),
    ("as specified", SPECIFIED, scope((1, 1, 3), NO_RECYCLING, 4)),
    ("as specified", SPECIFIED, scope((1, 2, 4), NO_RECYCLING, 4)),
    ("as specified", SPECIFIED, scope((2, 2, 3), NO_RECYCLING, 3)),
    ("as specified", SPECIFIED, scope((2, 2, 4), NO_RECYCLING, 2)),
    ("as specified", SPECIFIED, scope((1, 1, 4), 1, 4)),
    ("as specified", SPECIFIED, scope((1, 1, 3), 2, 4)),
    ("as specified", SPECIFIED, scope((1, 1, 3), 3, 4)),
    ("as specified", SPECIFIED, scope((1, 1, 3), NO_RECYCLING, 3, 1)),
    ("as specified", SPECIFIED, scope((2, 2, 3), NO_RECYCLING, 2, 1)),
    ("as specified", SPECIFIED, scope((1, 1, 3), 2, 2, 2)),
    ("a woken child is killed at will", SPECIFIED, replace(scope((1, 1, 2), 99, 2, 1), crashes_anywhere=True)),
    ("without one accept after K", WITHOUT_THE_RULE, scope((1, 1, 2), NO_RECYCLING, 2)),
    ("… and a plain herd", replace(WITHOUT_THE_RULE, exclusive=False), scope((1, 1, 3), NO_RECYCLING, 4)),
    ("… and the listener first", replace(WITHOUT_THE_RULE, listener_first=True), scope((1, 1, 3), NO_RECYCLING, 4)),
    ("… and K to the newest", replace(WITHOUT_THE_RULE, victim=Victim.NEWEST), scope((1, 1, 4), NO_RECYCLING, 4)),
    ("… and K to the newest", replace(WITHOUT_THE_RULE, victim=Victim.NEWEST), scope((2, 2, 4), NO_RECYCLING, 3)),
    ("… and K to the newest", replace(WITHOUT_THE_RULE, victim=Victim.NEWEST), scope((1, 1, 3), NO_RECYCLING, 5)),
    ("K obeyed while busy", replace(SPECIFIED, obeys_k_after_accepting=True), scope((1, 1, 2), NO_RECYCLING, 2)),
    ("edge-triggered, one accept", replace(SPECIFIED, level_triggered=False), scope((1, 1, 2), NO_RECYCLING, 2)),
]


def main() -> None:
    """Print a table, as docs/benchmarks.md has it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", action="store_true", help="tell the counterexamples, too")
    with_stories = parser.parse_args().stories
    stories: list[tuple[str, Story]] = []
    print(
        "| design | min, max, N, children | clients | crashes | states | transitions | time | states a second | found |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, design, chosen in ROWS:
        begun = time.perf_counter()
        explored = explore(design, chosen)
        taken = time.perf_counter() - begun
        bounds = chosen.parameters
        limit = "none" if bounds.max_connections == NO_RECYCLING else bounds.max_connections
        found = "nothing"
        if explored.counterexample is not None:
            found = f"a story of {len(explored.counterexample.lines)} steps"
            stories.append((f"{name}: {chosen}", explored.counterexample))
        print(
            f"| {name} | {bounds.min_spare}, {bounds.max_spare}, {limit}, {bounds.max_children} | {chosen.clients} "
            f"| {chosen.crashes} | {explored.states:,} | {explored.transitions:,} | {taken:.2f} s "
            f"| {explored.states / taken:,.0f} | {found} |",
            flush=True,
        )
    for title, story in stories if with_stories else ():
        print(f"\n{title}\n{story}")


if __name__ == "__main__":
    main()
