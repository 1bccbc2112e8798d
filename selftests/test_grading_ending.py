"""Grading that is stopped, or killed, ends at once with all below it, leaves nothing, and goes on where it stopped."""

import csv
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftests.command_line import preforkspec
from selftests.facts import settle
from selftests.leftovers import leaves_nothing, open_folder, processes, started
from subject import isolation

pytestmark = pytest.mark.skipif(
    isolation.why_not_sandboxed() is not None, reason=f"no sandbox here: {isolation.why_not_sandboxed()}"
)

# One that is done at once, and two that are never: a build that waits, and a server that never listens.
CLASS = {
    "a": "prefork:\n\tfalse\n",
    "b": "prefork:\n\tsleep 1000000\n",
    "c": "prefork:\n\tprintf '#!/bin/sh\\nexec sleep 1000000\\n' > prefork\n\tchmod +x prefork\n",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a class in it, to which the sandbox's user gets."""
    with open_folder() as made:
        for name, makefile in CLASS.items():
            (made / "class" / name).mkdir(parents=True)
            (made / "class" / name / "Makefile").write_text(makefile, encoding="utf-8")
        yield made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_it_leaves_nothing_and_goes_on_where_it_stopped(folder: Path, number: signal.Signals) -> None:
    with started(folder, "grade", "class", "--out", "report", "-n", "3") as grading:
        settle((folder / "report" / "results" / "a.json").exists, what="a first result")
        # The build is under a warden, and the check that waits for a server has begun.
        settle(lambda: len(processes(folder, saying="subject.warden")) >= 2, what="the others")
        os.kill(grading.pid, number)
        said, _ = grading.communicate()
        assert grading.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 3)
        assert "Traceback" not in said
        assert number is signal.SIGKILL or "what is graded stands" in said
        settle(lambda: leaves_nothing(folder), what="the end of all that was begun")
    assert [path.name for path in (folder / "report" / "results").iterdir()] == ["a.json"]
    before = (folder / "report" / "results" / "a.json").stat().st_mtime_ns
    for name in ("b", "c"):
        (folder / "class" / name / "Makefile").write_text("prefork:\n\tfalse\n", encoding="utf-8")
    done = preforkspec("grade", "class", "--out", "report", cwd=folder)
    assert done.status == 0
    assert done.err.startswith("1 submission graded before, 2 to go")
    assert (folder / "report" / "results" / "a.json").stat().st_mtime_ns == before
    with (folder / "report" / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        assert [line["submission"] for line in csv.DictReader(file)] == ["a", "b", "c"]
