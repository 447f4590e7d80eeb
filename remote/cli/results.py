"""`remote results`: list, show, latest, verify."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from remote.cli.options import Decorator, json_option, project

results_option: Decorator = click.option(
    "--results",
    "results_root",
    type=click.Path(path_type=Path),
    help="The results directory; by default that of this checkout.",
)


def _root(given: Path | None) -> Path:
    return given or project().root / "results"


def _complete_run(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from remote.errors import WorkhorseError
    from remote.results.read import failed_runs, runs

    root = _root(context.params.get("results_root"))
    try:
        folders = (*runs(root=root), *failed_runs(root=root))
    except WorkhorseError:
        return []
    names = (folder.path.name for folder in reversed(folders))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.group(name="results")
def results() -> None:
    """Look at what runs left behind, and check that it is whole.

    \b
    Example:
      remote results list
    """


@results.command(name="list")
@click.argument("notebook", required=False)
@click.option("--failed", is_flag=True, help="Also runs that did not succeed.")
@results_option
@json_option
def list_results(
    notebook: str | None, failed: bool, results_root: Path | None, as_json: bool
) -> None:
    """List sealed results, oldest first, in local time; of one NOTEBOOK or of all.

    \b
    Example:
      remote results list --failed
    """
    from remote.cli.results_view import show_list
    from remote.results import ledger
    from remote.results.read import failed_runs, runs
    from remote.results.summary import summarise

    root = _root(results_root)
    shelved = failed_runs(notebook, root)
    folders = [*runs(notebook, root), *(shelved if failed else ())]
    book = ledger.read(root)
    rows = sorted((summarise(one, book) for one in folders), key=lambda row: row.started)
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], indent=1))
    else:
        show_list(rows, root, hidden=0 if failed else len(shelved))


@results.command()
@click.argument("run", shell_complete=_complete_run)
@results_option
@json_option
def show(run: str, results_root: Path | None, as_json: bool) -> None:
    """Show one result: parameters, host, digests, timings, outcome, files.

    RUN is a run id, the name of a failed attempt (ID.attemptN), or a folder.

    \b
    Example:
      remote results show "$(remote results latest 10_build_shards)"
    """
    from remote.cli.results_view import show_result
    from remote.results.read import find
    from remote.results.summary import files_of

    folder = find(run, _root(results_root))
    files = files_of(folder)
    if not as_json:
        show_result(folder, files)
        return
    listed = [
        {"path": one.path, "size_bytes": one.size_bytes, "sha256": one.sha256} for one in files
    ]
    document = {"path": str(folder.path), "run": folder.run, "files": listed}
    click.echo(json.dumps(document, indent=1))


@results.command()
@click.argument("notebook")
@results_option
@json_option
def latest(notebook: str, results_root: Path | None, as_json: bool) -> None:
    """Print the folder of a notebook's newest result.

    \b
    Example:
      ls "$(remote results latest 10_build_shards)"
    """
    from remote.results import ledger
    from remote.results.read import latest as newest
    from remote.results.summary import summarise

    folder = newest(notebook, _root(results_root))
    if as_json:
        summary = summarise(folder, ledger.read(folder.path.parent))
        click.echo(json.dumps(summary.as_json(), indent=1))
    else:
        click.echo(folder.path)


@results.command()
@click.argument("run", required=False, shell_complete=_complete_run)
@click.option("--all", "everything", is_flag=True, help="Every result; so does naming none.")
@results_option
@json_option
def verify(run: str | None, everything: bool, results_root: Path | None, as_json: bool) -> None:
    """Find every byte, file and name that changed since it was sealed.

    RUN is a run id, the name of a failed attempt, or a folder, wherever it was copied to. With
    none given, the ledger and all results are checked, failed ones too. Damage ends with exit
    code 8; a changed mode is a warning. Seals that were interrupted are completed first.

    \b
    Example:
      remote results verify --all
    """
    from remote.cli.results_view import show_findings
    from remote.errors import IntegrityFailure, UsageError
    from remote.results.read import find
    from remote.results.recover import recover
    from remote.results.verify import Findings, verify_all
    from remote.results.verify import verify as check

    if run and everything:
        raise UsageError(
            f"`--all` and {run!r} contradict each other.", hint="Give one or the other."
        )
    root = _root(results_root)
    checked: tuple[Findings, ...]
    if run:
        checked = (check(find(run, root).path),)
    else:
        for folder in recover(root).completed:
            click.echo(f"Completed the interrupted seal of {folder.name}.", err=True)
        checked = verify_all(root)
    if as_json:
        click.echo(json.dumps([found.as_json() for found in checked], indent=1))
    else:
        show_findings(checked)
    damaged = [found.folder.name for found in checked if not found.whole]
    if damaged:
        raise IntegrityFailure(
            f"Damaged: {', '.join(damaged)}.",
            hint="Bring the folder back from a copy, or run the notebook again.",
        )
