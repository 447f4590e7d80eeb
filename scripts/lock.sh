#!/usr/bin/env bash
# Refresh every lock from pyproject.toml:   scripts/lock.sh [--upgrade | --upgrade-package NAME]
#
#   requirements.txt               what a run's environment holds (group "run")
#   scripts/locks/controller.txt   what `remote` needs on this machine
#   scripts/locks/dev.txt          what the tests need: both of the above and the tools
#
# Each lock is universal (Linux and macOS, Python 3.11 and later), holds hashes, and takes
# wheels only. Versions that still fit stay as they are, unless --upgrade says otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=${UV:-}
for candidate in "$uv" .venv-dev/bin/uv .venv/bin/uv uv; do
  if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1; then uv=$candidate; break; fi
done
if ! command -v "$uv" >/dev/null 2>&1; then
  echo "error: uv is not installed; run ./scripts/bootstrap.sh once, it brings uv along" >&2
  exit 1
fi

compile() {  # OUTPUT, then what to resolve
  output=$1
  shift
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --only-binary :all: --no-emit-index-url --custom-compile-command scripts/lock.sh \
    "$@" --output-file "$output"
}

compile requirements.txt --group run "$@"
compile scripts/locks/controller.txt pyproject.toml "$@"
compile scripts/locks/dev.txt --constraints requirements.txt --constraints scripts/locks/controller.txt \
  pyproject.toml --group dev "$@"
