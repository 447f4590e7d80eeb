"""Small MGF, mzML and older HDF5 files for tests, written without the package."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Peaks = Sequence[tuple[float, float]]
TWO: Peaks = [(100.5, 10.0), (200.25, 20.0)]


def entry(peaks: Peaks = TWO, **params: Any) -> str:
    """An MGF entry; its precursor is m/z 500 unless it says another."""
    lines = [f"{key}={value}" for key, value in {"PEPMASS": 500.0, **params}.items()]
    lines += [f"{mz!r} {intensity!r}" for mz, intensity in peaks]
    return "\n".join(["BEGIN IONS", *lines, "END IONS", ""])


def mgf(path: Path, *entries: str) -> Path:
    path.write_text("\n".join(entries), encoding="utf-8")
    return path


def param(accession: str, name: str, value: object = "", unit: str = "") -> str:
    said = f' unitCvRef="UO" unitAccession="UO:1" unitName="{unit}"' if unit else ""
    return f'<cvParam cvRef="MS" accession="{accession}" name="{name}" value="{value}"{said}/>'


def array(values: Sequence[float], name: str, *, bits: int = 64, packed: bool = True) -> str:
    """A binary array, base64 of zlib or of plain numbers."""
    data = np.array(values, f"<f{bits // 8}").tobytes()
    text = base64.b64encode(zlib.compress(data) if packed else data).decode()
    kind = {64: ("MS:1000523", "64-bit float"), 32: ("MS:1000521", "32-bit float")}[bits]
    way = ("MS:1000574", "zlib compression") if packed else ("MS:1000576", "no compression")
    accession = {"m/z array": "MS:1000514", "intensity array": "MS:1000515"}[name]
    return (
        f'<binaryDataArray encodedLength="{len(text)}">{param(*kind)}{param(*way)}'
        f"{param(accession, name)}<binary>{text}</binary></binaryDataArray>"
    )


@dataclass(frozen=True)
class Spectrum:
    """One of an mzML file; `selected` and `target` are left out where None."""

    peaks: Peaks = field(default_factory=lambda: list(TWO))
    level: int = 2
    selected: float | None = 500.0
    target: float | None = None
    charge: int | None = None
    time: tuple[float, str] | None = None
    more: str = ""
    length: int | None = None
    bits: int = 64
    packed: bool = True
    arrays: str | None = None

    def xml(self, index: int) -> str:
        length = len(self.peaks) if self.length is None else self.length
        arrays = self.arrays
        if arrays is None:
            mz, intensity = ([peak[place] for peak in self.peaks] for place in (0, 1))
            made = (
                array(values, name, bits=self.bits, packed=self.packed)
                for values, name in ((mz, "m/z array"), (intensity, "intensity array"))
            )
            arrays = f'<binaryDataArrayList count="2">{"".join(made)}</binaryDataArrayList>'
        return (
            f'<spectrum index="{index}" id="scan={index + 1}" defaultArrayLength="{length}">'
            f"{param('MS:1000511', 'ms level', self.level)}{self.more}{self._scan()}"
            f"{self._precursor()}{arrays}</spectrum>\n"
        )

    def _scan(self) -> str:
        if self.time is None:
            return ""
        start = param("MS:1000016", "scan start time", *self.time)
        return f'<scanList count="1"><scan>{start}</scan></scanList>'

    def _precursor(self) -> str:
        window = ion = ""
        if self.target is not None:
            target = param("MS:1000827", "isolation window target m/z", self.target)
            window = f"<isolationWindow>{target}</isolationWindow>"
        if self.selected is not None:
            ion = param("MS:1000744", "selected ion m/z", self.selected)
            ion += "" if self.charge is None else param("MS:1000041", "charge state", self.charge)
            ion = f'<selectedIonList count="1"><selectedIon>{ion}</selectedIon></selectedIonList>'
        energy = param("MS:1000045", "collision energy", 30.5, "electronvolt")
        return (
            f'<precursorList count="1"><precursor>{window}{ion}'
            f"<activation>{energy}</activation></precursor></precursorList>"
        )


HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<mzML xmlns="http://psi.hupo.org/ms/mzml">\n'
FILES = (
    '<fileDescription><sourceFileList count="2"><sourceFile id="a" name="first.raw"/>'
    '<sourceFile id="b" name="second &amp; last.raw"/></sourceFileList></fileDescription>'
)


def mzml(
    path: Path, *spectra: Spectrum | str, head: str = HEAD + FILES, run: str = "<run>"
) -> Path:
    listed = "".join(x if isinstance(x, str) else x.xml(n) for n, x in enumerate(spectra))
    path.write_text(
        f'{head}{run}<spectrumList count="{len(spectra)}">{listed}</spectrumList></run></mzML>\n',
        encoding="utf-8",
    )
    return path


def older(path: Path, groups: Mapping[str, Mapping[str, Any]]) -> Path:
    """An HDF5 file of one group a spectrum; keys that begin with `@` become attributes."""
    with h5py.File(path, "w") as file:
        for name, values in groups.items():
            group = file.create_group(f"spectra/{name}")
            for key, value in values.items():
                if key.startswith("@"):
                    group.attrs[key[1:]] = value
                else:
                    group[key] = value
    return path
