"""What the shard notebooks call, so that they hold no logic of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    QUALITY_PAGE,
    QUALITY_REPORT,
    manifest_path,
)
from remote.workloads.shards.quality.markup import element, joined
from remote.workloads.shards.settings import SPLITS, BuildSettings, read_settings


def settings_from(config: str | PathLike[str] = "", **changes: Any) -> BuildSettings:
    """A sharding config (defaults without one) with what is set, that is not None, instead.

    Raises:
        ConfigInvalid: every problem of the file at once.
    """
    settings = read_settings(Path(config)) if config else BuildSettings()
    return replace(settings, **{name: v for name, v in changes.items() if v is not None})


@dataclass(frozen=True, slots=True, repr=False)
class QualityVerdict:
    """The quality report in a few lines; its page has plots, the file itself every figure."""

    report: dict[str, Any]

    def __repr__(self) -> str:
        lines = [f"quality: {self.report['overall']}"]
        for name, stage in self.report["stages"].items():
            lines.append(f"  {name.replace('_', ' '):20} {stage['status']}")
            lines += [f"    {check['reason']}" for check in _findings(stage)]
        lines += [f"  - {advice}" for advice in self.report["recommendations"]]
        return "\n".join([*lines, f"plots: {QUALITY_PAGE}"])

    def _repr_html_(self) -> str:
        """The same for a notebook, with a link to the page, which lies beside it."""
        rows = [
            element(
                "tr",
                element("td", name.replace("_", " ")),
                element("td", element("b", stage["status"])),
                element("td", "; ".join(check["reason"] for check in _findings(stage))),
            )
            for name, stage in self.report["stages"].items()
        ]
        advice = [element("li", text) for text in self.report["recommendations"]]
        return joined(
            element("p", "Quality: ", element("b", self.report["overall"])),
            element("table", *rows),
            element("ul", *advice),
            element("p", "Plots: ", element("a", QUALITY_PAGE, href=QUALITY_PAGE)),
        )


def _findings(stage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [check for check in stage["checks"] if check["status"] != "PASS"]


def quality_verdict(dataset: str | PathLike[str]) -> QualityVerdict:
    """The verdict on the dataset in a folder.

    Raises:
        ResultsUnusable: the folder holds no quality report.
    """
    return QualityVerdict(_json(Path(dataset) / QUALITY_REPORT))


@dataclass(frozen=True, slots=True, repr=False)
class ReadBack:
    """What reading a dataset from its first to its last row found. Sizes in bytes."""

    source: str
    shards: int
    spectra: int
    peaks: int
    bytes: int
    precursor_mz: tuple[float, float]

    def __repr__(self) -> str:
        low, high = self.precursor_mz
        mean = self.peaks / max(1, self.spectra)
        size = f"{self.shards} shard(s), {self.bytes / 1e6:.1f} MB"
        return (
            f"{self.source}: {self.spectra:,} spectra in {size}\n"
            f"{self.peaks:,} peaks, {mean:.1f} a spectrum; precursor m/z {low:.4f} to {high:.4f}\n"
            "every count agrees with the manifests"
        )

    def write(self, path: Path) -> Path:
        """Store the figures as JSON."""
        figures = {name: getattr(self, name) for name in self.__slots__}
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return path


def read_back(folder: str | PathLike[str]) -> ReadBack:
    """Read every shard of a result folder and compare its counts with the manifests.

    Raises:
        ResultsUnusable: the folder holds no dataset.
        IntegrityFailure: a count differs from what was recorded.
    """
    root = Path(folder)
    dataset = _json(root / DATASET_MANIFEST)
    spectra = peaks = size = 0
    low, high = float("inf"), float("-inf")
    shards = list(_shards(root))
    for shard in shards:
        table = pq.read_table(shard, columns=["num_peaks", "precursor_mz"])
        _agree(shard, table.num_rows, _json(manifest_path(shard))["num_samples"])
        spectra += table.num_rows
        size += shard.stat().st_size
        for peak_count, precursor in _columns(table):
            peaks += int(peak_count.sum())
            low, high = min(low, float(precursor.min())), max(high, float(precursor.max()))
    _agree(root, len(shards), dataset["num_shards"])
    _agree(root, spectra, dataset["num_samples"])
    return ReadBack(root.name, len(shards), spectra, peaks, size, (low, high))


def _columns(table: Any) -> Iterator[tuple[Any, Any]]:
    """The two columns of a table as arrays, where it has rows."""
    if table.num_rows:
        yield table["num_peaks"].to_numpy(), table["precursor_mz"].to_numpy()


def _shards(root: Path) -> Iterator[Path]:
    for split in SPLITS:
        yield from sorted((root / split).glob("shard_*.parquet"))


def _agree(what: Path, found: int, recorded: int) -> None:
    if found != recorded:
        raise IntegrityFailure(
            f"{what}: {found:,} were read, the manifest records {recorded:,}",
            hint=f"`remote results verify` names what changed in {what.name}",
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsUnusable(
            f"{path}: cannot be read: {error}",
            hint="build shards first: ./scripts/run-remote.sh notebooks/10_build_shards.ipynb",
        ) from error
    assert isinstance(content, dict)
    return content
