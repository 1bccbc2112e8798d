"""The contract of the command line: verdicts, documents and exit statuses, by the real command."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from selftests.command_line import COMMAND, HASTY_SERVER, ROOT, environment, preforkspec, read, verdicts
from spec.sections import CLAUSES

SCHEMA = json.loads((ROOT / "grading" / "verdict.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def hasty_server(tmp_path: Path) -> str:
    """Give the command line of a server that passes http-1, and fails http-2 and http-3."""
    script = tmp_path / "hasty.py"
    script.write_text(HASTY_SERVER, encoding="ascii")
    return f"{shlex.quote(sys.executable)} hasty.py {{port}} {{min_spare}}"


def test_without_a_subject_the_reference_server_is_judged(tmp_path: Path) -> None:
    done = preforkspec("check", "--clause", "lifecycle-1", "--json", "verdict.json", "--seed", "7", cwd=tmp_path)
    assert done.status == 0, done.out + done.err
    document = read(tmp_path / "verdict.json")
    jsonschema.validate(document, SCHEMA)
    assert document["subject"]["name"] == "reference server"
    assert document["summary"]["conforms"] is True
    assert document["summary"]["pass"] == 1
    assert done.out.rstrip().splitlines()[-1].startswith("conforms: 1 pass")
    assert done.err == ""


def test_every_clause_is_listed_whatever_was_selected(tmp_path: Path) -> None:
    preforkspec("check", "--clause", "http-1", "--json", "verdict.json", "-n", "1", cwd=tmp_path)
    found = verdicts(tmp_path / "verdict.json")
    assert list(found) == list(CLAUSES)
    assert {clause for clause, verdict in found.items() if verdict != "not-run"} == {"http-1"}


def test_ids_and_sections_are_selected_with_blanks_commas_and_again(tmp_path: Path) -> None:
    preforkspec(
        *("check", "--server", "./none {port}", "--json", "verdict.json"),
        *("--clause", "pool-1,epoll-2", "recycle-1", "--clause", "http"),
        cwd=tmp_path,
    )
    judged = {clause for clause, verdict in verdicts(tmp_path / "verdict.json").items() if verdict != "not-run"}
    assert judged == {"pool-1", "epoll-2", "recycle-1", "http-1", "http-2", "http-3", "http-4"}


def test_each_report_that_is_asked_for_is_written(tmp_path: Path, hasty_server: str) -> None:
    asked = [f"--{name}={name}.out" for name in ("json", "html", "junit", "ctrf")]
    done = preforkspec("check", "--server", hasty_server, "-n", "1", "--clause", "http-2", *asked, cwd=tmp_path)
    assert done.status == 1
    for name, part in (
        ("json", '"schema": 1'),
        ("html", "<!doctype html>"),
        ("junit", "<testsuites>"),
        ("ctrf", '"CTRF"'),
    ):
        assert part in (tmp_path / f"{name}.out").read_text(encoding="utf-8")
    shown = {each["clause"]: each for each in read(tmp_path / "json.out")["evidence"]}
    assert shown["http-2"]["timeline"]["events"]


def test_what_is_known_to_fail_is_not_red_and_what_is_listed_and_passes_is_told(
    tmp_path: Path, hasty_server: str
) -> None:
    known = '[[known]]\nclause = "http-2"\nreason = "a body too short"\n[[known]]\nclause = "http-1"\nreason = "old"\n'
    (tmp_path / "known.toml").write_text(known, encoding="utf-8")
    asked = ("check", "--server", hasty_server, "-n", "1", "--clause", "http-1", "http-2", "--baseline", "known.toml")
    done = preforkspec(*asked, cwd=tmp_path)
    assert done.status == 0
    assert "against the baseline: http-2 fails, as is known" in done.out
    assert "http-2      a body too short" in done.out
    assert "against the baseline: http-1 passes by now" in done.out
    assert done.out.rstrip().endswith("nothing newly fails")
    assert preforkspec(*asked, "--strict-baseline", cwd=tmp_path).status == 1


def test_a_failing_clause_is_told_as_required_seen_and_again(tmp_path: Path, hasty_server: str) -> None:
    done = preforkspec(
        "check", "--server", hasty_server, "-n", "1", "--clause", "http-2", "--json", "verdict.json", cwd=tmp_path
    )
    assert done.status == 1
    document = read(tmp_path / "verdict.json")
    jsonschema.validate(document, SCHEMA)
    assert verdicts(tmp_path / "verdict.json")["http-2"] == "fail"
    for label in ("required", "seen", "again"):
        assert f"\n  {label} " in done.out
    assert "Traceback" not in done.out + done.err


def test_the_command_to_see_a_verdict_again_does_show_it_again(tmp_path: Path, hasty_server: str) -> None:
    preforkspec(
        "check", "--server", hasty_server, "-n", "1", "--clause", "http-2", "--json", "verdict.json", cwd=tmp_path
    )
    first = next(clause for clause in read(tmp_path / "verdict.json")["clauses"] if clause["id"] == "http-2")
    words = shlex.split(first["replay"])
    again = words[words.index("check") :]
    assert again[again.index("--server") + 1] == hasty_server
    done = preforkspec(*again, "--json", "again.json", cwd=tmp_path)
    assert done.status == 1
    second = next(clause for clause in read(tmp_path / "again.json")["clauses"] if clause["id"] == "http-2")
    assert (second["verdict"], second["replay"]) == (first["verdict"], first["replay"])


def test_a_plan_can_be_performed_again_from_a_file_or_from_what_can_be_read_only_once(tmp_path: Path) -> None:
    plan = "min_spare=2 max_spare=3 max_connections=9 max_children=9: C0 C0 R F0 B0:2,1:3 R"
    (tmp_path / "plan").write_text(plan, encoding="ascii")
    done = preforkspec("check", "--replay", "plan", "--json", "verdict.json", cwd=tmp_path)
    assert done.status == 0, done.out + done.err
    found = {clause["id"]: clause for clause in read(tmp_path / "verdict.json")["clauses"]}
    judged = {name for name, clause in found.items() if clause["verdict"] == "pass"}
    assert judged == {*(f"pool-{number}" for number in (2, 3, 4, 5, 6, 7, 8)), "protocol-7", "protocol-8", "recycle-3"}
    assert found["pool-2"]["seen"].startswith("1 plan performed, 6 steps in all")
    once = subprocess.run(
        [
            "bash",
            "-c",
            f'exec "$@" --replay <(echo {shlex.quote(plan)})',
            "bash",
            *COMMAND,
            "check",
            "--clause",
            "pool-2",
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert once.returncode == 0, once.stdout + once.stderr


@pytest.mark.parametrize("text", [None, "", "min_spare=2 max_spare=3 max_connections=9: C0 Q", "\udcff"])
def test_what_is_no_plan_is_told_in_one_line(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "plan").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = preforkspec("check", "--replay", "plan", cwd=tmp_path)
    assert done.status == 2
    assert done.err.startswith("preforkspec check: --replay plan: ")
    assert done.err.count("\n") == 1


def test_a_server_that_cannot_start_fails_once_and_blocks_the_rest(tmp_path: Path) -> None:
    done = preforkspec("check", "--server", "./none {port}", "--json", "verdict.json", cwd=tmp_path)
    assert done.status == 1
    document = read(tmp_path / "verdict.json")
    jsonschema.validate(document, SCHEMA)
    assert document["summary"]["fail"] == 1
    assert {clause["blocked_by"] for clause in document["clauses"] if clause["verdict"] == "blocked"} == {"lifecycle-1"}
    assert "No such file or directory" in next(c["seen"] for c in document["clauses"] if c["id"] == "lifecycle-1")


def test_a_server_that_cannot_be_built_cannot_start(tmp_path: Path) -> None:
    profile = tmp_path / "profile.toml"
    profile.write_text('command = "./none {port}"\nbuild = "echo no such rule >&2; exit 2"\n', encoding="ascii")
    done = preforkspec(
        "check", "--subject", "profile.toml", "--clause", "lifecycle-1", "--json", "verdict.json", cwd=tmp_path
    )
    assert done.status == 1
    found = next(clause for clause in read(tmp_path / "verdict.json")["clauses"] if clause["id"] == "lifecycle-1")
    assert "no such rule" in found["seen"]


def test_a_subject_is_built_before_it_is_judged(tmp_path: Path) -> None:
    (tmp_path / "source.py").write_text(HASTY_SERVER, encoding="ascii")
    command = f"{shlex.quote(sys.executable)} built.py {{port}} {{min_spare}}"
    (tmp_path / "profile.toml").write_text(
        f"command = {json.dumps(command)}\nbuild = 'cp source.py built.py'\n", encoding="utf-8"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = preforkspec("check", "--subject", "../profile.toml", "--clause", "lifecycle-1", cwd=elsewhere)
    assert done.status == 0, done.out


@pytest.mark.parametrize(
    ("level", "status"),
    [((), 1), (("--level", "should"), 1), (("--level", "must"), 3)],
    ids=["none", "should", "must"],
)
def test_the_level_says_which_clauses_decide(
    tmp_path: Path, hasty_server: str, level: tuple[str, ...], status: int
) -> None:
    """A SHOULD that fails, alone: with no level given it is what was asked about; no MUST was judged."""
    done = preforkspec("check", "--server", hasty_server, "--clause", "http-3", *level, "-n", "1", cwd=tmp_path)
    assert done.status == status, done.out


def test_a_clause_that_does_not_apply_decides_nothing(tmp_path: Path, hasty_server: str) -> None:
    """No vacuous pass: where nothing at all was judged, nothing is decided."""
    done = preforkspec(
        "check", "--server", hasty_server, "-n", "1", "--clause", "pool-6", "--json", "verdict.json", cwd=tmp_path
    )
    assert done.status == 3
    assert verdicts(tmp_path / "verdict.json")["pool-6"] == "not-applicable"
    assert read(tmp_path / "verdict.json")["summary"]["conforms"] is None


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path, hasty_server: str) -> None:
    done = preforkspec(
        *("check", "--server", hasty_server, "--fail-fast", "-n", "1", "--json", "verdict.json"),
        *("--clause", "http"),
        cwd=tmp_path,
    )
    assert done.status == 1
    found = verdicts(tmp_path / "verdict.json")
    assert [clause for clause, verdict in found.items() if verdict == "fail"] == ["http-2"]
    assert found["http-4"] == "not-run"
    assert "stopped at the first failure" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--clause", "pool-99"], "'pool-99'"),
        (["check", "--clause", ","], "expected an id"),
        (["check", "--server", "./server"], "{port}"),
        (["check", "--server", "./server {prot}"], "{prot}"),
        (["check", "--server", "./server '{port}"], "closing quotation"),
        (["check", "--server", ""], "empty"),
        (["check", "--server", "./server {port}", "--subject", "profile.toml"], "one of the two"),
        (["check", "--subject", "none.toml"], "none.toml"),
        (["check", "--subject", "."], "expected a profile in TOML"),
        (["check", "--subject", "torn.toml"], "not TOML"),
        (["check", "--subject", "unknown.toml"], "comand"),
        (["check", "--port", "8080"], "--server"),
        (["check", "--server", "./server", "--port", "70000"], "70000"),
        (["check", "--server", "./server", "--port", "http"], "'http'"),
        (["check", "--server", "./server {port}", "--service-time", "-1"], "-1"),
        (["check", "--patience", "-1"], "-1"),
        (["check", "--patience", "0"], "above 0"),
        (["check", "--patience", "nan"], "nan"),
        (["check", "-n", "0"], "workers"),
        (["check", "-n", "two"], "'two'"),
        (["check", "--seed", "x"], "'x'"),
        (["check", "--level", "may"], "'may'"),
        (["check", "--json", "none/verdict.json"], "none"),
        (["check", "--json", "."], "folder"),
        (["check", "--soak", "5", "--clause", "pool"], "recovery-17"),
        (["check", "--colour"], "'--colour'"),
        (["check", "./server"], "'./server'"),
        (["clauses", "pool-99"], "'pool-99'"),
        (["judge"], "'judge'"),
    ],
)
def test_wrong_usage_is_told_in_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "torn.toml").write_text("command = [", encoding="ascii")
    (tmp_path / "unknown.toml").write_text('comand = "./server {port}"\ncommand = "./server {port}"', encoding="ascii")
    before = sorted(tmp_path.iterdir())
    done = preforkspec(*arguments, cwd=tmp_path)
    assert done.status == 2
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    assert said in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done = preforkspec(cwd=tmp_path)
    assert done.status == 2
    assert "check" in done.err


@pytest.mark.parametrize("command", [[], ["check"], ["clauses"], ["serve"], ["doctor"]], ids=str)
def test_every_command_has_a_help(tmp_path: Path, command: list[str]) -> None:
    done = preforkspec(*command, "--help", cwd=tmp_path)
    assert done.status == 0
    assert "--help" in done.out


def test_clauses_are_printed_as_a_table_and_one_in_full(tmp_path: Path) -> None:
    table = preforkspec("clauses", cwd=tmp_path)
    assert table.status == 0
    assert all(clause in table.out for clause in CLAUSES)
    one = preforkspec("clauses", "pool-2", cwd=tmp_path)
    assert "pool-3" not in one.out
    for label in ("required", "observed", "from", "needs"):
        assert label in one.out


def test_the_doctor_tries_everything_and_is_content(tmp_path: Path) -> None:
    done = preforkspec("doctor", cwd=tmp_path)
    assert done.status == 0, done.err
    for tried in ("network namespace", "pidfd_getfd", "sock_diag", "kcmp", "EPOLLEXCLUSIVE", "/proc/PID/fdinfo"):
        assert tried in done.out


def test_serve_passes_its_options_to_the_reference_server(tmp_path: Path) -> None:
    done = preforkspec("serve", "--port", "70000", "--min-spare", "1", cwd=tmp_path)
    assert done.status == 2
    assert done.err
