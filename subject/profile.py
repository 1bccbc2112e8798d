"""The profile of a subject: how to build it, how to start it, and what it claims.

A profile comes from a TOML file (`--subject FILE`) or from a command line (`--server 'CMD'`). What is wrong with it is
told with the file, the key and what was expected; nothing is guessed.
"""

import os
import re
import shlex
import signal
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from spec.parameters import Parameters
from subject.sandbox import FULL, PARTIAL, Sandbox

PLACEHOLDERS = ("port", "min_spare", "max_spare", "max_connections", "max_children")
# What a profile may leave out of its claims; accepting, sizing its pool and a life from start to end are what makes a
# pre-forking server, and are always judged.
ABILITIES = ("channel", "epoll", "recycle", "http", "recovery")
# What the design does not ask for, and a profile may claim all the same.
OPTIONAL = ("console",)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

# The environment of a server that is not trusted: nothing of the user's.
UNTRUSTED = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "TERM": "dumb"}

# A classical server regulates once a second.
CLASSICAL_ROUND = 1.0


class ProfileError(Exception):
    """A profile that can't be used; the text is one line for the user."""


class Settle(BaseModel):
    """The subject's pace, in seconds, where the classical rule's defaults do not fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    grow_round: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = CLASSICAL_ROUND
    shed_each: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = CLASSICAL_ROUND


class Profile(BaseModel):
    """One subject. `command` is split into words as by a shell, but no shell runs it; paths are relative to `cwd`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str
    name: str = ""
    build: str | None = None
    cwd: Path = Path()
    env: dict[str, str] = {}
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None
    service_time: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    abilities: tuple[str, ...] = ABILITIES
    settle: Settle = Settle()
    _sandbox: Sandbox | None = None
    harmless_signals: tuple[str, ...] = ()  # that mean nothing to it, and may rain on parent and children

    @field_validator("command")
    @classmethod
    def _known_placeholders(cls, command: str) -> str:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"can't be split into words: {error}") from error
        if not words or not words[0]:
            raise ValueError("is empty; expected the server's command line")
        if "\0" in command:
            raise ValueError("holds a NUL byte, which no command line can")
        for name in _PLACEHOLDER.findall(command):
            if name not in PLACEHOLDERS:
                known = " ".join(f"{{{each}}}" for each in PLACEHOLDERS)
                raise ValueError(f"has an unknown placeholder {{{name}}}; expected one of {known}")
        return command

    @field_validator("build", "name")
    @classmethod
    def _no_nul_byte(cls, text: str | None) -> str | None:
        if text is not None and "\0" in text:
            raise ValueError("holds a NUL byte, which no command line can")
        return text

    @field_validator("cwd")
    @classmethod
    def _existing_folder(cls, cwd: Path) -> Path:
        if "\0" in str(cwd) or not cwd.is_dir():
            raise ValueError("is no folder; expected one that exists")
        return cwd

    @field_validator("env")
    @classmethod
    def _possible_environment(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"can't be set: {name!r}; expected a name without '=' and a value without NUL bytes")
        return env

    @field_validator("abilities")
    @classmethod
    def _known_abilities(cls, abilities: tuple[str, ...]) -> tuple[str, ...]:
        for ability in abilities:
            if ability not in (known := ABILITIES + OPTIONAL):
                raise ValueError(f"names an unknown ability {ability!r}; expected some of {', '.join(known)}")
        return abilities

    @field_validator("harmless_signals")
    @classmethod
    def _known_signals(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in signal.Signals.__members__ or name in ("SIGKILL", "SIGSTOP"):
                raise ValueError(f"names {name!r}; expected signals that a process can take, as in SIGUSR1")
        return names

    @model_validator(mode="after")
    def _has_port(self) -> Self:
        if "port" not in self.placeholders and self.port is None:
            raise ValueError("the command has no {port}, and no port is given (--port N, or port = N in a profile)")
        return self

    def sandboxed(self, folder: Path, *, rung: str = FULL) -> "Profile":
        """Give the profile of the same server, untrusted: it finds `folder` as its own, and little else."""
        sandbox = Sandbox(folder=str(folder), rung=rung)
        profile = self.model_copy(update={"cwd": Path(sandbox.home)})
        profile._sandbox = sandbox  # noqa: SLF001 - the copy is one of us
        return profile

    @property
    def sandbox(self) -> Sandbox | None:
        """What each launch is confined to; None for a server that is trusted."""
        return self._sandbox

    @property
    def placeholders(self) -> frozenset[str]:
        """The placeholders that the command has."""
        return frozenset(_PLACEHOLDER.findall(self.command))

    @property
    def title(self) -> str:
        """The subject's name, or its command where it has none."""
        return self.name or self.command

    @property
    def can_be_told_the_port(self) -> bool:
        """Tell whether each launch may have a port of its own."""
        return "port" in self.placeholders and self.port is None

    def words(self, parameters: Parameters, port: int) -> list[str]:
        """Give the command line for one launch."""
        values = {
            "port": port,
            "min_spare": parameters.min_spare,
            "max_spare": parameters.max_spare,
            "max_connections": parameters.max_connections,
            # A subject with the placeholder gets a limit in every launch; where a test sets none, it is out of reach.
            "max_children": 400 if parameters.max_children is None else parameters.max_children,
        }
        return [_PLACEHOLDER.sub(lambda found: str(values[found[1]]), word) for word in shlex.split(self.command)]

    def environment(self) -> dict[str, str]:
        """Give the environment of a launch: the user's without the suite's own, with the profile's on top."""
        if self._sandbox is not None:
            # A /tmp of its own is part of a root folder of its own.
            own = {} if self._sandbox.rung != PARTIAL else dict.fromkeys(("HOME", "TMPDIR"), self._sandbox.home)
            return {**UNTRUSTED, **own, **self.env}
        users = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        # The launcher has put the user's own aside.
        if (path := users.pop("PREFORKSPEC_PYTHONPATH", None)) is not None:
            users["PYTHONPATH"] = path
        return {**users, **self.env}


def from_command(command: str, *, port: int | None = None, service_time: float | None = None) -> Profile:
    """Make a profile of `--server`, `--port` and `--service-time`. Raises ProfileError."""
    keys: dict[str, Any] = {"command": command, "cwd": Path.cwd(), "port": port}
    if service_time is not None:
        keys["service_time"] = service_time
    return _validated(keys, where="--server", given=command)


def from_file(path: Path, *, port: int | None = None, service_time: float | None = None) -> Profile:
    """Read a TOML profile; `port` and `service_time` override its own. Raises ProfileError."""
    if path.exists() and not path.is_file():
        raise ProfileError(f"{path}: is no regular file; expected a profile in TOML")
    try:
        keys = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}; expected a profile in TOML") from error
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"{path}: not TOML: {error}") from error
    folder = path.resolve().parent
    if isinstance(keys.get("cwd", ""), str):
        keys["cwd"] = folder / keys.get("cwd", "")
    if isinstance(keys.get("abilities"), list):
        keys["abilities"] = tuple(keys["abilities"])
    if port is not None:
        keys["port"] = port
    if service_time is not None:
        keys["service_time"] = service_time
    return _validated({"name": folder.name, **keys}, where=str(path), given=None)


def reference_server(root: Path) -> Profile:
    """Give the profile of the reference server of this suite, which is run from its own folder."""
    limits = "--min-spare {min_spare} --max-spare {max_spare}"
    counts = "--max-connections {max_connections} --max-children {max_children}"
    command = f"{shlex.quote(sys.executable)} -m reference_server --port {{port}} {limits} {counts}"
    return Profile(name="reference server", command=command, cwd=root, env={"PYTHONPATH": str(root)})


def _validated(keys: dict[str, Any], *, where: str, given: str | None) -> Profile:
    try:
        return Profile.model_validate(keys)
    except ValidationError as error:
        raise ProfileError("; ".join(_sentences(error.errors(), where, given))) from error


# What pydantic would say in terms of Python.
_IN_OUR_WORDS = {
    "tuple_type": "expected a list of texts",
    "path_type": "expected a folder, as text",
    "dict_type": "expected a table of texts",
    "model_type": "expected a table",
}


def _sentences(errors: Sequence[Any], where: str, given: str | None) -> list[str]:
    sentences = []
    for error in errors:
        key = ".".join(str(part) for part in error["loc"]) or "command"
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "missing":
            sentences.append(f"{where}: {key}: missing; it is required")
        elif error["type"] == "extra_forbidden":
            known = ", ".join((Settle if key.startswith("settle.") else Profile).model_fields)
            sentences.append(f"{where}: {key}: unknown key; expected one of {known}")
        else:
            message = _IN_OUR_WORDS.get(error["type"], message)
            value = given if given is not None and key == "command" else error["input"]
            shown = "" if isinstance(value, dict | Profile) else f" (given: {value!r})"
            sentences.append(f"{where}: {key}: {message}{shown}")
    return sentences
