"""A class of forty submissions, and what is expected of each: sound, with one defect, not built, and hostile."""

import io
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

HERE = Path(__file__).resolve().parent


class Pupil(BaseModel):
    """One submission of the class, as its table says (`class.toml`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    why: str
    files: tuple[str, ...] = ()
    write: dict[str, str] = {}
    pack: str = ""
    make: str = ""
    outcome: str = "judged"
    points: float = 0
    fails: frozenset[str] = frozenset()

    def contents(self) -> dict[str, bytes]:
        """Give its files by their names."""
        found = {path.name: path.read_bytes() for pattern in self.files for path in sorted(HERE.glob(pattern))}
        written = {name: text.encode() for name, text in self.write.items()}
        if self.make:
            written["Makefile"] = f"prefork:\n\t{self.make}\n".encode()
        return found | written

    def hand_in(self, folder: Path) -> None:
        """Put it into a folder of submissions, packed as it comes."""
        contents = self.contents()
        if self.pack == "alone":
            ((name, data),) = contents.items()
            (folder / f"{self.name}{Path(name).suffix}").write_bytes(data)
        elif self.pack == "zip":
            with zipfile.ZipFile(folder / f"{self.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in contents.items():
                    archive.writestr(f"{self.name}/{name}", data)
        elif self.pack == "tar.gz":
            with tarfile.open(folder / f"{self.name}.tar.gz", "w:gz") as archive:
                for name, data in contents.items():
                    entry = tarfile.TarInfo(name)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
        else:
            (folder / self.name).mkdir()
            for name, data in contents.items():
                (folder / self.name / name).write_bytes(data)


def everyone() -> list[Pupil]:
    """Give the class, in the order of its table."""
    rows = tomllib.loads((HERE / "class.toml").read_text(encoding="utf-8"))["submission"]
    return [Pupil.model_validate(row) for row in rows]


def hand_in(pupils: Iterable[Pupil], folder: Path) -> None:
    """Make a folder of submissions."""
    folder.mkdir(parents=True)
    for pupil in pupils:
        pupil.hand_in(folder)


def differences(pupil: Pupil, result: Mapping[str, Any]) -> list[str]:
    """Say in what a result (`grading.grade_one`) is not what is expected."""
    clauses = result["verdict"]["clauses"] if result["verdict"] else []
    found = {
        "outcome": result["outcome"],
        "points": result["score"]["points"],
        "fails": {each["id"] for each in clauses if each["verdict"] == "fail"},
    }
    expected = {"outcome": pupil.outcome, "points": pupil.points, "fails": set(pupil.fails)}
    return [f"{key}: {found[key]} in place of {expected[key]}" for key in found if found[key] != expected[key]]
