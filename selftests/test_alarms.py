"""The count of false alarms: what is kept adds up, and the loads are real and leave nothing behind."""

from pathlib import Path

import pytest

from observers import procfs
from selftests import alarms
from selftests.alarms import SOUND, Row
from selftests.facts import settle
from selftests.loads import LOADS, load
from spec.event import Pid


def row(name: str, verdict: str = SOUND) -> Row:
    return Row(
        at="2026-11-25 17:30",
        commit="1a2b3c4",
        load=name,
        at_once=2,
        variant="prompt",
        seed=7,
        seconds=36.0,
        verdict=verdict,
    )


def test_what_is_kept_is_read_again_and_added_to(tmp_path: Path) -> None:
    rows = [row("none"), row("disk", 'pool-2 fail: 3 live, "2" idle'), row("none")]
    for each in rows:
        alarms.keep(each, tmp_path / "kept.csv")
    assert list(alarms.read(tmp_path / "kept.csv")) == rows


def test_the_page_counts_by_load_and_tells_each_alarm() -> None:
    page = alarms.page([row("none"), row("disk"), row("disk", "pool-2 fail: a|b"), row("disk"), row("disk")])
    assert "| none | 1 | 1 | 0 | 1 | < 100.00% | 0.0 |" in page
    assert "| disk | 1 | 4 | 1 | 2 | 25.00% | 0.0 |" in page
    assert "| all | 1 | 5 | 1 | 2 | 20.00% | 0.1 |" in page
    assert "| 2026-11-25 17:30 | 1a2b3c4 | disk | `prompt` | pool-2 fail: a\\|b |  |" in page


def test_the_published_page_is_made_of_the_kept_file_and_each_alarm_was_mended() -> None:
    rows = list(alarms.read(alarms.KEPT))
    assert alarms.PAGE.read_text(encoding="utf-8") == alarms.page(rows)
    assert [row for row in rows if row.verdict != SOUND and not row.mended] == []


@pytest.mark.parametrize("name", LOADS)
def test_a_load_works_until_its_block_ends(name: str) -> None:
    with load(name) as pids:
        assert bool(pids) is (name != "none")
        settle(lambda: all(procfs.ran(Pid(pid)).used > 0.05 for pid in pids), what="work done by each")
    assert all(procfs.look(Pid(pid)).ended for pid in pids)
