"""mzML: which of its many statements become which value, and nothing of a trap expanded."""

from __future__ import annotations

import base64
import math
import pickle
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.errors import InputUnusable
from remote.workloads.shards.inputs import mzml_index, textfile
from remote.workloads.shards.inputs.mzml import _load, _NoVocabulary
from remote.workloads.shards.inputs.opening import open_source
from remote.workloads.shards.settings import InputRules
from tests.unit.shards.test_mgf import column, rows_of
from tests.unit.shards.texts import FILES, HEAD, TWO, Spectrum, mzml, param

NEGATIVE = param("MS:1000129", "negative scan")
POSITIVE = param("MS:1000130", "positive scan")
PROFILE = param("MS:1000128", "profile spectrum")


def test_the_usual_terms_fill_columns(tmp_path: Path) -> None:
    path = mzml(
        tmp_path / "x.mzML",
        Spectrum(charge=2, time=(1.5, "minute"), more=POSITIVE),
        Spectrum(time=(90, "second"), more=NEGATIVE, bits=32, packed=False),
    )
    with open_source(path, 1) as source:
        raw = source.read(0, 2)
        assert (source.name, source.kind, raw.input_index) == ("x", "mzml", 1)
        assert set(raw.columns) == source.columns
        assert column(source, "precursor_mz") == [500.0, 500.0]
        assert column(source, "charge") == [2, 0]
        assert column(source, "rt") == [90.0, 90.0]
        assert column(source, "polarity") == [1, -1]
        assert column(source, "ms_level") == [2, 2]
        assert column(source, "collision_energy") == [30.5, 30.5]
        assert column(source, "source_file") == ["first.raw"] * 2
        assert rows_of(source) == [TWO, TWO]


def test_the_selected_ion_comes_before_the_window(tmp_path: Path) -> None:
    path = mzml(
        tmp_path / "x.mzML",
        Spectrum(selected=500.25, target=500.0),
        Spectrum(selected=None, target=501.0),
        Spectrum(selected=None),
    )
    with open_source(path) as source:
        assert column(source, "precursor_mz") == [500.25, 501.0, None]


def test_a_time_without_a_unit_is_not_known(tmp_path: Path) -> None:
    path = mzml(tmp_path / "x.mzML", Spectrum(time=(2, "")), Spectrum(time=(2, "fortnight")))
    with open_source(path) as source:
        assert column(source, "rt") == [None, None]


def test_the_run_and_the_spectrum_name_their_source_file(tmp_path: Path) -> None:
    own = Spectrum().xml(1).replace("<spectrum ", '<spectrum sourceFileRef="a" ')
    run = '<run id="r" defaultSourceFileRef="b">'
    path = mzml(tmp_path / "x.mzML", Spectrum(), own, run=run)
    with open_source(path) as source:
        assert column(source, "source_file") == ["second & last.raw", "first.raw"]


def test_other_levels_are_counted_and_not_read(tmp_path: Path) -> None:
    first = Spectrum(level=1, more=PROFILE, peaks=[(1.0 + n, 5.0) for n in range(900)])
    path = mzml(tmp_path / "x.mzML", first, Spectrum(), first, Spectrum(level=3))
    with open_source(path) as source:
        raw = source.read(0, 4)
        assert raw.unwanted is not None
        assert raw.unwanted.tolist() == [True, False, True, True]
        assert len(raw.mz.values) == 2
        assert source.blocks(0, 4, 100.0).raw < 20_000
    with open_source(path, rules=InputRules(ms_level=3)) as source:
        assert rows_of(source) == [[], [], [], TWO]


def test_profiles_are_refused(tmp_path: Path) -> None:
    path = mzml(tmp_path / "x.mzML", Spectrum(), Spectrum(more=PROFILE))
    with pytest.raises(InputUnusable, match="entry 1: this is a profile spectrum") as caught:
        open_source(path, 0, skip_damaged=True)
    assert "peakPicking" in caught.value.hint


GROUPS = (
    '<referenceableParamGroupList count="1"><referenceableParamGroup id="g">'
    "{}</referenceableParamGroup></referenceableParamGroupList>"
)
REFERENCE = '<referenceableParamGroupRef ref="g"/>'


def by_reference(*terms: str) -> str:
    level = param("MS:1000511", "ms level", 2)
    return Spectrum().xml(0).replace(level, REFERENCE)


def test_parameter_groups_are_looked_into(tmp_path: Path) -> None:
    level = param("MS:1000511", "ms level", 2)
    head = HEAD + FILES + GROUPS.format(level + NEGATIVE)
    with open_source(mzml(tmp_path / "x.mzML", by_reference(), head=head)) as source:
        assert column(source, "polarity") == [-1]
        assert rows_of(source) == [TWO]
    head = HEAD + GROUPS.format(level + PROFILE)
    with (
        open_source(mzml(tmp_path / "y.mzML", by_reference(), head=head)) as source,
        pytest.raises(InputUnusable, match="entry 0: this is a profile"),
    ):
        source.read(0, 1)


def test_a_comment_holds_no_spectrum(tmp_path: Path) -> None:
    path = mzml(tmp_path / "x.mzML", Spectrum(), f"<!-- {Spectrum().xml(1)} -->", Spectrum())
    with open_source(path) as source:
        assert source.rows == 2


def test_the_name_of_a_spectrum_is_carried(tmp_path: Path) -> None:
    path = mzml(tmp_path / "x.mzML", Spectrum(), Spectrum())
    with open_source(path, rules=InputRules(carry=("id",))) as source:
        assert column(source, "id") == ["scan=1", "scan=2"]


def binary(data: bytes) -> str:
    return base64.b64encode(data).decode()


ARRAY = Spectrum().xml(1)
BROKEN = {
    "no end": (ARRAY.replace("</spectrum>", ""), "this spectrum has no end"),
    "a tag that is not closed": (ARRAY.replace("</precursorList>", ""), "cannot be read"),
    "base64 of other letters": (ARRAY.replace("<binary>e", "<binary>!"), "m/z array is damaged"),
    "too few values": (Spectrum(length=3).xml(1), "holds 16 bytes instead of 24"),
    "too many values": (Spectrum(length=1).xml(1), "holds more than 8 bytes instead of 8"),
    "no arrays": (Spectrum(arrays="").xml(1), "it has no m/z array"),
    "an unknown packing": (
        ARRAY.replace("zlib compression", "MS-Numpress linear prediction compression"),
        "convert the file again with zlib",
    ),
    "an entity": (ARRAY.replace('id="scan=2"', 'id="&lol;"'), "cannot be read"),
    "text for a number": (Spectrum(selected="x").xml(1), "'x' is no number"),  # type: ignore[arg-type]
    "a charge too high": (Spectrum(charge=300).xml(1), "charge 300 does not fit int8"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_spectrum_is_named(name: str, tmp_path: Path) -> None:
    broken, says = BROKEN[name]
    path = mzml(tmp_path / "x.mzML", Spectrum(), broken, Spectrum(selected=600.0))
    with open_source(path) as source, pytest.raises(InputUnusable) as caught:
        source.read(0, 3)
    assert caught.value.problem.startswith(f"{path}, entry 1, ")
    assert says in caught.value.problem
    with open_source(path, 0, skip_damaged=True) as source:
        raw = source.read(0, 3)
        assert [(x.row_start, x.row_stop) for x in raw.damaged] == [(1, 2)]
        assert raw.columns["precursor_mz"].tolist()[2] == 600.0
        assert source.read(1, 2).damaged == raw.damaged


@pytest.mark.parametrize("cut", [20, 60, 700])
def test_a_cut_file_says_so_at_its_end(cut: int, tmp_path: Path) -> None:
    path = mzml(tmp_path / "x.mzML", Spectrum(), Spectrum())
    path.write_bytes(path.read_bytes()[:-cut])
    with open_source(path) as source, pytest.raises(InputUnusable, match=r"no end|</mzML>: it is"):
        source.probe()
    with open_source(path, 0, skip_damaged=True) as source:
        raw = source.read(0, source.rows)
        assert [x.row_stop for x in raw.damaged] == [source.rows]


BOMB = "<!DOCTYPE mzML [\n" + "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">\n' for n in range(10)
)


@pytest.mark.parametrize(
    "head",
    [
        BOMB + "]>\n",
        '<!DOCTYPE mzML [<!ENTITY l9 SYSTEM "file:///etc/hostname">]>\n',
        '<!DOCTYPE mzML SYSTEM "https://example.org/x.dtd">\n',
    ],
    ids=["bomb", "a file", "elsewhere"],
)
def test_a_document_type_is_refused_unread(head: str, tmp_path: Path) -> None:
    begin, rest = HEAD.split("\n", 1)
    text = Spectrum().xml(0).replace('id="scan=1"', 'id="&l9;"')
    path = mzml(tmp_path / "x.mzML", text, head=f"{begin}\n{head}{rest}")
    with pytest.raises(InputUnusable, match="declares a document type"):
        open_source(path, 0, skip_damaged=True)


def test_an_array_that_inflates_to_more_than_it_says_takes_no_memory(tmp_path: Path) -> None:
    bomb = binary(zlib.compress(bytes(200_000_000), 9))
    text = ARRAY
    at = text.index("<binary>") + len("<binary>")
    text = text[:at] + bomb + text[text.index("</binary>") :]
    path = mzml(tmp_path / "x.mzML", Spectrum(), text)
    with open_source(path, 0, skip_damaged=True) as source:
        tracemalloc.start()
        raw = source.read(0, 2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "holds more than 16 bytes" in raw.damaged[0].reason
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEAD}<run></run></mzML>", "has no spectra"),
        (f"{HEAD}<run><spectrumList>", "cut short: </mzML> is missing"),
        (
            HEAD.replace("utf-8", "utf-7") + Spectrum().xml(0) + "</mzML>",
            "is XML in utf-7",
        ),
        (f"{HEAD}<sourceFileList><a></sourceFileList>{ARRAY}</mzML>", "list of its source files"),
    ],
)
def test_files_of_no_use(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mzML"
    path.write_text(text)
    with pytest.raises(InputUnusable) as caught:
        open_source(path)
    assert says in caught.value.problem


NUMBERS = st.floats(0.5, 1e6, width=32, allow_nan=False)
SPECTRA = st.lists(
    st.builds(
        Spectrum,
        peaks=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5),
        level=st.integers(1, 3),
        charge=st.none() | st.integers(1, 5),
        bits=st.sampled_from([32, 64]),
        packed=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40)
@given(spectra=SPECTRA, block=st.integers(70, 900), data=st.data())
def test_what_is_written_is_read_however_it_is_cut(
    spectra: list[Spectrum],
    block: int,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = mzml(tmp_path_factory.mktemp("mzml") / "x.mzML", *spectra)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textfile, "BLOCK_BYTES", block)
        mzml_index._indexed.cache_clear()
        opened = open_source(path)
    wanted = [x.level == 2 for x in spectra]
    with opened as source, pickle.loads(pickle.dumps(source)) as copy:
        expected = [list(x.peaks) if keep else [] for x, keep in zip(spectra, wanted, strict=True)]
        assert rows_of(source) == expected
        start = data.draw(st.integers(0, source.rows - 1))
        stop = data.draw(st.integers(start + 1, source.rows))
        part, whole = copy.read(start, stop), source.read(0, source.rows)
        bounds = whole.mz.offsets[[start, stop]]
        np.testing.assert_array_equal(part.mz.values, whole.mz.values[slice(*bounds)])
        assert list(part.columns) == list(whole.columns) or set(part.columns) == set(whole.columns)


def test_a_real_file_is_read_as_pyteomics_reads_it(shared_data: Path) -> None:
    _load()  # for it warns when it is loaded
    from pyteomics import mzml as reader

    path = shared_data / "msms/testdata.mzML"
    vocabulary: Any = _NoVocabulary()
    with (
        reader.MzML(str(path), use_index=False, cv=vocabulary) as known,
        open_source(path) as source,
    ):
        expected = list(known)
        found = rows_of(source)
        masses, times = column(source, "precursor_mz"), column(source, "rt")
        assert column(source, "source_file")[1] == "Beer_multibeers_3_T10_POS.raw"
    assert len(found) == len(expected) == 12
    for peaks, mass, time, spectrum in zip(found, masses, times, expected, strict=True):
        if spectrum["ms level"] != 2:
            assert peaks == []
            continue
        pairs = zip(spectrum["m/z array"], spectrum["intensity array"], strict=True)
        assert peaks == [(float(mz), float(x)) for mz, x in pairs]
        ion = spectrum["precursorList"]["precursor"][0]["selectedIonList"]["selectedIon"][0]
        assert mass == ion["selected ion m/z"]
        start = spectrum["scanList"]["scan"][0]["scan start time"]
        assert math.isclose(time, start, rel_tol=1e-6)
        assert start.unit_info == "second"
