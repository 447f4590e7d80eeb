"""msms sample-data"""

from __future__ import annotations

from pathlib import Path

import click

from remote.errors import UsageError
from remote.workloads.shards.cli.bounds import FILE, SAMPLE_ROWS, SEED


@click.command("sample-data")
@click.argument("path", type=FILE)
@click.option("--spectra", type=SAMPLE_ROWS, default=50_000, show_default=True)
@click.option("--seed", type=SEED, default=42, show_default=True)
@click.option(
    "--layout",
    type=click.Choice(["column-chunks", "row-chunks", "contiguous"]),
    default="column-chunks",
    show_default=True,
)
def sample_data(path: Path, spectra: int, seed: int, layout: str) -> None:
    """Write generated spectra in the GeMS layout to PATH, an HDF5 file; makes its folder.

    \b
    msms sample-data sample.hdf5 --spectra 100000
    """
    from remote.workloads.durable import fsync_directory, writing_errors
    from remote.workloads.shards.sample import write_sample

    if path.exists():
        raise UsageError(f"{path} exists already.", hint="Choose another name.")
    partial = path.with_name(f".{path.name}.partial")
    with writing_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with writing_errors(path):
            write_sample(partial, spectra, seed, layout)  # type: ignore[arg-type]
            partial.rename(path)
            fsync_directory(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    click.echo(f"{spectra:,} spectra, {path.stat().st_size / 1e6:,.1f} MB: {path}")
