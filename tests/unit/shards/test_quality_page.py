"""The page of a report: whole, closed to the outside, legible, and not to be broken by names."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from remote.workloads.shards.clean import clean
from remote.workloads.shards.counts import merge
from remote.workloads.shards.quality.axes import AXES
from remote.workloads.shards.quality.markup import element
from remote.workloads.shards.quality.page import page
from remote.workloads.shards.report import quality_report
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.raws import Peaks, raw_rows
from tests.unit.shards.test_effects import report as report_of

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>\u202egnp.exe\n"
VOID = {"meta"}


def report(rows: int = 40, *, name: str = "made", file: str = "a.mzML", **columns: Any) -> Any:
    spectra: list[Peaks] = [[(100.1 + i, 1.0 + i), (200.7, 9.0)] for i in range(rows)]
    spectra[0:3] = [[(-1.0, 1.0)], [], [(100.0, 1.0), (150.0, 0.0)]]
    names = pa.array([file] * rows)
    cleaned = clean(raw_rows(spectra, source_file=names, **columns), Preprocessing())
    return quality_report(
        merge(cleaned.stats),
        duplicates=2,
        shards=[{"num_samples": rows - 2, "file_size_bytes": 12_345, "checksum": "sha256:0"}],
        lsh_neighbours=None,
        max_shard_size_bytes=65_536,
        preprocessing={"mz_precision": "float64", "sort_mz": True},
        dataset=name,
        inputs=[file],
    )


def whole() -> Any:
    rt, charge = np.linspace(0, 3_000, 40, dtype=np.float32), np.ones(40, np.int8)
    return report(rt=rt, charge=charge)


class Outline(HTMLParser):
    """What a page holds; fails where tags do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_it_is_whole_and_says_what_the_report_says() -> None:
    found = whole()
    outline = Outline(page(found).decode())
    for stage in found["stages"].values():
        for check in stage["checks"]:
            assert check["reason"] in outline.text
            assert check["advice"] in outline.text
    for name in found["histograms"]:
        assert AXES[name].title in outline.text
    for reason in found["spectra"]["dropped"]:
        assert reason in outline.text
    for limit in found["limits"]:
        assert limit.removesuffix("_warn").removesuffix("_fail") in outline.text
    assert "a.mzML: rows 0" in outline.text
    assert found["overall"] in outline.text


def test_every_plot_has_a_title_a_summary_and_its_numbers_as_a_table() -> None:
    found = whole()
    text = page(found).decode()
    figures = re.findall(r"<figure>.*?</figure>", text)
    assert len(figures) == len(found["histograms"]) == len(AXES)
    ids = {attributes["id"] for _, attributes in Outline(text).tags if "id" in attributes}
    for figure, name in zip(figures, AXES, strict=True):
        drawing = Outline(figure).named("svg")[0]
        assert drawing["role"] == "img"
        assert set(str(drawing["aria-labelledby"]).split()) <= ids
        counts = found["histograms"][name]["counts"]
        assert figure.count("<rect") == sum(1 for count in counts if count)
        numbers = [int(n.replace(",", "")) for n in re.findall(r"<td>([\d,]+)</td>", figure)]
        assert sum(numbers) == sum(counts)


def test_it_loads_nothing_and_runs_nothing() -> None:
    outline = Outline(page(whole()).decode())
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    for _, attributes in outline.tags:
        assert not any(
            key.startswith("on") or key in ("src", "href", "style") for key in attributes
        )
    style = re.findall(r"<style>(.*?)</style>", page(whole()).decode(), re.S)[0]
    assert not re.search(r"@import|url\(|https?:", style)
    policies = [m["content"] for m in outline.named("meta") if "http-equiv" in m]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_names_cannot_break_it() -> None:
    plain = Outline(page(report(file="name", name="name")).decode())
    hostile = Outline(page(report(file=HOSTILE, name=HOSTILE)).decode())
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>" in hostile.text
    assert "\u202e" not in hostile.text
    assert "\\u202egnp.exe\\u000a" in hostile.text


def test_markup_is_only_what_was_made_here() -> None:
    inner = element("b", "<i>")
    assert element("p", inner, "<b>", title='"') == (
        '<p title="&quot;"><b>&lt;i&gt;</b>&lt;b&gt;</p>'
    )


def test_equal_reports_give_equal_pages() -> None:
    assert page(whole()) == page(whole())


def test_a_report_of_nothing_is_shown_as_well() -> None:
    text = Outline(page(report_of([[]], dataset="")).decode()).text
    assert "No values." in text
    assert "The inputs name none." in text


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it, of #rrggbb."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_bars_stand_out(scheme: int) -> None:
    style = re.findall(r":root \{(.*?)\}", page(whole()).decode(), re.S)[scheme]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", style))
    for ground, text in product(("ground", "raised"), ("text", "soft", "pass", "warn", "fail")):
        assert contrast(colours[ground], colours[text]) >= 4.5, (ground, text)
    assert contrast(colours["ground"], colours["bar"]) >= 3
