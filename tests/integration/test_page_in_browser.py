"""The quality report's page in a real browser: quiet, closed, at any width, in every look."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import h5py
import pytest

from remote.workloads.shards import build_shards
from remote.workloads.shards.quality.axes import AXES
from remote.workloads.shards.sample import write_sample
from tests.integration.browser import Tab, browser, program

pytestmark = [pytest.mark.integration, pytest.mark.browser]
HOSTILE = "<script>document.title='taken'</script><img src='http://127.0.0.1:9/x.png'>"
WIDTHS = (320, 400, 800, 1_400)
LOOKS = ("light", "dark")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a build with everything in it, source files of a hostile name included."""
    folder = tmp_path_factory.mktemp("page")
    path = write_sample(folder / f"{'a_long_name_' * 8}.hdf5", 6_000, seed=1)
    with h5py.File(path, "a") as file:
        precursor = file["precursor_mz"][...]
        precursor[:40] = 0
        precursor[50:70] = 3_000
        file["precursor_mz"][...] = precursor
        names = [HOSTILE if row < 3_000 else "x" * 200 for row in range(6_000)]
        del file["name"]
        file.create_dataset("name", data=names, dtype=h5py.string_dtype())
    root = folder / "out"
    build_shards(input_hdf5=path, output_root=root, skip_preflight=True)
    return root / "quality_report.html"


def look(ask: Callable[[Tab], Coroutine[Any, Any, None]]) -> None:
    """Have a browser, and ask."""
    chromium = program()
    if chromium is None:
        pytest.skip("there is no Chromium here (Debian, as root: bash tests/lab/engine.sh browser)")

    async def run() -> None:
        async with browser(chromium) as tab:
            await ask(tab)

    asyncio.run(run())


def test_it_is_quiet_closed_and_as_wide_as_the_window(page: Path) -> None:
    async def ask(tab: Tab) -> None:
        for width in WIDTHS:
            await tab.show(page, width=width)
            found = await tab.evaluate("document.documentElement.scrollWidth")
            assert found <= width, f"{found} wide in a window of {width}"
        assert tab.requests == []
        assert tab.complaints == []
        assert await tab.evaluate("document.title") == "FAIL: quality of msms"
        assert await tab.evaluate("document.querySelectorAll('script, img').length") == 0

    look(ask)


def test_every_plot_is_named_drawn_and_legible(page: Path) -> None:
    async def ask(tab: Tab) -> None:
        await tab.show(page, width=400)
        titles = await tab.evaluate(
            "[...document.querySelectorAll('figure svg > title')].map(t => t.textContent)"
        )
        assert titles == [axis.title for axis in AXES.values()]
        heights = await tab.evaluate(
            "[...document.querySelectorAll('figure svg')].map(s => "
            "Math.max(...[...s.querySelectorAll('rect')].map("
            "r => r.getBoundingClientRect().height)))"
        )
        assert min(heights) > 60
        sizes = await tab.evaluate(
            "Math.min(...[...document.querySelectorAll('figure text')].map("
            "t => t.getBoundingClientRect().height))"
        )
        assert sizes >= 10
        outside = await tab.evaluate(
            "[...document.querySelectorAll('figure text')].filter(t => {"
            "const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect();"
            "return a.left < b.left - 1 || a.right > b.right + 1}).map(t => t.textContent)"
        )
        assert outside == []

    look(ask)


def test_dark_is_dark_and_paper_is_not(page: Path, tmp_path: Path) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"

    async def ask(tab: Tab) -> None:
        found = {}
        for scheme in LOOKS:
            await tab.show(page, width=800, scheme=scheme)
            found[scheme] = await tab.evaluate(ground), await tab.picture()
        light, dark = (sum(map(int, re.findall(r"\d+", found[look][0])[:3])) for look in LOOKS)
        assert light > 700
        assert dark < 150
        assert found["light"][1] != found["dark"][1]
        await tab.call(
            "Emulation.setEmulatedMedia",
            media="print",
            features=[{"name": "prefers-color-scheme", "value": "dark"}],
        )
        assert await tab.evaluate(ground) == found["light"][0]
        printed = await tab.printed()
        assert printed.startswith(b"%PDF")
        assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 8

    look(ask)
