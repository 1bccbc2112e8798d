"""What was handed in: found in a folder, and laid out as plain files in a folder of our own.

Nothing of it is trusted. An archive is read entry by entry, within limits on files and bytes; only regular files and
folders come out of it, below the folder and nowhere else. What was left out is said.
"""

import lzma
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

MOST_FILES = 2000
MOST_BYTES = 64 << 20
MOST_ENTRIES = 20_000  # of an archive, those that are left out too
LONGEST_NAME = 60  # characters of a submission's name
CHUNK = 1 << 16
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# What comes along with a folder, and is no part of anybody's work.
LITTER = {"__MACOSX", ".git", ".svn", ".hg", ".DS_Store", "node_modules"}
# Suffixes of sources that may be handed in alone.
SOURCES = {".c", ".cc", ".cpp", ".py", ".rs", ".go", ".pl", ".rb", ".js"}


# What the readers of archives raise for what is none, is cut, encrypted, or packed in a way that they do not know.
_UNREADABLE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError),
)


class Unacceptable(Exception):
    """The submission can't be laid out; the text says why, in one line."""


@dataclass(frozen=True)
class Submission:
    """One student's work: a folder, an archive or a single file. `name` is fit to be a file's."""

    name: str
    path: Path
    changed: float | None = None  # seconds of the epoch, where its file does not tell any more

    @property
    def changed_at(self) -> float:
        """When it was last changed."""
        return changed(self.path) if self.changed is None else self.changed


@dataclass
class LaidOut:
    """What came of laying out a submission: where its files are, and what was left out of it, a line each."""

    folder: Path
    left_out: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0  # bytes


def found(path: Path) -> list[Submission]:
    """Give the submissions in a folder, by name; a path that is no folder is one itself. Raises Unacceptable."""
    if not path.exists():
        raise Unacceptable(f"{path}: no such file or folder; expected a folder of submissions")
    entries = sorted(entry for entry in path.iterdir() if _is_submission(entry)) if path.is_dir() else [path]
    if not entries:
        raise Unacceptable(f"{path}: nothing in it; expected a folder, an archive or a file for each submission")
    names: dict[str, int] = {}
    submissions = []
    for entry in entries:
        name = name_of(entry)
        names[name] = names.get(name, 0) + 1
        submissions.append(Submission(name if names[name] == 1 else f"{name}~{names[name]}", entry))
    return submissions


def name_of(path: Path) -> str:
    """Give what a submission is called."""
    return file_name(_stem(path.name))


def file_name(text: str) -> str:
    """Give a name that is a file's on any system, and no option, no hidden file, and no markup."""
    plain = unicodedata.normalize("NFC", text)
    clean = re.sub(r"[^\w.@+-]+", "_", plain).strip("._-")
    return clean[:LONGEST_NAME] or "unnamed"


def _is_submission(entry: Path) -> bool:
    if entry.name.startswith(".") or entry.name in LITTER or entry.is_symlink():
        return False
    return entry.is_dir() or entry.is_file()


def _stem(name: str) -> str:
    for suffix in sorted(ARCHIVES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in SOURCES else name


def lay_out(submission: Submission, folder: Path) -> LaidOut:
    """Put a submission's files into an empty folder. Raises Unacceptable."""
    laid_out = LaidOut(folder)
    path = submission.path
    try:
        if path.is_dir():
            copy(path, laid_out)
        elif _is_archive(path, ".zip") or (zipfile.is_zipfile(path) and not _is_archive(path, ".tar")):
            _unzip(path, laid_out)
        elif any(_is_archive(path, suffix) for suffix in ARCHIVES):
            _untar(path, laid_out)
        else:
            with path.open("rb") as source:
                _put(laid_out, PurePosixPath(path.name), source, mode=0o644)
    except _UNREADABLE as error:
        raise Unacceptable(f"the archive can't be read: {[*str(error).splitlines(), ''][0]}") from error
    except OSError as error:
        raise Unacceptable(f"it can't be read: {error.strerror or error}") from error
    if not laid_out.files:
        raise Unacceptable("there is no file in it")
    _step_into_only_folder(laid_out)
    return laid_out


def _is_archive(path: Path, suffix: str) -> bool:
    return path.name.lower().endswith(suffix)


def copy(path: Path, laid_out: LaidOut) -> None:
    """Copy a folder's files, and the links that stay below it; by descriptors, so that none leads out in between."""
    for where, folders, files, at in os.fwalk(path, follow_symlinks=False):
        below = PurePosixPath(Path(where).relative_to(path).as_posix())
        folders[:] = sorted(name for name in folders if name not in LITTER)
        for name in sorted([*files, *folders]):
            kind = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
            if stat.S_ISREG(kind):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
                with os.fdopen(descriptor, "rb") as source:
                    _put(laid_out, below / name, source, mode=kind)
            elif stat.S_ISLNK(kind):
                _put_link(laid_out, below / name, os.readlink(name, dir_fd=at))
            elif not stat.S_ISDIR(kind):
                _leave_out(laid_out, below / name, "is no regular file")


def _put_link(laid_out: LaidOut, below: PurePosixPath, leads_to: str) -> None:
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
        _leave_out(laid_out, below, "leads out of the folder")
        return
    _insist_on_room(laid_out, 0)
    target = laid_out.folder / below
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(leads_to)
    laid_out.files += 1


def _unzip(path: Path, laid_out: LaidOut) -> None:
    with zipfile.ZipFile(path) as archive:
        for number, entry in enumerate(archive.infolist()):
            _insist_on_entries(number)
            below = PurePosixPath(entry.filename.replace("\\", "/"))
            kind = entry.external_attr >> 16
            if entry.is_dir():
                continue
            if stat.S_IFMT(kind) not in (0, stat.S_IFREG):
                _leave_out(laid_out, below, "is no regular file")
            elif _is_below(laid_out, below):
                with archive.open(entry) as source:
                    _put(laid_out, below, source, mode=kind or 0o644)


def _untar(path: Path, laid_out: LaidOut) -> None:
    with tarfile.open(path, "r:*") as archive:
        for number, entry in enumerate(archive):
            _insist_on_entries(number)
            below = PurePosixPath(entry.name)
            if entry.isdir():
                continue
            if not entry.isreg() or entry.issparse():
                _leave_out(laid_out, below, "is no regular file")
            elif _is_below(laid_out, below):
                # Before a byte of it is read: to pass over a large one, all of it would be unpacked.
                _insist_on_room(laid_out, entry.size)
                source = archive.extractfile(entry)
                if source is not None:
                    with source:
                        _put(laid_out, below, source, mode=entry.mode)


def _insist_on_entries(number: int) -> None:
    if number >= MOST_ENTRIES:
        raise Unacceptable(f"more than {MOST_ENTRIES} entries in the archive")


def _insist_on_room(laid_out: LaidOut, more: int) -> None:
    if laid_out.size + more > MOST_BYTES:
        raise Unacceptable(f"more than {MOST_BYTES >> 20} MiB in all")
    if laid_out.files >= MOST_FILES:
        raise Unacceptable(f"more than {MOST_FILES} files")


def _is_below(laid_out: LaidOut, below: PurePosixPath) -> bool:
    """Tell whether a name leads below the folder; one that is litter, or leads out of it, is left out."""
    if below.is_absolute() or ".." in below.parts or not below.parts or "\0" in str(below):
        _leave_out(laid_out, below, "leads out of the folder")
        return False
    return LITTER.isdisjoint(below.parts)


def _leave_out(laid_out: LaidOut, below: PurePosixPath, why: str) -> None:
    laid_out.left_out.append(f"{str(below)!a} {why}"[:300])


def _put(laid_out: LaidOut, below: PurePosixPath, source: IO[bytes], *, mode: int) -> None:
    """Write one file, with no more of its mode than who may run it."""
    _insist_on_room(laid_out, 0)
    target = laid_out.folder / below
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        while chunk := source.read(CHUNK):
            _insist_on_room(laid_out, len(chunk))
            laid_out.size += len(chunk)
            file.write(chunk)
    target.chmod(0o755 if mode & 0o100 else 0o644)
    laid_out.files += 1


def _step_into_only_folder(laid_out: LaidOut) -> None:
    """Go on in the only folder that there is: students pack the folder, or its contents."""
    entries = list(laid_out.folder.iterdir())
    while len(entries) == 1 and entries[0].is_dir():
        laid_out.folder = entries[0]
        entries = list(laid_out.folder.iterdir())


def changed(path: Path) -> float:
    """Give when a file was last changed, in seconds of the epoch; a folder, by the newest of its files."""
    if not path.is_dir():
        return path.lstat().st_mtime
    return max(_times(path), default=path.lstat().st_mtime)


def _times(path: Path) -> Iterator[float]:
    for where, _, files in os.walk(path, followlinks=False):
        for name in files:
            yield (Path(where) / name).lstat().st_mtime


def remove(folder: Path) -> None:
    """Remove a folder and all below it, whatever rights a build has left there."""
    for where, folders, _ in os.walk(folder):
        for name in folders:
            entry = Path(where) / name
            if not entry.is_symlink():
                entry.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
