"""The backstop: what is found by it is said in words, also in a worker, and the run goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from selftests.checked import ROOT

SLOW = """
import time

def test_that_hangs():
    time.sleep(60)

def test_that_does_not():
    pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_test_that_hangs_fails_in_words_and_the_others_run(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_slow.py").write_text(SLOW, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "from conformance.backstop import Backstop\n"
        "def pytest_configure(config): config.pluginmanager.register(Backstop(), 'backstop')\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", workers, "--timeout", "0.5", "--rootdir", ".", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Failed: test_that_hangs had not ended after" in done.stdout
    assert "INTERNALERROR" not in done.stdout
