"""`msms`, also `python -m remote.workloads.shards`: shards from the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from remote.errors import Cancelled, InternalError, WorkhorseError
from remote.workloads.shards.cli.build import build_shards
from remote.workloads.shards.cli.determinism import test_determinism
from remote.workloads.shards.cli.doctor import doctor
from remote.workloads.shards.cli.ready import ready
from remote.workloads.shards.cli.report import quality_report
from remote.workloads.shards.cli.reshard import reshard
from remote.workloads.shards.cli.sample import sample_data
from remote.workloads.shards.cli.stopping import farewell, stopping
from remote.workloads.shards.cli.validate import validate_shards
from remote.workloads.shards.crashes import log_crash


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def msms() -> None:
    """Build, check and describe datasets of MS/MS spectra."""


for command in (
    build_shards,
    validate_shards,
    ready,
    quality_report,
    sample_data,
    test_determinism,
    reshard,
    doctor,
):
    msms.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error ends here, as text on stderr and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)

    def stopped() -> None:
        _tell(*farewell(given))

    with stopping(stopped):
        try:
            # A command that has more to say than that it is done returns its exit code.
            sys.exit(msms.main(given, prog_name="msms", standalone_mode=False) or 0)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            stopped()
            sys.exit(Cancelled.exit_code)
        except WorkhorseError as error:
            _tell(error.problem, error.hint)
            sys.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001 - the outermost edge
            _tell(f"Unexpected error: {error!r}", f"The traceback is in {log_crash()}.")
            sys.exit(InternalError.exit_code)


def _tell(problem: str, hint: str) -> None:
    click.echo("\n".join(filter(None, (f"error: {problem}", hint))), err=True)


if __name__ == "__main__":
    main()
