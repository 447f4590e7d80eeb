"""msms quality-report"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remote.errors import UsageError
from remote.workloads.shards.cli.bounds import FILE
from remote.workloads.shards.cli.several import one_dataset

if TYPE_CHECKING:
    from remote.workloads.shards.quality.effects import Comparison


@click.command("quality-report")
@click.argument("dataset", type=FILE, required=False)
@click.option("--shards-dir", type=FILE, help="The same as DATASET.")
@click.option("--against", type=FILE, help="An earlier dataset or its report: what differs.")
@click.option("--html", type=FILE, help="Write the report as a page to this file.")
@click.option("--json", "as_json", is_flag=True, help="The report, or comparison, as JSON.")
def quality_report(
    dataset: Path | None,
    shards_dir: Path | None,
    against: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Show the quality report of DATASET: a dataset, a result folder, or the report itself.

    \b
    msms quality-report shards/c9
    msms quality-report shards/c9 --against shards/c8
    msms quality-report shards/c9 --html c9.html

    Ends with exit code 31 where the report says FAIL.
    """
    from remote.workloads.shards.quality.effects import compare
    from remote.workloads.shards.quality.files import read_report, refuse_failed

    root = one_dataset(dataset, shards_dir, "quality-report", "--shards-dir")
    report = read_report(root)
    if html is not None:
        _write_page(html, report)
    if against is not None:
        comparison = compare(read_report(against), report)
        shown = {**asdict(comparison), "largest": comparison.largest}
        found = differences(comparison)
    else:
        shown, found = report, lines(report)
    if as_json:
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo("\n".join(found))
    refuse_failed(report, root)


def _write_page(path: Path, report: Mapping[str, Any]) -> None:
    from remote.workloads.durable import write_atomic
    from remote.workloads.shards.quality.page import page

    if path.exists():
        raise UsageError(f"{path} exists already.", hint="Choose another name.")
    write_atomic(path, page(report))


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The report's verdicts as lines."""
    dataset, spectra = report["dataset"], report["spectra"]
    yield (
        f"overall {report['overall']}   {dataset['name']}: {spectra['written']:,} of "
        f"{spectra['read']:,} spectra written"
    )
    for name, stage in report["stages"].items():
        yield f"{name}: {stage['status']}"
        for check in stage["checks"]:
            yield f"  {check['status']}  {check['name']:14}  {check['reason']}"
    for text in report["recommendations"]:
        yield f"- {text}"


def differences(found: Comparison) -> Iterator[str]:
    """The comparison as a table, the largest effects first."""
    from remote.workloads.shards.quality.axes import AXES
    from remote.workloads.shards.quality.effects import COHEN, SIZES, VARIATION

    yield f"{found.now} against {found.then}: the largest effect is {found.largest}"
    yield ""
    yield f"{'distribution':45} {'variation':>9} {'J-S':>6}  {'effect':10}  median"
    for moved in sorted(found.moved, key=lambda x: -SIZES.index(x.size)):
        axis = AXES[moved.name]
        then, now = axis.shown(moved.median_then), axis.shown(moved.median_now)
        way = "the same" if not moved.bins else f"{then} to {now} ({moved.bins:+d} bins)"
        yield (
            f"{axis.title:45} {moved.variation:9.3f} {moved.jensen_shannon:6.3f}  "
            f"{moved.size:10}  {way}"
        )
    yield ""
    yield f"{'share':45} {'then':>9} {'now':>9}  {'h':>6}  effect"
    for changed in sorted(found.changed, key=lambda x: -SIZES.index(x.size)):
        yield (
            f"{changed.name:45} {changed.then:9.4%} {changed.now:9.4%}  "
            f"{changed.h:+6.3f}  {changed.size}"
        )
    for which, names in (("earlier", found.only_then), ("later", found.only_now)):
        if names:
            yield f"only in the {which} one: {', '.join(names)}"
    yield ""
    yield f"small, medium, large: h from {_listed(COHEN)}; variation from {_listed(VARIATION)}"


def _listed(thresholds: tuple[float, ...]) -> str:
    return ", ".join(f"{one:.2g}" for one in thresholds)
