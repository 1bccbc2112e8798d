"""The suite against servers of our own: each clause catches a mutant of its own, and no variant raises an alarm.

Only one mutant a clause, judged by that clause, and the quicker variants; `python -m selftests.matrix` judges all
of them by everything.
"""

import re
import shutil
from pathlib import Path

import pytest

from selftests import checked, corpus
from selftests.corpus import Server
from spec.sections import CLAUSES

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler, and the corpus is in C")

FIRST_MUTANT = {server.clause: server for server in reversed(corpus.mutants())}
QUICK_VARIANTS = [
    "shell-wrapper",
    "dual-stack",
    "edge-triggered",
    "parent-recycles",
    "sheds-to-min",
    "round-robin",
    "counts-nobody",
    "defers-accept",
    "logger",
    "classical",
]


def test_every_clause_has_a_mutant() -> None:
    assert set(CLAUSES) == set(FIRST_MUTANT)


def test_the_tables_name_known_clauses_and_each_server_once() -> None:
    everyone = corpus.mutants() + corpus.variants()
    assert {clause for server in everyone for clause in server.also} <= {*CLAUSES, corpus.EVERYTHING}
    assert len({server.name for server in everyone}) == len(everyone)


def test_every_difference_in_the_source_is_some_mutants() -> None:
    folder = Path(corpus.__file__).parent / "mutants"
    written = {name for source in folder.glob("*.[ch]") for name in re.findall(r"\bMUTANT_\w+", source.read_text())}
    used = {flag.removeprefix("-D").split("=")[0] for mutant in corpus.mutants() for flag in mutant.flags}
    assert written == {name for name in used if name.startswith("MUTANT_")}


def test_a_variant_is_left_out_where_what_it_needs_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _command: None)
    left = {server.name for server in corpus.variants()}
    assert "baseline" in left
    assert left.isdisjoint({"rust", "perl"})


@needs_compiler
@pytest.mark.parametrize("server", [FIRST_MUTANT[clause] for clause in CLAUSES], ids=lambda server: server.name)
def test_a_clause_catches_its_mutant(server: Server, tmp_path: Path) -> None:
    # A mutant is caught by its clause's own scenes; plans are a second opinion, and take their time to be cut down.
    few = ["--plans=2", "--plan-length=5"]
    # A soak of every check is short: what it meets in ten seconds is drawn, and enough.
    more = ["--soak=10"] if server.clause == "recovery-17" else []
    said = checked.check(server, tmp_path, clauses=[server.clause], workers=0, options=[*few, *more])
    assert server.clause in said.failed, str(said)


# A server that regulates once a second is judged to the end, on a machine that does other things as well.
@pytest.mark.timeout(checked.LONGEST)
@needs_compiler
@pytest.mark.parametrize(
    "server", [server for server in corpus.variants() if server.name in QUICK_VARIANTS], ids=lambda server: server.name
)
def test_no_alarm_is_raised_on_a_variant(server: Server, tmp_path: Path) -> None:
    # Four at a time where most is waiting; elsewhere they would only be in each other's way.
    said = checked.check(server, tmp_path, workers=4 if server.name == "classical" else 2)
    assert said.outcome == "sound", str(said)
