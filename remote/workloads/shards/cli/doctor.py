"""msms doctor"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from remote.findings import COLOURS, LEVEL_WIDTH, exit_code, lines, summary
from remote.workloads.shards.cli.bounds import FILE


@click.command("doctor")
@click.option(
    "--output-root",
    type=FILE,
    default=Path(),
    help="Where shards are to go; by default the working directory.",
)
@click.option("--input", "inputs", type=FILE, multiple=True, help="Say what this file is.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on stdout.")
def doctor(output_root: Path, inputs: tuple[Path, ...], as_json: bool) -> int:
    """Check whether this machine is fit to build shards.

    \b
    msms doctor --output-root shards --input GeMS_C.9.hdf5

    Each failing line says how to mend it. The exit code is that of the first failure. A trial
    build is made where the shards would go, and removed.
    """
    from remote.workloads.shards.doctor import findings

    began = time.monotonic()
    found = []
    for finding in findings(output_root, inputs):
        found.append(finding)
        if not as_json:
            level = click.style(f"{finding.level:<{LEVEL_WIDTH}}", fg=COLOURS.get(finding.level))
            for line in lines(finding, level):
                click.echo(line)
    code = exit_code(found)
    if as_json:
        checks = [asdict(one) for one in found]
        click.echo(json.dumps({"exit_code": code, "checks": checks}, indent=2))
    else:
        click.echo(f"{summary(found)}, {time.monotonic() - began:.1f} s")
    return code
