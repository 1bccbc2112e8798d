"""The page of what the suite catches: made of checks that were kept, and it names every server of the corpus."""

from pathlib import Path

from selftests import corpus, detection
from selftests.checked import Checked, not_whole
from selftests.corpus import Server
from selftests.markdown import table

FOLDER = Path(__file__).resolve().parent
MUTANT = corpus.mutants()[0]
VARIANT = corpus.variants()[0]


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


def test_a_check_that_did_not_come_to_all_clauses_is_broken() -> None:
    assert not_whole({"pool-2": "pass", "pool-6": "not-applicable"}) == ""
    trouble = not_whole({"pool-2": "not-run", "pool-6": "pass"})
    assert trouble == "1 clauses were not run"
    assert Checked(VARIANT, {"pool-2": "not-run"}, {}, 1.0, trouble).outcome == "BROKEN"


def test_what_is_kept_is_the_last_check_of_each_server(tmp_path: Path) -> None:
    file = tmp_path / "kept.csv"
    first = Checked(MUTANT, {"http-1": "pass", MUTANT.clause: "inconclusive"}, {}, 7.4)
    broken = Checked(VARIANT, {}, {}, 600.0, trouble="TimeoutExpired: 600 s")
    last = Checked(MUTANT, {"http-1": "pass", MUTANT.clause: "fail", "http-4": "fail"}, {}, 6.6)
    for each in (first, broken, last):
        detection.keep(each, file, commit="1a2b3c4")
    kept = detection.kept(file)
    assert set(kept) == {MUTANT.name, VARIANT.name}
    assert kept[MUTANT.name] == Checked(MUTANT, {MUTANT.clause: "fail", "http-4": "fail"}, {}, 7.0)
    assert (kept[VARIANT.name].outcome, kept[VARIANT.name].trouble) == ("BROKEN", "TimeoutExpired: 600 s")
    assert "1a2b3c4" in file.read_text(encoding="utf-8")


def test_the_page_has_a_row_for_each_check() -> None:
    caught = Checked(MUTANT, {MUTANT.clause: "fail", "http-4": "fail"}, {}, 7.0)
    page = detection.page([Checked(VARIANT, {"http-4": "inconclusive"}, {}, float("nan")), caught])
    assert f"| {MUTANT.clause} | `{MUTANT.name}` | {MUTANT.why} | caught+ | http-4 |" in page
    assert f"| `{VARIANT.name}` | {VARIANT.why} | **ALARM** http-4: inconclusive |  |" in page
    assert "| mutants | 1 | 1 caught+ | 7 (median) | 7 |" in page


def test_the_published_page_is_of_this_corpus_and_the_suite_was_right_about_all_of_it() -> None:
    page = detection.PAGE.read_text(encoding="utf-8")
    assert page == detection.page(detection.kept(detection.KEPT).values())
    for server in corpus.mutants() + corpus.variants():
        row = table(["", ""], [[f"`{server.name}`", server.why]]).splitlines()[-1]
        assert row in page, f"run the matrix: {server.name}"
    assert not [line for line in page.splitlines() if line.startswith("|") and "**" in line]
