"""How fast something reads, for a notebook that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Rate:
    """Spectra that were read, and the seconds that it took."""

    spectra: int
    seconds: float

    def __repr__(self) -> str:
        per_second = self.spectra / self.seconds if self.seconds > 0 else 0.0
        return f"{self.spectra:,} spectra in {self.seconds:.3f} s ({per_second:,.0f} a second)"


def rate(read: Callable[[], int]) -> Rate:
    """Time `read`, which returns how many spectra it read."""
    began = time.perf_counter()
    spectra = read()
    return Rate(int(spectra), time.perf_counter() - began)
