"""What was asked of a build, checked and with every default filled in."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from remote.errors import ConfigInvalid, UsageError
from remote.schema import out_of_bounds
from remote.workloads.hostfacts import cores
from remote.workloads.shards.context import default_run_id
from remote.workloads.shards.inputs.opening import check_stems
from remote.workloads.shards.plan import TASK_ROWS
from remote.workloads.shards.ranking.ready import check_key, check_settings
from remote.workloads.shards.settings import (
    MODES,
    SPLITS,
    BuildSettings,
    DaskOptions,
    Execution,
    Mode,
    MzPrecision,
    Preprocessing,
    Split,
)

Inputs = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None
Clock = Callable[[], datetime]
_SCHEDULER = re.compile(r"(tcp|tls)://\S+:(?P<port>[0-9]+)")
_MOST_NAME = 200
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Options(TypedDict, total=False):
    """What can be set beside the config's keys; a figure left out or None is the mode's own.

    Keys:
        split: the folder and label of the shards.
        mode: which figures are the defaults; threads for "local", processes for "production".
        mz_precision: "float64" or "float32".
        num_workers, batch_size, checkpoint_interval: see `settings.Execution`.
        use_dask: have Dask workers of this machine do the work.
        scheduler: the address of a Dask scheduler whose workers do it.
        tls_ca_file, tls_cert, tls_key: PEM files for a `tls://` scheduler.
        checkpoint: False to keep no journal.
        resume: go on with an unfinished build of the same output root.
        run_id: what shard names carry.
        skip_damaged: leave out rows that cannot be read, and say so, instead of refusing.
        sample_spectra: size of the sample that is made where no input is named.
        skip_preflight, min_memory_gb, min_disk_gb: the checks before work starts.
        max_memory_gb: what the build may take; workers and read-ahead are lowered to fit. None
            for what is available, and 3 GB a worker at most.
        config_file: name of the config that the settings came from.
        clock: where times come from.
    """

    split: Split
    mode: Mode
    mz_precision: MzPrecision
    num_workers: int | None
    batch_size: int | None
    checkpoint_interval: int | None
    use_dask: bool
    scheduler: str | None
    tls_ca_file: str | None
    tls_cert: str | None
    tls_key: str | None
    checkpoint: bool
    resume: bool
    run_id: str | None
    skip_damaged: bool
    sample_spectra: int
    skip_preflight: bool
    min_memory_gb: float
    max_memory_gb: float | None
    min_disk_gb: float
    config_file: str | None
    clock: Clock


def utc_now() -> datetime:
    """The clock that is used unless another is given."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """A build as it will be run. `inputs` is empty where a sample is to be made."""

    inputs: tuple[Path, ...]
    output_root: Path
    settings: BuildSettings
    split: Split
    mode: Mode
    mz_precision: MzPrecision
    run_id: str
    limit: int
    execution: Execution
    resume: bool
    skip_damaged: bool
    sample_spectra: int
    skip_preflight: bool
    min_memory_gb: float
    max_memory_gb: float | None
    min_disk_gb: float
    config_file: str | None
    clock: Clock
    created_at: datetime


def make_request(
    settings: BuildSettings, inputs: Inputs, output_root: str | os.PathLike[str] | None, o: Options
) -> Request:
    """Fill in the defaults and check what can be checked without opening anything.

    Raises:
        UsageError: no output root, or a figure or id that cannot be.
        InputUnusable: two inputs of the same stem.
        ConfigInvalid, RankerUnusable: a number of the settings is out of its bounds; spectra
            cannot be ranked as it is set, or without a key.
    """
    mode = o.get("mode", "local")
    defaults = MODES[mode]
    clock = o.get("clock", utc_now)
    now = clock()
    root = output_root or settings.output_root
    if not root:
        raise UsageError("No output root is given.", hint="Name one with --output-root DIR.")
    run_id = checked_run_id(o.get("run_id") or default_run_id(now))
    check_values(settings)
    if o.get("resume") and not o.get("checkpoint", True):
        raise UsageError(
            "--resume and --no-checkpoint exclude each other.",
            hint="A build goes on by its journal, and --no-checkpoint keeps none.",
        )
    check_rules(settings.preprocessing)
    check_settings(settings.quality)
    if not o.get("resume"):  # which may have all its answers
        check_key(settings.quality)
    _check_choice(settings, o)
    return Request(
        inputs=_paths(inputs, settings),
        output_root=Path(root),
        settings=settings,
        split=o.get("split", "train"),
        mode=mode,
        mz_precision=o.get("mz_precision", "float64"),
        run_id=run_id,
        limit=settings.max_shard_size_bytes or defaults.max_shard_size_bytes,
        execution=_execution(mode, o),
        resume=o.get("resume", False),
        skip_damaged=o.get("skip_damaged", False),
        sample_spectra=_positive("sample_spectra", o.get("sample_spectra", 50_000)),
        skip_preflight=o.get("skip_preflight", False),
        min_memory_gb=o.get("min_memory_gb", 4.0),
        max_memory_gb=o.get("max_memory_gb"),
        min_disk_gb=o.get("min_disk_gb", 10.0),
        config_file=o.get("config_file"),
        clock=clock,
        created_at=now,
    )


def check_values(settings: BuildSettings) -> None:
    """What a config's reader has checked, for settings that were made in code; and the name.

    Raises:
        ConfigInvalid: every number that is out of bounds.
        UsageError: the dataset's name cannot be one.
    """
    wrong = list(out_of_bounds(settings))
    if wrong:
        listing = "".join(f"\n  {line}" for line in wrong)
        raise ConfigInvalid(f"These settings cannot be:{listing}", hint="Correct what is named.")
    name = settings.dataset_name
    if not name.strip() or not name.isprintable() or len(name) > _MOST_NAME:
        raise UsageError(
            f"The dataset name {name[:_MOST_NAME]!r} is empty, too long or not printable.",
            hint=f"Give one line of at most {_MOST_NAME} characters: --dataset-name, or "
            "dataset_name in the config.",
        )


def check_rules(rules: Preprocessing) -> None:
    """Refuse rules of cleaning that contradict one another.

    Raises:
        UsageError: no spectrum could have both.
    """
    if rules.max_peaks is not None and rules.max_peaks < rules.min_peaks:
        raise UsageError(
            f"max_peaks is {rules.max_peaks} and min_peaks {rules.min_peaks}: no spectrum could "
            "have both.",
            hint="Raise --max-peaks, or lower --min-peaks.",
        )


def _check_choice(settings: BuildSettings, o: Options) -> None:
    """Which spectra, and into which splits."""
    by, fractions = settings.splits.by, settings.splits.fractions
    if settings.sample == "random" and settings.max_spectra is None:
        raise UsageError(
            "A random sample needs its size.", hint="Say how many spectra: --max-spectra N."
        )
    if by and "split" in o and o["split"] != "train":
        raise UsageError(
            f"The spectra are to be split by {', '.join(by)}, and all to be {o['split']}.",
            hint="Give --split or --split-by, not both.",
        )
    if len(set(by)) < len(by):
        raise UsageError(f"A key is given twice: --split-by {','.join(by)}.")
    if len(fractions) != len(SPLITS) or not _shares(fractions):
        raise UsageError(
            f"The fractions of train, val and test are {', '.join(map(str, fractions))}: "
            "they must be three numbers from 0 to 1 that add up to 1.",
            hint="For example: --split-fractions 0.9,0.05,0.05.",
        )


def _shares(fractions: Sequence[float]) -> bool:
    return min(fractions) >= 0 and math.isclose(sum(fractions), 1)  # not so for NaN


def checked_run_id(run_id: str) -> str:
    """A run id that can be part of a file name.

    Raises:
        UsageError: it cannot.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"The run id {run_id!r} cannot be part of a file name.",
            hint="Use letters, digits, '_', '.' and '-'; begin with a letter or digit.",
        )
    return run_id


def _execution(mode: Mode, o: Options) -> Execution:
    defaults = MODES[mode]
    dask = _dask(o)
    elsewhere = dask is not None and dask.scheduler is not None
    workers = o.get("num_workers")
    if workers is None:
        workers = 0 if elsewhere else min(cores(), defaults.max_workers)
    return Execution(
        workers=workers if elsewhere and not workers else _positive("num_workers", workers),
        batch_size=_positive("batch_size", o.get("batch_size") or TASK_ROWS),
        checkpoint_interval=_positive(
            "checkpoint_interval", o.get("checkpoint_interval") or defaults.checkpoint_interval
        ),
        checkpoint=o.get("checkpoint", True),
        processes=mode == "production",
        dask=dask,
    )


def _dask(o: Options) -> DaskOptions | None:
    scheduler = o.get("scheduler")
    tls = (o.get("tls_ca_file"), o.get("tls_cert"), o.get("tls_key"))
    if any(tls) and not (scheduler or "").startswith("tls://"):
        raise UsageError(
            "TLS files are given, and no scheduler that uses TLS.",
            hint="Name it with --scheduler tls://HOST:PORT.",
        )
    missing = [name for name in tls if name and not Path(name).is_file()]
    if missing:
        raise UsageError(f"There is no file {missing[0]}.", hint="Name the PEM files for TLS.")
    address = _SCHEDULER.fullmatch(scheduler) if scheduler else None
    if scheduler and (address is None or not 0 < int(address["port"]) < 1 << 16):
        raise UsageError(
            f"{scheduler!r} is not the address of a Dask scheduler.",
            hint="Name it as tcp://HOST:PORT or tls://HOST:PORT.",
        )
    if not scheduler and not o.get("use_dask"):
        return None
    return DaskOptions(scheduler or None, *tls)


def _paths(inputs: Inputs, settings: BuildSettings) -> tuple[Path, ...]:
    given: Sequence[str | os.PathLike[str]]
    if inputs is None or inputs == "":
        given = settings.canonical_hdf5
    elif isinstance(inputs, (str, os.PathLike)):
        given = [inputs]
    else:
        given = inputs
    paths = tuple(Path(path) for path in given)
    check_stems(paths)
    return paths


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"{name} is {value}; it must be at least 1.")
    return value
