"""Where the suite is, and how its packages become importable: in front of everything else, for this process alone."""

import os
import sys
from contextlib import suppress
from pathlib import Path


class SuiteMissing(Exception):
    """The suite is neither beside the launcher nor in a checkout around it; the text is one line for the user."""


def suite() -> Path:
    """Find the folder with the suite: `_suite` beside this file in a wheel, else the checkout. Raises SuiteMissing."""
    here = Path(__file__).resolve().parent
    for folder in (here / "_suite", here.parent):
        if (folder / "spec" / "sections.py").is_file() and (folder / "conftest.py").is_file():
            return folder
    raise SuiteMissing(f"the suite is missing: expected it in {here / '_suite'} or in a checkout around {here}")


def move_in() -> Path:
    """Put the suite in front of the import path, and give its folder. Raises SuiteMissing.

    `python -m` puts the current folder there, and PYTHONPATH others: a student's `spec/` or `http.py` must not stand in
    for ours.
    """
    folder = suite()
    users = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    unwanted = {"", str(folder), *users}
    # The current folder may be gone; then nothing can be imported from it either.
    with suppress(FileNotFoundError):
        unwanted.add(str(Path.cwd()))
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in unwanted), *users]
    return folder


def version(folder: Path) -> str:
    """Give the suite's version."""
    return (folder / "VERSION").read_text(encoding="ascii").strip()
