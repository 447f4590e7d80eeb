"""What is told beforehand is what a build does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from remote.errors import InputUnusable
from remote.workloads.shards import BuildSettings, build_shards, read_shards
from remote.workloads.shards.cleaning.figures import Table
from remote.workloads.shards.cleaning.notebook import RECORD, input_or_sample, look_at
from remote.workloads.shards.cleaning.survey import TRIED, Survey, survey
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.making import make_input

ROWS = 12_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows 0 to 2 cannot be, in three ways; row 3 has a peak of no intensity."""
    path = make_input(tmp_path_factory.mktemp("input") / "a.hdf5", ROWS, 7)
    with h5py.File(path, "r+") as file:
        file["precursor_mz"][0] = np.nan
        file["spectrum"][1, :, 0] = (-5.0, 1.0)
        file["spectrum"][2, :, 0] = (50.0, -1.0)
        file["spectrum"][3, :, :3] = ((60.0, 61.0, 62.0), (5.0, 0.0, 7.0))
        file["precursor_mz"][4] = 5_000
    return path


RULES = Preprocessing(min_peaks=4, max_precursor_mz=1_000.0)


@pytest.fixture(scope="module")
def whole(source: Path) -> Survey:
    return survey([source], BuildSettings(preprocessing=RULES), rows=ROWS)


def built(source: Path, root: Path, rules: Preprocessing) -> dict[str, object]:
    build_shards(
        BuildSettings(preprocessing=rules),
        input_hdf5=source,
        output_root=root,
        skip_preflight=True,
    )
    counts: dict[str, object] = json.loads((root / "dataset_manifest.json").read_text())["counts"]
    return counts


def test_the_counts_are_those_of_a_build(source: Path, whole: Survey, tmp_path: Path) -> None:
    counts = built(source, tmp_path / "shards", RULES)
    assert whole.rows == ROWS
    for name in ("read", "written", "dropped"):
        assert whole.counts[name] == counts[name]
    assert whole.counts["removed"]["intensity_zero"] == 1


@pytest.mark.parametrize(
    ("name", "value"), [("min_peaks", 10), ("min_peaks", 4), ("max_precursor_mz", 500.0)]
)
def test_another_value_leaves_what_a_build_with_it_leaves(
    source: Path, whole: Survey, tmp_path: Path, name: str, value: float
) -> None:
    counts = built(source, tmp_path / "shards", replace(RULES, **{name: value}))  # type: ignore[arg-type]
    assert dict(whole.tried[name])[value] == pytest.approx(counts["written"] / ROWS)  # type: ignore[operator]


@pytest.mark.parametrize("normalize", [True, False])
def test_the_ion_current_that_a_cap_leaves(
    source: Path, tmp_path: Path, *, normalize: bool
) -> None:
    rules = Preprocessing(normalize_intensities=normalize)
    tried = dict(survey([source], BuildSettings(preprocessing=rules), rows=ROWS).tried["max_peaks"])
    built(source, tmp_path / "shards", rules)
    ints = read_shards(tmp_path / "shards", columns=["ints"]).table()["ints"].to_pylist()
    shares = [sum(sorted(x)[-5:]) / sum(x) for x in ints]
    assert tried[5] == pytest.approx(float(np.mean(shares)), rel=1e-5)
    assert tried[20] == pytest.approx(1)


def test_curves_fall_and_rise(whole: Survey) -> None:
    assert set(whole.tried) == set(TRIED)
    for name, down in (("min_peaks", True), ("max_precursor_mz", False), ("max_peaks", False)):
        shares = [share for _, share in whole.tried[name]]
        assert shares == sorted(shares, reverse=down)
        assert 0 <= min(shares) < max(shares) <= 1 + 1e-6


def test_examples_show_what_became_of_them(whole: Survey) -> None:
    by_id = {pair.sample_id: pair for pair in whole.examples}
    assert [pair.why for pair in whole.examples[:2]] == [
        "precursor_invalid",
        "peak_mz_not_positive",
    ]
    assert by_id["a:0"].after == by_id["a:1"].after == ()
    assert by_id["a:1"].before
    kept = {pair.why: pair for pair in whole.examples[2:]}
    changed = kept["kept: most peaks left out"]
    assert changed.sample_id == "a:3"
    before = dict(changed.before)
    assert len(changed.after) == len(before) - 1
    for mz, share in changed.after:
        assert share == pytest.approx(before[mz], rel=1e-6)
    assert all(0 <= share <= 1 for pair in whole.examples for _, share in pair.before)


def test_some_rows_are_drawn_by_the_seed_from_all(source: Path) -> None:
    settings = BuildSettings(preprocessing=RULES)
    some = survey([source], replace(settings, random_seed=4), rows=5_000)
    assert some.rows == 5_000
    assert some.record() == survey([source], replace(settings, random_seed=4), rows=5_000).record()
    others = [survey([source], replace(settings, random_seed=n), rows=2_000) for n in range(6)]
    assert len({str(found.record()["counts"]) for found in others}) > 1


def test_ragged_inputs_are_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "few.mgf"
    entry = "BEGIN IONS\nPEPMASS={}\n{}\nEND IONS\n"
    peaks = "\n".join(f"{100 + n}.5 {n}" for n in range(1, 12))
    path.write_text(entry.format(300, peaks) + entry.format(400, "100.0 0"))
    found = survey([path], BuildSettings(), rows=100)
    assert (found.counts["read"], found.counts["written"]) == (2, 1)
    assert dict(found.tried["min_peaks"])[10] == 0.5
    assert {pair.sample_id for pair in found.examples} == {"few:0", "few:1"}


def test_the_table_names_reasons_and_rows(whole: Survey) -> None:
    text = repr(Table(whole))
    assert "12,000 of 12,000 spectra looked at" in text
    assert "left out, integrity: 3 (0.02%)" in text or "left out, integrity: 3 (0.03%)" in text
    assert "a peak whose m/z is not above 0: 1, such as row 1 of a.hdf5" in text
    assert "intensity of zero: 1" in text


def test_an_input_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    path.write_bytes(b"no such thing")
    with pytest.raises(InputUnusable):
        survey([path], BuildSettings())


def test_a_run_leaves_rules_figures_and_charts(tmp_path: Path) -> None:
    inputs = input_or_sample("", tmp_path, spectra=2_000, seed=42)
    look = look_at(inputs, BuildSettings(), tmp_path, rows=1_000)
    record = json.loads((tmp_path / RECORD).read_text())
    assert record["inputs"] == {"sample.hdf5": 2_000}
    assert record["rows_looked_at"] == 1_000
    assert (tmp_path / "sharding.yaml").is_file()
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == [
        "max_peaks.svg",
        "max_precursor_mz.svg",
        "min_peaks.svg",
        *(f"spectrum_{n}.svg" for n in range(1, len(look.spectra) + 1)),
    ]


def test_the_input_that_is_named_is_taken(tmp_path: Path) -> None:
    assert input_or_sample("a.mgf", tmp_path, spectra=1, seed=1) == (Path("a.mgf"),)
    assert list(tmp_path.iterdir()) == []
