"""A plain MGF reader, for comparing with what was made from MGF files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spectrum:
    precursor: float
    peaks: list[tuple[float, float]]


def read_mgf(path: Path) -> Iterator[Spectrum]:
    """Every spectrum of a file, in order."""
    precursor = 0.0
    peaks: list[tuple[float, float]] = []
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("BEGIN IONS"):
            precursor, peaks = 0.0, []
        elif line.startswith("END IONS"):
            yield Spectrum(precursor, peaks)
        elif line.startswith("PEPMASS="):
            precursor = float(line.removeprefix("PEPMASS=").split()[0])
        elif "=" not in line and len(words) >= 2:
            peaks.append((float(words[0]), float(words[1])))
