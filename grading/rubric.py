"""The rubric: how many points each clause is worth, and what a submission earns by its verdict document.

A score is per clause, never per test. What could only be judged through something broken costs nothing of its own: one
root cause costs what it blocks, up to a cap. What could not be decided costs nothing, and is flagged for a person.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from grading.wording import first_error
from spec.clause import Clause, ClauseId, Level
from spec.sections import CLAUSES, SECTIONS
from spec.verdict import Verdict

# Who was not judged on a clause for no fault of its own has its points until a person has looked.
UNDECIDED = (Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.NOT_RUN)
# The cap of a root cause, as a share of the whole; a server that can't be started has shown nothing.
ROOT_CAUSE = {"most": 0.25, "lifecycle-1": 1.0}
SECONDS_A_DAY = 86_400
DEFAULT = Path(__file__).with_name("rubric.toml")

Weight = Annotated[float, Field(ge=0, le=1000)]
Share = Annotated[float, Field(ge=0, le=1)]


class RubricError(Exception):
    """The rubric can't be used; the text says where and why, in one line."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Late(_Table):
    """What lateness costs: points a day begun, up to so many."""

    due: datetime
    per_day: Annotated[float, Field(ge=0)]
    at_most: Annotated[float, Field(ge=0)] | None = None

    @field_validator("due", mode="before")
    @classmethod
    def _has_a_zone(cls, due: object) -> object:
        # Without one it would be that of whichever machine grades.
        if not isinstance(due, datetime) or due.tzinfo is None:
            raise ValueError("expected a time with its zone, as in 2026-11-30T23:59:00+01:00")
        return due

    def days(self, changed: float) -> int:
        """Give how many days have begun between the due time and another one, in seconds of the epoch."""
        return max(0, -int(-(changed - self.due.timestamp()) // SECONDS_A_DAY))


class Rubric(_Table):
    """All that a rubric says. Points are those of the whole; weights are relative to each other."""

    out_of: Annotated[float, Field(gt=0, le=10_000)] = 100
    must: Weight = 3
    should: Weight = 1
    weights: dict[str, Weight] = {}
    root_cause: dict[str, Share] = ROOT_CAUSE
    build_failure: Annotated[float, Field(ge=0)] = 0
    late: Late | None = None

    @model_validator(mode="after")
    def _names_are_known(self) -> "Rubric":
        known = {*CLAUSES, *(section.name for section in SECTIONS)}
        for name in self.weights:
            if name not in known:
                raise ValueError(f"weights: {name!r} is no clause and no section")
        # A table that tells of one cause leaves the cap of the others as it is.
        self.root_cause = {**ROOT_CAUSE, **self.root_cause}
        for name in self.root_cause:
            if name not in {"most", *CLAUSES}:
                raise ValueError(f"root_cause: {name!r} is no clause, and not `most`")
        if not any(self.weight(clause) for clause in CLAUSES.values()):
            raise ValueError("weights: all are 0; expected one that is not")
        return self

    def weight(self, clause: Clause) -> Fraction:
        """Give what a clause is worth, relative to the others."""
        by_level = self.must if clause.level is Level.MUST else self.should
        return Fraction(str(self.weights.get(clause.id, self.weights.get(clause.section, by_level))))

    def most_of(self, cause: ClauseId) -> Fraction:
        """Give the share of the whole that a root cause costs at most, with all that it blocks."""
        return Fraction(str(self.root_cause.get(cause, self.root_cause["most"])))


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one clause was worth, and what it earned, in points; `why` where that is not plain from the verdict."""

    clause: ClauseId
    verdict: Verdict
    worth: float
    earned: float
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a submission earns: its lines add up to the points, before lateness."""

    points: float
    out_of: float
    lines: tuple[Line, ...] = ()
    flags: tuple[str, ...] = ()  # what a person should look at
    notes: tuple[str, ...] = field(default=())  # what changed the points beside the clauses


def read(path: Path | None) -> Rubric:
    """Read a rubric, or the one that comes with the suite. Raises RubricError."""
    path = DEFAULT if path is None else path
    try:
        return from_text(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise RubricError(f"{path}: {error.strerror}; expected a rubric in TOML") from error
    except UnicodeDecodeError as error:
        raise RubricError(f"{path}: {error}; expected TOML") from error


def from_text(text: str, path: Path) -> Rubric:
    """Make a rubric of what was read at a path. Raises RubricError."""
    try:
        return Rubric.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise RubricError(f"{path}: {first_error(error)}") from error
    except (ValueError, RecursionError) as error:
        raise RubricError(f"{path}: {error}; expected TOML") from error


def score(document: Mapping[str, Any], rubric: Rubric, *, days_late: int = 0) -> Score:
    """Score a verdict document. The same document and rubric give the same score."""
    found = {ClauseId(each["id"]): each for each in document["clauses"]}
    verdicts = {clause: Verdict(each["verdict"]) for clause, each in found.items()}
    worth = _worth(verdicts, rubric)
    lost = _lost(found, verdicts, worth, rubric)
    lines = tuple(
        Line(
            clause=clause,
            verdict=verdict,
            worth=float(worth[clause]),
            earned=float(worth[clause] - lost.get(clause, 0)),
            why=_why(verdict, found[clause]["blocked_by"]),
        )
        for clause, verdict in verdicts.items()
    )
    points = sum(worth.values(), Fraction(0)) - sum(lost.values(), Fraction(0))
    points, notes = _late(points, rubric, days_late)
    flags = [f"{clause}: {verdicts[clause].value}" for clause in verdicts if verdicts[clause] in UNDECIDED]
    return Score(points=_rounded(points), out_of=rubric.out_of, lines=lines, flags=tuple(flags), notes=notes)


def _worth(verdicts: Mapping[ClauseId, Verdict], rubric: Rubric) -> dict[ClauseId, Fraction]:
    """Share the points out among the clauses that apply, in hundredths."""
    weights = {
        clause: Fraction(0) if verdict is Verdict.NOT_APPLICABLE else rubric.weight(CLAUSES[clause])
        for clause, verdict in verdicts.items()
    }
    whole = sum(weights.values(), Fraction(0))
    out_of = Fraction(str(rubric.out_of))
    shares = _in_cents([weight * out_of / whole if whole else Fraction(0) for weight in weights.values()])
    return dict(zip(weights, shares, strict=True))


def _lost(
    found: Mapping[ClauseId, Mapping[str, Any]],
    verdicts: Mapping[ClauseId, Verdict],
    worth: Mapping[ClauseId, Fraction],
    rubric: Rubric,
) -> dict[ClauseId, Fraction]:
    """Give what each clause costs: who fails its own worth, and what is blocked up to the cap of its cause."""
    lost = {clause: worth[clause] for clause, verdict in verdicts.items() if verdict is Verdict.FAIL}
    blocked: dict[ClauseId, list[ClauseId]] = {}
    for clause, verdict in verdicts.items():
        if verdict is Verdict.BLOCKED:
            blocked.setdefault(ClauseId(found[clause]["blocked_by"]), []).append(clause)
    for cause, clauses in blocked.items():
        behind = sum((worth[clause] for clause in clauses), Fraction(0))
        room = max(Fraction(0), rubric.most_of(cause) * Fraction(str(rubric.out_of)) - worth.get(cause, Fraction(0)))
        share = min(Fraction(1), room / behind) if behind else Fraction(0)
        lost |= zip(clauses, _in_cents([worth[clause] * share for clause in clauses]), strict=True)
    return lost


def _why(verdict: Verdict, cause: str | None) -> str:
    if verdict is Verdict.BLOCKED:
        return f"with {cause}, which costs no more than its cap"
    return "counts as held until a person has looked" if verdict in UNDECIDED else ""


def _in_cents(points: Sequence[Fraction]) -> list[Fraction]:
    """Round to hundredths in such a way that they add up to the rounded sum."""
    sums = [Fraction(0), *(round(each, 2) for each in accumulate(points))]
    return [after - before for before, after in pairwise(sums)]


def _rounded(points: Fraction) -> float:
    return float(round(points, 2))


def unbuilt(rubric: Rubric, why: str, *, days_late: int = 0, flags: tuple[str, ...] = ()) -> Score:
    """Score a submission that could not be judged by a fault of its own; `why` is the first of its notes."""
    points, notes = _late(Fraction(str(min(rubric.build_failure, rubric.out_of))), rubric, days_late)
    return Score(points=_rounded(points), out_of=rubric.out_of, flags=flags, notes=(why, *notes))


def _late(points: Fraction, rubric: Rubric, days: int) -> tuple[Fraction, tuple[str, ...]]:
    """Take off what lateness costs, and say so."""
    if rubric.late is None or days <= 0:
        return points, ()
    cost = Fraction(str(rubric.late.per_day)) * days
    if rubric.late.at_most is not None:
        cost = min(cost, Fraction(str(rubric.late.at_most)))
    late = f"{days} day{'s' if days > 1 else ''} late: {_rounded(cost):g} points less"
    return max(Fraction(0), points - cost), (late if cost <= points else f"{late}, and there are none below 0",)
