"""What notebook 01 calls: look, show, and leave what notebook 10 takes."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from remote.workloads.durable import json_bytes, make_directory, write_atomic, writing_errors
from remote.workloads.progress import notice
from remote.workloads.shards.charts.chart import Chart
from remote.workloads.shards.cleaning.config import SAMPLE, write_config
from remote.workloads.shards.cleaning.figures import Table, pair_chart, rule_chart
from remote.workloads.shards.cleaning.survey import TRIED, Survey, survey
from remote.workloads.shards.sample import write_sample
from remote.workloads.shards.settings import BuildSettings

RECORD = "cleaning.json"
FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Look:
    """What the rules do, to be shown.

    Attributes:
        table: what was left out, and why.
        rules: a chart for each rule that was tried with other values.
        spectra: charts of spectra before and after.
    """

    table: Table
    rules: tuple[Chart, ...]
    spectra: tuple[Chart, ...]


def input_or_sample(
    named: str | PathLike[str], folder: Path, *, spectra: int, seed: int
) -> tuple[Path, ...]:
    """The input that is named, or generated spectra, which are kept for the notebooks after it."""
    if named:
        return (Path(named),)
    path = folder / SAMPLE
    notice(f"No input was named: {spectra:,} spectra are generated, and kept in {SAMPLE}.")
    with writing_errors(path):
        write_sample(path, spectra, seed)
    return (path,)


def look_at(
    inputs: tuple[Path, ...],
    settings: BuildSettings,
    folder: Path,
    *,
    rows: int,
    skip_damaged: bool = False,
) -> Look:
    """Try the rules, and write into a folder what was found and the config for a build.

    Raises:
        InputUnusable: see `survey.survey`.
    """
    found = survey(inputs, settings, rows=rows, skip_damaged=skip_damaged)
    look = Look(
        Table(found),
        tuple(rule_chart(found, name) for name in TRIED),
        tuple(map(pair_chart, found.examples)),
    )
    _write(found, look, settings, folder)
    return look


def _write(found: Survey, look: Look, settings: BuildSettings, folder: Path) -> None:
    make_directory(folder / FIGURES)
    for name, drawing in zip(TRIED, look.rules, strict=True):
        drawing.write(folder / FIGURES / f"{name}.svg")
    for number, drawing in enumerate(look.spectra, start=1):
        drawing.write(folder / FIGURES / f"spectrum_{number}.svg")
    write_atomic(folder / RECORD, json_bytes(found.record()))
    write_config(settings, folder)
