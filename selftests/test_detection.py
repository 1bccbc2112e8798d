"""The page of what the suite catches: made of checks that were kept, and it names every server of the corpus."""

import json
from pathlib import Path

from selftests import checked, corpus, detection
from selftests.checked import KEPT, Checked, kept
from selftests.corpus import Server
from selftests.markdown import table

FOLDER = Path(__file__).resolve().parent
MUTANT = corpus.mutants()[0]
VARIANT = corpus.variants()[0]


def keep(folder: Path, server: Server, verdicts: dict[str, str]) -> None:
    (folder / server.name).mkdir()
    document = {"verdicts": verdicts, "seen": dict.fromkeys(verdicts, "…"), "seconds": 7.0}
    (folder / server.name / KEPT).write_text(json.dumps(document), encoding="utf-8")


def outcome(server: Server, **verdicts: str) -> str:
    return Checked(server, {clause.replace("_", "-"): verdict for clause, verdict in verdicts.items()}, {}, 1.0).outcome


def test_a_mutant_is_caught_by_its_clause_and_elsewhere_by_others() -> None:
    server = Server(name="m", why="…", folder=FOLDER, clause="pool-2", also=("pool-3",))
    assert outcome(server, pool_2="fail", pool_3="fail", pool_4="blocked") == "caught"
    assert outcome(server, pool_2="fail", pool_5="fail") == "caught+"
    assert outcome(server, pool_2="blocked", pool_3="fail") == "elsewhere"
    assert outcome(server, pool_2="inconclusive", pool_3="pass") == "MISSED"
    assert outcome(server, pool_2="fail", pool_3="error") == "BROKEN"


def test_a_variant_is_sound_where_all_passes_that_applies() -> None:
    server = Server(name="v", why="…", folder=FOLDER)
    assert outcome(server, pool_2="pass", pool_6="not-applicable") == "sound"
    for verdict in ("fail", "inconclusive", "blocked"):
        assert outcome(server, pool_2="pass", pool_3=verdict) == "ALARM"


def test_the_page_has_what_was_kept_and_says_of_whom_nothing_is_known(tmp_path: Path) -> None:
    keep(tmp_path, MUTANT, {MUTANT.clause: "fail", "http-4": "fail"})
    keep(tmp_path, VARIANT, {"http-4": "inconclusive"})
    unknown = detection.write(tmp_path / "page.md", tmp_path)
    assert {MUTANT.name, VARIANT.name}.isdisjoint(unknown)
    assert len(unknown) == len(corpus.mutants()) + len(corpus.variants()) - 2
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert f"| {MUTANT.clause} | `{MUTANT.name}` | {MUTANT.why} | caught+ | http-4 |" in page
    assert f"| `{VARIANT.name}` | {VARIANT.why} | **ALARM** http-4: inconclusive | 7 |" in page
    assert kept(corpus.mutants()[1], tmp_path) is None


def test_the_published_page_is_of_this_corpus_and_the_suite_was_right_about_all_of_it() -> None:
    page = (checked.ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    for server in corpus.mutants() + corpus.variants():
        row = table(["", ""], [[f"`{server.name}`", server.why]]).splitlines()[-1]
        assert row in page, f"run the matrix: {server.name}"
    assert not [line for line in page.splitlines() if line.startswith("|") and "**" in line]
