#!/usr/bin/env bash
# Run a notebook and bring back a sealed result folder:
#
#   ./scripts/run-remote.sh notebooks/10_build_shards.ipynb [--host H] [-p NAME VALUE]...
#
# The same as `remote run`; sets up what it needs the first time. See --help.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/bootstrap.sh"
exec "$root/.venv/bin/python" -m remote run "$@"
