"""What stands around a user's command must not change a verdict: folders, settings, streams, a read-only suite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selftests.command_line import COMMAND, ROOT, environment, preforkspec, read, verdicts

DECOYS = ("spec", "conftest", "pytest", "xdist", "subject", "grading", "socket", "http", "select", "random", "rich")


def test_what_lies_in_the_current_folder_does_not_stand_in_for_the_suite(tmp_path: Path) -> None:
    for name in DECOYS:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the decoy was imported')", encoding="ascii")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="ascii")
    done = preforkspec("check", "--clause", "lifecycle-1", cwd=tmp_path)
    assert done.status == 0, done.out + done.err


def test_a_conftest_beside_the_profile_is_the_submissions_own(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("raise SystemExit('it was imported')", encoding="ascii")
    (tmp_path / "server.toml").write_text('command = "false {port}"\n', encoding="ascii")
    (tmp_path / "verdict.json").touch()
    wanted = ["--subject", "server.toml", "--json", "verdict.json", "--clause", "lifecycle-1"]
    done = preforkspec("check", *wanted, cwd=tmp_path)
    assert done.status == 1, done.out + done.err
    assert "imported" not in done.out + done.err


def test_settings_for_the_users_own_tests_do_not_reach_a_check(tmp_path: Path) -> None:
    settings = {
        "PYTEST_ADDOPTS": "--no-such-option",
        "PYTEST_PLUGINS": "no_such_plugin",
        "PYTEST_XDIST_WORKER": "gw0",
        "PYTHONWARNINGS": "error",
    }
    done = preforkspec("check", "--clause", "lifecycle-1", cwd=tmp_path, env=settings)
    assert done.status == 0, done.out + done.err


def test_a_check_leaves_no_file_in_the_current_folder_or_at_home(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()
    preforkspec("check", "-n", "2", "--clause", "lifecycle-1,pool-8", cwd=here, env={"HOME": str(home)})
    assert [*here.iterdir(), *home.iterdir()] == []


def test_the_folder_of_a_run_is_gone_after_it(tmp_path: Path) -> None:
    preforkspec("check", "--clause", "lifecycle-1", cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


# Runs a command that may not make one system call, by its number: EPERM, as a container's profile has it.
REFUSING = """
import ctypes, os, struct, sys
number, words = int(sys.argv[1]), sys.argv[2:]
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code)))
library = ctypes.CDLL(None, use_errno=True)
assert library.prctl(38, 1, 0, 0, 0) == 0 and library.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(words[0], words)
"""
PIDFD_GETFD = 438  # on every architecture


def test_where_descriptors_may_not_be_duplicated_the_seats_are_inconclusive_and_the_rest_is_judged(
    tmp_path: Path,
) -> None:
    selected = ["--clause", "channel", "protocol", "accept-5", "pool-8", "--json", str(tmp_path / "verdict.json")]
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, str(PIDFD_GETFD), *COMMAND, "check", *selected],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    found = verdicts(tmp_path / "verdict.json")
    undecided = {clause for clause, verdict in found.items() if verdict == "inconclusive"}
    assert undecided == {"channel-2", "accept-5", *(f"protocol-{number}" for number in range(1, 10))}
    assert {found[clause] for clause in ("channel-1", "channel-3", "channel-4", "channel-5", "pool-8")} == {"pass"}
    told = " ".join(done.stdout.split())
    assert "pidfd_getfd is refused" in told
    assert "kernel.yama.ptrace_scope" in told


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)], ids=["stdout", "stderr", "all"])
def test_closed_standard_streams_change_nothing(tmp_path: Path, closed: tuple[int, ...]) -> None:
    closing = " ".join(f"{number}>&-" for number in closed)
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f'exec "$@" {closing}',
            "sh",
            *COMMAND,
            "check",
            "-n",
            "1",
            "--clause",
            "http-1",
            "--json",
            "v.json",
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert read(tmp_path / "v.json")["summary"]["conforms"] is True


def test_a_reader_who_is_gone_changes_nothing(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [*COMMAND, "check", "-n", "1", "--clause", "http-1", "--json", "v.json"],
        cwd=tmp_path,
        env=environment(),
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")
    assert read(tmp_path / "v.json")["summary"]["conforms"] is True


def test_the_document_can_go_to_what_is_no_regular_file(tmp_path: Path) -> None:
    done = preforkspec("check", "-n", "1", "--clause", "http-1", "--json", "/dev/stdout", cwd=tmp_path)
    assert done.status == 0
    assert '"schema": 1' in done.out


def test_the_document_of_an_earlier_run_is_replaced_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old", encoding="ascii")
    (tmp_path / "link.json").symlink_to("real.json")
    preforkspec("check", "-n", "1", "--clause", "http-1", "--json", "link.json", cwd=tmp_path)
    assert (tmp_path / "link.json").is_symlink()
    assert read(tmp_path / "real.json")["schema"] == 1


def test_a_command_line_that_is_no_utf_8_is_wrong_usage(tmp_path: Path) -> None:
    done = preforkspec("check", "--server", os.fsdecode(b"./none-\xff {port}"), cwd=tmp_path)
    assert done.status == 2
    assert "UTF-8" in done.err


def test_the_help_and_the_clauses_import_neither_pytest_nor_pydantic() -> None:
    """They are printed in a fraction of a second; what they import decides that."""
    code = (
        "import sys; from preforkspec.__main__ import main; main(['clauses'])\n"
        "sys.exit(', '.join({'pytest', 'pydantic', 'xdist', 'scapy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
