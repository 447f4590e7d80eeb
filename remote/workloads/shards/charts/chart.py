"""A chart: axes, marks drawn between them, and what its reader is to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from remote.workloads.durable import write_atomic
from remote.workloads.shards.quality.markup import Markup, element

_WIDTH, _HEIGHT = 480.0, 306.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 16.0, 52.0, 42.0
_SPACE = "http://www.w3.org/2000/svg"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis, from `low` to `high`, with (value, label) at its ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where values lie in the drawing, in pixels."""

    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        """Of a value on the horizontal axis."""
        share = (value - self.across.low) / (self.across.high - self.across.low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Of a value on the vertical axis."""
        share = (value - self.up.low) / (self.up.high - self.up.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


Mark: TypeAlias = Callable[[Place], Iterable[Markup]]


@dataclass(frozen=True, slots=True, repr=False)
class Chart:
    """A drawing that a notebook shows.

    Attributes:
        title: what it is of.
        svg: the drawing, complete in itself.
    """

    title: str
    svg: str

    def __repr__(self) -> str:
        return f"<chart: {self.title}>"

    def _repr_svg_(self) -> str:
        return self.svg

    def write(self, path: Path) -> Path:
        """Store the drawing.

        Raises:
            DiskTooSmall, ResultsUnusable: it cannot be written.
        """
        write_atomic(path, f"{self.svg}\n".encode())
        return path


def chart(
    title: str,
    across: Axis,
    up: Axis,
    marks: Sequence[Mark],
    *,
    note: str = "",
    legend: Sequence[tuple[str, str]] = (),
) -> Chart:
    """Draw.

    Args:
        marks: in the order in which they are laid over each other.
        note: one line below the title.
        legend: (class, name) of what the marks show.
    """
    place = Place(across, up)
    svg = element(
        "svg",
        element("title", title),
        element("style", _style()),
        element("rect", width=_WIDTH, height=_HEIGHT, class_="ground"),
        element("text", title, x=12, y=19, class_="title"),
        element("text", note, x=12, y=36, class_="note"),
        *_axes(place),
        *(shape for mark in marks for shape in mark(place)),
        *_legend(legend),
        xmlns=_SPACE,
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        width=_WIDTH,
        height=_HEIGHT,
        role="img",
    )
    return Chart(title, str(svg))


@cache
def _style() -> Markup:
    text = files("remote.workloads.shards.charts").joinpath("chart.css")
    return Markup(text.read_text(encoding="utf-8"))


def _axes(place: Place) -> Iterator[Markup]:
    left, right, floor = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for value, label in place.up.ticks:
        y = place.y(value)
        yield element("path", d=f"M{left:g} {y:.2f}H{right:g}", class_="grid")
        yield element("text", label, x=left - 6, y=y + 4, class_="y")
    yield element("path", d=f"M{left:g} {floor:g}H{right:g}", class_="axis")
    for value, label in place.across.ticks:
        x = place.x(value)
        yield element("path", d=f"M{x:.2f} {floor:g}v4", class_="axis")
        yield element("text", label, x=x, y=floor + 16)
    yield element("text", place.across.label, x=(left + right) / 2, y=_HEIGHT - 8)
    middle = (_TOP + floor) / 2
    turned = f"rotate(-90 13 {middle:g})"
    yield element("text", place.up.label, x=13, y=middle, transform=turned)


def _legend(names: Sequence[tuple[str, str]]) -> Iterator[Markup]:
    for row, (kind, name) in enumerate(names):
        y = _TOP + 14 + 15 * row
        yield element("text", name, x=_LEFT + 8, y=y, class_=f"right {kind}")
