#!/usr/bin/env bash
# Give notebooks another package, and lock it:   ./scripts/add-package.sh networkx polars
#
# Adds the names to the group "run" of pyproject.toml and refreshes the locks; the next run builds
# its environment with them. A version may be asked for: 'polars>=1'. Where a name cannot be
# locked for every platform, nothing is changed.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/bootstrap.sh"
exec "$root/.venv/bin/python" "$root/scripts/add_package.py" "$@"
