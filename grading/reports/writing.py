"""Writes reports where they were asked for: each whole, or not at all. Imports a renderer only where it is wanted."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

# By the name of the option that asks for it, the module of its renderer; the verdict document itself needs none.
FORMATS: Mapping[str, str] = {
    "json": "",
    "html": "grading.reports.page",
    "junit": "grading.reports.junit",
    "ctrf": "grading.reports.ctrf",
}


def write(document: Mapping[str, Any], targets: Mapping[str, Path]) -> Iterator[str]:
    """Write each report that was asked for; gives what went wrong, in words."""
    for name, path in targets.items():
        try:
            put(path, rendered(document, name))
        except OSError as error:
            yield f"--{name} could not be written: {error}"


def rendered(document: Mapping[str, Any], name: str) -> str:
    """Give one report as text."""
    if not FORMATS[name]:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    render: Callable[[Mapping[str, Any]], str] = import_module(FORMATS[name]).render
    return render(document)


def put(path: Path, text: str) -> None:
    """Write a file whole or not at all; into what is no regular file (a pipe, /dev/stdout), just write it."""
    # A command line may hold bytes that are no UTF-8; `\\udcff`, as this writes them, is legal in JSON.
    data = text.encode("utf-8", "backslashreplace")
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = path.resolve()
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        scratch.write_bytes(data)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def tell_github(document: Mapping[str, Any]) -> None:
    """Annotate the workflow, and add to the job's summary, where the check is run by GitHub Actions."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    github = import_module("grading.reports.github")
    sys.stdout.writelines(f"{line}\n" for line in github.annotations(document))
    if (summary := os.environ.get("GITHUB_STEP_SUMMARY")) is not None:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(github.summary(document))
