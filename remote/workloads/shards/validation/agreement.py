"""Do the manifests agree with one another, and does each source row have its place?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from remote.workloads.shards.counts import added
from remote.workloads.shards.inputs.damage import rows_in
from remote.workloads.shards.output.dataset import dataset_hash, splits_record
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, QUALITY_REPORT
from remote.workloads.shards.ranking.scores import COLUMN as SCORES
from remote.workloads.shards.ranking.scores import SCORES_FILE
from remote.workloads.shards.settings import SCHEMA_VERSION, SPLITS
from remote.workloads.shards.validation.problems import Problem
from remote.workloads.shards.validation.records import Record, Records, ShardRecord


def disagreements(records: Records) -> Iterator[Problem]:
    """What one manifest says and another one does not; needs a dataset manifest."""
    dataset = records.dataset
    assert dataset is not None
    manifests = [shard.manifest for shard in records.shards if shard.manifest is not None]
    for text in (
        *_sums(dataset),
        *_counts(dataset),
        *_marked(dataset),
        *_inputs(dataset),
        *_ranked(dataset),
    ):
        yield Problem(DATASET_MANIFEST, text)
    for shard in records.shards:
        if shard.manifest is not None:
            for text in _shard(dataset, shard, shard.manifest):
                yield Problem(shard.manifest_file, text)
    if records.report is not None:
        for text in _report(dataset, records.report):
            yield Problem(QUALITY_REPORT, text)
    if len(manifests) == len(records.shards):  # else what is missing has been told
        if dataset["splits"] != splits_record(manifests):
            yield Problem(DATASET_MANIFEST, "splits is not what its shards add up to")
        yield from _dropped(dataset, manifests)
        yield from accounted(dataset, records.shards)


def _sums(dataset: Record) -> Iterator[str]:
    shards = dataset["shards"]
    expected = {
        "num_shards": len(shards),
        "num_samples": sum(shard["num_samples"] for shard in shards),
        "total_bytes": sum(shard["file_size_bytes"] for shard in shards),
        "dataset_hash": dataset_hash(shards),
        "version": SCHEMA_VERSION,
    }
    for name, value in expected.items():
        if dataset[name] != value:
            yield f"{name} is {dataset[name]}, not {value}"
    for file, times in Counter(shard["file"] for shard in shards).items():
        if times > 1:
            yield f"lists {file} {times} times"


def _counts(dataset: Record) -> Iterator[str]:
    counts = dataset["counts"]
    parts = {name: counts[name] for name in ("written", "attrition", "integrity", "damaged")}
    if counts["read"] != sum(parts.values()):
        sums = " + ".join(f"{count} {name}" for name, count in parts.items())
        yield f"counts do not add up: {counts['read']} read, {sums}"
    if counts["written"] != dataset["num_samples"]:
        yield f"counts.written is {counts['written']}, num_samples {dataset['num_samples']}"
    dropped = sum(counts["dropped"].values())
    if dropped != sum(parts.values()) - parts["written"]:
        yield f"counts.dropped has {dropped} spectra, the other counts {counts}"


def _marked(dataset: Record) -> Iterator[str]:
    """Damage must be marked, listed and counted, or none of these."""
    spectra, ranges = dataset["counts"]["damaged"], dataset["damaged_ranges"]
    marked = dataset["status"] == "damaged"
    rows = rows_in(ranges)
    if rows != spectra or marked != bool(ranges):
        yield (
            f"status {dataset['status']}, {spectra} damaged spectra and "
            f"damaged_ranges of {rows} rows do not agree"
        )


def _inputs(dataset: Record) -> Iterator[str]:
    hashes = {x["name"]: f"sha256:{x['sha256']}" for x in dataset["inputs"]}
    if dataset["hdf5_hashes"] != hashes:
        yield "hdf5_hashes and inputs do not agree"


def _ranked(dataset: Record) -> Iterator[str]:
    """A dataset has scores where it was ranked, and each spectrum was asked about or not."""
    ranking = dataset.get("ranking")
    held = any(column["name"] == SCORES for column in dataset["schema"]["columns"])
    if held != (ranking is not None):
        yield f"ranking is {'missing' if held else 'there'}, and {SCORES} is " + (
            "a column" if held else "no column"
        )
    if ranking is None:
        return
    if ranking["scores_file"] != SCORES_FILE:
        yield f"ranking.scores_file is {ranking['scores_file']}, not {SCORES_FILE}"
    total = ranking["scored"] + ranking["not_asked"] + sum(ranking["unscored"].values())
    if total != dataset["num_samples"]:
        yield f"ranking is of {total} spectra, num_samples is {dataset['num_samples']}"


def _report(dataset: Record, report: Record) -> Iterator[str]:
    told = report["dataset"]
    for name in ("dataset_hash", "num_shards", "num_samples"):
        if told[name] != dataset[name]:
            yield f"dataset.{name} is {told[name]}, {DATASET_MANIFEST} has {dataset[name]}"
    if report.get("ranking") != dataset.get("ranking"):
        yield f"ranking is not what {DATASET_MANIFEST} has"


def _shard(dataset: Record, shard: ShardRecord, manifest: Record) -> Iterator[str]:
    for name in ("num_samples", "file_size_bytes", "checksum"):
        if manifest[name] != shard.entry[name]:
            yield f"{name} is {manifest[name]}, {DATASET_MANIFEST} has {shard.entry[name]}"
    if f"{manifest['split']}/{manifest['file']}" != shard.file:
        yield f"is of {manifest['split']}/{manifest['file']}, not of {shard.file}"
    for name, value in {
        "dataset": dataset["dataset"],
        "config_digest": dataset["config_hash"],
        "schema_version": dataset["version"],
    }.items():
        if manifest[name] != value:
            yield f"{name} is {manifest[name]}, {DATASET_MANIFEST} has {value}"
    held = sum(group["rows"] for group in manifest["row_groups"])
    if held != manifest["num_samples"]:
        yield f"its row groups have {held} spectra together, num_samples is {shard.entry}"
    dropped = added(group["dropped"] for group in manifest["row_groups"])
    if dropped != Counter(manifest["dropped"]):
        yield f"dropped is {manifest['dropped']}, its row groups have {dict(dropped)}"


def _dropped(dataset: Record, manifests: Sequence[Record]) -> Iterator[Problem]:
    dropped = added(manifest["dropped"] for manifest in manifests)
    # What was dropped is counted in the first split, of which there may be no shard.
    first = len(dataset["splits"]) < 2 or SPLITS[0] in dataset["splits"]
    if dropped != Counter(dataset["counts"]["dropped"]) and (dropped or first):
        counted = dataset["counts"]["dropped"]
        text = f"counts.dropped is {counted}, its shards have {dict(dropped)}"
        yield Problem(DATASET_MANIFEST, text)


def accounted(dataset: Record, shards: Sequence[ShardRecord]) -> Iterator[Problem]:
    """The shards of each split account once for each source row that was read, and for no other."""
    read = dataset["counts"]["read"]
    splits: dict[str, list[tuple[ShardRecord, Record]]] = {}
    for shard in shards:
        assert shard.manifest is not None
        ranges = [(shard, one) for one in shard.manifest["source_ranges"]]
        splits.setdefault(shard.manifest["split"], []).extend(ranges)
    rows = {x["name"]: x["rows"] for x in dataset["inputs"]}
    covered = {}
    for split, ranges in splits.items():
        yield from _outside(ranges, rows)
        yield from _overlaps(ranges)
        covered[split] = joined(one for _, one in ranges)
        found = sum(stop - start for _, start, stop in covered[split])
        if found != read:
            text = f"{split}: its shards account for {found} source rows, {read} were read"
            yield Problem(DATASET_MANIFEST, text)
        if dataset["sample"] == "prefix":
            yield from _gaps(split, covered[split], list(rows))
    if len({tuple(ranges) for ranges in covered.values()}) > 1:
        text = f"the splits {', '.join(covered)} account for different source rows"
        yield Problem(DATASET_MANIFEST, text)


def joined(ranges: Iterable[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """The same source rows in as few ranges as can be, by input name and row."""
    found: list[tuple[str, int, int]] = []
    for name, start, stop in sorted((x["input"], x["row_start"], x["row_stop"]) for x in ranges):
        if found and found[-1][0] == name and start <= found[-1][2]:
            found[-1] = (name, found[-1][1], max(found[-1][2], stop))
        else:
            found.append((name, start, stop))
    return found


def _outside(
    ranges: Iterable[tuple[ShardRecord, Record]], rows: Mapping[str, int]
) -> Iterator[Problem]:
    for shard, one in ranges:
        text = f"source_ranges has {_words(one)}"
        if one["input"] not in rows:
            yield Problem(shard.manifest_file, f"{text}, which is none of the inputs")
        elif not 0 <= one["row_start"] < one["row_stop"] <= rows[one["input"]]:
            total = rows[one["input"]]
            yield Problem(shard.manifest_file, f"{text}, and that input has {total} rows")


def _overlaps(ranges: Iterable[tuple[ShardRecord, Record]]) -> Iterator[Problem]:
    last: tuple[ShardRecord, Record] | None = None
    for shard, one in sorted(ranges, key=lambda x: (x[1]["input"], x[1]["row_start"])):
        if last and last[1]["input"] == one["input"] and last[1]["row_stop"] > one["row_start"]:
            stop = min(last[1]["row_stop"], one["row_stop"])
            both = {**one, "row_stop": max(stop, one["row_start"] + 1)}
            text = f"source_ranges has {_words(both)}, and so has {last[0].file}"
            yield Problem(shard.manifest_file, text)
        if (
            last is None
            or last[1]["input"] != one["input"]
            or last[1]["row_stop"] < one["row_stop"]
        ):
            last = (shard, one)


def _gaps(
    split: str, covered: Sequence[tuple[str, int, int]], inputs: Sequence[str]
) -> Iterator[Problem]:
    """Without sampling, what is read is all rows from the first one on, input by input."""
    reached: dict[str, int] = {}
    for name, start, stop in covered:
        at = reached.get(name, 0)
        if start > at:
            missing = {"input": name, "row_start": at, "row_stop": start}
            yield Problem(DATASET_MANIFEST, f"{split}: no shard accounts for {_words(missing)}")
        reached[name] = stop
    begun = [name for name in inputs if name in reached]
    if begun != list(inputs[: len(begun)]):
        text = f"{split}: no shard accounts for a row of {inputs[0]}"
        yield Problem(DATASET_MANIFEST, text)


def _words(one: Mapping[str, Any]) -> str:
    return f"rows {one['row_start']} to {one['row_stop'] - 1} of {one['input']}"
