"""Histograms as SVG, drawn here: the page needs no library, no script and no other file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remote.workloads.shards.quality.axes import Axis
from remote.workloads.shards.quality.checks import percent
from remote.workloads.shards.quality.markup import Markup, element, joined

# Of the drawing; it is scaled to the width that there is, and is that of a telephone.
_WIDTH, _HEIGHT = 340.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 10.0, 8.0, 40.0
_LEAST_BINS = 8
_LETTER = 6.4
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)


@dataclass(frozen=True, slots=True)
class _View:
    """The bins [first, stop) of a histogram, as bars of one width."""

    axis: Axis
    edges: Sequence[float]
    counts: Sequence[int]
    first: int
    stop: int

    @classmethod
    def of(cls, axis: Axis, edges: Sequence[float], counts: Sequence[int]) -> _View:
        """From the first to the last bin that holds something, and one more on each side."""
        filled = [at for at, count in enumerate(counts) if count]
        first, stop = max(0, filled[0] - 1), min(len(edges), filled[-1] + 2)
        first = max(0, min(first, stop - _LEAST_BINS))
        return cls(axis, edges, counts, first, min(len(edges), max(stop, first + _LEAST_BINS)))

    @property
    def width(self) -> float:
        """Of a bar with its gap."""
        return (_WIDTH - _LEFT - _RIGHT) / (self.stop - self.first)

    def x(self, place: float) -> float:
        """Where a bin's left side is; between two of them for a fraction."""
        return _LEFT + (place - self.first) * self.width

    def place(self, value: float) -> float:
        """The bin that a value lies in, with the fraction of it that is left of the value."""
        edges = [*self.edges, 2 * self.edges[-1] - self.edges[-2]]
        at = max(0, min(len(edges) - 2, sum(edge <= value for edge in edges) - 1))
        return at + (value - edges[at]) / (edges[at + 1] - edges[at])


def histogram(name: str, axis: Axis, histogram: Mapping[str, Any]) -> Markup:
    """A figure: title, bars that name themselves, and the same numbers as a table.

    Args:
        name: of the histogram; ids are made of it.
        histogram: `edges` and `counts`, as in the report.
    """
    counts: Sequence[int] = histogram["counts"]
    total = sum(counts)
    title = element("h3", axis.title, id=f"{name}-title")
    if not total:
        return element("figure", title, element("p", "No values.", class_="note"))
    view = _View.of(axis, histogram["edges"], counts)
    note = element("p", axis.note, class_="note") if axis.note else Markup()
    caption = element("figcaption", title, note)
    return element("figure", caption, _drawing(name, view, total), _table(view, total))


def _drawing(name: str, view: _View, total: int) -> Markup:
    fullest = max(view.counts)
    summary = (
        f"{total:,} {view.axis.of}; most, {percent(fullest / total)}, at "
        + (view.axis.bin_names(view.edges)[view.counts.index(fullest)])
    )
    step = _step(fullest / total)
    top = math.ceil(fullest / total / step - 1e-9) * step
    return element(
        "svg",
        element("title", view.axis.title, id=f"{name}-name"),
        element("desc", summary, id=f"{name}-summary"),
        *_grid(step, top),
        *_bars(view, total, top),
        *_ticks(view),
        element("text", _label(view.axis), x=_middle(), y=_HEIGHT - 5, class_="label"),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        aria_labelledby=f"{name}-name {name}-summary",
    )


def _step(share: float) -> float:
    """Between lines of the grid: as few as say enough."""
    return next((step for step in _STEPS if share / step <= 4), 1.0)


def _y(share: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share / top


def _middle() -> float:
    return (_LEFT + _WIDTH - _RIGHT) / 2


def _label(axis: Axis) -> str:
    return f"{axis.unit or 'value'}{', doubling from bar to bar' if axis.log2 else ''}"


def _grid(step: float, top: float) -> Iterator[Markup]:
    for line in range(round(top / step) + 1):
        y = _y(line * step, top)
        yield element("path", d=f"M{_LEFT:g} {y:.2f}H{_WIDTH - _RIGHT:g}", class_="grid")
        yield element("text", f"{100 * line * step:g}%", x=_LEFT - 5, y=y + 4, class_="y")


def _bars(view: _View, total: int, top: float) -> Iterator[Markup]:
    # Narrow bars are drawn as one shape: gaps between them would flicker, and seams show through.
    gap = 1.0 if view.width > 6 else -0.25
    names = view.axis.bin_names(view.edges)
    for at in range(view.first, view.stop):
        count = view.counts[at]
        if not count:
            continue
        # What is there is seen, however little it is.
        y = min(_y(count / total, top), _HEIGHT - _BOTTOM - 1)
        text = f"{names[at]}: {count:,} ({percent(count / total)})"
        yield element(
            "rect",
            element("title", text),
            x=view.x(at) + gap / 2,
            y=y,
            width=max(view.width - gap, 0.5),
            height=_HEIGHT - _BOTTOM - y,
        )


def _ticks(view: _View) -> Iterator[Markup]:
    y = _HEIGHT - _BOTTOM
    yield element("path", d=f"M{_LEFT:g} {y:g}H{_WIDTH - _RIGHT:g}", class_="axis")
    reached = -math.inf
    for place, label in _places(view):
        x = view.x(place)
        half = len(label) * _LETTER / 2
        if x - half < reached + 4:
            continue
        reached = x + half
        anchor = "end" if reached > _WIDTH else "middle"
        yield element("path", d=f"M{x:.2f} {y:g}v4", class_="axis")
        yield element("text", label, x=min(x, _WIDTH - 1), y=y + 16, class_="x", text_anchor=anchor)


def _places(view: _View) -> list[tuple[float, str]]:
    """Ticks that lie on the part that is shown; its ends where there are too few."""
    # A bin of one whole number is named in its middle, any other one at its left side.
    whole = not view.axis.log2 and view.edges[1] - view.edges[0] == 1
    shift = 0.5 if whole else 0.0
    found = [(view.place(value) + shift, label) for value, label in view.axis.ticks]
    inside = [(place, label) for place, label in found if view.first <= place <= view.stop]
    if len(inside) > 1:
        return inside
    ends = (view.first, view.stop - 1)
    return [(float(at), view.axis.shown(view.edges[at])) for at in ends]


def _table(view: _View, total: int) -> Markup:
    names = view.axis.bin_names(view.edges)
    rows = [
        element(
            "tr",
            element("th", names[at], scope="row"),
            element("td", f"{view.counts[at]:,}"),
            element("td", percent(view.counts[at] / total)),
        )
        for at in range(view.first, view.stop)
    ]
    head = element(
        "tr",
        element("th", view.axis.title, scope="col"),
        element("th", view.axis.of.capitalize(), scope="col"),
        element("th", "Share", scope="col"),
    )
    table = element("table", element("thead", head), element("tbody", *rows), class_="numbers")
    return element("details", element("summary", "As a table"), table)


def bar(share: float) -> Markup:
    """A bar beside a number that says the same."""
    return element(
        "svg",
        joined(element("rect", width=100 * min(share, 1), height=8)),
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )
