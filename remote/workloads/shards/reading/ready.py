"""The training gate: is a dataset fit to train on? Everything that is not is said, with advice.

What a training would meet is tried: every row group (or some, drawn by a seed) is read as Arrow,
its pages verified, taken as NumPy arrays, looked through for bad values, and laid out as padded
and as ragged batches. Whether the files are what was written is `validate-shards`' business.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from remote.errors import WorkhorseError
from remote.workloads.shards.quality.checks import Check, Status, worst
from remote.workloads.shards.reading.records import dataset_record, record_checks
from remote.workloads.shards.reading.shards import RowGroup, read_shards
from remote.workloads.shards.reading.trial import Found, sampled, try_out


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict.

    Attributes:
        status: as bad as the worst check.
        checks: all of them.
        row_groups: how many were read, and of how many.
        spectra: in them.
        seconds: how long that took.
    """

    status: Status
    checks: tuple[Check, ...]
    row_groups: tuple[int, int]
    spectra: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        rate = round(self.spectra / self.seconds, 1) if self.seconds > 0 else 0.0
        return {**asdict(self), "spectra_per_second": rate}

    def lines(self) -> Iterator[str]:
        """The verdict for people."""
        for check in self.checks:
            yield f"{check.status}  {check.name:9} {check.reason}"
            if check.advice:
                yield f"{'':16}{check.advice}"
        read, there = self.row_groups
        part = "all" if read == there else f"{read:,} of"
        rate = self.spectra / self.seconds if self.seconds > 0 else 0.0
        yield (
            f"read {self.spectra:,} spectra in {part} {there:,} row groups, "
            f"{self.seconds:.1f} s ({rate:,.0f} spectra/s)"
        )


def ready(dataset: str | PathLike[str], *, sample: int | None = None, seed: int = 0) -> Readiness:
    """Look at a dataset.

    Args:
        dataset: its folder.
        sample: row groups to read, drawn by `seed`; None for all.

    Raises:
        ResultsUnusable: there is no dataset.
    """
    root = Path(dataset)
    record = dataset_record(root)
    checks = list(record_checks(root, record))
    began = time.monotonic()
    groups: tuple[RowGroup, ...] = ()
    try:
        shards = read_shards(root)
        groups = shards.row_groups()
        found = try_out(shards, sampled(groups, sample, seed), record["preprocessing"])
    except WorkhorseError as error:  # a shard that cannot even be opened
        found = Found(unreadable=[error.problem])
    seconds = time.monotonic() - began
    checks += _reading(found, record["preprocessing"])
    status = worst(check.status for check in checks)
    return Readiness(status, tuple(checks), (found.row_groups, len(groups)), found.spectra, seconds)


def _reading(found: Found, preprocessing: Mapping[str, Any]) -> Iterator[Check]:
    yield _arrow(found)
    if not found.spectra:
        return
    yield _counted(found, "values", found.values, f"{found.peaks:,} peaks without a bad value")
    yield _columns(found)
    if not preprocessing.get("sort_mz", True):
        yield Check(
            "order",
            "WARN",
            "the build did not sort peaks by m/z",
            "Sort them in your loader, or build without --no-sort.",
        )
    laid = f"padded (longest spectrum {found.longest:,} peaks) and ragged, as the masks say"
    yield _counted(found, "batches", found.batches, laid)


def _arrow(found: Found) -> Check:
    if found.unreadable:
        first = found.unreadable[0]
        return Check(
            "arrow",
            "FAIL",
            f"{len(found.unreadable):,} row group(s) cannot be read; {first}",
            "Fetch these files again, or build the dataset again.",
        )
    if not found.spectra:
        return Check("arrow", "FAIL", "there are no spectra", "Compare the rules with the input.")
    return Check("arrow", "PASS", f"{found.spectra:,} spectra, every page's checksum verified")


def _counted(found: Found, name: str, wrong: Mapping[str, int], good: str) -> Check:
    if not wrong:
        return Check(name, "PASS", good)
    return Check(
        name,
        "FAIL",
        _listed(found, wrong),
        "Build again with the usual rules; if it comes back, report it as a defect.",
    )


def _columns(found: Found) -> Check:
    if not found.columns:
        return Check("columns", "PASS", "no NaN and no infinity")
    listed = _listed(found, found.columns)
    advice = "Mask these values, or leave the columns out of the model's input."
    return Check("columns", "WARN", f"NaN or infinity: {listed}", advice)


def _listed(found: Found, wrong: Mapping[str, int]) -> str:
    return "; ".join(
        f"{kind}: {count:,} spectra, such as {found.examples[kind]}"
        for kind, count in wrong.items()
    )
