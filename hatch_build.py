"""Carries the suite into the wheel, under `preforkspec/_suite/`, so that nothing with a name like `spec` is installed.

Only into a real wheel: an editable install finds the suite in the checkout.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = (
    *("spec", "subject", "observers", "drivers", "fault_injection", "grading"),
    *("conformance", "doctor", "reference_server", "subjects"),
)
FILES = ("conftest.py", "tox.ini", "VERSION")
# What the tools and the compilers leave behind stays out.
SUFFIXES = (".py", ".toml", ".json", ".c", ".h", ".j2", ".css")


class SuiteHook(BuildHookInterface[Any]):
    """Adds the suite's files to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hatchling calls this before it builds; `version` tells a wheel from an editable install."""
        if version != "standard":
            return
        for path in files(Path(self.root)):
            build_data["force_include"][str(path)] = f"preforkspec/_suite/{path.relative_to(self.root)}"


def files(root: Path) -> Iterator[Path]:
    """Give the files of the suite."""
    for name in FILES:
        yield root / name
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_file() and not hidden and (path.suffix in SUFFIXES or path.name == "Makefile"):
                yield path
