#!/usr/bin/env bash
# Make this checkout's own virtual environment, or find it made:
#
#   scripts/bootstrap.sh          .venv       what `remote` needs (a few small packages)
#   scripts/bootstrap.sh dev      .venv-dev   what the tests need as well
#
# Needs Python 3.11 or later; WORKHORSE_PYTHON names one that is not on PATH. The packages are
# those of scripts/locks/*.txt, checked by their hashes. A stamp, written last, says what an
# environment was made from: without it, or where it differs, the environment is made anew, under
# a lock, so that two at once or an interruption never leave a half-made one in use.
# Works with the bash 3.2 of macOS.
set -eu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {  # PROBLEM, HINT
  printf 'error: %s\n%s\n' "$1" "$2" >&2
  exit 18
}

say() { printf '%s\n' "$*" >&2; }

is_new_enough() {
  "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
  for candidate in "${WORKHORSE_PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14 \
    /opt/homebrew/bin/python3 /opt/homebrew/bin/python3.13 /opt/homebrew/bin/python3.12 \
    /opt/homebrew/bin/python3.11 /usr/local/bin/python3 /usr/local/bin/python3.13 \
    /usr/local/bin/python3.12 /usr/local/bin/python3.11 /usr/bin/python3; do
    if [ -n "$candidate" ] && is_new_enough "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 or later is needed, and none was found" \
    "Install it (macOS: brew install python@3.12; Debian: apt install python3), or name one: WORKHORSE_PYTHON=/path/to/python3"
}

digest_of() {  # FILE...; whichever tool the machine has
  if command -v sha256sum >/dev/null 2>&1; then cat "$@" | sha256sum; else cat "$@" | shasum -a 256; fi
}

has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Debian keeps venv in a package of its own.
install_venv() {  # PYTHON
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing python$version-venv"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes \
      --no-install-recommends "python$version-venv"; } >/dev/null 2>&1 || true
  fi
  has_venv "$1" || fail "$1 cannot make virtual environments: it lacks the venv module" \
    "Install it once: sudo apt install python$version-venv"
}

# A lock that works on macOS too (it has no flock): making a directory is atomic. What a killed
# process left behind is recognised by its pid.
lock() {
  tries=0
  until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || true)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
      rm -rf "$lock"
      continue
    fi
    tries=$((tries + 1))
    [ "$tries" -ne 5 ] || say "waiting for another set-up of this checkout"
    [ "$tries" -lt 1500 ] || fail "$lock is held by somebody else" "If nobody is: rm -r '$lock'"
    sleep 0.2
  done
  printf '%s' "$$" >"$lock/pid"
}

quietly() {  # COMMAND...; its output is shown where it fails
  if ! "$@" >"$lock/output" 2>&1; then
    cat "$lock/output" >&2
    return 1
  fi
}

make_environment() {  # PYTHON
  rm -rf "$target"
  quietly "$1" -m venv "$target" || fail "$1 -m venv did not work" "Its own message is above."
  quietly install_packages || fail "the packages of $lockfile could not be installed" \
    "The installer's own message is above; is the network there?"
  # The package itself is used from the checkout. A line of a .pth file may hold spaces; the
  # first line of a script may not, so the command is a shell script.
  site=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  printf '%s\n' "$root" >"$site/workhorse.pth"
  printf '#!/bin/sh\nexec "$(dirname "$0")/python" -m remote "$@"\n' >"$target/bin/remote"
  chmod +x "$target/bin/remote"
  printf '%s\n' "$stamp" >"$target/workhorse-stamp"
}

install_packages() {
  if [ "$target" = "$root/.venv" ]; then
    "$target/bin/python" -m pip --disable-pip-version-check --no-input install --quiet \
      --require-hashes --only-binary :all: --no-compile -r "$lockfile"
  else
    "$root/.venv/bin/uv" pip install --python "$target/bin/python" --quiet \
      --require-hashes --only-binary :all: -r "$lockfile"
  fi
}

is_made() { [ "$(cat "$target/workhorse-stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$target/bin/python" ]; }

case ${1:-controller} in
  controller) target=$root/.venv lockfile=$root/scripts/locks/controller.txt ;;
  dev) target=$root/.venv-dev lockfile=$root/scripts/locks/dev.txt ;;
  *) fail "there is no environment called $1" "Usage: scripts/bootstrap.sh [controller|dev]" ;;
esac

# Where the environment is active its own Python comes first, and is about to go.
path=":$PATH:"
path=${path//":$target/bin:"/:}
path=${path#:}
PATH=${path%:}

stamp="$root $(digest_of "$lockfile" "${BASH_SOURCE[0]}")"
if is_made; then exit 0; fi

[ "$target" = "$root/.venv" ] || bash "${BASH_SOURCE[0]}" controller

lock=$target.lock
lock
trap 'rm -rf "$lock"' EXIT
trap 'exit 130' INT TERM
if is_made; then exit 0; fi

python=$(find_python) || exit $?
say "setting up $target (once; $("$python" --version))"
has_venv "$python" || install_venv "$python"
make_environment "$python"
