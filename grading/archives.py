"""Archives that were handed in: read entry by entry, once and in order, and no more of them than is allowed."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from grading.laying_out import CHUNK, MOST_BYTES, LaidOut, Unacceptable, insist_on_room, is_below, leave_out, put

MOST_ENTRIES = 20_000  # of an archive, those that are left out too
MOST_UNPACKED = 2 * MOST_BYTES  # bytes of an archive, headers and what is left out too

# What the readers of archives raise for what is none, is cut, encrypted, or packed in a way that they do not know.
UNREADABLE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError),
)


def unzip(path: Path, laid_out: LaidOut) -> None:
    """Lay out what is in a zip archive. Raises Unacceptable, and what is UNREADABLE."""
    with zipfile.ZipFile(path) as archive:
        for number, entry in enumerate(archive.infolist()):
            _insist_on_entries(number)
            below = PurePosixPath(entry.filename.replace("\\", "/"))
            kind = entry.external_attr >> 16
            # Even a folder's name ends with something.
            if not entry.filename or entry.is_dir():
                continue
            if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
                leave_out(laid_out, below, "is no regular file")
            elif is_below(laid_out, below):
                with archive.open(entry) as source:
                    put(laid_out, below, source, mode=kind or 0o644)


class _Rationed(io.RawIOBase):
    """A file of which no more than so many bytes are read: what is packed may be a thousand times as long."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__()
        self._packed = packed
        self._left = MOST_UNPACKED

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes, all of them if there are. Raises Unacceptable."""
        if not 0 <= size <= self._left:
            raise Unacceptable(f"more than {MOST_UNPACKED >> 20} MiB when it is unpacked")
        data = self._packed.read(size)
        self._left -= len(data)
        return data


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a tar archive, whatever it is packed by."""
    openers: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
    with path.open("rb") as file:
        first = file.read(6)
        file.seek(0)
        opener = next((opener for magic, opener in openers.items() if first.startswith(magic)), None)
        if opener is None:
            yield file
            return
        with opener(file) as unpacked:
            yield unpacked


def untar(path: Path, laid_out: LaidOut) -> None:
    """Lay out what is in a tar archive. Raises Unacceptable, and what is UNREADABLE."""
    # As a stream: it is read but once, and in order.
    with _unpacked(path) as packed, tarfile.open(fileobj=_Rationed(packed), mode="r|", bufsize=CHUNK) as archive:
        for number, entry in enumerate(archive):
            _insist_on_entries(number)
            below = PurePosixPath(entry.name)
            if entry.isdir():
                continue
            if entry.islnk() and (first := _first_of(laid_out, entry)) is not None and is_below(laid_out, below):
                with first.open("rb") as same:
                    put(laid_out, below, same, mode=first.stat().st_mode)
            elif not entry.isreg() or entry.issparse():
                leave_out(laid_out, below, "is no regular file")
            elif is_below(laid_out, below):
                # Before a byte of it is read: to pass over a large one, all of it would be unpacked.
                insist_on_room(laid_out, entry.size)
                source = archive.extractfile(entry)
                if source is not None:
                    with source:
                        put(laid_out, below, source, mode=entry.mode)


def _first_of(laid_out: LaidOut, entry: tarfile.TarInfo) -> Path | None:
    """Give the file that another name was given to, where that was laid out before."""
    name = PurePosixPath(entry.linkname)
    first = laid_out.folder / name
    if name.is_absolute() or ".." in name.parts or name == PurePosixPath(entry.name):
        return None
    return first if first.is_file() and not first.is_symlink() else None


def _insist_on_entries(number: int) -> None:
    if number >= MOST_ENTRIES:
        raise Unacceptable(f"more than {MOST_ENTRIES} entries in the archive")
