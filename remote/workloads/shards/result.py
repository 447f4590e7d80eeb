"""What a build gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class BuildResult:
    """A finished dataset.

    Attributes:
        manifest: path of the dataset manifest.
        shards: paths of the shards, in order.
        num_samples: spectra in them.
        read: source rows looked at.
        dropped: spectra left out, by reason.
        total_bytes: size of the shards.
        quality: the quality report's overall status (PASS, WARN, FAIL).
        seconds: how long this call took.
        resumed_rows: source rows that an earlier attempt had done.
    """

    manifest: Path
    shards: tuple[Path, ...]
    num_samples: int
    read: int
    dropped: Mapping[str, int]
    total_bytes: int
    quality: str
    seconds: float
    resumed_rows: int = 0

    @property
    def spectra_per_second(self) -> float:
        """Source rows that this call worked off, per second."""
        return (self.read - self.resumed_rows) / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        plain = {**asdict(self), "manifest": str(self.manifest)}
        return {
            **plain,
            "shards": [str(path) for path in self.shards],
            "spectra_per_second": round(self.spectra_per_second, 1),
        }

    def __repr__(self) -> str:
        lines = [
            f"{self.num_samples:,} spectra in {len(self.shards)} "
            f"shard{'s' if len(self.shards) != 1 else ''}, {self.total_bytes / 1e6:,.1f} MB",
            f"read {self.read:,} in {self.seconds:.1f} s ({self.spectra_per_second:,.0f} spectra/s)"
            + (f", {self.resumed_rows:,} rows resumed" if self.resumed_rows else ""),
        ]
        if self.dropped:
            reasons = ", ".join(f"{reason}: {count:,}" for reason, count in self.dropped.items())
            lines.append(f"dropped {sum(self.dropped.values()):,} ({reasons})")
        lines += [f"quality {self.quality}", f"manifest {self.manifest}"]
        return "\n".join(lines)
