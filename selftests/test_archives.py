"""Archives as students make them: entries twice, second names of a file, no names, kinds that we don't know."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from grading.laying_out import Unacceptable
from selftests.test_submissions import files, laid_out, tar_entry, tar_of


def test_of_an_archives_entries_the_later_one_counts_and_a_second_name_is_a_file(tmp_path: Path) -> None:
    packed = tar_of(
        tar_entry("a.c", b"old"),
        tar_entry("a.c", b"new"),
        tar_entry("b.c", b"", type=tarfile.LNKTYPE, linkname="a.c"),
        tar_entry("c.c", b"", type=tarfile.LNKTYPE, linkname="../../etc/passwd"),
    )
    (tmp_path / "w.tar.gz").write_bytes(packed)
    told = laid_out(tmp_path / "w.tar.gz", tmp_path)
    assert files(told.folder) == {"a.c": "new", "b.c": "new"}
    assert told.left_out == ["'c.c' is no regular file"]


def test_an_entry_without_a_name_is_none(tmp_path: Path) -> None:
    nameless = zipfile.ZipInfo("x")
    nameless.filename = ""
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        for entry in ("a.c", nameless, "b.c"):
            archive.writestr(entry, "x")
    assert sorted(files(laid_out(tmp_path / "w.zip", tmp_path).folder)) == ["a.c", "b.c"]


@pytest.mark.parametrize("suffix", [".7z", ".rar", ".tar.zst", ".gz"])
def test_an_archive_that_we_do_not_know_is_no_source(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"w{suffix}").write_bytes(b"whatever")
    with pytest.raises(Unacceptable, match="an archive of a kind that is not known here"):
        laid_out(tmp_path / f"w{suffix}", tmp_path)
