"""A part of the class of forty, graded side by side: sound, with a defect, not built, and hostile, all at once.

All forty take eight minutes: `python benchmarks/classes.py`.
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftests import classroom
from selftests.command_line import preforkspec, read
from selftests.leftovers import MARK, open_folder, processes
from subject import isolation

pytestmark = pytest.mark.skipif(
    isolation.why_not_sandboxed() is not None, reason=f"no sandbox here: {isolation.why_not_sandboxed()}"
)

PART = ("example-zipped", "unknown-ends-child", "kill-all", "reader", "writer", "escapes", "no-target", "no-archive")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder to which the sandbox's user gets."""
    with open_folder() as made:
        yield made


def test_each_is_graded_as_what_it_is_and_harms_nobody_beside_it(folder: Path) -> None:
    pupils = [each for each in classroom.everyone() if each.name in PART]
    classroom.hand_in(pupils, folder / "class")
    marked = {MARK: str(folder), "TMPDIR": str(folder)}
    done = preforkspec("grade", "class", "--out", "report", "-n", "2", cwd=folder, env=marked)
    assert done.status == 0, done.err
    results = folder / "report" / "results"
    wrong = {each.name: classroom.differences(each, read(results / f"{each.name}.json")) for each in pupils}
    assert wrong == {name: [] for name in wrong}
    assert sorted(os.listdir(folder)) == ["class", "report"]
    assert not processes(folder)
    with (folder / "report" / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        assert {line["submission"] for line in csv.DictReader(file)} == set(PART)
    assert "\x1b" not in done.err + done.out


def test_the_class_has_forty_and_each_kind() -> None:
    everyone = classroom.everyone()
    assert len({each.name for each in everyone}) == len(everyone) == 40
    assert {each.outcome for each in everyone} == {"judged", "not built", "unacceptable"}
    assert sum(each.points == 100 for each in everyone) >= 5
    assert sum(bool(each.fails) and each.points > 0 for each in everyone) >= 15
