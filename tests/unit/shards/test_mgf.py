"""MGF: what of an entry becomes which value, and every fault named by its line."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyteomics import mgf as reader

from remote.errors import InputUnusable
from remote.workloads.shards.inputs import mgf_index, textfile
from remote.workloads.shards.inputs.mgf_values import charge_of, energy_of
from remote.workloads.shards.inputs.opening import open_source
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.settings import InputRules
from tests.unit.shards.texts import TWO, Peaks, entry, mgf


def rows_of(source: Source) -> list[Peaks]:
    raw = source.read(0, source.rows)
    bounds = raw.mz.offsets
    return [
        list(zip(raw.mz.values[a:b].tolist(), raw.intensity.values[a:b].tolist(), strict=True))
        for a, b in pairwise(bounds)
    ]


def column(source: Source, name: str) -> list[Any]:
    values = source.read(0, source.rows).columns[name]
    return [None if x is None or x != x else x for x in values.tolist()]


def test_the_usual_parameters_fill_columns(tmp_path: Path) -> None:
    full: dict[str, Any] = {
        "charge": "2+",
        "RtInSeconds": 61.5,
        "IONMODE": "Negative",
        "MSLEVEL": 2,
        "ADDUCT": "[M+H]+",
        "INSTRUMENT_TYPE": "Orbitrap",
        "SMILES": "C=O",
        "INCHIKEY": "WSFSSNUMVMOOMR-UHFFFAOYSA-N",
        "FORMULA": "CH2O",
        "COLLISION_ENERGY": "35 eV",
    }
    path = mgf(tmp_path / "x.mgf", entry(**full), entry(SMILES="N/A", RTINMINUTES=2))
    with open_source(path, 3) as source:
        raw = source.read(0, 2)
        assert (source.name, source.rows, source.kind) == ("x", 2, "mgf")
        assert (raw.input_index, raw.row_start, len(raw)) == (3, 0, 2)
        assert set(raw.columns) == source.columns
        assert column(source, "precursor_mz") == [500.0, 500.0]
        assert column(source, "charge") == [2, 0]
        assert column(source, "rt") == [61.5, 120.0]
        assert column(source, "polarity") == [-1, None]
        assert column(source, "ms_level") == [2, None]
        assert column(source, "adduct") == ["[M+H]+", None]
        assert column(source, "instrument_type") == ["Orbitrap", None]
        assert column(source, "smiles") == ["C=O", None]
        assert column(source, "inchikey") == ["WSFSSNUMVMOOMR-UHFFFAOYSA-N", None]
        assert column(source, "formula") == ["CH2O", None]
        assert column(source, "collision_energy") == [35.0, None]
        assert rows_of(source) == [TWO, TWO]


def test_a_column_that_nothing_fills_is_not_there(tmp_path: Path) -> None:
    path = mgf(tmp_path / "x.mgf", entry(SMILES="", INCHIKEY=" N/A ", CHARGE="unknown"))
    with open_source(path) as source:
        assert source.columns == {"precursor_mz"}


def test_the_header_speaks_for_all_entries(tmp_path: Path) -> None:
    header = "\ufeff# made by hand\nCHARGE=3+\nCOM=a=b\n\n"
    path = mgf(tmp_path / "x.mgf", header + entry(), entry(CHARGE="1-"))
    with open_source(path) as source:
        assert column(source, "charge") == [3, -1]


def test_precursors(tmp_path: Path) -> None:
    without = entry().replace("PEPMASS=500.0\n", "")
    other = without.replace("BEGIN IONS\n", "BEGIN IONS\nPRECURSOR_MZ=321.5\n")
    path = mgf(tmp_path / "x.mgf", entry(PEPMASS="400.25 1e5 2+"), without, other)
    with open_source(path) as source:
        assert column(source, "precursor_mz") == [400.25, None, 321.5]
        assert column(source, "charge") == [0, 0, 0] if "charge" in source.columns else True


@pytest.mark.parametrize(
    ("said", "charge"),
    [
        ("2+", 2), ("+2", 2), ("2", 2), ("1-", -1), ("-1", -1), ("0", 0), ("1.0", 1),
        ("2+ and 3+", 0), ("2+,3+", 0), ("2+, 3+ and 4+", 0),
    ],
)  # fmt: skip
def test_charges(said: str, charge: int) -> None:
    assert charge_of(said) == charge


@pytest.mark.parametrize("said", ["two", "+2+", "1.5", "2+ and x", "", "2+3"])
def test_no_charges(said: str) -> None:
    with pytest.raises(ValueError, match=r"^[^ ]*$"):
        charge_of(said)


@pytest.mark.parametrize(
    ("said", "energy"),
    [("35", 35.0), ("35.5eV", 35.5), ("40 V", 40.0), ("NCE 35%", None), ("20,40", None)],
)
def test_energies(said: str, energy: float | None) -> None:
    assert energy_of(said) == energy


def test_other_levels_are_not_wanted(tmp_path: Path) -> None:
    path = mgf(tmp_path / "x.mgf", *(entry(MSLEVEL=x) for x in (1, 2, "MS3")), entry())
    for level, unwanted in ((2, [True, False, True, False]), (3, [True, True, False, False])):
        with open_source(path, rules=InputRules(ms_level=level)) as source:
            raw = source.read(0, 4)
            assert raw.unwanted is not None
            assert raw.unwanted.tolist() == unwanted
            assert (np.diff(raw.mz.offsets) == 0).tolist() == unwanted


def test_a_parameter_is_carried(tmp_path: Path) -> None:
    path = mgf(tmp_path / "x.mgf", entry(TITLE="one=1", SCANS=7), entry(SCANS=8))
    with open_source(path, rules=InputRules(carry=("Title", "SCANS", "nothing"))) as source:
        assert list(source.carried) == ["Title", "SCANS"]
        assert column(source, "Title") == ["one=1", None]
        assert column(source, "SCANS") == ["7", "8"]
        assert "SCANS" in source.offers


BROKEN = {
    "no number": (entry().replace("200.25", "x"), 4, "'x 20.0' is no peak of two numbers"),
    "half a peak": (entry().replace("200.25 20.0", "200.25"), 4, "no peak of two numbers"),
    "a precursor": (entry(PEPMASS="heavy"), 2, "'PEPMASS=heavy' has a value that is not"),
    "a charge": (entry(CHARGE="many"), 3, "'CHARGE=many'"),
    "a time": (entry(RTINSECONDS="late"), 3, "'RTINSECONDS=late'"),
    "no end": ("BEGIN IONS\nPEPMASS=1\n1 1\n", 1, "BEGIN IONS has no END IONS"),
    "no begin": ("PEPMASS=1\n1 1\nEND IONS\n", 1, "in no entry"),
    "a charge too high": (entry(CHARGE="300+"), None, "charge 300 does not fit int8"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_broken_entry_is_named_by_its_line(name: str, ending: str, tmp_path: Path) -> None:
    broken, line, says = BROKEN[name]
    before = entry() * 2
    text = before + broken + entry(PEPMASS=600.0)
    path = tmp_path / "x.mgf"
    path.write_bytes(text.replace("\n", ending).encode())
    with open_source(path) as source, pytest.raises(InputUnusable) as caught:
        source.read(0, source.rows)
    where = "" if line is None else f" line {line + before.count(chr(10))}:"
    assert caught.value.problem.startswith(f"{path}, entry 2,{where}")
    assert says in caught.value.problem
    assert "--skip-damaged" in caught.value.hint
    with open_source(path, 0, skip_damaged=True) as source:
        raw = source.read(0, source.rows)
        assert [(x.row_start, x.row_stop) for x in raw.damaged] == [(2, 3)]
        assert says in raw.damaged[0].reason
        assert raw.columns["precursor_mz"].tolist()[-1] == 600.0
        assert rows_of(source)[:2] == [TWO, TWO]
        assert source.read(2, 3).damaged == raw.damaged


def test_a_cut_file_has_a_last_entry_that_is_broken(tmp_path: Path) -> None:
    path = mgf(tmp_path / "x.mgf", entry() + entry()[:-20])
    with open_source(path) as source:
        assert source.rows == 2
        assert len(source.read(0, 1)) == 1
        with pytest.raises(InputUnusable, match=r"entry 1, line 6: BEGIN IONS has no END"):
            source.probe()


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "x.mgf"
    path.write_bytes(entry().encode() + entry(TITLE="Käse").encode("latin-1"))
    with open_source(path) as source, pytest.raises(InputUnusable, match="line 8: this is not UTF"):
        source.read(0, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# nothing\n", "has no entry: no line in it is BEGIN IONS"),
        ("BEGIN IONS\nPEPMASS=1\nEND IONS\n", "none of them has a peak"),
        ("CHARGE=many\n" + entry(), "before its first entry, line 1: 'CHARGE=many'"),
    ],
)
def test_files_of_no_use(text: str, says: str, tmp_path: Path) -> None:
    path = mgf(tmp_path / "x.mgf", text)
    with pytest.raises(InputUnusable) as caught:
        open_source(path)
    assert says in caught.value.problem


NUMBERS = st.floats(0.001, 1e6, allow_nan=False)
ENTRIES = st.lists(
    st.tuples(
        st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6),
        st.integers(-3, 3),
        st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8),
        st.sampled_from(["", "\n", "# a comment\n", "\n\n; more\n"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(
    entries=ENTRIES,
    ending=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(20, 200),
    data=st.data(),
)
def test_what_is_written_is_read_however_it_is_cut(
    entries: list[tuple[Peaks, int, str, str]],
    ending: str,
    block: int,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("mgf") / "x.mgf"
    text = "".join(
        f"{between}{entry(peaks, CHARGE=charge, TITLE=f't{title}')}"
        for peaks, charge, title, between in entries
    )
    text += entry([(1.5, 2.5)])
    path.write_bytes(text.replace("\n", ending).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textfile, "BLOCK_BYTES", block)
        mgf_index._indexed.cache_clear()
        opened = open_source(path, rules=InputRules(carry=("TITLE",)))
    with opened as source, pickle.loads(pickle.dumps(source)) as copy:
        assert rows_of(source) == [list(peaks) for peaks, *_ in entries] + [[(1.5, 2.5)]]
        assert column(source, "charge")[:-1] == [charge for _, charge, *_ in entries]
        said = column(source, "TITLE")[:-1]
        assert said == [f"t{title}".strip() for _, _, title, _ in entries]
        start = data.draw(st.integers(0, source.rows - 1))
        stop = data.draw(st.integers(start + 1, source.rows))
        part, whole = copy.read(start, stop), source.read(0, source.rows)
        bounds = whole.mz.offsets[[start, stop]]
        np.testing.assert_array_equal(part.mz.values, whole.mz.values[slice(*bounds)])
        assert part.columns["charge"].tolist() == whole.columns["charge"].tolist()[start:stop]


@pytest.mark.parametrize("name", ["pesticides", "testdata", "dreams_example_5_spectra"])
def test_real_files_are_read_as_pyteomics_reads_them(name: str, shared_data: Path) -> None:
    path = shared_data / f"msms/{name}.mgf"
    with reader.read(str(path), use_index=False) as known, open_source(path) as source:
        expected = list(known)
        found = rows_of(source)
        masses = source.read(0, source.rows).columns["precursor_mz"].tolist()
    assert len(found) == len(expected)
    for peaks, mass, spectrum in zip(found, masses, expected, strict=True):
        pairs = zip(spectrum["m/z array"], spectrum["intensity array"], strict=True)
        assert peaks == [(float(mz), float(x)) for mz, x in pairs]
        assert mass == spectrum["params"]["pepmass"][0]
        assert math.isfinite(mass)
