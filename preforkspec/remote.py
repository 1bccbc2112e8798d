"""What a worker of a cluster is asked to do: grade one submission, which comes along, and give its result.

In the launcher's package, as this is what an installed suite has on the import path of every machine.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any


def command() -> list[str]:
    """Give the command that calls this program again, wherever it is, and that ends with us.

    -P as the current folder is not ours.
    """
    package = Path(__file__).resolve().parent.parent
    code = (
        f"import sys; sys.path.insert(0, {str(package)!r}); from preforkspec import __main__, keeper; "
        f"keeper.end_with({os.getpid()}); sys.exit(__main__.main())"
    )
    return [sys.executable, "-P", "-c", code]


def rules(texts: Mapping[str, tuple[str, str]], folder: Path) -> list[str]:
    """Write what a class is graded by into a folder, by the option; gives the options of `grade-one` that name it."""
    options = []
    for rule, (file, text) in texts.items():
        target = folder / rule / file
        target.parent.mkdir(mode=0o700)
        target.write_text(text, encoding="utf-8")
        options.append(f"--{rule}={target}")
    return options


def grade(packed: bytes, order: Mapping[str, Any]) -> dict[str, Any]:
    """Grade a submission that is one file, an archive mostly; `order` says what by, and what it is called.

    Raises RuntimeError where there is no result, with what was said of that.
    """
    # In the worker's own folder, which Dask removes, too, where the worker was killed.
    with tempfile.TemporaryDirectory(
        prefix="preforkspec-", dir=import_module("distributed").get_worker().local_directory
    ) as scratch:
        folder = Path(scratch)
        submission, result = folder / "handed in" / order["file"], folder / "result.json"
        submission.parent.mkdir()
        submission.write_bytes(packed)
        options = [f"--name={order['name']}", f"--changed={order['changed']}", f"--seed={order['seed']}"]
        options += rules(order["texts"], folder)
        if not order["sandboxed"]:
            options.append("--allow-unsandboxed")
        done = subprocess.run(
            [*command(), "grade-one", str(submission), "--out", str(result), *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        try:
            graded: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise RuntimeError(f"status {done.returncode}: {said[-1] if said else 'it said nothing'}") from None
        return graded
