"""Launches on machines other than this one: as an ordinary user, and where the kernel refuses namespaces."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
# In a user namespace of its own, a process may lower the limits on namespaces below it to none.
WITHOUT_NETWORKS = [
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"',
    "sh",
]

# Needs the standard library and spec/, subject/, observers/ only. What it prints last is the answer.
PROLOGUE = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from selftests.facts import remains
from selftests.launching import POOL, ask, everyone, order, said, settle_output, settle_status, subject_processes
from subject import isolation
from subject.launch import Launch, LaunchRefused
"""
LAUNCHES_ON_PORT_80 = """
if not isolation.isolation_allowed():
    print(json.dumps([isolation.in_words(), "", 0, True, 0, 0, True, []]))
    sys.exit()
with Launch(order(POOL, 80, 3)) as launch:
    settle_output(launch, "ready")
    answer = ask(launch, 80).decode()
    pool = len(subject_processes(launch))
    them = everyone(launch)
gone = not remains(them)
source = "import json, os; print(json.dumps([os.getuid(), os.getgid(), os.getpid(), os.getcwd(), os.listdir('/tmp')]))"
with Launch(order(source)) as launch:
    uid, gid, pid, folder, temporary = said(launch)
print(json.dumps([isolation.in_words(), answer[-2:], pool, gone, uid, gid, pid > 1, temporary]))
"""
LAUNCHES_WITHOUT_NAMESPACES = """
try:
    with Launch(order("")) as launch:
        refusal = "none"
except LaunchRefused as error:
    refusal = str(error)
with Launch(order(POOL, 0, 3, isolate=False)) as launch:
    settle_output(launch, "ready")
    pool = len(subject_processes(launch))
    isolated = launch.isolated
    them = everyone(launch)
print(json.dumps([isolation.isolation_allowed(), isolation.in_words(), refusal, isolated, pool, remains(them)]))
"""


@pytest.fixture
def copy() -> Iterator[Path]:
    """A copy of what the programs import, in a folder that anybody may read."""
    folder = Path(tempfile.mkdtemp(prefix="preforkspec-selftest-"))
    try:
        folder.chmod(0o755)
        for package in ("spec", "subject", "observers"):
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "selftests").mkdir()
        for name in ("facts.py", "launching.py"):
            shutil.copy(ROOT / "selftests" / name, folder / "selftests")
        yield folder
    finally:
        shutil.rmtree(folder)


def an_interpreter(prefix: list[str]) -> str:
    """Give an interpreter that can be run behind this prefix; skips aloud where there is none."""
    names = [f"/usr/bin/python3{minor}" for minor in (".14", ".13", ".12", ".11", "")]
    tried = []
    for name in [sys.executable, *names]:
        if shutil.which(name) is None:
            continue
        # A program that lowers its privilege may start what its new self can't start again.
        again = "import os, sys; sys.exit(sys.version_info < (3, 11) or not os.access(sys.executable, os.X_OK))"
        check = [*prefix, name, "-c", again]
        run = subprocess.run(check, cwd="/", capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return name
        tried.append(f"{name}: {run.stderr.strip() or 'too old, or out of reach'}")
    pytest.skip(f"no Python >= 3.11 runs behind {' '.join(prefix[:1])}: {'; '.join(tried)}")


def told(prefix: list[str], program: str, folder: Path) -> list[Any]:
    """Run a program behind a prefix; gives what it printed last."""
    command = [*prefix, an_interpreter(prefix), "-B", "-c", PROLOGUE + program, str(folder)]
    run = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    answer: list[Any] = json.loads(run.stdout.splitlines()[-1])
    return answer


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_an_ordinary_user_has_namespaces_too_and_ports_below_1024(copy: Path) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here, to become another user")
    words, answer, pool, gone, uid, gid, not_first, temporary = told(AS_NOBODY, LAUNCHES_ON_PORT_80, copy)
    if words != "namespaces":
        pytest.skip(f"an ordinary user has no namespaces here: {words}")
    assert (answer, pool, gone) == ("hi", 4, True)
    assert (uid, gid) == (NOBODY, NOBODY), "the subject runs as the user who launched it"
    assert not_first
    assert not [name for name in temporary if name.endswith(".sock")]


@pytest.mark.skipif(os.geteuid() == 0, reason="this is root; the test above is for ordinary users")
def test_the_user_who_runs_these_tests_has_namespaces(copy: Path) -> None:
    words, answer, pool, gone, *_ = told([], LAUNCHES_ON_PORT_80, copy)
    if words != "namespaces":
        pytest.skip(f"no namespaces here: {words}")
    assert (answer, pool, gone) == ("hi", 4, True)


def test_where_namespaces_are_refused_a_launch_says_so_and_works_without(copy: Path) -> None:
    if subprocess.run([*WITHOUT_NETWORKS, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a refusal of network namespaces alone can't be provoked here: there is no user namespace")
    provoked = subprocess.run(
        [*WITHOUT_NETWORKS, "unshare", "--net", "true"], capture_output=True, text=True, check=False
    )
    if provoked.returncode == 0 or "unshare" not in provoked.stderr or "cannot create" in provoked.stderr:
        pytest.skip(f"a refusal of namespaces can't be provoked here: {provoked.stderr.strip() or 'they were allowed'}")
    allowed, words, refusal, isolated, pool, left = told(WITHOUT_NETWORKS, LAUNCHES_WITHOUT_NAMESPACES, copy)
    assert not allowed
    assert words.startswith("process groups only (")
    assert "No space left on device" in refusal, "the kernel's own word for a limit on namespaces"
    assert "unshare" in refusal
    assert (isolated, pool, left) == (False, 4, [])
