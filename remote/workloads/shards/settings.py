"""What can be set about a build: the keys of a sharding config, and how the work is done.

`BuildSettings` is the config file's form. Everything in it that bears on the shards' bytes is
part of the key that a resumed build compares; `Execution` bears on speed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal

from remote.workloads.progress import notice
from remote.workloads.shards.obsolete import Tell, without_obsolete
from remote.workloads.shards.ranking.options import Ranker

# Of the columns that schema.py defines.
SCHEMA_VERSION = 1

MzPrecision = Literal["float64", "float32"]
Mode = Literal["local", "production"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SplitKey = Literal["source_file", "lsh", "inchikey14"]
Sampling = Literal["prefix", "random"]

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The cleaning rules.

    `max_precursor_mz` is inclusive. `max_peaks` None keeps all peaks of a spectrum.
    """

    normalize_intensities: bool = True
    sort_mz: bool = True
    min_peaks: int = field(default=1, metadata={"min": 1, "max": 10_000})
    max_precursor_mz: float = field(default=2000.0, metadata={"min": 1.0})
    filter_nonfinite: bool = True
    max_peaks: int | None = field(default=None, metadata={"min": 1, "max": 1_000_000})


@dataclass(frozen=True, slots=True)
class InputRules:
    """What is taken of the inputs.

    `ms_level` is that of the spectra to take; those whose level is not known are taken too.
    `carry` names further datasets or parameters, each of which becomes a column.
    """

    ms_level: int = field(default=2, metadata={"min": 2, "max": 20})
    carry: tuple[str, ...] = ()


_SHARE = {"min": 0.0, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Limits:
    """Above what a check of the quality report warns, and above what it fails; None for never.

    Shares of spectra, but for `mz_rounding`, which is in ppm. They judge a dataset and change
    nothing in it.
    """

    integrity_warn: float | None = field(default=0.0001, metadata=_SHARE)
    integrity_fail: float | None = field(default=0.001, metadata=_SHARE)
    damaged_warn: float | None = field(default=0.0, metadata=_SHARE)
    damaged_fail: float | None = field(default=0.05, metadata=_SHARE)
    attrition_warn: float | None = field(default=0.20, metadata=_SHARE)
    attrition_fail: float | None = field(default=0.80, metadata=_SHARE)
    duplicates_warn: float | None = field(default=0.01, metadata=_SHARE)
    duplicates_fail: float | None = field(default=None, metadata=_SHARE)
    saturated_warn: float | None = field(default=0.10, metadata=_SHARE)
    saturated_fail: float | None = field(default=None, metadata=_SHARE)
    charge_unknown_warn: float | None = field(default=0.50, metadata=_SHARE)
    charge_unknown_fail: float | None = field(default=None, metadata=_SHARE)
    mz_rounding_warn: float | None = field(default=0.5, metadata={"min": 0.0})
    mz_rounding_fail: float | None = field(default=None, metadata={"min": 0.0})

    def of(self, check: str) -> tuple[float | None, float | None]:
        """Above what the check warns and fails."""
        return getattr(self, f"{check}_warn"), getattr(self, f"{check}_fail")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Keys that contradict another, and how."""
        names = [one.name.removesuffix("_warn") for one in fields(self)]
        for name in (name for name in names if not name.endswith("_fail")):
            warn, fail = self.of(name)
            if warn is not None and fail is not None and warn > fail:
                yield f"{name}_warn", f"must not be above {name}_fail, {warn} is above {fail}"


@dataclass(frozen=True, slots=True)
class Splits:
    """Groups of spectra dealt out to train, val and test; without `by` there is one split.

    Attributes:
        by: what groups are made of; those that share a spectrum are one group.
        fractions: the shares of train, val and test.
    """

    by: tuple[SplitKey, ...] = ()
    fractions: tuple[float, ...] = (0.9, 0.05, 0.05)


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality ranker (off by default), how it is reached, and the quality report's limits."""

    enable_ranking: bool = False
    ranker_model: str | None = None
    ranker: Ranker = field(default_factory=Ranker)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Logging:
    """The level and the file of the log; without a file it goes to stderr."""

    level: str = field(
        default="INFO", metadata={"choices": ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")}
    )
    log_file: str | None = None


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """A sharding config. Paths are relative to the working directory.

    `canonical_hdf5` names the inputs: HDF5, MGF or mzML, whatever its name says.
    `max_shard_size_bytes` None means the mode's own; `max_spectra` counts source rows: the
    first ones, or those of row groups drawn by `random_seed` where `sample` is "random".
    """

    dataset_name: str = "msms"
    canonical_hdf5: tuple[str, ...] = ()
    output_root: str | None = None
    max_shard_size_bytes: int | None = field(default=None, metadata={"min": 65_536, "max": 10**15})
    schema_version: int = field(default=SCHEMA_VERSION, metadata={"choices": (SCHEMA_VERSION,)})
    max_spectra: int | None = field(default=None, metadata={"min": 1, "max": 10**12})
    sample: Sampling = "prefix"
    splits: Splits = field(default_factory=Splits)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    input: InputRules = field(default_factory=InputRules)
    quality: Quality = field(default_factory=Quality)
    logging: Logging = field(default_factory=Logging)
    random_seed: int = field(default=42, metadata={"min": 0, "max": 2**63 - 1})


@dataclass(frozen=True, slots=True)
class DaskOptions:
    """Which Dask does the work: a scheduler by its address, or one of this machine's own.

    Attributes:
        scheduler: as `tcp://HOST:PORT` or `tls://HOST:PORT`; None to start one here.
        tls_ca_file, tls_cert, tls_key: PEM files for `tls://`; None for what Dask's own
            configuration says.
    """

    scheduler: str | None = None
    tls_ca_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """How the work is done: nothing here changes a byte of the shards.

    Attributes:
        workers: threads or processes that read, clean and encode; with a scheduler, tasks that
            are under way at one time, 0 for as many as its workers have threads.
        batch_size: rows per read, rounded up to what the input stores together.
        checkpoint_interval: source rows between two points that outlast a power cut.
        checkpoint: False to keep no journal; such a build cannot be resumed.
        processes: whether the workers are processes; they are threads otherwise.
        dask: None to do without.
        ahead: tasks that are handed over before their turn to be written; 0 for the usual.
    """

    workers: int
    batch_size: int
    checkpoint_interval: int
    checkpoint: bool = True
    processes: bool = False
    dask: DaskOptions | None = None
    ahead: int = 0

    @property
    def read_ahead(self) -> int:
        """Tasks under way or waiting to be written: so that no worker waits for the writer."""
        usual = self.workers + 1 if not (self.processes or self.dask) else 2 * self.workers
        return self.ahead or usual

    @property
    def local_workers(self) -> int:
        """How many tasks this machine does at one time."""
        return 0 if self.dask and self.dask.scheduler else self.workers


@dataclass(frozen=True, slots=True)
class ModeDefaults:
    """The figures that a mode stands for; each can be set by itself."""

    max_workers: int
    max_shard_size_bytes: int
    checkpoint_interval: int


MODES: Mapping[Mode, ModeDefaults] = {
    "local": ModeDefaults(4, 1_000_000_000, 5_000),
    "production": ModeDefaults(48, 2_000_000_000, 10_000),
}


def read_settings(path: Path, tell: Tell = notice) -> BuildSettings:
    """Read a sharding config.

    Args:
        tell: is given a line for each key of an earlier pipeline that is ignored.

    Raises:
        ConfigInvalid: every problem of the file at once, each with its path in it.
    """
    from remote.schema import read_yaml

    return read_yaml(path, BuildSettings, lambda config: without_obsolete(config, str(path), tell))


def preprocessing_record(settings: BuildSettings, mz_precision: MzPrecision) -> dict[str, object]:
    """The rules as they are written into files and manifests; a cap only where there is one."""
    rules = {k: v for k, v in asdict(settings.preprocessing).items() if v is not None}
    return {**rules, "mz_precision": mz_precision}


def quality_record(quality: Quality) -> dict[str, object]:
    """What of it bears on what is written to shards: the questions, not the limits or the pace."""
    asked = {"ranker": quality.ranker.bearing_on_scores()} if quality.enable_ranking else {}
    return {
        "enable_ranking": quality.enable_ranking,
        "ranker_model": quality.ranker_model,
        **asked,
    }
