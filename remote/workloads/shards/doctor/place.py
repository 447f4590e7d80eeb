"""What the doctor looks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where shards are to be. `root` is what paths of the system are looked for below."""

    output_root: Path
    root: Path = Path("/")

    @property
    def nearest(self) -> Path:
        """The output root, or the directory above it that exists."""
        path = self.output_root.absolute()
        while not path.exists():
            path = path.parent
        return path
