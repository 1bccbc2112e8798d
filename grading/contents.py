"""What a submission is, as it was handed in: a digest of its contents, and when it was last changed.

Nothing here fails by what was handed in. What can't be read is so, and that is part of what is there; of more than is
ever laid out, sizes and times have to do.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from grading.laying_out import CHUNK, LITTER, MOST_BYTES

LETTERS = 16  # of a digest
EARLIEST, LATEST = 0.0, 253_402_300_799.0  # seconds of the epoch, up to the end of the year 9999


def digest(path: Path) -> str:
    """Give what tells one submission's contents from others: of a folder, its files' names, contents and rights."""
    known, left = hashlib.sha256(), MOST_BYTES
    for entry in _entries(path):
        name = entry.relative_to(path) if entry != path else Path()
        known.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        try:
            left -= _add(known, entry, left, rights=entry != path)
        except OSError as error:
            known.update(f"{error.errno}\0".encode())
    return known.hexdigest()[:LETTERS]


def _add(known: "hashlib._Hash", entry: Path, most: int, *, rights: bool) -> int:
    """Add an entry, and no more than so many bytes of it; gives how many there were. Raises OSError."""
    status = entry.lstat()
    known.update(f"{status.st_mode if rights else stat.S_IFMT(status.st_mode)}\0".encode())
    if stat.S_ISLNK(status.st_mode):
        known.update(os.fsencode(entry.readlink()))
    elif stat.S_ISREG(status.st_mode) and status.st_size > most:
        known.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    elif stat.S_ISREG(status.st_mode):
        with entry.open("rb") as file:
            while chunk := file.read(CHUNK):
                known.update(chunk)
        return status.st_size
    return 0


def changed(path: Path) -> float:
    """Give when it was last changed, in seconds of the epoch: of a folder, by the newest of its files."""
    times = [time for entry in _entries(path) if (time := _time(entry)) is not None]
    return min(max(times, default=EARLIEST), LATEST)


def _time(entry: Path) -> float | None:
    try:
        return max(EARLIEST, entry.lstat().st_mtime)
    except OSError:
        return None


def _entries(path: Path) -> Iterator[Path]:
    """Give all files and links below a folder, in order; of what is no folder, and of an empty one, itself."""
    nothing = True
    for where, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in LITTER)
        # os.path, as this says no where a path is too long, and pathlib raises.
        links = (name for name in folders if os.path.islink(os.path.join(where, name)))  # noqa: PTH114, PTH118
        for name in sorted([*(name for name in files if name not in LITTER), *links]):
            nothing = False
            yield Path(where) / name
    if nothing:
        yield path
