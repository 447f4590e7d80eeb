"""Axes with round numbers at their ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from remote.workloads.shards.charts.chart import Axis

_ROUND = (1, 2, 2.5, 5, 10)


def number_axis(label: str, low: float, high: float, most: int = 7) -> Axis:
    """From `low` to `high`, with at most `most` ticks at round numbers."""
    high = high if high > low else low + 1
    raw = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in _ROUND if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple((at * step, f"{at * step:,g}") for at in range(first, last + 1))
    return Axis(label, low, high, ticks)


def share_axis(label: str, high: float = 1.0) -> Axis:
    """From nothing to a share, in percent."""
    plain = number_axis(label, 0.0, 100 * high, 6)
    ticks = tuple((value / 100, f"{text}%") for value, text in plain.ticks)
    return Axis(label, 0.0, high, ticks)


def named_axis(label: str, names: Sequence[str]) -> Axis:
    """One place for each name: 0, 1, 2, ..."""
    return Axis(label, -0.5, len(names) - 0.5, tuple(enumerate(names)))
