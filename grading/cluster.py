"""Grades a class on the workers of a Dask cluster, whatever it runs on: other machines by SSH, Slurm, Kubernetes.

The scheduler sees to who grades what, and gives the work of a worker that is gone to another. Each submission goes to
its worker as one file, and its result comes back; nothing is shared but the network.
"""

import io
import socket
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading import contents
from grading.grade_one import Assignment
from grading.laying_out import LaidOut, Unacceptable
from grading.submissions import Submission, copy

CONNECTS_WITHIN = 30  # seconds

Remote = Callable[[bytes, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Where:
    """The cluster that grades: the address of its scheduler, and what its workers are asked to do."""

    scheduler: str
    remote: Remote


class NoCluster(Exception):
    """There is no scheduler at the address, or no Dask here; the text is one line for the user."""


def graded(
    work: Sequence[Submission], *, where: Where, assignment: Assignment, scratch: Path
) -> Iterator[tuple[Submission, dict[str, Any] | str]]:
    """Have each graded somewhere; gives each as it is done: its result, or why there is none. Raises NoCluster."""
    try:
        from distributed import Client, as_completed  # noqa: PLC0415 - an extra, and a second to import
    except ImportError as error:
        raise NoCluster("Dask is missing; install preforkspec[cluster]") from error
    try:
        client: Any = Client(where.scheduler, timeout=CONNECTS_WITHIN, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise NoCluster(f"--scheduler {where.scheduler}: {error}; expected the address of a Dask scheduler") from error
    with client:
        running = {}
        for each in work:
            digest = contents.digest(each.path)
            name, data = packed(each, scratch)
            order = {
                "name": each.name,
                "file": name,
                "changed": each.changed_at,
                "texts": assignment.texts,
                "seed": assignment.seed,
                "sandboxed": assignment.rung is not None,
            }
            # Not the scheduler's to remember: it is graded anew wherever it is asked for anew.
            running[client.submit(where.remote, data, order, pure=False)] = each, digest
        for future in as_completed(list(running), loop=client.loop):  # type: ignore[no-untyped-call]
            (submission, digest), failure = running.pop(future), future.exception()
            if failure is not None:
                yield submission, f"{type(failure).__name__}: {failure}"
            else:
                result = future.result()
                # Of what was handed in, and not of how it travelled.
                result["submission"] |= {"digest": digest, "file": submission.file}
                yield submission, result
            future.release()


def insist_on_somebody(scheduler: str) -> None:
    """Make sure that somebody listens at the address: a client would go on trying for a minute. Raises NoCluster."""
    kind, _, place = scheduler.rpartition("://")
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise NoCluster(f"--scheduler {scheduler}: expected the address of a Dask scheduler, as in tcp://10.0.0.1:8786")
    if kind not in ("", "tcp", "tls"):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTS_WITHIN).close()
    except OSError as error:
        raise NoCluster(
            f"--scheduler {scheduler}: {error.strerror or error}; expected a Dask scheduler there"
        ) from error


def packed(submission: Submission, scratch: Path) -> tuple[str, bytes]:
    """Give a submission as one file: its name and its contents; of a folder, an archive of what is laid out of it."""
    if not submission.path.is_dir():
        return submission.path.name, submission.path.read_bytes()
    folder = scratch / submission.name
    folder.mkdir()
    try:
        copy(submission.path, LaidOut(folder))
    except Unacceptable:
        # Told where it is graded, by what came before the limit and one entry too many: as it is.
        pass
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".")
    return f"{submission.name}.tar.gz", data.getvalue()
