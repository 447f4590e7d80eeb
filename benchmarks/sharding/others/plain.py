"""The plain way, as one writes it first and as this project's ancestors did.

A dictionary a spectrum, cleaned with NumPy, a table from lists for each thousand, one
ParquetWriter, and a SHA-256 that reads the finished file again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.sharding.others.feed import Asked, Spectrum, run, spectra

BATCH = 1_000
SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("mzs", pa.list_(pa.float64())),
        ("ints", pa.list_(pa.float32())),
        ("precursor_mz", pa.float64()),
        ("charge", pa.int8()),
        ("rt", pa.float32()),
        ("source_file", pa.string()),
    ]
)


def cleaned(spectrum: Spectrum) -> Spectrum | None:
    """Finite peaks above zero, ascending, the base peak 1; None where nothing is left."""
    mz, intensity = spectrum["mzs"], spectrum["ints"]
    keep = np.isfinite(mz) & np.isfinite(intensity) & (mz > 0) & (intensity > 0)
    mz, intensity = mz[keep], intensity[keep]
    if not len(mz) or not 0 < spectrum["precursor_mz"] <= 2_000:
        return None
    order = np.argsort(mz, kind="stable")
    scaled = intensity[order] / intensity.max()
    return {**spectrum, "mzs": mz[order].tolist(), "ints": scaled.tolist()}


def batches(rows: Iterable[Spectrum]) -> Iterator[list[Spectrum]]:
    """A thousand spectra at a time, and the rest."""
    batch: list[Spectrum] = []
    for spectrum in rows:
        kept = cleaned(spectrum)
        if kept is not None:
            batch.append(kept)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def pipeline(asked: Asked) -> None:
    """One shard and its manifest."""
    asked.target.mkdir()
    shard = asked.target / "shard.parquet"
    with pq.ParquetWriter(shard, SCHEMA, compression="zstd", compression_level=1) as writer:
        for batch in batches(spectra(asked.bounds())):
            writer.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))
    digest = hashlib.sha256()
    with shard.open("rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
    manifest = {"num_samples": asked.rows, "checksum": f"sha256:{digest.hexdigest()}"}
    (asked.target / "shard.manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    run(pipeline)
