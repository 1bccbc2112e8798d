"""What is generated is up to date, what is promised is there, and the wheel carries the suite and nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from grading import catalogue
from hatch_build import FILES, FOLDERS, files
from selftests.command_line import ROOT
from selftests.test_command_line import SCHEMA
from spec.sections import CLAUSES
from spec.verdict import Verdict
from subject import profile as profiles


def test_the_list_of_clauses_is_what_spec_says() -> None:
    assert (ROOT / "docs" / "clauses.md").read_text(encoding="utf-8") == catalogue.markdown()


def test_a_list_that_is_out_of_date_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clauses.md").write_text(catalogue.markdown() + "\n", encoding="utf-8")
    assert catalogue.main(["--check", str(tmp_path / "clauses.md")]) == 1
    assert "out of date" in capsys.readouterr().err
    assert catalogue.main(["--check", str(tmp_path / "none.md")]) == 1


def test_every_clause_is_in_the_list() -> None:
    headings = re.findall(r"^### (\S+)$", catalogue.markdown(), re.MULTILINE)
    assert headings == list(CLAUSES)


def test_the_schema_is_one_and_knows_every_verdict() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    verdicts = {verdict.value for verdict in Verdict}
    assert set(SCHEMA["$defs"]["clause"]["properties"]["verdict"]["enum"]) == verdicts
    assert set(SCHEMA["properties"]["summary"]["required"]) == {*verdicts, "conforms"}


def test_the_wheel_carries_the_whole_suite() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    not_carried = {"preforkspec", "selftests", "benchmarks", "docs"}
    assert packages - not_carried <= set(FOLDERS)
    carried = {path.relative_to(ROOT) for path in files(ROOT)}
    assert {Path(name) for name in FILES} <= carried
    assert Path("grading/verdict.schema.json") in carried
    assert Path("subjects/example_c/Makefile") in carried
    tracked = subprocess.run(
        ["git", "ls-files", "--", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    hidden = {Path(name) for name in tracked if any(part.startswith(".") for part in Path(name).parts)}
    assert {Path(name) for name in tracked if (ROOT / name).exists()} - hidden <= carried


def test_links_between_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("./check", "./test", "preforkspec clauses", "preforkspec serve", "preforkspec doctor"):
        assert command in readme


def test_import_preforkspec_imports_nothing_of_the_suite() -> None:
    code = "import sys, preforkspec.check; sys.exit(', '.join({'spec', 'subject', 'grading'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readmes_profile_is_a_profile(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (profile := tmp_path / "server.toml").write_text(readme.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert profiles.from_file(profile).name == "my server"
