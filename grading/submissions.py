"""What was handed in: found in a folder, and laid out as plain files in a folder of our own.

Nothing of it is trusted. An archive is read entry by entry, within limits on files and bytes; only regular files and
folders come out of it, below the folder and nowhere else. What was left out is said.
"""

import errno
import os
import re
import shutil
import stat
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grading import contents
from grading.archives import UNREADABLE, untar, unzip
from grading.laying_out import DEEPEST, LITTER, LaidOut, Unacceptable, leave_out, put, put_link

LONGEST_NAME = 60  # characters of a submission's name
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
UNKNOWN_ARCHIVES = (".7z", ".rar", ".zst", ".lz", ".lz4", ".z", ".gz", ".bz2", ".xz")
# Suffixes of sources that may be handed in alone.
SOURCES = {".c", ".cc", ".cpp", ".py", ".rs", ".go", ".pl", ".rb", ".js"}
# What names lead to that are too long, or are those of a file and of a folder at once.
BY_ITS_NAMES = {errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EILSEQ}


@dataclass(frozen=True)
class Submission:
    """One student's work: a folder, an archive or a single file. `name` is fit to be a file's."""

    name: str
    path: Path
    changed: float | None = None  # seconds of the epoch, where its file does not tell any more

    @property
    def changed_at(self) -> float:
        """When it was last changed."""
        return contents.changed(self.path) if self.changed is None else self.changed

    @property
    def place(self) -> tuple[str, str]:
        """What a class is sorted by."""
        return self.name.casefold(), self.name

    @property
    def file(self) -> str:
        """What it is called on the disk."""
        return os.fsencode(self.path.name).decode("utf-8", "backslashreplace")


def found(path: Path) -> list[Submission]:
    """Give the submissions in a folder, by name; a path that is no folder is one itself. Raises Unacceptable."""
    if not path.exists():
        raise Unacceptable(f"{path}: no such file or folder; expected a folder of submissions")
    if path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if not _is_litter(entry) and why_left_out(entry) is None)
    elif path.is_file():
        entries = [path]
    else:
        raise Unacceptable(f"{path}: is no folder and no regular file; expected a folder of submissions")
    if not entries:
        raise Unacceptable(f"{path}: nothing in it; expected a folder, an archive or a file for each submission")
    # Who is called what its file is called keeps that name, whoever else would be called so.
    entries.sort(key=lambda entry: entry.name != name_of(entry))
    names: dict[str, int] = {}
    submissions = []
    for entry in entries:
        name = name_of(entry)
        names[name] = names.get(name, 0) + 1
        submissions.append(Submission(name if names[name] == 1 else f"{name}~{names[name]}", entry))
    return sorted(submissions, key=lambda each: each.place)


def left_out(path: Path) -> list[str]:
    """Give what in a folder of submissions is none, and why, a line each."""
    if not path.is_dir():
        return []
    told = ((entry, why_left_out(entry)) for entry in sorted(path.iterdir()) if not _is_litter(entry))
    return [f"{entry.name!a} {why}" for entry, why in told if why is not None]


def why_left_out(entry: Path) -> str | None:
    """Say why something in a folder of submissions is none."""
    if entry.is_symlink():
        return "is a link: hand in what it leads to"
    return None if entry.is_dir() or entry.is_file() else "is no folder and no regular file"


def name_of(path: Path) -> str:
    """Give what a submission is called."""
    return file_name(_stem(path.name))


def file_name(text: str) -> str:
    """Give a name that is a file's on any system, and no option, no hidden file, and no markup."""
    plain = unicodedata.normalize("NFC", text)
    # Letters of some scripts are written with marks, which are no letters of their own.
    kept = "".join(each if unicodedata.category(each)[0] in "LNM" or each in "._@+-" else " " for each in plain)
    clean = re.sub(" +", "_", kept).strip("._-")
    return clean[:LONGEST_NAME] or "unnamed"


def _is_litter(entry: Path) -> bool:
    return entry.name.startswith(".") or entry.name in LITTER


def _stem(name: str) -> str:
    for suffix in sorted(ARCHIVES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in SOURCES else name


def lay_out(submission: Submission, folder: Path) -> LaidOut:
    """Put a submission's files into an empty folder. Raises Unacceptable; OSError where that is no fault of its own."""
    laid_out = LaidOut(folder)
    path = submission.path
    try:
        if path.is_dir():
            copy(path, laid_out)
        elif _is_archive(path, ".zip") or (zipfile.is_zipfile(path) and not _is_archive(path, ".tar")):
            unzip(path, laid_out)
        elif any(_is_archive(path, suffix) for suffix in ARCHIVES):
            untar(path, laid_out)
        elif path.name.lower().endswith(UNKNOWN_ARCHIVES):
            raise Unacceptable(f"an archive of a kind that is not known here; expected {', '.join(ARCHIVES)}")
        else:
            with path.open("rb") as source:
                put(laid_out, PurePosixPath(path.name), source, mode=0o644)
    except UNREADABLE as error:
        raise Unacceptable(f"the archive can't be read: {[*str(error).splitlines(), ''][0][:200]}") from error
    except OSError as error:
        if error.errno not in BY_ITS_NAMES:
            raise
        raise Unacceptable(f"it can't be laid out: {error.strerror}") from error
    if not laid_out.files:
        raise Unacceptable("there is no file in it")
    _step_into_only_folder(laid_out)
    return laid_out


def _is_archive(path: Path, suffix: str) -> bool:
    return path.name.lower().endswith(suffix)


def copy(path: Path, laid_out: LaidOut) -> None:
    """Copy a folder's files, and the links that stay below it; by descriptors, so that none leads out in between."""
    for where, folders, files, at in os.fwalk(path, follow_symlinks=False, onerror=_raise):
        below = PurePosixPath(Path(where).relative_to(path).as_posix())
        if len(below.parts) > DEEPEST:
            raise Unacceptable(f"more than {DEEPEST} folders in each other")
        folders[:] = sorted(name for name in folders if name not in LITTER)
        for name in sorted([*files, *folders]):
            kind = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
            if stat.S_ISREG(kind):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
                with os.fdopen(descriptor, "rb") as source:
                    put(laid_out, below / name, source, mode=kind)
            elif stat.S_ISLNK(kind):
                put_link(laid_out, below / name, os.readlink(name, dir_fd=at))
            elif not stat.S_ISDIR(kind):
                leave_out(laid_out, below / name, "is no regular file")


def _raise(error: OSError) -> None:
    raise error


def _step_into_only_folder(laid_out: LaidOut) -> None:
    """Go on in the only folder that there is: students pack the folder, or its contents."""
    entries = list(laid_out.folder.iterdir())
    while len(entries) == 1 and entries[0].is_dir():
        laid_out.folder = entries[0]
        entries = list(laid_out.folder.iterdir())


def remove(folder: Path) -> None:
    """Remove a folder and all below it, whatever rights a build has left there."""
    for where, folders, _ in os.walk(folder):
        for name in folders:
            entry = Path(where) / name
            if not entry.is_symlink():
                entry.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
