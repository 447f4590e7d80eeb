"""Numbers for people: sizes, times, counts."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: float) -> str:
    """Bytes, decimal, three figures: `812 MB`, `2.04 GB`."""
    number, unit = _scaled(count)
    return f"{number} {unit}"


def part(done: float, total: float) -> str:
    """Some bytes of others, in one unit: `12 of 40 MB`."""
    number, unit = _scaled(total)
    return f"{_written(done / 1000 ** _UNITS.index(unit), unit)} of {number} {unit}"


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


def plural(count: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def _scaled(count: float) -> tuple[str, str]:
    for unit in _UNITS[:-1]:
        if count < 999.5:
            return _written(count, unit), unit
        count /= 1000
    return _written(count, _UNITS[-1]), _UNITS[-1]


def _written(count: float, unit: str) -> str:
    return f"{count:.0f}" if unit in ("B", "kB", "MB") else f"{count:.3g}"
