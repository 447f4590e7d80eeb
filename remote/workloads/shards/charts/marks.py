"""What can be drawn between the axes of a chart. Colours are classes: "one", "two", "three"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from remote.workloads.shards.charts.chart import Mark, Place
from remote.workloads.shards.quality.markup import Markup, element


def line(points: Sequence[tuple[float, float]], kind: str) -> Mark:
    """A line through points, each marked."""

    def drawn(place: Place) -> Iterator[Markup]:
        spots = [(place.x(x), place.y(y)) for x, y in points]
        path = "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in spots)
        yield element("path", d=path, class_=f"line {kind}")
        for x, y in spots:
            yield element("circle", cx=x, cy=y, r=2.5, class_=kind)

    return drawn


def sticks(peaks: Iterable[tuple[float, float]], kind: str) -> Mark:
    """A line from 0 to each value, as spectra are drawn; all of them one shape."""

    def drawn(place: Place) -> Iterator[Markup]:
        floor = place.y(0)
        path = "".join(f"M{place.x(x):.2f} {floor:.2f}V{place.y(y):.2f}" for x, y in peaks)
        if path:
            yield element("path", d=path, class_=f"stick {kind}")

    return drawn


def upright(x: float, label: str) -> Mark:
    """A dashed line at one place of the horizontal axis."""

    def drawn(place: Place) -> Iterator[Markup]:
        at, low, high = place.x(x), place.y(place.up.low), place.y(place.up.high)
        path = f"M{at:.2f} {low:.2f}V{high:.2f}"
        yield element("path", element("title", label), d=path, class_="marked")

    return drawn


def bars(values: Sequence[tuple[float, float, str]], kind: str, width: float) -> Mark:
    """(x, height, what it says) bars of one width, in units of the horizontal axis."""

    def drawn(place: Place) -> Iterator[Markup]:
        floor = place.y(0)
        for x, height, says in values:
            left, right = place.x(x - width / 2), place.x(x + width / 2)
            top = place.y(height)
            yield element(
                "rect",
                element("title", says),
                x=left,
                y=top,
                width=right - left,
                height=max(floor - top, 0),
                class_=kind,
            )

    return drawn


def reach(x: float, low: float, high: float) -> Mark:
    """An interval, upright, with a short line at each end."""

    def drawn(place: Place) -> Iterator[Markup]:
        at, bottom, top = place.x(x), place.y(low), place.y(high)
        ends = "".join(f"M{at - 4:.2f} {y:.2f}h8" for y in (bottom, top))
        yield element("path", d=f"M{at:.2f} {bottom:.2f}V{top:.2f}{ends}", class_="reach")

    return drawn


def cells(shares: Sequence[Sequence[float]], edges: Sequence[float], kind: str) -> Mark:
    """A square grid of cells, the darker the larger its share: shares[row of y][column of x]."""

    def drawn(place: Place) -> Iterator[Markup]:
        sides = list(pairwise(edges))
        for (low, high), row in zip(sides, shares, strict=True):
            for (left, right), share in zip(sides, row, strict=True):
                if share > 0:
                    yield element(
                        "rect",
                        element("title", f"{share:.1%}"),
                        x=place.x(left),
                        y=place.y(high),
                        width=place.x(right) - place.x(left),
                        height=place.y(low) - place.y(high),
                        class_=kind,
                        fill_opacity=max(0.04, min(1.0, share)),
                    )

    return drawn
