"""Charts are complete drawings by themselves, and what they show lies inside them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.charts.axes import named_axis, number_axis, share_axis
from remote.workloads.shards.charts.chart import Chart, chart
from remote.workloads.shards.charts.marks import bars, cells, line, reach, sticks, upright

SVG = "{http://www.w3.org/2000/svg}"


def drawn() -> Chart:
    return chart(
        'Everything <b>&"',
        number_axis("m/z", 0, 1_000),
        share_axis("spectra"),
        [
            line([(0, 0), (500, 1), (1_000, 0.5)], "one"),
            sticks([(100, 0.2), (900, 1.0)], "two"),
            upright(300, "the precursor"),
            bars([(200, 0.4, "<40%>")], "three", 50),
            reach(200, 0.3, 0.5),
            cells([[0.5, 0], [0, 1]], [0, 0.5, 1], "one"),
        ],
        note="a note",
        legend=[("one", "a line")],
    )


def test_it_is_a_drawing_by_itself() -> None:
    root = ET.fromstring(drawn().svg)
    assert root.tag == f"{SVG}svg"
    assert next(root.iter(f"{SVG}title")).text == 'Everything <b>&"'
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"a note", "a line", "m/z", "spectra", "100%", "400"} <= set(texts)
    style = next(root.iter(f"{SVG}style")).text or ""
    assert not re.search(r"@import|url\(|https?:", style)
    kinds = {name for x in root.iter() for name in (x.get("class") or "").split()}
    for kind in kinds - {"right"}:
        assert f".{kind}" in style, kind


def test_everything_lies_inside() -> None:
    root = ET.fromstring(drawn().svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for rect in root.iter(f"{SVG}rect"):
        x, y = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert 0 <= x <= x + float(rect.attrib["width"]) <= width
        assert 0 <= y <= y + float(rect.attrib["height"]) <= height
    for circle in root.iter(f"{SVG}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height


def test_a_stick_and_a_bar_stand_where_their_values_are() -> None:
    root = ET.fromstring(drawn().svg)
    (bar,) = (x for x in root.iter(f"{SVG}rect") if x.get("class") == "three")
    (both,) = (x for x in root.iter(f"{SVG}path") if x.get("class") == "stick two")
    spots = [tuple(map(float, x)) for x in re.findall(r"M([\d.]+) ([\d.]+)V", both.attrib["d"])]
    tops = [float(y) for y in re.findall(r"V([\d.]+)", both.attrib["d"])]
    left, floor = spots[0]
    per_mz = (spots[1][0] - left) / 800
    middle = float(bar.attrib["x"]) + float(bar.attrib["width"]) / 2
    assert middle == pytest.approx(left + 100 * per_mz, abs=0.05)
    full = (floor - tops[1]) / 1.0
    assert float(bar.attrib["height"]) == pytest.approx(0.4 * full, abs=0.05)
    assert floor - tops[0] == pytest.approx(0.2 * full, abs=0.05)


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e5), st.integers(3, 12))
def test_ticks_lie_on_the_axis_and_are_not_too_many(low: float, span: float, most: int) -> None:
    axis = number_axis("", low, low + span, most)
    assert 1 <= len(axis.ticks) <= most + 1
    for value, label in axis.ticks:
        slack = 1e-6 * span
        assert low - slack <= value <= low + span + slack
        assert float(label.replace(",", "")) == pytest.approx(value, rel=1e-3, abs=span / 100)


def test_an_axis_without_length_still_draws() -> None:
    axis = number_axis("", 5, 5)
    assert axis.high > axis.low
    assert named_axis("", ["a", "b"]).ticks == ((0, "a"), (1, "b"))


def test_a_file_holds_what_a_notebook_shows(tmp_path: Path) -> None:
    made = drawn()
    path = made.write(tmp_path / "x.svg")
    assert path.read_text() == made._repr_svg_() + "\n"
