"""Builds a subject as its profile says: one command for a shell, in the profile's folder, before any launch."""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress

from subject.profile import Profile

# Seconds. A server of a few files compiles in one; a build that waits for an answer would wait forever.
BUILT_WITHIN = 300.0
LINES_TOLD = 4


class BuildFailed(Exception):
    """The subject could not be built; the text says how its build ended and what it said last."""


def build(profile: Profile, *, within: float = BUILT_WITHIN) -> None:
    """Run the profile's build, where it has one. Raises BuildFailed."""
    if profile.build is None:
        return
    # A file, not a pipe: what a build leaves running would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            started = subprocess.Popen(
                ["/bin/sh", "-c", profile.build],
                cwd=profile.cwd,
                env=profile.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise BuildFailed(f"its build can't be run in {profile.cwd}: {error.strerror}") from error
        try:
            status = started.wait(within)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
            raise BuildFailed(f"its build {profile.build!r} was not done after {within:.0f} s") from None
        if status != 0:
            output.seek(0)
            said = output.read().decode("utf-8", "replace").splitlines()
            last = " / ".join(line.strip() for line in [line for line in said if line.strip()][-LINES_TOLD:])
            raise BuildFailed(f"its build {profile.build!r} ended with status {status}: {last}")
