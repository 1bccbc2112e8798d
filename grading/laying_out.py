"""Where a submission is laid out: a folder of ours, into which only so much goes, and nothing that leads out of it."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

MOST_FILES = 2000
MOST_BYTES = 64 << 20
DEEPEST = 40  # folders in each other
MOST_TOLD = 50  # lines about what was left out
CHUNK = 1 << 16
# What comes along with a folder, and is no part of anybody's work.
LITTER = {"__MACOSX", ".git", ".svn", ".hg", ".DS_Store", "node_modules"}


class Unacceptable(Exception):
    """The submission can't be laid out; the text says why, in one line."""


@dataclass
class LaidOut:
    """What came of laying out a submission: where its files are, and what was left out of it, a line each."""

    folder: Path
    left_out: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0  # bytes


def put_link(laid_out: LaidOut, below: PurePosixPath, leads_to: str) -> None:
    """Keep a link that leads to something below the folder; nobody of ours ever follows one."""
    parts: list[str] = []
    for part in (below.parent / leads_to).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            parts = ["/"]
            break
    if parts[:1] == ["/"]:
        leave_out(laid_out, below, "leads out of the folder")
        return
    insist_on_room(laid_out, 0)
    target = laid_out.folder / below
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(leads_to)
    laid_out.files += 1


def insist_on_room(laid_out: LaidOut, more: int) -> None:
    """Make sure that one more file, of so many bytes, may be there. Raises Unacceptable."""
    if laid_out.size + more > MOST_BYTES:
        raise Unacceptable(f"more than {MOST_BYTES >> 20} MiB in all")
    if laid_out.files >= MOST_FILES:
        raise Unacceptable(f"more than {MOST_FILES} files")


def is_below(laid_out: LaidOut, below: PurePosixPath) -> bool:
    """Tell whether a name leads below the folder; one that is litter, or leads out of it, is left out."""
    if len(below.parts) > DEEPEST:
        raise Unacceptable(f"more than {DEEPEST} folders in each other")
    if below.is_absolute() or ".." in below.parts or not below.parts or "\0" in str(below):
        leave_out(laid_out, below, "leads out of the folder")
        return False
    return LITTER.isdisjoint(below.parts)


def leave_out(laid_out: LaidOut, below: PurePosixPath, why: str) -> None:
    """Note what was left out, and why."""
    if len(laid_out.left_out) < MOST_TOLD:
        laid_out.left_out.append(f"{str(below)!a} {why}"[:300])
    elif len(laid_out.left_out) == MOST_TOLD:
        laid_out.left_out.append("and more")


def put(laid_out: LaidOut, below: PurePosixPath, source: IO[bytes], *, mode: int) -> None:
    """Write one file, with no more of its mode than who may run it."""
    insist_on_room(laid_out, 0)
    target = laid_out.folder / below
    target.parent.mkdir(parents=True, exist_ok=True)
    # Of two entries of an archive the later one counts, as where it is unpacked.
    target.unlink(missing_ok=True)
    with target.open("xb") as file:
        while chunk := source.read(CHUNK):
            insist_on_room(laid_out, len(chunk))
            laid_out.size += len(chunk)
            file.write(chunk)
    target.chmod(0o755 if mode & 0o100 else 0o644)
    laid_out.files += 1
