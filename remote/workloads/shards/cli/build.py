"""msms build-shards"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from remote.errors import UsageError
from remote.schema import nearest
from remote.workloads.shards.cli.live import Live
from remote.workloads.shards.cli.several import Several
from remote.workloads.shards.settings import (
    BuildSettings,
    InputRules,
    Logging,
    Preprocessing,
    Quality,
    SplitKey,
    Splits,
    read_settings,
)

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLE = """Build a dataset of Parquet shards from HDF5, MGF and mzML files.

    \b
    msms build-shards --input GeMS_C.9.hdf5 --output-root shards/c9
    msms build-shards --input library.mgf run1.mzML run2.mzML --output-root shards/mine
    msms build-shards --config configs/gems_local.yaml --resume

Without an input a sample is generated. Flags win over the config.
"""


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


_FILE = click.Path(path_type=Path)

_what = _options(
    click.option("--config", type=_FILE, help="A sharding config (YAML)."),
    click.option(
        "--input",
        "--input-hdf5",
        "inputs",
        type=_FILE,
        multiple=True,
        help="Inputs: HDF5, MGF or mzML, one or several.",
    ),
    click.option("--ms-level", type=click.IntRange(2, 20), help="Of the spectra to take. [2]"),
    click.option(
        "--carry", multiple=True, metavar="NAME", help="Datasets or parameters to keep as columns."
    ),
    click.option("--output-root", type=_FILE, help="Where the dataset goes."),
    click.option("--dataset-name", help="The dataset's name in the manifests."),
    click.option("--split", type=click.Choice(["train", "val", "test"]), default="train"),
    click.option(
        "--split-by",
        multiple=True,
        metavar="KEY,...",
        help="Deal spectra out to train, val and test by source_file, lsh or inchikey14; "
        "groups that share a spectrum stay together.",
    ),
    click.option(
        "--split-fractions", metavar="A,B,C", help="Their shares.  [default: 0.9,0.05,0.05]"
    ),
    click.option("--max-spectra", type=click.IntRange(1), help="Source rows, in file order."),
    click.option(
        "--sample",
        type=click.Choice(["prefix", "random"]),
        help="Which ones: the first, or row groups drawn by the seed.",
    ),
    click.option("--shard-size", type=click.IntRange(65_536), help="Greatest size in bytes."),
    click.option("--mz-precision", type=click.Choice(["float64", "float32"]), default="float64"),
    click.option("--run-id", help="What shard names carry."),
    click.option("--seed", type=int, help="Seed of splits, random and generated samples."),
    click.option("--sample-spectra", type=click.IntRange(1), default=50_000, show_default=True),
)
_rules = _options(
    click.option("--no-normalize", is_flag=True, help="Keep intensities in source units."),
    click.option("--no-sort", is_flag=True, help="Keep the peaks' order."),
    click.option("--no-filter-nonfinite", is_flag=True, help="Drop offending peaks, not spectra."),
    click.option("--min-peaks", type=click.IntRange(1)),
    click.option("--max-peaks", type=click.IntRange(1), help="Keep the most intense ones only."),
    click.option("--max-precursor-mz", type=float, help="Inclusive."),
    click.option(
        "--enable-quality-ranking",
        is_flag=True,
        help="Have a language model score the spectra (docs/ranking.md); off by default.",
    ),
    click.option("--disable-quality-ranking", is_flag=True, help="Whatever the config says."),
    click.option("--ranker-model", metavar="NAME", help="Such as openai/gpt-4o-mini."),
)
_how = _options(
    click.option(
        "--mode",
        type=click.Choice(["local", "cloud", "production"]),
        default="local",
        help="Threads (local) or processes (production; cloud is the same).",
    ),
    click.option("--num-workers", type=click.IntRange(1)),
    click.option("--use-dask", is_flag=True, help="Dask workers of this machine do the work."),
    click.option("--scheduler", metavar="ADDRESS", help="Workers of this Dask scheduler do it."),
    click.option("--tls-ca-file", type=_FILE, help="For --scheduler tls://..., as the next two."),
    click.option("--tls-cert", type=_FILE),
    click.option("--tls-key", type=_FILE),
    click.option("--batch-size", type=click.IntRange(1), help="Rows per read."),
    click.option("--resume", is_flag=True, help="Go on with an unfinished build."),
    click.option("--skip-damaged", is_flag=True, help="Leave out rows that cannot be read."),
    click.option("--no-checkpoint", is_flag=True, help="Keep no journal: no resume."),
    click.option("--checkpoint-interval", type=click.IntRange(1), help="In source rows."),
    click.option("--skip-preflight", is_flag=True, help="Do not check memory, disk and input."),
    click.option("--min-memory-gb", type=float, default=4.0, show_default=True),
    click.option(
        "--max-memory-gb",
        type=click.FloatRange(0, min_open=True),
        help="What the build may take: fewer workers, if need be.",
    ),
    click.option("--min-disk-gb", type=float, default=10.0, show_default=True),
    click.option("--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"])),
    click.option("--log-file", type=_FILE),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Show what would be done, how long it takes and what it needs.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout."),
)


@click.command("build-shards", cls=Several, help=_EXAMPLE)
@_what
@_rules
@_how
def build_shards(**flags: Any) -> None:
    """See `_EXAMPLE`."""
    from remote.workloads.shards import build
    from remote.workloads.shards.quality.files import read_report, refuse_failed

    settings = merged(flags)
    _log(settings.logging)
    given = {
        "input_hdf5": flags["inputs"] or None,
        "output_root": flags["output_root"],
        "config_file": flags["config"].name if flags["config"] else None,
        "mode": "production" if flags["mode"] == "cloud" else flags["mode"],
        "checkpoint": not flags["no_checkpoint"],
        **{name: str(flags[name]) for name in _PATHS if flags[name]},
        **{name: flags[name] for name in _SAME},
    }
    if flags["dry_run"]:
        preview = build.preview(settings, **given)
        click.echo(json.dumps(preview.to_json(), indent=2) if flags["as_json"] else repr(preview))
        return
    live = Live(sys.stderr)
    try:
        result = build.build_shards(settings, watch=live, **given)
    finally:
        live.close()
    click.echo(json.dumps(result.to_json(), indent=2) if flags["as_json"] else repr(result))
    root = result.manifest.parent
    refuse_failed(read_report(root), root)


_PATHS = ("tls_ca_file", "tls_cert", "tls_key")
_SAME = (
    "split",
    "mz_precision",
    "num_workers",
    "batch_size",
    "checkpoint_interval",
    "use_dask",
    "scheduler",
    "resume",
    "run_id",
    "skip_damaged",
    "sample_spectra",
    "skip_preflight",
    "min_memory_gb",
    "max_memory_gb",
    "min_disk_gb",
)


def merged(flags: dict[str, Any]) -> BuildSettings:
    """The config's settings with what the flags say instead."""
    settings = read_settings(flags["config"]) if flags["config"] else BuildSettings()
    changes = {
        "dataset_name": flags["dataset_name"],
        "max_spectra": flags["max_spectra"],
        "max_shard_size_bytes": flags["shard_size"],
        "random_seed": flags["seed"],
        "sample": flags["sample"],
    }
    return replace(
        settings,
        splits=_splits(settings.splits, flags),
        preprocessing=_preprocessing(settings.preprocessing, flags),
        input=_input(settings.input, flags),
        quality=_quality(settings.quality, flags),
        logging=_logging(settings.logging, flags),
        **_given(changes),
    )


def _splits(splits: Splits, flags: dict[str, Any]) -> Splits:
    keys = [key.strip() for text in flags["split_by"] for key in text.split(",")]
    known = get_args(SplitKey)
    for key in keys:
        if key not in known:
            raise UsageError(
                f"Spectra cannot be split by {key!r}{nearest(key, known)}.",
                hint=f"Keys are {', '.join(known)}; several are joined by commas.",
            )
    fractions = flags["split_fractions"]
    return replace(splits, **_given({"by": tuple(keys) or None, "fractions": _numbers(fractions)}))


def _numbers(text: str | None) -> tuple[float, ...] | None:
    try:
        return tuple(map(float, text.split(","))) if text else None
    except ValueError:
        raise UsageError(
            f"--split-fractions {text} is no list of numbers.", hint="For example: 0.9,0.05,0.05."
        ) from None


def _preprocessing(rules: Preprocessing, flags: dict[str, Any]) -> Preprocessing:
    changes = {
        "normalize_intensities": False if flags["no_normalize"] else None,
        "sort_mz": False if flags["no_sort"] else None,
        "filter_nonfinite": False if flags["no_filter_nonfinite"] else None,
        "min_peaks": flags["min_peaks"],
        "max_peaks": flags["max_peaks"],
        "max_precursor_mz": flags["max_precursor_mz"],
    }
    return replace(rules, **_given(changes))


def _input(rules: InputRules, flags: dict[str, Any]) -> InputRules:
    changes = {"ms_level": flags["ms_level"], "carry": tuple(flags["carry"]) or None}
    return replace(rules, **_given(changes))


def _quality(quality: Quality, flags: dict[str, Any]) -> Quality:
    enable, disable = flags["enable_quality_ranking"], flags["disable_quality_ranking"]
    if enable and disable:
        raise click.UsageError("--enable-quality-ranking and --disable-quality-ranking: which?")
    changes = {
        "enable_ranking": enable if enable or disable else None,
        "ranker_model": flags["ranker_model"],
    }
    return replace(quality, **_given(changes))


def _logging(logs: Logging, flags: dict[str, Any]) -> Logging:
    log_file = str(flags["log_file"]) if flags["log_file"] else None
    return replace(logs, **_given({"level": flags["log_level"], "log_file": log_file}))


def _given(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}


def _log(logs: Logging) -> None:
    """Send the package's log where the settings say; without a file only warnings, to stderr."""
    form = "%(asctime)s %(levelname)s %(message)s"
    if logs.log_file is None:
        level = "WARNING" if logs.level == "INFO" else logs.level
        logging.basicConfig(level=level, format=form, stream=sys.stderr)
        return
    Path(logs.log_file).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logs.level, format=form, filename=logs.log_file)
