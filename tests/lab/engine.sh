#!/bin/bash
# The Docker Engine that the tests need, on Debian as root, where there is none yet.
#
#   tests/lab/engine.sh up      install, start and fill what is missing; nothing that is there
#                               is touched; prints one line for each thing done
#   tests/lab/engine.sh lab     install what second hosts on this machine need (tests/lab/host.py)
#   tests/lab/engine.sh browser install a Chromium, in which pages are looked at
#   tests/lab/engine.sh down    stop the engine, if this script started it
#
# Where an engine answers and has python:3.11-slim, `up` does nothing. The base image is pulled
# where a registry answers, else made from Debian (base-image.sh).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
base=${BASE_IMAGE:-python:3.11-slim}
lab=${WORKHORSE_LAB:-/var/tmp/workhorse-lab}
socket=/var/run/docker.sock

say() { echo "engine: $*" >&2; }

is_dockerd() { [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = dockerd ]; }

answers() { docker --host "unix://$socket" info >/dev/null 2>&1; }

# docker of PATH may be a client without BuildKit; Debian's own has it.
docker() { if [ -x /usr/bin/docker ]; then /usr/bin/docker "$@"; else command docker "$@"; fi; }

install() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || {
    say "needs ${missing[*]}: install them (Debian, as root: apt-get install ${missing[*]})"; exit 1; }
  say "installing ${missing[*]}"
  apt-get -qq update >&2
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "${missing[@]}" >&2
}

start() {
  install docker.io iptables ca-certificates
  mkdir -p "$lab"
  # Installing may have started it as a service.
  for _ in $(seq 20); do answers && return; [ -e /run/systemd/system ] || break; sleep .5; done
  if answers; then return; fi
  say "starting dockerd (log: $lab/dockerd.log)"
  is_dockerd "$(cat /var/run/docker.pid 2>/dev/null)" || rm -f /var/run/docker.pid
  setsid nohup dockerd --host "unix://$socket" >"$lab/dockerd.log" 2>&1 </dev/null &
  echo $! >"$lab/dockerd.pid"
  for _ in $(seq 150); do
    answers && return
    kill -0 "$(cat "$lab/dockerd.pid")" 2>/dev/null || break
    sleep .2
  done
  tail -n 20 "$lab/dockerd.log" >&2
  say "dockerd does not answer"
  exit 1
}

fill() {
  if docker image inspect "$base" >/dev/null 2>&1; then return; fi
  if timeout 60 docker pull --quiet "$base" >/dev/null 2>&1; then
    say "pulled $base"
    return
  fi
  install debootstrap
  say "making a stand-in for $base from Debian (about a minute)"
  mkdir -p "$lab"
  "$here/base-image.sh" "$base" "$lab/rootfs" >"$lab/base-image.log" 2>&1 || {
    tail -n 20 "$lab/base-image.log" >&2; say "the base image could not be made"; exit 1; }
}

# Another daemon that starts or ends can take docker0 along; builds then have no network.
mend() {
  local subnet
  [ "$(id -u)" = 0 ] && command -v ip >/dev/null && [ ! -e /sys/class/net/docker0 ] || return 0
  subnet=$(docker network inspect bridge --format '{{range .IPAM.Config}}{{.Subnet}}{{end}}' 2>/dev/null)
  [ -n "$subnet" ] || return 0
  say "docker0 is gone; making it anew"
  ip link add docker0 type bridge
  ip addr add "${subnet%.*}.1/${subnet#*/}" dev docker0
  ip link set docker0 up
}

# openssh-server is wanted for its program; this machine is not to listen for logins by it.
install_lab() {
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ] && [ "$(id -u)" = 0 ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  install openssh-server openssh-client iproute2 iptables procps e2fsprogs strace
}

down() {
  local pid
  [ -f "$lab/dockerd.pid" ] || return 0
  pid=$(cat "$lab/dockerd.pid")
  if is_dockerd "$pid"; then
    say "stopping the dockerd that was started here"
    kill "$pid"
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep .1; done
  fi
  rm -f "$lab/dockerd.pid"
}

case ${1:-up} in
  up) answers || start; mend; fill ;;
  lab) install_lab ;;
  browser) install chromium fonts-dejavu-core ;;
  down) down ;;
  *) sed -n '2,11p' "$0" | cut -c3- >&2; exit 2 ;;
esac
