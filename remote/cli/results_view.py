"""How results look: a table on a terminal, plain aligned lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from remote.figures import seconds, size
from remote.findings import printable
from remote.results.read import ResultFolder
from remote.results.summary import SealedFile, Summary
from remote.results.verify import Findings

Rows = Sequence[Sequence[str]]
# A folder that was copied has as many changed modes as files: the first ones say enough.
_WARNINGS = 5
# Columns that a narrow terminal goes without, in this order.
_DISPENSABLE = ("FILES", "HOST", "SIZE", "TOOK")
_GAP = 3


def show_list(rows: Sequence[Summary], root: Path, hidden: int) -> None:
    """Every result on a line; `hidden` failed ones are mentioned."""
    if rows:
        zone = rows[-1].started.astimezone().tzname() or "local"
        header = ("RUN", f"STARTED ({zone})", "TOOK", "STATE", "HOST", "FILES", "SIZE")
        _table(header, [_list_row(row) for row in rows])
    else:
        click.echo(f"No results in {root} yet.", err=True)
        click.echo("Make one: ./scripts/run-remote.sh notebooks/10_build_shards.ipynb", err=True)
    if hidden:
        click.echo(f"{hidden} run(s) did not succeed: remote results list --failed", err=True)


def show_result(folder: ResultFolder, files: Sequence[SealedFile]) -> None:
    """One result, section by section; what the run does not say is left out."""
    run = folder.run
    click.secho(folder.path.name, bold=True)
    _section("", _facts(folder, run))
    _section("Parameters", _parameters(run))
    _section("Inputs", _inputs(run))
    _section("Software", _flat(_mapping(run.get("software"))))
    _section("Timings", [(step, seconds(took)) for step, took in _timings(run)])
    _section("Outcome", _outcome(_mapping(run.get("outcome"))))
    left_out = [_mapping(one) for one in _list(run.get("left_out"))]
    _section("Left out", [(_text(one.get("path")), _text(one.get("reason"))) for one in left_out])
    total = sum(one.size_bytes for one in files)
    _section(
        f"Files ({len(files)}, {size(total)})",
        [(one.path, size(one.size_bytes), (one.sha256 or "")[:12]) for one in files],
    )


def show_findings(checked: Iterable[Findings]) -> None:
    """One line for what is whole; what is not, finding by finding."""
    for found in checked:
        verdict, colour = ("whole", "green") if found.whole else ("DAMAGED", "red")
        extent = f"  {found.files} files, {size(found.size_bytes)}" if found.files else ""
        click.echo(f"{click.style(verdict.ljust(7), fg=colour)}  {found.folder.name}{extent}")
        for finding in found.damage:
            click.echo(f"         {finding}")
        for finding in found.warnings[:_WARNINGS]:
            click.echo(f"         warning: {finding}")
        if len(found.warnings) > _WARNINGS:
            click.echo(f"         and {len(found.warnings) - _WARNINGS} more warnings (see --json)")


def _table(header: Sequence[str], rows: Rows) -> None:
    if not sys.stdout.isatty():
        _aligned([header, *rows])
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    shown = _columns_that_fit(header, rows, console.width)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        right = header[column] in ("TOOK", "FILES", "SIZE")
        table.add_column(header[column], justify="right" if right else "left", overflow="fold")
    for row in rows:
        cells = [Text(row[column]) for column in shown]
        table.add_row(*cells, style="" if "succeeded" in row else "red")
    console.print(table)


def _columns_that_fit(header: Sequence[str], rows: Rows, width: int) -> list[int]:
    """Indices of the columns that a terminal has room for, the first one always."""
    needs = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    shown = list(range(len(header)))
    for name in _DISPENSABLE:
        if sum(needs[column] + _GAP for column in shown) <= width:
            break
        shown.remove(header.index(name))
    return shown


def _aligned(rows: Rows, indent: str = "") -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo((indent + "  ".join(cells)).rstrip())


def _section(title: str, rows: Rows) -> None:
    """Nothing at all where there are no rows."""
    if not rows:
        return
    if title:
        click.echo()
        click.secho(title, bold=True)
    _aligned([[printable(cell) for cell in row] for row in rows], indent="  ")


def _list_row(row: Summary) -> tuple[str, ...]:
    return (
        row.name,
        _local(row.started),
        "" if row.seconds is None else seconds(row.seconds),
        printable(row.state),
        printable(row.host),
        str(row.files),
        size(row.size_bytes),
    )


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _facts(folder: ResultFolder, run: Mapping[str, Any]) -> Rows:
    notebook, host = _mapping(run.get("notebook")), _mapping(run.get("host"))
    git = _mapping(run.get("git"))
    place = f"{host.get('name')} ({host.get('transport')}, {host.get('runtime')})"
    commit = f"{_text(git.get('commit'))}{', with changes' if git.get('dirty') else ''}"
    rows = [
        ("folder", str(folder.path)),
        ("uuid", _text(run.get("uuid"))),
        ("attempt", _text(run.get("attempt"))),
        ("started", _moment(run.get("created_at"))),
        ("sealed", _moment(run.get("sealed_at"))),
        ("notebook", _text(notebook.get("path"))),
        ("notebook sha256", _text(notebook.get("sha256"))),
        ("host", f"{place}: {_text(host.get('reason'))}" if host else ""),
        ("commit", commit),
        ("parents", ", ".join(_parent(one) for one in _list(run.get("parents")))),
    ]
    return [row for row in rows if row[1]]


def _moment(text: object) -> str:
    try:
        moment = datetime.fromisoformat(_text(text)).astimezone()
    except ValueError:
        return _text(text)
    return f"{_local(moment)} {moment.tzname()}"


def _parent(record: object) -> str:
    """The earlier run's id; of other forms, whatever stands there."""
    return _text(_mapping(record).get("id", record))


def _parameters(run: Mapping[str, Any]) -> Rows:
    listed = [_mapping(one) for one in _list(run.get("parameters"))]
    return [
        (_text(one.get("name")), repr(one.get("seen", one.get("value"))), _text(one.get("source")))
        for one in listed
    ]


def _inputs(run: Mapping[str, Any]) -> Rows:
    listed = [_mapping(one) for one in _list(run.get("inputs"))]
    return [
        (
            _text(one.get("parameter")),
            _text(one.get("path_seen")),
            size(int(one.get("size_bytes") or 0)),
            _text(one.get("sha256"))[:12],
        )
        for one in listed
    ]


def _timings(run: Mapping[str, Any]) -> list[tuple[str, float]]:
    recorded = _mapping(run.get("timings"))
    return [(step, took) for step, took in recorded.items() if isinstance(took, int | float)]


def _outcome(outcome: Mapping[str, Any]) -> Rows:
    error = _mapping(outcome.get("error"))
    rows = [
        (name.replace("_", " "), _text(outcome.get(name)))
        for name in ("state", "exit_code", "signal", "hostname", "platform", "python")
    ]
    if isinstance(cells := outcome.get("cells"), int):
        rows.append(("cells run", f"{outcome.get('cells_run')} of {cells}"))
    if isinstance(took := outcome.get("seconds"), int | float):
        rows.append(("took", seconds(took)))
    if isinstance(peak := outcome.get("peak_memory_bytes"), int):
        rows.append(("peak memory", size(peak)))
    rows += [("error", line) for line in _text(error.get("problem")).splitlines()]
    rows += [("hint", line) for line in _text(error.get("hint")).splitlines()]
    return [row for row in rows if row[1]]


def _flat(record: Mapping[str, Any]) -> Rows:
    return [(key, _text(value)) for key, value in record.items() if _text(value)]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
