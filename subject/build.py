"""Builds a subject as its profile says: one command for a shell, in the profile's folder, before any launch.

Under a warden, as a launch is, but in no namespaces of its own, unless it is not trusted: whatever the build leaves
running ends with it, also where the suite itself is killed meanwhile.
"""

import select
import time
from collections.abc import Callable
from pathlib import Path

from subject.isolation import isolation_allowed
from subject.launch import Launch, LaunchRefused, Order
from subject.namespaces import stop_and_kill
from subject.processes import descendants, fields
from subject.profile import Profile
from subject.sandbox import FULL, HOME

# Seconds. A server of a few files compiles in one; a build that waits for an answer would wait forever.
BUILT_WITHIN = 300.0
LINES_TOLD = 4
LONGEST_NAMED = 60  # characters of a build
BETWEEN_LOOKS = 0.01
MOST_ROUNDS = 500  # of ending what is left: each takes as long as a look at all of it


class BuildFailed(Exception):
    """The subject could not be built; the text says `how` its build ended, and what it said last, of its `output`.

    `by_itself`: by a fault of its own, and not as this machine refused to run it.
    """

    def __init__(self, how: str, *, output: str = "", by_itself: bool = True) -> None:
        said = [line.strip() for line in output.splitlines() if line.strip()]
        super().__init__(": ".join([how, *([" / ".join(said[-LINES_TOLD:])] if said else [])]))
        self.how = how
        self.output = output
        self.by_itself = by_itself


def build(profile: Profile, *, within: float = BUILT_WITHIN, then: Callable[[Path], None] | None = None) -> None:
    """Run the profile's build, where it has one. Raises BuildFailed.

    What a build in a full sandbox makes is gone with it: `then` is given the folder as it is from outside, while it
    lasts.
    """
    if profile.build is None:
        return
    # A long one is a teacher's script, and noise to a student.
    name = f"its build {profile.build!r}" if len(profile.build) <= LONGEST_NAMED else "its build"
    # Its output goes to a terminal, but to none that knows colours.
    environment = {**profile.environment(), "TERM": "dumb"}
    sandbox = profile.sandbox
    elsewhere = sandbox is not None and sandbox.rung == FULL
    order = Order(
        argv=["/bin/sh", "-c", profile.build],
        cwd=profile.cwd,
        env=environment,
        isolate=elsewhere or (sandbox is not None and isolation_allowed()),
        sandbox=sandbox,
    )
    deadline = time.monotonic() + within
    nothing = select.poll()
    try:
        with Launch(order) as launch:
            while (report := launch.report(output=False)).status is None:
                over = f"was not done after {within:.0f} s" if time.monotonic() > deadline else None
                if why := f"was ended, as {report.ended_for}" if report.ended_for else over:
                    raise BuildFailed(f"{name} {why}", output=launch.report().output)
                nothing.poll(BETWEEN_LOOKS * 1000)
            report = launch.report()
            if report.status == 0 and then is not None:
                if not _end_leftovers(launch):
                    raise BuildFailed(f"{name} left processes that do not end", output=report.output)
                then(Path(f"/proc/{launch.init}/root{HOME}") if elsewhere else profile.cwd)
    except LaunchRefused as error:
        raise BuildFailed(f"its build can't be run: {error}", by_itself=False) from error
    if report.status != 0:
        raise BuildFailed(f"{name} ended with status {report.status}", output=report.output)


def _end_leftovers(launch: Launch) -> bool:
    """End what is left of a build, but not its namespace's init, who keeps the mounts; True once all is gone.

    Or it would change under our hands what we look at.
    """
    for _ in range(MOST_ROUNDS):
        everyone = [pid for pid in descendants(launch.warden) if not (launch.isolated and pid == launch.init)]
        if not (live := [pid for pid in everyone if not _has_ended(pid)]):
            return True
        stop_and_kill(live)
    return False


def _has_ended(pid: int) -> bool:
    try:
        return fields(f"/proc/{pid}/stat")[0] in b"ZX"
    except OSError:
        return True
