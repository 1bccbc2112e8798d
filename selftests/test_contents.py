"""What tells one submission from another, and when it was changed: whatever is in it."""

import os
from pathlib import Path

from grading import contents


def test_contents_differ_by_names_texts_rights_and_where_links_lead(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "v1").mkdir(parents=True)
    (work / "v2").mkdir()
    file, link = work / "v1" / "a.c", work / "current"
    file.write_text("1", encoding="utf-8")
    link.symlink_to("v1")
    known = [contents.digest(work)]
    file.write_text("2", encoding="utf-8")
    known.append(contents.digest(work))
    file.chmod(0o755)
    known.append(contents.digest(work))
    link.unlink()
    link.symlink_to("v2")
    known.append(contents.digest(work))
    file.rename(work / "v2" / "a.c")
    known.append(contents.digest(work))
    assert len({*known}) == len(known)
    assert contents.digest(work) == known[-1]


def test_a_single_file_differs_by_its_text_alone(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("1", encoding="utf-8")
    (tmp_path / "b.c").write_text("1", encoding="utf-8")
    assert contents.digest(tmp_path / "a.c") == contents.digest(tmp_path / "b.c")
    (tmp_path / "b.c").write_text("2", encoding="utf-8")
    assert contents.digest(tmp_path / "a.c") != contents.digest(tmp_path / "b.c")


def test_what_comes_along_with_a_folder_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.c").touch()
    os.utime(tmp_path / "a.c", (0, 1000))
    known = contents.digest(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "FETCH_HEAD").touch()
    (tmp_path / ".DS_Store").touch()
    assert contents.digest(tmp_path) == known
    assert contents.changed(tmp_path) == 1000


def test_what_is_not_there_or_can_not_be_read_is_told_apart_all_the_same(tmp_path: Path) -> None:
    gone = contents.digest(tmp_path / "gone")
    assert contents.changed(tmp_path / "gone") == 0
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert len({gone, contents.digest(tmp_path / "empty"), contents.digest(tmp_path / "pipe")}) == 3
    deep = tmp_path / "deep"
    deep.mkdir()
    inside = os.open(deep, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=inside)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = below
    os.close(os.open("a.c", os.O_CREAT | os.O_WRONLY, dir_fd=inside))
    os.close(inside)
    assert contents.digest(deep)


def test_of_a_file_larger_than_any_that_is_laid_out_its_size_has_to_do(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    known = contents.digest(tmp_path)
    with (tmp_path / "sparse").open("r+b") as file:
        file.truncate((1 << 40) - 1)
    assert contents.digest(tmp_path) != known


def test_a_time_beyond_all_calendars_is_the_last_one(tmp_path: Path) -> None:
    (tmp_path / "a.c").touch()
    os.utime(tmp_path / "a.c", (0, 1 << 40))
    assert contents.changed(tmp_path) <= contents.LATEST
    os.utime(tmp_path / "a.c", (0, -5))
    assert contents.changed(tmp_path) == 0
