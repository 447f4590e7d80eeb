"""msms quality-report"""

from __future__ import annotations

import json
from pathlib import Path

import click

from remote.errors import ResultsUnusable


@click.command("quality-report")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON on stdout.")
def quality_report(dataset: Path, as_json: bool) -> None:
    """Show the quality report of DATASET.

    \b
    msms quality-report shards/c9
    """
    from remote.workloads.shards.manifest import QUALITY_REPORT, read_manifest

    path = dataset / QUALITY_REPORT if dataset.is_dir() else dataset
    if not path.is_file():
        raise ResultsUnusable(
            f"{dataset} holds no quality report.",
            hint="Name a dataset that `msms build-shards` finished.",
        )
    report = read_manifest(path)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    for text in lines(report):
        click.echo(text)


def lines(report: dict[str, object]) -> list[str]:
    """The report's verdicts as lines."""
    found = [f"overall {report['overall']}"]
    stages = report.get("stages")
    if isinstance(stages, dict):
        for name, stage in stages.items():
            found.append(f"{name}: {stage['status']}")
            found += [f"  {c.get('name')}: {c.get('status')}" for c in stage.get("checks", [])]
    recommendations = report.get("recommendations")
    if isinstance(recommendations, list):
        found += [f"- {text}" for text in recommendations]
    return found
