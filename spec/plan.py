"""Plans: what the suite says to a parent in the place of its children, as data that can be written, read and cut.

A step names a child by its place among those that can take the step just then, not by a pid. So any part of a plan is
a plan, and one that was cut down on one launch means the same on the next.

Written: `min_spare=2 max_spare=4 max_connections=5 max_children=12: C0 C1 F0 B0:3,2:2 R`. `C1` lets the second of the
idle children say `C`, `F0` the first of the busy ones `F`, `B0:3,2:2` the first of all three messages and the third
two, each in one write; `R` waits until the parent owes nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from spec.parameters import Parameters


class NoPlan(ValueError):
    """A text that is no plan; says where, and what was expected."""


@dataclass(frozen=True)
class Connect:
    """An idle child says `C`."""

    place: int

    def __str__(self) -> str:
        return f"C{self.place}"


@dataclass(frozen=True)
class Finish:
    """A busy child says `F`."""

    place: int

    def __str__(self) -> str:
        return f"F{self.place}"


@dataclass(frozen=True)
class Burst:
    """Some children say several messages each, in one write: (place, how many)."""

    parts: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return "B" + ",".join(f"{place}:{count}" for place, count in self.parts)


@dataclass(frozen=True)
class Rest:
    """Wait until the parent owes nothing."""

    def __str__(self) -> str:
        return "R"


Step = Connect | Finish | Burst | Rest


@dataclass(frozen=True)
class Plan:
    """Steps, and the parameters with which the server is started for them."""

    parameters: Parameters
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        given = self.parameters
        limit = "" if given.max_children is None else f" max_children={given.max_children}"
        bounds = f"min_spare={given.min_spare} max_spare={given.max_spare} max_connections={given.max_connections}"
        return f"{bounds}{limit}: {' '.join(map(str, self.steps))}"


_PLACE = re.compile(r"\d{1,3}")
_BURST = re.compile(r"\d{1,3}:\d{1,3}(,\d{1,3}:\d{1,3})*")
MOST_STEPS = 100_000


def read(text: str) -> Plan:
    """Read what `str` of a plan gives. Raises NoPlan."""
    head, colon, tail = text.partition(":")
    if not colon:
        raise NoPlan(f"expected 'min_spare=A max_spare=B max_connections=N: STEPS', found {text.strip()[:60]!r}")
    words = tail.split()
    if len(words) > MOST_STEPS:
        raise NoPlan(f"has {len(words)} steps; expected at most {MOST_STEPS}")
    return Plan(_parameters(head), tuple(_step(word, number) for number, word in enumerate(words, start=1)))


def _parameters(head: str) -> Parameters:
    known = ("min_spare", "max_spare", "max_connections", "max_children")
    given: dict[str, int] = {}
    for word in head.split():
        name, _, value = word.partition("=")
        if name not in known or not value.isdecimal():
            raise NoPlan(f"parameter {word[:40]!r}: expected one of {', '.join(known)}, with = and a number")
        given[name] = int(value)
    if missing := [name for name in known[:3] if name not in given]:
        raise NoPlan(f"has no {missing[0]}")
    parameters = Parameters(**given)
    if why := parameters.why_illegal():
        raise NoPlan(why)
    return parameters


def _step(word: str, number: int) -> Step:
    letter, rest = word[:1], word[1:]
    if letter in "CF" and _PLACE.fullmatch(rest):
        return Connect(int(rest)) if letter == "C" else Finish(int(rest))
    if letter == "B" and _BURST.fullmatch(rest):
        parts = (part.partition(":") for part in rest.split(","))
        return Burst(tuple((int(place), int(count)) for place, _, count in parts))
    if word == "R":
        return Rest()
    raise NoPlan(f"step {number} is {word[:40]!r}; expected C, F or B with places, as in C0, F1 or B0:3,2:2, or R")


def shorter(plan: Plan) -> Iterator[Plan]:
    """Give plans with something cut out, large pieces first: each may still show what the whole one showed."""
    steps = plan.steps
    size = len(steps) // 2
    while size:
        for start in range(len(steps) - size, -1, -size):
            yield replace(plan, steps=steps[:start] + steps[start + size :])
        size //= 2


def simpler(plan: Plan) -> Iterator[Plan]:
    """Give plans with one step made simpler: fewer in a burst, fewer messages, lower places."""
    for number, step in enumerate(plan.steps):
        for other in _simpler_steps(step):
            yield replace(plan, steps=(*plan.steps[:number], other, *plan.steps[number + 1 :]))


def _simpler_steps(step: Step) -> Iterator[Step]:
    match step:
        case Connect(place=place) | Finish(place=place) if place:
            yield replace(step, place=0)
        case Burst(parts=parts):
            for number, (place, count) in enumerate(parts):
                before, after = parts[:number], parts[number + 1 :]
                if len(parts) > 1:
                    yield Burst(before + after)
                if count > 2:
                    yield Burst((*before, (place, 2), *after))
                if place:
                    yield Burst((*before, (0, count), *after))


def one_by_one(plan: Plan) -> Plan | None:
    """Give the plan with each burst's messages sent one by one, as bursts of one message; None without a burst."""
    if not any(isinstance(step, Burst) for step in plan.steps):
        return None
    steps: list[Step] = []
    for step in plan.steps:
        if isinstance(step, Burst):
            steps += [Burst(((place, 1),)) for place, count in step.parts for _ in range(count)]
        else:
            steps.append(step)
    return replace(plan, steps=tuple(steps))
