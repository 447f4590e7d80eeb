"""Whole files with odd content: values, types, shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.faults.damaged import ROWS, WIDTH, Case, Make, Oracle, healthy, sound
from tests.unit.shards.raws import spectra

PACKED: dict[str, Any] = {"chunks": (40, 1, 1), "compression": "gzip"}


def built(spectrum: Any, precursor: Any = None, options: Any = None, **columns: Any) -> Make:
    """Write these datasets."""

    def make(path: Path) -> None:
        rows = np.shape(spectrum)[0] if np.shape(spectrum) else 1
        given = np.full(rows, 400, np.float32) if precursor is None else precursor
        with h5py.File(path, "w") as file:
            file.create_dataset("spectrum", data=spectrum, **(options or {}))
            for name, values in {"precursor_mz": given, **columns}.items():
                file.create_dataset(name, data=values)

    return make


def declared(shape: Any, rows: int, **options: Any) -> Make:
    """A `spectrum` of which nothing is written, and `rows` precursors, not written either."""

    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("spectrum", shape, "f8", **options)
            file.create_dataset("precursor_mz", (rows,), "f4", chunks=(1024,), maxshape=(None,))

    return make


def changed(change: Callable[[h5py.File], None], layout: str = "columns") -> Make:
    """A sound file, changed."""

    def make(path: Path) -> None:
        path.write_bytes(sound(layout))
        with h5py.File(path, "a") as file:
            change(file)

    return make


def _peak_values() -> Iterator[Case]:
    for packed in (PACKED, None):
        way = "gzip" if packed else "contiguous"
        for value in (np.nan, np.inf, -np.inf, -5.0, -0.0, 0.0, 5e-324, 1e300, 1e-310):
            peaks = spectra(ROWS, WIDTH, 3)
            peaks[7, 0, 0] = value
            peaks[50, 1, 0] = value
            peaks[ROWS - 1, :, WIDTH - 1] = value
            yield Case(f"{value} among peaks, {way}", built(peaks, options=packed), "exact")
        random = np.random.default_rng(0)
        shuffled = random.permuted(spectra(ROWS, WIDTH, 4), axis=2)
        yield Case(
            f"unordered, gaps in the padding, {way}", built(shuffled, options=packed), "exact"
        )
        full = random.uniform(50, 900, (300, 2, 128))
        yield Case(f"128 peaks everywhere, {way}", built(full, options=packed), "exact")
    yield Case("every peak NaN", built(np.full((9, 2, 4), np.nan)), "error", "dropped")
    yield Case("every spectrum empty", built(np.zeros((9, 2, 4)), options=None), "error", "dropped")


def _precursors() -> Iterator[Case]:
    for value in (np.nan, np.inf, -np.inf, -400.0, 0.0, 3000.0, 1e308):
        precursor = np.full(ROWS, 400.0)
        precursor[::7] = value
        yield Case(f"precursor {value}", built(spectra(ROWS, WIDTH), precursor), "exact")


def _types() -> Iterator[Case]:
    peaks = spectra(ROWS, WIDTH)
    for dtype in ("i4", "i8", ">i2", "u1", "f2", "?", "c16", "S8", "V8", "longdouble"):
        wrong = built((peaks % 100).astype(dtype), options=PACKED)
        yield Case(f"spectrum of {dtype}", wrong, "error", "dataset `spectrum`")
    for dtype in ("f4", ">f8", ">f4"):
        for options in (PACKED, None):
            name = f"spectrum of {dtype}, {'gzip' if options else 'contiguous'}"
            yield Case(name, built(peaks.astype(dtype), options=options), "exact")
    pairs = np.zeros((ROWS, 2, WIDTH), [("mz", "f8"), ("i", "f4")])
    yield Case("spectrum of pairs", built(pairs), "error", "dataset `spectrum`")

    def lists(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("spectrum", (ROWS, 2, WIDTH), h5py.vlen_dtype(np.float64))
            file["precursor_mz"] = np.full(ROWS, 400.0)

    yield Case("spectrum of lists", lists, "error", "dataset `spectrum`")
    arrays = np.zeros((ROWS,), [("x", "f8", (2, WIDTH))])
    yield Case("spectrum of arrays", built(arrays), "error", "dataset `spectrum`")

    def odd_float(path: Path) -> None:
        kind = h5py.h5t.IEEE_F64LE.copy()
        kind.set_ebias(1000)
        healthy(path)
        with h5py.File(path, "a") as file:
            del file["spectrum"]
            space = h5py.h5s.create_simple((ROWS, 2, WIDTH))
            made = h5py.h5d.create(file.id, b"spectrum", kind, space)
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(peaks))

    yield Case("spectrum of floats of another bias", odd_float, "error", "dataset `spectrum`")


def _column_types() -> Iterator[Case]:
    peaks, ones = spectra(ROWS, WIDTH), np.ones(ROWS)
    pairs = np.zeros(ROWS, [("a", "f8"), ("b", "i4")])
    lists = np.array([np.arange(2)] * ROWS + [None], object)[:ROWS]
    columns: list[tuple[str, str, Any, Oracle]] = [
        *(("precursor_mz", d, (ones * 300).astype(d), "exact") for d in (">f8", "f2", "i4", ">u2")),
        *(("precursor_mz", d, ones.astype(d), "error") for d in ("S4", "c8", "?")),
        ("precursor_mz", "pairs", pairs, "error"),
        ("precursor_mz", "text", np.array(["400"] * ROWS, object), "error"),
        *(("charge", d, ones.astype(d), "exact") for d in ("i1", ">i4", "u8")),
        *(("charge", d, ones.astype(d), "error") for d in ("f4", "S1", "?")),
        ("charge", "large", np.full(ROWS, 2**63 + 1, "u8"), "error"),
        ("ms_level", "negative", np.full(ROWS, -1), "error"),
        ("lsh", ">i8", np.arange(ROWS).astype(">i8"), "exact"),
        ("lsh", "pairs", pairs, "error"),
        ("RT", "NaN", np.full(ROWS, np.nan), "exact"),
        ("RT", "beyond float32", np.full(ROWS, 1e300), "error"),
        ("RT", "pairs", pairs, "error"),
        ("name", "numbers", ones, "error"),
        ("name", "pairs", pairs, "error"),
        ("name", "bytes", np.array([b"a.mzML", b"b\xff"] * (ROWS // 2)), "exact"),
        ("adduct", "numbers", ones, "error"),
        ("smiles", "text", np.array(["C", "é", ""] * (ROWS // 3), object), "exact"),
    ]
    for name, kind, values, oracle in columns:
        made = built(peaks, **{"options": PACKED, "precursor": None, **_named(name, values)})
        says = f"dataset `{name}`" if oracle == "error" else ""
        yield Case(f"{name} of {kind}", made, oracle, says)

    def ragged(path: Path) -> None:
        built(peaks)(path)
        with h5py.File(path, "a") as file:
            held = file.create_dataset("name", (ROWS,), h5py.vlen_dtype(np.int32))
            held[0] = lists[0]

    yield Case("name of lists", ragged, "error", "dataset `name`")

    def references(path: Path) -> None:
        built(peaks)(path)
        with h5py.File(path, "a") as file:
            file.create_dataset("smiles", (ROWS,), h5py.ref_dtype)

    yield Case("smiles of references", references, "error", "dataset `smiles`")


def _named(name: str, values: Any) -> dict[str, Any]:
    return {"precursor" if name == "precursor_mz" else name: values}


def _shapes() -> Iterator[Case]:
    for shape in ((ROWS,), (ROWS, 2), (ROWS, 3, WIDTH), (ROWS, WIDTH, 2), (ROWS, 2, 0), (0, 2, 9)):
        yield Case(f"shape {shape}", built(np.ones(shape)), "error", "dataset `spectrum`")
    for shape in ((1, 2, WIDTH), (ROWS, 2, 1), (6, 2, 10_000), (3, 2, 128)):
        for options in ({"chunks": True, "compression": "gzip"}, None):
            values = np.random.default_rng(0).uniform(50, 900, shape)
            name = f"shape {shape}, {'gzip' if options else 'contiguous'}"
            yield Case(name, built(values, options=options), "exact")
    growing = partial(declared, (0, 2, WIDTH), 0, chunks=(40, 1, 1), maxshape=(None, 2, WIDTH))
    yield Case("no rows yet", growing(), "error", "dataset `spectrum`")
    yield Case("a scalar", built(np.float64(3)), "error", "dataset `spectrum`")
    yield Case("no dataspace", built(h5py.Empty("f8")), "error", "dataset `spectrum`")
    chunked = {"chunks": (40, 1, 1), "compression": "gzip"}
    for rows in (10**6, 10**9, 10**12, 2**60):
        empty = declared((rows, 2, 128), rows, **chunked)
        yield Case(f"{rows} rows that were never written", empty, "error", "dataset `spectrum`")
    for rows in (10**6, 10**12, 2**50):
        gone = declared((rows, 2, 128), rows)
        yield Case(f"{rows} rows, in one piece, not written", gone, "error", "dataset `spectrum`")
    wide = declared((40, 2, 2**40), 40, **chunked)
    yield Case("2**40 peaks a row", wide, "error", "dataset `spectrum`")
    for layout in ("columns", "lzf"):

        def longer(file: h5py.File) -> None:
            values, options = file["spectrum"][...], {"chunks": (40, 1, 1), "compression": "gzip"}
            del file["spectrum"], file["precursor_mz"], file["charge"], file["RT"]
            del file["name"], file["adduct"]
            made = file.create_dataset("spectrum", (ROWS * 3, 2, WIDTH), "f8", **options)
            made[:ROWS] = values
            file["precursor_mz"] = np.full(ROWS * 3, 400.0)

        says = "dataset `spectrum`, rows 120 to 359"
        yield Case(f"a third is written, {layout}", changed(longer, layout), "error", says)


def _lengths() -> Iterator[Case]:
    for name in ("precursor_mz", "charge", "RT", "name", "adduct"):
        for rows in (0, 1, ROWS - 1, ROWS + 1):

            def other_length(file: h5py.File, name: str = name, rows: int = rows) -> None:
                values = np.resize(file[name][...], rows)
                kind = file[name].dtype
                del file[name]
                file.create_dataset(name, data=values, dtype=kind)

            yield Case(f"{name} of {rows}", changed(other_length), "error", f"dataset `{name}`")


ODD: Mapping[str, Callable[[], Iterator[Case]]] = {
    "odd peaks": _peak_values,
    "odd precursors": _precursors,
    "wrong types": _types,
    "wrong types of columns": _column_types,
    "absurd shapes": _shapes,
    "other lengths": _lengths,
}
