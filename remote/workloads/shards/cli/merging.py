"""From the words of a command line to what a build is asked: flags win over the config."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast, get_args

import click

from remote.errors import UsageError
from remote.schema import nearest
from remote.workloads.progress import notice
from remote.workloads.shards.obsolete import Tell
from remote.workloads.shards.request import Options
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


# Options of which one makes the other meaningless, and what is to be done.
_EITHER = (
    ("split", "split_by", "Give --split for one split or --split-by to deal out, not both."),
    ("checkpoint_interval", "no_checkpoint", "Without a journal there are no checkpoints."),
    ("inputs", "sample_spectra", "A sample is generated only where no input is named."),
)


def refuse_contradictions(given: Collection[str], settings: BuildSettings) -> None:
    """Refuse options that cannot mean anything together.

    Args:
        given: the names of the parameters that are on the command line.
        settings: config and flags.

    Raises:
        UsageError: names two of them, or what one of them lacks.
    """
    for one, other, hint in _EITHER:
        if one in given and other in given:
            raise UsageError(f"{_flag(one)} and {_flag(other)} exclude each other.", hint=hint)
    if "split" in given and settings.splits.by:
        raise UsageError(
            f"--split is given, and the config splits by {', '.join(settings.splits.by)}.",
            hint="Give --split or splits/by of the config, not both.",
        )
    if "sample_spectra" in given and settings.canonical_hdf5:
        raise UsageError(
            "--sample-spectra is given, and the config names inputs.",
            hint="A sample is generated only where no input is named.",
        )
    if "split_fractions" in given and not settings.splits.by:
        raise UsageError(
            "--split-fractions is given, and nothing is split.",
            hint="Say by what: --split-by source_file, lsh or inchikey14.",
        )


def _flag(name: str) -> str:
    return f"--{name.removesuffix('s') if name == 'inputs' else name}".replace("_", "-")


def options(flags: dict[str, Any]) -> Options:
    """What the flags say beside the config's keys."""
    given = {
        "config_file": flags["config"].name if flags["config"] else None,
        "mode": "production" if flags["mode"] == "cloud" else flags["mode"],
        "checkpoint": not flags["no_checkpoint"],
        **{name: str(flags[name]) for name in _PATHS if flags[name]},
        **{name: flags[name] for name in _SAME},
    }
    return cast(Options, given)


def merged(flags: dict[str, Any], tell: Tell = notice) -> BuildSettings:
    """The config's settings with what the flags say instead; `tell` is `read_settings`'."""
    settings = read_settings(flags["config"], tell) if flags["config"] else BuildSettings()
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
                f"Spectra cannot be split by {key!r}{nearest(key, known) or '.'}",
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
