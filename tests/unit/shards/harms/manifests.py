"""Manifests that are no manifests, or do not agree with one another or with the shards."""

from __future__ import annotations

import shutil

from remote.workloads.shards.output.manifest import DATASET_MANIFEST, QUALITY_REPORT, manifest_path
from tests.unit.shards.harmed_dataset import edit, shards
from tests.unit.shards.harms.case import Case, agreed, dataset, manifest

MANIFESTS = [
    Case(
        "dataset manifest is no JSON",
        lambda r: (r / DATASET_MANIFEST).write_text("{"),
        "is no JSON",
        "dataset",
    ),
    Case(
        "dataset manifest is a list",
        lambda r: (r / DATASET_MANIFEST).write_text("[]"),
        "is no JSON object",
        "dataset",
    ),
    Case(
        "dataset manifest is cut",
        lambda r: (r / DATASET_MANIFEST).write_bytes(b"\xff\xfe"),
        "is no JSON",
        "dataset",
    ),
    Case(
        "dataset manifest lacks a key",
        dataset(lambda x: x.pop("counts")),
        "counts is missing",
        "dataset",
    ),
    Case(
        "dataset manifest has text for a number",
        dataset(lambda x: x.update(num_samples="1")),
        'num_samples is "1", not a whole number',
        "dataset",
    ),
    Case(
        "a shard elsewhere",
        dataset(lambda x: x["shards"][0].update(file="../a.parquet")),
        "no shard of this dataset",
        "dataset",
    ),
    Case(
        "num_samples",
        dataset(lambda x: x.update(num_samples=1)),
        "num_samples is 1, not",
        "dataset",
    ),
    Case(
        "dataset_hash",
        dataset(lambda x: x.update(dataset_hash="sha256:0")),
        "dataset_hash is",
        "dataset",
    ),
    Case(
        "splits",
        dataset(lambda x: x["splits"]["train"].update(num_shards=7)),
        "splits is not",
        "dataset",
    ),
    Case(
        "counts", dataset(lambda x: x["counts"].update(read=7)), "counts do not add up", "dataset"
    ),
    Case(
        "counts by reason",
        dataset(lambda x: x["counts"].update(dropped={})),
        "counts.dropped",
        "dataset",
    ),
    Case(
        "hashes of inputs",
        dataset(lambda x: x["inputs"][0].update(sha256="0")),
        "hdf5_hashes and inputs",
        "dataset",
    ),
    Case(
        "marked as damaged",
        dataset(lambda x: x.update(status="damaged")),
        "do not agree",
        "dataset",
    ),
    Case("report missing", lambda r: (r / QUALITY_REPORT).unlink(), "is missing", "report"),
    Case(
        "report of another dataset",
        lambda r: edit(r / QUALITY_REPORT, lambda x: x["dataset"].update(num_shards=7)),
        "dataset.num_shards is 7",
        "report",
    ),
    Case(
        "rules of the manifest",
        dataset(lambda x: x["preprocessing"].update(min_peaks=3)),
        "its metadata has preprocessing",
    ),
    Case("list of columns", dataset(lambda x: x["schema"]["columns"].pop()), "has the columns"),
    Case(
        "manifest missing",
        lambda r: manifest_path(shards(r)[0]).unlink(),
        "is missing",
        "manifest0",
    ),
    Case(
        "manifest is no JSON",
        lambda r: manifest_path(shards(r)[0]).write_text("x"),
        "is no JSON",
        "manifest0",
    ),
    Case(
        "manifest of another shard",
        lambda r: shutil.copy(manifest_path(shards(r)[1]), manifest_path(shards(r)[0])),
        "is of train/",
        "manifest0",
    ),
    Case(
        "manifest's checksum",
        manifest(lambda x: x.update(checksum="sha256:0")),
        "checksum is sha256:0",
        "manifest0",
    ),
    Case("manifest's dropped", manifest(lambda x: x.update(dropped={})), "dropped is", "manifest0"),
    Case(
        "manifest's row groups",
        manifest(lambda x: x["row_groups"][1].update(offset=9)),
        "other row groups than its manifest says, from row group 1 on",
    ),
    Case(
        "manifest's precursors",
        manifest(lambda x: x.update(min_precursor_mz=1.0)),
        "its manifest says 1.0",
    ),
    Case(
        "manifest's ids",
        manifest(lambda x: x.update(sample_ids_sha256="0")),
        "other sample ids",
        full=True,
    ),
    Case(
        "manifest's first id",
        manifest(lambda x: x.update(first_sample_id="a:9")),
        "its manifest says a:9",
        full=True,
    ),
    Case(
        "row group of other rows",
        manifest(lambda x: x["row_groups"][1].update(row_start=5_000)),
        "its manifest says rows 5000",
        row_group=1,
        full=True,
    ),
    Case(
        "rows that nobody has",
        agreed(lambda x: x["source_ranges"][0].update(row_start=10)),
        "no shard accounts for rows 0 to 9 of a.hdf5",
        "dataset",
    ),
    Case(
        "rows that two have",
        agreed(
            lambda x: x["source_ranges"].append({"input": "a.hdf5", "row_start": 0, "row_stop": 9}),
            1,
        ),
        "rows 0 to 8 of a.hdf5",
        "manifest1",
    ),
    Case(
        "rows beyond the input",
        agreed(lambda x: x["source_ranges"][-1].update(row_stop=9_000), 1),
        "that input has 5300 rows",
        "manifest1",
    ),
    Case(
        "rows of no input",
        agreed(lambda x: x["source_ranges"][-1].update(input="c.hdf5"), 1),
        "none of the inputs",
        "manifest1",
    ),
]
