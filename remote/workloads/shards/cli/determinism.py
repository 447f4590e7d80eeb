"""msms test-determinism"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remote.errors import IntegrityFailure
from remote.workloads.shards.cli.bounds import FILE, ROWS, WORKERS
from remote.workloads.shards.cli.several import Several
from remote.workloads.shards.settings import BuildSettings, read_settings

if TYPE_CHECKING:
    from remote.workloads.shards.determinism import Tried

_HASH = 23


@click.command("test-determinism", cls=Several)
@click.option("--config", type=FILE, help="A sharding config (YAML).")
@click.option("--input", "--input-hdf5", "inputs", type=FILE, multiple=True, help="One or several.")
@click.option("--max-spectra", type=ROWS, default=100_000, show_default=True)
@click.option("--num-workers", type=click.IntRange(2, WORKERS.max), help="The most workers to try.")
@click.option("--json", "as_json", is_flag=True, help="The verdict as JSON on stdout.")
def test_determinism(
    config: Path | None,
    inputs: tuple[Path, ...],
    max_spectra: int,
    num_workers: int | None,
    as_json: bool,
) -> None:
    """Build the same spectra in several ways, and compare every byte.

    \b
    msms test-determinism --config configs/gems_local.yaml
    msms test-determinism --input GeMS_C.9.hdf5 --max-spectra 1000000

    Works in a temporary directory (TMPDIR), which takes about 0.5 GB for a million spectra, and
    leaves nothing there. Without an input a sample is generated.
    """
    from remote.workloads.shards.determinism import try_ways, ways

    settings = read_settings(config) if config else BuildSettings()
    if not as_json:
        click.echo(f"{'way':24} {'dataset hash':{_HASH}} {'seconds':>7}  same")
    verdict = try_ways(
        settings,
        inputs,
        max_spectra=max_spectra,
        tries=ways(num_workers),
        tell=(lambda _: None) if as_json else _show,
    )
    if as_json:
        click.echo(json.dumps({**asdict(verdict), "same": not verdict.difference}, indent=2))
    else:
        size = f"at most {verdict.shard_bytes / 1e6:.1f} MB"
        click.echo(f"{verdict.rows:,} source rows, {verdict.shards} shards of {size}")
        click.echo("\n".join(["not tested:", *(f"  {text}" for text in verdict.not_tried)]))
    if verdict.difference:
        raise IntegrityFailure(
            f"The bytes depend on how the build is run. {verdict.difference}",
            hint="This is a defect of Workhorse: please report it with the table and the config.",
        )


def _show(tried: Tried) -> None:
    same = "" if tried.difference is None else "NO" if tried.difference else "yes"
    short = tried.dataset_hash[:_HASH]
    click.echo(f"{tried.way:24} {short:{_HASH}} {tried.seconds:7.1f}  {same}".rstrip())
