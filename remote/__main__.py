"""`python -m remote`, and the console script `remote`."""

from __future__ import annotations

import sys

from remote.cli.edge import main as edge


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(edge())


if __name__ == "__main__":
    main()
