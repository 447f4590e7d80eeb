"""Numbers for people: sizes, times, counts."""

from __future__ import annotations


def size(count: float) -> str:
    """Bytes, decimal, three figures: `812 MB`, `2.04 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit in ("B", "kB", "MB") else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def seconds(count: float) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`."""
    if count < 9.95:
        return f"{count:.1f} s"
    whole = round(count)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def number(count: float) -> str:
    """With thousands separators."""
    return f"{count:,.0f}"
