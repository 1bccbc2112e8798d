"""The register of faults, its page, and the fixtures: none is missing, and what is told is so."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from fault_injection import catalogue
from fault_injection.register import FAULTS, Fault
from spec.sections import CLAUSES

pytest_plugins = ["fault_injection.fixtures"]

FOLDER = Path(catalogue.__file__).parent
MODULES = sorted({fault.module for fault in FAULTS})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_is_there_and_names_clauses_that_are(fault: Fault) -> None:
    assert callable(getattr(importlib.import_module(f"fault_injection.{fault.module}"), fault.name.partition(".")[2]))
    assert all(clause in CLAUSES for clause in fault.clauses)


@pytest.mark.parametrize("module", MODULES)
def test_each_context_manager_of_the_faults_is_in_the_register(module: str) -> None:
    named = {fault.name for fault in FAULTS}
    found = importlib.import_module(f"fault_injection.{module}")
    managers = [
        name
        for name, value in vars(found).items()
        if not name.startswith("_")
        and inspect.isfunction(value)
        and value.__module__ == found.__name__
        and inspect.isgeneratorfunction(inspect.unwrap(value))
    ]
    assert {f"{module}.{name}" for name in managers} <= named


def _marked(tree: ast.Module) -> set[str]:
    """Give the clauses of the tests in a file."""
    return {
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.clause"
        if isinstance(node.args[0], ast.Constant)
    }


def _imported(tree: ast.Module) -> set[str]:
    """Give what a file imports of the faults: `signals.killed`, `scenes.ordeal.Ordeal`."""
    return {
        f"{(node.module or '').removeprefix('fault_injection.')}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fault_injection.")
        for alias in node.names
    }


def uses() -> dict[str, set[str]]:
    """Give, by the fault's name, the clauses of the tests that import it, or a scene that does."""
    scenes = {path.stem: _imported(_parsed(path)) for path in (FOLDER / "scenes").glob("*.py")}
    found: dict[str, set[str]] = {}
    for path in FOLDER.glob("test_*.py"):
        tree = _parsed(path)
        imported = _imported(tree)
        played = {name.split(".")[1] for name in imported if name.startswith("scenes.")}
        for name in imported.union(*(scenes[scene] for scene in played)):
            found.setdefault(name, set()).update(_marked(tree))
    return found


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_clauses_of_a_fault_are_those_of_the_tests_that_use_it(fault: Fault) -> None:
    if fault.clauses:
        assert set(fault.clauses) <= uses().get(fault.name, set())


def test_the_page_is_what_the_register_says() -> None:
    assert (FOLDER.parent / "docs" / "faults.md").read_text(encoding="utf-8") == catalogue.page()


def test_each_fault_is_a_fixture(request: pytest.FixtureRequest) -> None:
    for fault in FAULTS:
        name = fault.name.partition(".")[2]
        value = getattr(importlib.import_module(f"fault_injection.{fault.module}"), name)
        if inspect.isgeneratorfunction(inspect.unwrap(value)):
            assert callable(request.getfixturevalue(name)), fault.name
