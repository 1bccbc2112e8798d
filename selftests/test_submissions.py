"""What is handed in: found, named, and laid out as plain files below one folder, whatever is in it."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grading import archives, laying_out, submissions
from grading.laying_out import LaidOut, Unacceptable
from grading.submissions import Submission, file_name, found, lay_out

Made = Callable[[Path], None]
OUTSIDE = "outside"


def laid_out(path: Path, tmp_path: Path) -> LaidOut:
    folder = tmp_path / "laid out"
    folder.mkdir()
    return lay_out(Submission("one", path), folder)


def files(below: Path) -> dict[str, str]:
    """Give all that is below a folder: the text of each file, `link` for what is none."""
    everything = [path for path in below.rglob("*") if path.is_symlink() or not path.is_dir()]
    return {
        str(path.relative_to(below)): "link" if path.is_symlink() else path.read_text(encoding="utf-8")
        for path in everything
    }


def tar_of(*entries: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def tar_entry(name: str, data: bytes = b"x", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for key, value in more.items():
        setattr(entry, key, value)
    return entry, data


def zip_of(*names: str, data: str = "x") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return packed.getvalue()


def test_each_entry_of_a_folder_is_a_submission_by_name(tmp_path: Path) -> None:
    (tmp_path / "bea").mkdir()
    for name in ("ada.tar.gz", "cy.c", "dee.zip", ".hidden", "bea.zip"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("/etc")
    assert [each.name for each in found(tmp_path)] == ["ada", "bea", "bea~2", "cy", "dee"]
    assert [each.name for each in found(tmp_path / "cy.c")] == ["cy"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Ada Lovelace", "Ada_Lovelace"),
        ("a\nb\x1b[31m<b>", "a_b_31m_b"),
        ("../../etc", "etc"),
        ("--out=x", "out_x"),
        ("…", "unnamed"),
        ("ü" * 99, "ü" * submissions.LONGEST_NAME),
        ("a@b.org+1", "a@b.org+1"),
    ],
)
def test_a_name_is_fit_to_be_a_files_and_nothing_else(given: str, expected: str) -> None:
    assert file_name(given) == expected


@pytest.mark.parametrize("path", ["none", "empty"])
def test_where_there_is_nothing_it_is_told(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unacceptable, match="expected a folder"):
        found(tmp_path / path)


def test_a_folder_comes_without_links_that_lead_out_pipes_and_litter(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "src").mkdir(parents=True)
    (work / ".git").mkdir()
    (work / ".git" / "config").touch()
    (work / "Makefile").write_text("all:", encoding="utf-8")
    (work / "src" / "a.c").write_text("int a;", encoding="utf-8")
    (work / "run.sh").write_text("#!/bin/sh", encoding="utf-8")
    (work / "run.sh").chmod(0o4755)
    (work / "secret").symlink_to("/etc/passwd")
    (work / "home").symlink_to("/root")
    (work / "up").symlink_to("src/../../../etc")
    (work / "server").symlink_to("run.sh")
    (work / "src" / "again").symlink_to("../run.sh")
    os.mkfifo(work / "pipe")
    out = laid_out(work, tmp_path)
    kept = {"Makefile": "all:", "src/a.c": "int a;", "run.sh": "#!/bin/sh"}
    assert files(out.folder) == {**kept, "server": "link", "src/again": "link"}
    assert (out.folder / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert sorted(line.split("'")[1] for line in out.left_out) == ["home", "pipe", "secret", "up"]


def test_a_single_file_is_a_submission(tmp_path: Path) -> None:
    (tmp_path / "server.c").write_text("int main;", encoding="utf-8")
    assert files(laid_out(tmp_path / "server.c", tmp_path).folder) == {"server.c": "int main;"}


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"])
def test_an_archive_is_unpacked_and_its_only_folder_stepped_into(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"work{suffix}"
    packing = suffix.rpartition(".")[2].replace("tgz", "gz").replace("tar", "")
    if suffix == ".zip":
        path.write_bytes(zip_of("me/Makefile", "me/src/a.c", "__MACOSX/._a"))
    else:
        path.write_bytes(tar_of(tar_entry("me/Makefile"), tar_entry("me/src/a.c"), mode=f"w:{packing}"))
    assert files(laid_out(path, tmp_path).folder) == {"Makefile": "x", "src/a.c": "x"}


HOSTILE = {
    "up.zip": zip_of("a.c", f"../{OUTSIDE}", f"x/../../{OUTSIDE}", f"..\\{OUTSIDE}"),
    "absolute.zip": zip_of("a.c", f"/tmp/{OUTSIDE}"),
    "up.tar.gz": tar_of(tar_entry("a.c"), tar_entry(f"../{OUTSIDE}"), tar_entry(f"/tmp/{OUTSIDE}")),
    "links.tar.gz": tar_of(
        tar_entry("a.c"),
        tar_entry("out", b"", type=tarfile.SYMTYPE, linkname="/tmp"),
        tar_entry("passwd", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        tar_entry("null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        tar_entry("pipe", b"", type=tarfile.FIFOTYPE),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_an_archive_gets_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name])
    out = laid_out(tmp_path / name, tmp_path)
    assert files(out.folder) == {"a.c": "x"}
    assert out.left_out
    assert not list(tmp_path.rglob(f"{OUTSIDE}*"))
    assert not Path(f"/tmp/{OUTSIDE}").exists()


def test_a_link_that_is_made_first_does_not_lead_a_file_out(tmp_path: Path) -> None:
    (tmp_path / "w.tar").write_bytes(
        tar_of(tar_entry("d", b"", type=tarfile.SYMTYPE, linkname=str(tmp_path)), tar_entry(f"d/{OUTSIDE}"), mode="w:")
    )
    out = laid_out(tmp_path / "w.tar", tmp_path)
    assert not (tmp_path / OUTSIDE).exists()
    assert files(out.folder) == {OUTSIDE: "x"}


def bomb(path: Path) -> None:
    path.write_bytes(zip_of("a", data="\0" * (laying_out.MOST_BYTES + 1)))


def many(path: Path) -> None:
    path.write_bytes(zip_of(*(f"f{number}" for number in range(laying_out.MOST_FILES + 1))))


def tar_bomb(path: Path) -> None:
    entry, _ = tar_entry("a")
    entry.size = 1 << 40  # what its head says; there is no more
    path.write_bytes(entry.tobuf())


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a/b", "2")


def cut(path: Path) -> None:
    path.write_bytes(zip_of("a")[:-30])


@pytest.mark.parametrize(
    ("make", "suffix", "expected"),
    [
        (bomb, ".zip", "more than 64 MiB"),
        (many, ".zip", "more than 2000 files"),
        (tar_bomb, ".tar", "more than 64 MiB"),
        (twice, ".zip", "it can't be laid out: File exists"),
        (cut, ".zip", "the archive can't be read: "),
        (lambda path: path.write_bytes(b"no archive" * 100), ".tar.gz", "the archive can't be read: "),
        (lambda path: path.write_bytes(tar_of()), ".tar.gz", "there is no file in it"),
    ],
    ids=["bomb", "many", "tar bomb", "twice", "cut", "no archive", "empty"],
)
def test_what_can_not_be_laid_out_is_told_in_one_line(tmp_path: Path, make: Made, suffix: str, expected: str) -> None:
    path = tmp_path / f"w{suffix}"
    make(path)
    with pytest.raises(Unacceptable) as caught:
        laid_out(path, tmp_path)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)
    assert sum(each.stat().st_size for each in (tmp_path / "laid out").rglob("*")) <= laying_out.MOST_BYTES


def test_a_folder_is_as_new_as_its_newest_file(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name, at in (("old", 1_000), ("new", 2_000)):
        (work / name).touch()
        os.utime(work / name, (at, at))
    assert Submission("w", work).changed_at == 2_000
    assert Submission("w", work / "old").changed_at == 1_000
    assert Submission("w", work, changed=3_000).changed_at == 3_000


def test_a_folder_is_removed_whatever_rights_are_left_in_it(tmp_path: Path) -> None:
    (tmp_path / "w" / "locked").mkdir(parents=True)
    (tmp_path / "w" / "locked" / "file").touch()
    (tmp_path / "w" / "locked").chmod(0)
    submissions.remove(tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_a_header_that_is_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.c")
    entry.pax_headers = {"comment": "x" * (archives.MOST_UNPACKED + 1)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as archive:
        archive.addfile(entry, io.BytesIO())
    (tmp_path / "one.tar.gz").write_bytes(packed.getvalue())
    with pytest.raises(Unacceptable, match="more than 128 MiB when it is unpacked"):
        laid_out(tmp_path / "one.tar.gz", tmp_path)


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_folders_in_each_other_without_end_are_refused(tmp_path: Path, kind: str) -> None:
    deep = "/".join(["d"] * (laying_out.DEEPEST + 2))
    if kind == "tar":
        path = tmp_path / "one.tar"
        path.write_bytes(tar_of(tar_entry(f"{deep}/a.c"), mode="w"))
    else:
        path = tmp_path / "one"
        (path / deep).mkdir(parents=True)
    with pytest.raises(Unacceptable, match="more than 40 folders in each other"):
        laid_out(path, tmp_path)


def test_of_what_was_left_out_no_more_is_told_than_anybody_reads(tmp_path: Path) -> None:
    (tmp_path / "one.tar").write_bytes(
        tar_of(tar_entry("a.c"), *(tar_entry(f"../{number}") for number in range(500)), mode="w")
    )
    told = laid_out(tmp_path / "one.tar", tmp_path).left_out
    assert (len(told), told[-1]) == (laying_out.MOST_TOLD + 1, "and more")


def test_who_is_called_what_the_file_is_called_keeps_that_name(tmp_path: Path) -> None:
    for name in ("a b", "a_b", "𠮷田", "हिन्दी", "हिन्दु", "🎉"):
        (tmp_path / name).mkdir()
    names = {each.file: each.name for each in found(tmp_path)}
    assert names["a_b"] == "a_b"
    assert names["a b"] == "a_b~2"
    assert names["𠮷田"] == "𠮷田"
    assert (names["हिन्दी"], names["हिन्दु"], names["🎉"]) == ("हिन्दी", "हिन्दु", "unnamed")


def test_what_is_no_submission_is_told(tmp_path: Path) -> None:
    (tmp_path / "ada").mkdir()
    (tmp_path / "bob").symlink_to("ada")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".hidden").touch()
    assert submissions.left_out(tmp_path) == [
        "'bob' is a link: hand in what it leads to",
        "'pipe' is no folder and no regular file",
    ]


def test_what_may_not_be_read_is_no_fault_of_the_submission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "a.c").touch()

    def refused(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(PermissionError):
        laid_out(tmp_path / "ada", tmp_path)
