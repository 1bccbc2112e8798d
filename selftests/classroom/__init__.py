"""A class of forty submissions, and what is expected of each: sound, with one defect, not built, and hostile."""

import io
import tarfile
import tomllib
import zipfile
from pathlib import Path

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
    fails: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()

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
