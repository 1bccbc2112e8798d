"""What an untrusted launch is confined to, as the suite orders it; `confinement.py` sees to it."""

from dataclasses import asdict, dataclass
from typing import Any

from subject.confinement import HOME

__all__ = ["HOME", "Sandbox"]


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """The limits of one launch. Sizes in bytes, time in seconds of processor time.

    `folder` is shown at `HOME`: what is written there goes to a tmpfs of the launch's own, and is gone with it. `user`
    is who the subject is, where the suite is root.
    """

    folder: str
    user: int = 61_000
    scratch: int = 128 << 20
    memory: int = 1 << 30
    file_size: int = 64 << 20
    processes: int = 512
    open_files: int = 1024
    processor_time: int = 600

    def told(self) -> dict[str, Any]:
        """Give the sandbox as plain values."""
        return asdict(self)
