"""What each histogram of the report is of, and how its axis is labelled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Axis:
    """The x axis of a histogram.

    Attributes:
        title: of the plot.
        of: what is counted: spectra or peaks.
        unit: of the values; empty for none.
        ticks: (value, label), in the values' own scale, which for `log2` is the exponent.
        log2: edges are exponents of two.
        scale: values are divided by it when they are shown.
        note: what a reader should know of it.
    """

    title: str
    of: str
    unit: str
    ticks: tuple[tuple[float, str], ...]
    log2: bool = False
    scale: float = 1.0
    note: str = ""

    def shown(self, edge: float) -> str:
        """An edge as a person reads it."""
        value = 2.0**edge if self.log2 else edge / self.scale
        if self.log2 and not 0.001 <= value < 10_000:
            return f"{value:.1e}"
        return f"{value:,.4g}"

    def bin_names(self, edges: Sequence[float]) -> list[str]:
        """What each bin holds, in words."""
        unit = f" {self.unit}" if self.unit else ""
        shown = [self.shown(edge) for edge in edges]
        whole = all(b - a == 1 for a, b in pairwise(edges)) and not self.log2
        names = [low if whole else f"{low} to {high}" for low, high in pairwise(shown)]
        last = f"{shown[-1]} and more"
        return [f"{name}{unit}" for name in (*names, last)]


def _plain(*values: float, scale: float = 1.0) -> tuple[tuple[float, str], ...]:
    return tuple((value * scale, f"{value:,g}") for value in values)


def _powers(*exponents: int) -> tuple[tuple[float, str], ...]:
    """Ticks at powers of ten on a scale of exponents of two."""
    return tuple((k * math.log2(10), "1" if k == 0 else f"10{_raised(k)}") for k in exponents)


def _raised(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


_MZ = _plain(0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000)
_DEFECT = _plain(0, 0.25, 0.5, 0.75, 1)
_INTENSITY = _powers(*range(-3, 13))

# In the order in which they are shown.
AXES: Mapping[str, Axis] = {
    "num_peaks": Axis(
        "Peaks per spectrum",
        "spectra",
        "peaks",
        _plain(0, 20, 40, 60, 80, 100, 128, 256, 1024, 4096),
        note="128 is the width of a GeMS file: a spectrum with as many may have lost weaker ones.",
    ),
    "precursor_mz": Axis("Precursor m/z", "spectra", "m/z", _MZ),
    "precursor_defect": Axis(
        "Mass defect of the precursor",
        "spectra",
        "m/z",
        _DEFECT,
        note="The fractional part of m/z. Even throughout is no chemistry; a spike at 0 means "
        "values without decimals.",
    ),
    "charge": Axis(
        "Precursor charge",
        "spectra",
        "charge",
        _plain(*range(-4, 9)),
        note="0 is undetermined. The sign is kept as stored.",
    ),
    "rt": Axis(
        "Retention time", "spectra", "min", _plain(*range(0, 121, 10), scale=60.0), scale=60.0
    ),
    "base_peak_log2": Axis(
        "Intensity of the base peak", "spectra", "source units", _INTENSITY, log2=True
    ),
    "tic_log2": Axis("Total ion current", "spectra", "source units", _INTENSITY, log2=True),
    "mz": Axis("m/z of the peaks", "peaks", "m/z", _MZ),
    "mz_defect": Axis(
        "Mass defect of the peaks", "peaks", "m/z", _DEFECT, note="The fractional part of m/z."
    ),
    "intensity_log2": Axis(
        "Intensity of the peaks, over their base peak",
        "peaks",
        "of the base peak",
        _powers(*range(-6, 1)),
        log2=True,
        note="The last bar is the base peaks themselves.",
    ),
}
