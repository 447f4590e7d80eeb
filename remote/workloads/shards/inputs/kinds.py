"""What a file is, by what it holds; and what to do with those that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import h5py

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.storage import BROKEN
from remote.workloads.shards.inputs.textfile import BOM

Kind = Literal["hdf5", "mgf", "mzml"]

KINDS_HINT = "What is read: HDF5 (docs/inputs.md says in which layouts), MGF, and mzML."
CONVERT = "msconvert FILE --mzML --filter 'peakPicking vendor msLevel=1-'"
_HEAD_BYTES = 1 << 16
_PACKED = {b"\x1f\x8b": "gunzip -k", b"BZh": "bunzip2 -k", b"\xfd7zXZ": "unxz -k", b"PK": "unzip"}
_PACKED |= {b"\x28\xb5\x2f\xfd": "unzstd"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Thermo's and those that are OLE containers, as Sciex's .wiff.
_VENDOR_HEADS = (b"\x01\xa1F\x00i\x00n\x00n\x00", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_VENDOR_ENDINGS = (".raw", ".wiff", ".wiff2", ".wiff.scan", ".lcd", ".tdf", ".tdf_bin", ".baf")
_ENTRY = re.compile(rb"^[ \t]*BEGIN IONS[ \t]*\r?$", re.MULTILINE)
_OTHER_XML = {b"<mzXML": "mzXML", b"<mzData": "mzData"}


def kind_of(path: Path) -> Kind:
    """What to read a file as.

    Raises:
        InputUnusable: it is not there, or of no kind that can be read; says how to convert it.
    """
    if not path.exists():
        raise InputUnusable(f"{path} does not exist", hint="Check the path.")
    if not path.is_file():
        raise _no_file(path)
    try:
        if h5py.is_hdf5(path):
            return "hdf5"
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except BROKEN as error:
        raise InputUnusable(f"{path} cannot be opened: {error}", hint="Check the file.") from error
    if not head:
        raise InputUnusable(f"{path} is empty", hint=KINDS_HINT)
    _refuse_packed(path, head)
    return _text_kind(path, head)


def _no_file(path: Path) -> InputUnusable:
    name = path.name.casefold()
    if path.is_dir() and name.endswith(".d"):
        return InputUnusable(
            f"{path} is a vendor's raw data directory (Bruker or Agilent .d), which is not read",
            hint=f"Convert it to mzML: {CONVERT}; for Bruker timsTOF also tdf2mzml or timsconvert.",
        )
    if path.is_dir() and name.endswith(".raw"):
        return _vendor(path)
    return InputUnusable(f"{path} is not a file", hint=f"Name a file. {KINDS_HINT}")


def _vendor(path: Path) -> InputUnusable:
    return InputUnusable(
        f"{path} holds an instrument vendor's raw data, which is not read",
        hint=f"Convert it to mzML: {CONVERT}; for Thermo .raw also ThermoRawFileParser.",
    )


def _refuse_packed(path: Path, head: bytes) -> None:
    for magic, command in _PACKED.items():
        if head.startswith(magic):
            raise InputUnusable(
                f"{path} is compressed: rows of it cannot be read one by one",
                hint=f"Unpack it first: {command} {path.name}",
            )
    if head.startswith(_VENDOR_HEADS) or path.name.casefold().endswith(_VENDOR_ENDINGS):
        raise _vendor(path)
    if head.startswith(_UTF16):
        raise InputUnusable(
            f"{path} is UTF-16 text, not UTF-8",
            hint=f"Convert it: iconv -f UTF-16 -t UTF-8 {path.name} > NEW",
        )


def _text_kind(path: Path, head: bytes) -> Kind:
    text = head.removeprefix(BOM).lstrip()
    if text.startswith(b"<"):
        if b'"IMS:' in text:
            raise InputUnusable(
                f"{path} is imzML, an image and no list of MS/MS spectra", hint=KINDS_HINT
            )
        if re.search(rb"<(?:indexed)?mzML[\s>]", text):
            return "mzml"
        other = next((name for tag, name in _OTHER_XML.items() if tag in text), "XML, and no mzML")
        raise InputUnusable(
            f"{path} is {other}, which is not read", hint=f"Convert it to mzML: {CONVERT}"
        )
    named = path.suffix.casefold() == ".mgf"
    if (named or _ENTRY.search(text)) and b"\0" not in head:
        return "mgf"
    if path.suffix.casefold() in (".h5", ".hdf5"):
        raise InputUnusable(f"{path} is not an HDF5 file", hint=KINDS_HINT)
    raise InputUnusable(f"{path} is none of HDF5, MGF and mzML", hint=KINDS_HINT)
