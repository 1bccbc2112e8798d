"""What is printed, seen from outside: by the reference server, which prints what the section console asks for."""

from pathlib import Path

import pytest

from selftests.command_line import ROOT, preforkspec, read
from subject import isolation

COMMAND = (
    "python3 -m reference_server --port {port} --min-spare {min_spare} --max-spare {max_spare} "
    "--max-connections {max_connections}"
)


@pytest.mark.parametrize(("more", "expected"), [(" --verbose", "pass"), ("", "fail")], ids=["verbose", "silent"])
def test_the_reference_server_prints_what_coursework_asks_for_when_told_to(
    tmp_path: Path, more: str, expected: str
) -> None:
    profile = f'command = "{COMMAND}{more}"\nenv = {{ PYTHONPATH = "{ROOT}" }}\nabilities = ["console"]\n'
    (tmp_path / "profile.toml").write_text(profile, encoding="utf-8")
    asked = ("--subject", "profile.toml", "--clause", "console", "--json", "v.json")
    done = preforkspec("check", *asked, cwd=tmp_path)
    assert done.status == (0 if expected == "pass" else 1), done.out
    verdicts = {each["id"]: each["verdict"] for each in read(tmp_path / "v.json")["clauses"]}
    # It reports on Ctrl-C in any case.
    assert [verdicts[f"console-{number}"] for number in (1, 2, 3)] == ["pass", expected, expected]
    assert isolation.why_not_isolated() is not None or verdicts["pool-1"] == "not-run"


def test_who_does_not_claim_it_is_not_asked(tmp_path: Path) -> None:
    done = preforkspec("check", "--clause", "console", "--json", "v.json", cwd=tmp_path)
    assert done.status == 3
    verdicts = {each["id"]: each["verdict"] for each in read(tmp_path / "v.json")["clauses"]}
    assert {verdicts[f"console-{number}"] for number in (1, 2, 3)} == {"not-applicable"}
