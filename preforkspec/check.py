"""`preforkspec check`: makes sure that the request makes sense, then runs pytest on the suite with it."""

import argparse
import os
import sys
from pathlib import Path

from preforkspec import house, request
from preforkspec.keeper import Keeper
from preforkspec.options import USAGE

UNDECIDED = 3
PYTEST_USAGE = 4


def run(asked: argparse.Namespace) -> int:
    """Run a check and give its exit status."""
    keeper = Keeper(_nothing_known)
    try:
        folder = house.move_in()
        arguments = request.options(asked)
    except request.BadRequest as error:
        sys.stderr.write(f"preforkspec check: {error}\n")
        return USAGE
    try:
        run_folder = keeper.move_in()
    except OSError as error:
        sys.stderr.write(f"preforkspec check: no folder for the run can be made: {error}\n")
        return UNDECIDED
    try:
        _clean_environment()
        import pytest

        from preforkspec.stopper import Stopper

        fixed = [*_fixed(folder, run_folder), *(_WITHOUT_BACKSTOP if asked.deep or asked.soak else ())]
        code = int(pytest.main([*fixed, *arguments], plugins=[Stopper(keeper)]))
        # What was told is not told again; but where pytest itself broke, its last hook may not have been called.
        return USAGE if code == PYTEST_USAGE else keeper.tell("broken off")
    finally:
        keeper.leave()


def _nothing_known(why: str) -> int:
    sys.stderr.write(f"\npreforkspec check: {why} before anything was judged\n")
    return UNDECIDED


# Minutes of plans are one fixture of one test, and so are those of a soak.
_WITHOUT_BACKSTOP = ("--timeout", "0", "--override-ini", "faulthandler_timeout=0")


def _fixed(folder: Path, run_folder: Path) -> list[str]:
    """Give the options of every check: our settings and plugins, nobody else's."""
    return [
        *(str(folder / name) for name in ("conformance", "fault_injection")),
        *("-c", str(folder / "tox.ini"), "--rootdir", str(folder)),
        # The settings in tox.ini are those of the selftests as well; a check only has these.
        *("--override-ini", "addopts=", "-W", "ignore", "--assert=plain", "--capture=no"),
        *("-p", "xdist.plugin", "-p", "pytest_timeout", "-p", "no:terminal", "-p", "no:cacheprovider"),
        # xdist makes a base for temporary folders, and leaves it in /tmp.
        *("--verdict", f"--run-folder={run_folder}", "--basetemp", str(run_folder / "pytest")),
    ]


def _clean_environment() -> None:
    """Leave out what would change pytest's ways: options and plugins that were meant for the user's own tests."""
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ.pop("PYTHONWARNINGS", None)
    # A `socket.py` on it would stand in for the library's in every worker. The subject gets it back (profile.py).
    if (path := os.environ.pop("PYTHONPATH", None)) is not None:
        os.environ["PREFORKSPEC_PYTHONPATH"] = path
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
