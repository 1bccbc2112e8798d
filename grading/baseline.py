"""Regression mode: what is known to fail, and how a verdict differs from that, or from another verdict.

A baseline is a verdict document, whose failures are the known ones, or a short list in TOML:

    [[known]]
    clause = "pool-8"
    reason = "grows by eight at once; to be mended with the new scoreboard"
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grading.ledger import Ledger, deciding
from grading.wording import first_error
from spec.clause import ClauseId, Level
from spec.sections import CLAUSES
from spec.verdict import Verdict

MOST = 1 << 26  # bytes of a file


class NoBaseline(Exception):
    """The file is none; the text says where and why, in one line."""


class _Known(BaseModel):
    model_config = ConfigDict(extra="forbid")
    clause: str
    reason: str = Field(min_length=1)


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    known: list[_Known] = []


class _Clause(BaseModel):
    id: str
    verdict: Verdict
    seen: str = ""


class _Document(BaseModel):
    schema_: int = Field(alias="schema")
    clauses: list[_Clause]


@dataclass(frozen=True)
class Verdicts:
    """The verdict on each clause of one document, and what was seen."""

    by_clause: Mapping[ClauseId, Verdict]
    seen: Mapping[ClauseId, str]


@dataclass(frozen=True)
class Baseline:
    """The clauses that are known to fail, each with the reason why, or with nothing."""

    known: Mapping[ClauseId, str]


@dataclass(frozen=True)
class Difference:
    """How a verdict differs from what is known: clauses in the specification's order."""

    newly_failing: tuple[ClauseId, ...]
    still_failing: tuple[ClauseId, ...]
    newly_passing: tuple[ClauseId, ...]


def read(path: Path) -> Baseline:
    """Read a baseline. Raises NoBaseline."""
    text = _text(path)
    if text.lstrip().startswith("{"):
        verdicts = _verdicts(path, text)
        return Baseline({clause: "" for clause, found in verdicts.by_clause.items() if found is Verdict.FAIL})
    try:
        listed = _Listed.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise NoBaseline(f"{path}: {error}; expected a verdict document, or [[known]] tables in TOML") from error
    except ValidationError as error:
        raise NoBaseline(f"{path}: {first_error(error)}") from error
    known: dict[ClauseId, str] = {}
    for each in listed.known:
        clause = _insist_on_known(path, each.clause)
        if clause in known:
            raise NoBaseline(f"{path}: {clause} stands there twice; expected each clause once")
        known[clause] = each.reason
    return Baseline(known)


def read_verdicts(path: Path) -> Verdicts:
    """Read the verdicts of a document. Raises NoBaseline."""
    return _verdicts(path, _text(path))


def difference(found: Mapping[ClauseId, Verdict], known: Baseline) -> Difference:
    """Compare verdicts with what is known to fail."""
    failing = [clause for clause in CLAUSES if found.get(clause) is Verdict.FAIL]
    return Difference(
        newly_failing=tuple(clause for clause in failing if clause not in known.known),
        still_failing=tuple(clause for clause in failing if clause in known.known),
        newly_passing=tuple(
            clause for clause in CLAUSES if clause in known.known and found.get(clause) is Verdict.PASS
        ),
    )


def holds(ledger: Ledger, level: Level, known: Baseline, *, strict: bool) -> bool | None:
    """Tell whether nothing fails that was not known to: None where that could not be decided.

    What a known failure blocks decides nothing. If `strict`, what is listed and passes by now is a failure, too: the
    list can only get shorter.
    """
    judged = {each.clause.id: each for each in ledger.judged() if each.clause.id in ledger.selected}
    decisive = deciding(judged.values(), level)
    verdicts = {clause: each.verdict for clause, each in judged.items()}
    compared = difference({each.clause.id: each.verdict for each in decisive}, known)
    if compared.newly_failing or (strict and difference(verdicts, known).newly_passing):
        return False
    settled = [
        each
        for each in decisive
        if each.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE)
        or each.clause.id in compared.still_failing
        or (each.verdict is Verdict.BLOCKED and each.blocked_by in known.known)
    ]
    judged_at_all = any(each.verdict in (Verdict.PASS, Verdict.FAIL) for each in decisive)
    return None if ledger.suite_errors or len(settled) < len(decisive) or not judged_at_all else True


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise NoBaseline(f"{path}: {error.strerror}") from error
    if len(data) > MOST:
        raise NoBaseline(f"{path}: more than {MOST >> 20} MiB; expected a verdict document, or a list in TOML")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoBaseline(f"{path}: byte {error.start} is not UTF-8; expected text") from error


def _verdicts(path: Path, text: str) -> Verdicts:
    try:
        document = _Document.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise NoBaseline(f"{path}: {error}; expected a verdict document (check --json)") from error
    except ValidationError as error:
        raise NoBaseline(f"{path}: {first_error(error)}; expected a verdict document (check --json)") from error
    if document.schema_ != 1:
        raise NoBaseline(f"{path}: schema {document.schema_}; expected 1")
    clauses = [(_insist_on_known(path, each.id), each) for each in document.clauses]
    return Verdicts({clause: each.verdict for clause, each in clauses}, {clause: each.seen for clause, each in clauses})


def _insist_on_known(path: Path, clause: str) -> ClauseId:
    if clause not in CLAUSES:
        raise NoBaseline(f"{path}: {clause!r} is no clause; expected ids as `preforkspec clauses` lists them")
    return ClauseId(clause)
