#!/usr/bin/env bash
# Install and start what the tests need, then run them:
#
#   ./scripts/test.sh            everything but the long tier: linters, types, tests, containers
#   ./scripts/test.sh quick      linters, types and unit tests; needs no engine, under 90 s
#   ./scripts/test.sh slow       the long tier
#   ./scripts/test.sh tests/unit/results -k seal      any of pytest's own arguments
#
# On Debian as root it brings its own Docker Engine, base image and what second hosts are made of.
# Elsewhere the tests that need an engine run if one answers, those that need a second host run as
# root on Linux, and otherwise they skip and say so; with CI=true a skip there fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Programs are started hundreds of times; where this is set each of them compiles its libraries.
unset PYTHONDONTWRITEBYTECODE

bash scripts/bootstrap.sh dev
export PATH="$PWD/.venv-dev/bin:$PATH"

lint() {
  ruff check --quiet .
  ruff format --quiet --check .
  lint-imports --no-logo
  mypy --no-error-summary remote tests
  nbstripout --verify notebooks/*.ipynb
}

engine() {
  if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then
    bash tests/lab/engine.sh up
    bash tests/lab/engine.sh lab
    bash tests/lab/engine.sh browser
  fi
}

case ${1:-} in
  quick)
    # Two halves at once: each keeps one core busy.
    report=$(mktemp)
    trap 'rm -f "$report"' EXIT
    (lint; pytest --quiet tests/unit/shards/test_*.py) >"$report" 2>&1 &
    half=$!
    status=0
    pytest --quiet tests/unit --ignore-glob '*/unit/shards/test_*.py' || status=$?
    wait "$half" || status=1
    cat "$report"
    exit "$status"
    ;;
  slow)
    engine
    exec pytest -m slow
    ;;
  "")
    engine
    lint
    exec pytest --quiet -m "not slow" --cov --cov-report=term
    ;;
  *)
    exec pytest "$@"
    ;;
esac
