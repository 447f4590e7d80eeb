"""msms build-shards"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from remote.workloads.durable import writing_errors
from remote.workloads.shards.cli.bounds import (
    FILE,
    MOST_GB,
    ROWS,
    SAMPLE_ROWS,
    SEED,
    TEXT,
    WORKERS,
    Finite,
    of,
)
from remote.workloads.shards.cli.live import Live
from remote.workloads.shards.cli.merging import merged, options, refuse_contradictions
from remote.workloads.shards.cli.obsolete import OBSOLETE, tell_obsolete
from remote.workloads.shards.cli.several import Several, given_names, words_of
from remote.workloads.shards.settings import BuildSettings, InputRules, Logging, Preprocessing

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLE = """Build a dataset of Parquet shards from HDF5, MGF and mzML files.

    \b
    msms build-shards --input GeMS_C.9.hdf5 --output-root shards/c9
    msms build-shards --input library.mgf run1.mzML run2.mzML --output-root shards/mine
    msms build-shards --config configs/gems_local.yaml --resume
    msms build-shards --interactive

Without an input a sample is generated. Flags win over the config.
"""


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


_what = _options(
    click.option("--config", type=FILE, help="A sharding config (YAML)."),
    click.option(
        "--input",
        "--input-hdf5",
        "inputs",
        type=FILE,
        multiple=True,
        help="Inputs: HDF5, MGF or mzML, one or several.",
    ),
    click.option("--ms-level", type=of(InputRules, "ms_level"), help="Of the spectra to take. [2]"),
    click.option(
        "--carry",
        type=TEXT,
        multiple=True,
        metavar="NAME",
        help="Datasets or parameters to keep as columns.",
    ),
    click.option("--output-root", type=FILE, help="Where the dataset goes."),
    click.option("--dataset-name", type=TEXT, help="The dataset's name in the manifests."),
    click.option("--split", type=click.Choice(["train", "val", "test"]), default="train"),
    click.option(
        "--split-by",
        type=TEXT,
        multiple=True,
        metavar="KEY,...",
        help="Deal spectra out to train, val and test by source_file, lsh or inchikey14; "
        "groups that share a spectrum stay together.",
    ),
    click.option(
        "--split-fractions",
        type=TEXT,
        metavar="A,B,C",
        help="Their shares.  [default: 0.9,0.05,0.05]",
    ),
    click.option(
        "--max-spectra", type=of(BuildSettings, "max_spectra"), help="Source rows, in file order."
    ),
    click.option(
        "--sample",
        type=click.Choice(["prefix", "random"]),
        help="Which ones: the first, or row groups drawn by the seed.",
    ),
    click.option(
        "--shard-size",
        type=of(BuildSettings, "max_shard_size_bytes"),
        help="Greatest size in bytes.",
    ),
    click.option("--mz-precision", type=click.Choice(["float64", "float32"]), default="float64"),
    click.option("--run-id", type=TEXT, help="What shard names carry."),
    click.option("--seed", type=SEED, help="Seed of splits, random and generated samples."),
    click.option("--sample-spectra", type=SAMPLE_ROWS, default=50_000, show_default=True),
)
_rules = _options(
    click.option("--no-normalize", is_flag=True, help="Keep intensities in source units."),
    click.option("--no-sort", is_flag=True, help="Keep the peaks' order."),
    click.option("--no-filter-nonfinite", is_flag=True, help="Drop offending peaks, not spectra."),
    click.option("--min-peaks", type=of(Preprocessing, "min_peaks")),
    click.option(
        "--max-peaks",
        type=of(Preprocessing, "max_peaks"),
        help="Keep the most intense ones only.",
    ),
    click.option(
        "--max-precursor-mz", type=of(Preprocessing, "max_precursor_mz"), help="Inclusive."
    ),
    click.option(
        "--enable-quality-ranking",
        is_flag=True,
        help="Have a language model score the spectra (docs/ranking.md); off by default.",
    ),
    click.option("--disable-quality-ranking", is_flag=True, help="Whatever the config says."),
    click.option("--ranker-model", type=TEXT, metavar="NAME", help="Such as openai/gpt-4o-mini."),
)
_how = _options(
    click.option(
        "--mode",
        type=click.Choice(["local", "cloud", "production"]),
        default="local",
        help="Threads (local) or processes (production; cloud is the same).",
    ),
    click.option("--num-workers", type=WORKERS),
    click.option("--use-dask", is_flag=True, help="Dask workers of this machine do the work."),
    click.option(
        "--scheduler",
        type=TEXT,
        metavar="ADDRESS",
        help="Workers of this Dask scheduler do it.",
    ),
    click.option("--tls-ca-file", type=FILE, help="For --scheduler tls://..., as the next two."),
    click.option("--tls-cert", type=FILE),
    click.option("--tls-key", type=FILE),
    click.option("--batch-size", type=ROWS, help="Rows per read."),
    click.option("--resume", is_flag=True, help="Go on with an unfinished build."),
    click.option("--skip-damaged", is_flag=True, help="Leave out rows that cannot be read."),
    click.option("--no-checkpoint", is_flag=True, help="Keep no journal: no resume."),
    click.option("--checkpoint-interval", type=ROWS, help="In source rows."),
    click.option("--skip-preflight", is_flag=True, help="Do not check memory, disk and input."),
    click.option("--min-memory-gb", type=Finite(0, MOST_GB), default=4.0, show_default=True),
    click.option(
        "--max-memory-gb",
        type=Finite(0, MOST_GB, min_open=True),
        help="What the build may take: fewer workers, if need be.",
    ),
    click.option("--min-disk-gb", type=Finite(0, MOST_GB), default=10.0, show_default=True),
    click.option("--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"])),
    click.option("--log-file", type=FILE),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Show what would be done, how long it takes and what it needs.",
    ),
    click.option(
        "--interactive",
        is_flag=True,
        help="Ask for what is not given, and show the command that does the same.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout."),
)


@click.command("build-shards", cls=Several, help=_EXAMPLE)
@_what
@_rules
@_how
@_options(*OBSOLETE)
@click.pass_context
def build_shards(ctx: click.Context, /, **flags: Any) -> None:
    """See `_EXAMPLE`."""
    from remote.workloads.shards import build
    from remote.workloads.shards.quality.files import read_report, refuse_failed
    from remote.workloads.shards.request import make_request

    if flags["interactive"]:
        from remote.workloads.shards.cli.menu import menu

        menu(ctx.command, words_of(ctx))
        return
    given = given_names(ctx)
    tell_obsolete(given)
    settings = merged(flags)
    refuse_contradictions(given, settings)
    asked = options(flags)
    inputs, root = flags["inputs"] or None, flags["output_root"]
    make_request(settings, inputs, root, asked)
    _log(settings.logging)
    if flags["dry_run"]:
        preview = build.preview(settings, input_hdf5=inputs, output_root=root, **asked)
        click.echo(json.dumps(preview.to_json(), indent=2) if flags["as_json"] else repr(preview))
        return
    live = Live(sys.stderr)
    try:
        result = build.build_shards(
            settings, input_hdf5=inputs, output_root=root, watch=live, **asked
        )
    finally:
        live.close()
    click.echo(json.dumps(result.to_json(), indent=2) if flags["as_json"] else repr(result))
    dataset = result.manifest.parent
    refuse_failed(read_report(dataset), dataset)


def _log(logs: Logging) -> None:
    """Send the package's log where the settings say; without a file only warnings, to stderr."""
    form = "%(asctime)s %(levelname)s %(message)s"
    if logs.log_file is None:
        level = "WARNING" if logs.level == "INFO" else logs.level
        logging.basicConfig(level=level, format=form, stream=sys.stderr)
        return
    path = Path(logs.log_file)
    with writing_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path)
    logging.basicConfig(level=logs.level, format=form, handlers=[handler])
