"""What a file is told by its content; each that is not read says how to convert it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.kinds import kind_of
from tests.unit.shards.raws import spectra, write_input
from tests.unit.shards.texts import Spectrum, entry, mgf, mzml


def test_names_do_not_matter(tmp_path: Path) -> None:
    assert kind_of(write_input(tmp_path / "a.mgf", spectra(2))) == "hdf5"
    assert kind_of(mgf(tmp_path / "b.txt", "# text\nCOM=x\n" + entry())) == "mgf"
    assert kind_of(mzml(tmp_path / "c.xml", Spectrum())) == "mzml"
    path = tmp_path / "d.xml"
    path.write_bytes(b"\xef\xbb\xbf<indexedmzML xmlns='x'><mzML>")
    assert kind_of(path) == "mzml"


REFUSED = {
    "x.mzML.gz": (gzip.compress(b"<mzML>"), "is compressed", "gunzip -k x.mzML.gz"),
    "x.mgf.gz": (gzip.compress(b"BEGIN IONS"), "is compressed", "gunzip -k x.mgf.gz"),
    "x.raw": (b"\x01\xa1F\0i\0n\0n\0i\0", "vendor's raw data", "msconvert"),
    "x.wiff": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "vendor's raw data", "msconvert"),
    "x.mzXML": (b"<?xml version='1.0'?><mzXML>", "is mzXML", "msconvert"),
    "x.imzML": (b'<mzML><cvParam accession="IMS:1000080"/>', "is imzML", "MGF"),
    "x.xml": (b"<a/>", "is XML, and no mzML", "msconvert"),
    "x.mgf": (entry().encode("utf-16"), "UTF-16", "iconv"),
    "x.msp": (b"NAME: a\n100 1\n", "none of HDF5, MGF and mzML", "What is read"),
    "x.hdf5": (b"nothing", "is not an HDF5 file", "What is read"),
    "y.mgf": (b"", "is empty", "What is read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, tmp_path: Path) -> None:
    content, says, hint = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputUnusable) as caught:
        kind_of(path)
    assert str(path) in caught.value.problem
    assert says in caught.value.problem
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("run.d", "Bruker", "tdf2mzml"),
        ("run.raw", "vendor's raw data", "msconvert"),
        ("folder", "is not a file", "Name a file"),
    ],
)
def test_directories(name: str, says: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputUnusable) as caught:
        kind_of(tmp_path / name)
    assert says in caught.value.problem
    assert hint in caught.value.hint
