"""The servers by which the suite is tested: mutants (one thing wrong each) and variants (sound, built otherwise).

Reads their tables (`mutants/mutants.toml`, `variants/variants.toml`), builds them and writes a profile for each.
"""

import json
import shutil
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT_COMMAND = "./{binary} {port} {min_spare} {max_spare} {max_connections} {max_children}"
NAMED = ("name", "why", "clause", "source", "needs", "command")  # keys of a row that are strings of Server's
EVERYTHING = "*"  # among the clauses that may fail as well
COMPILERS = {
    ".c": ["cc", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"],
    ".rs": ["rustc", "--edition=2021", "-O", "-D", "warnings"],
}


@dataclass(frozen=True, kw_only=True)
class Server:
    """One server of the corpus. `clause` is the one that must fail, empty for a variant; `also` may fail with it.

    `needs` is a command, for a server that not every machine can build or run.
    """

    name: str
    why: str
    folder: Path
    clause: str = ""
    also: tuple[str, ...] = ()
    source: str = ""
    needs: str = ""
    flags: tuple[str, ...] = ()
    command: str = DEFAULT_COMMAND
    profile: dict[str, object] = field(default_factory=dict)

    def built(self, where: Path) -> Path:
        """Build the server into a folder; gives the profile to check it with."""
        where.mkdir(parents=True, exist_ok=True)
        if self.source:
            compiler = COMPILERS[Path(self.source).suffix]
            built = [*compiler, *self.flags, str(self.folder / self.source), "-o", str(where / self.name)]
            subprocess.run(built, check=True, cwd=self.folder)
        command = self.command.replace("{binary}", self.name).replace("{here}", str(self.folder))
        keys: dict[str, object] = {"name": self.name, "command": command, **self.profile}
        profile = where / f"{self.name}.toml"
        # A JSON string or number is a TOML one; a table of its own comes last.
        plain = {key: value for key, value in keys.items() if not isinstance(value, dict)}
        tables = {key: value for key, value in keys.items() if isinstance(value, dict)}
        lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        profile.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return profile


def mutants() -> list[Server]:
    """Give all mutants, in the order of their table."""
    return _read(HERE / "mutants" / "mutants.toml", "mutant")


def variants() -> list[Server]:
    """Give the variants, in the order of their table, but for those whose compiler or interpreter is missing here."""
    everyone = _read(HERE / "variants" / "variants.toml", "variant")
    return [server for server in everyone if not server.needs or shutil.which(server.needs)]


def _read(table: Path, kind: str) -> list[Server]:
    servers = []
    default = {"source": "prefork.c"} if kind == "mutant" else {}
    for row in tomllib.loads(table.read_text(encoding="utf-8"))[kind]:
        named = default | {key: row.pop(key) for key in NAMED if key in row}
        also, flags = tuple(row.pop("also", ())), tuple(row.pop("flags", ()))
        servers.append(Server(**named, also=also, flags=flags, folder=table.parent, profile=row))
    return servers
