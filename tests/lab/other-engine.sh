#!/bin/bash
# Another Docker Engine for lab hosts, beside the machine's own and without touching it: the
# dockerd of a later Debian, unpacked into a directory. It runs with this machine's containerd
# and runc.
#   other-engine.sh DIRECTORY [SUITE]      nothing is done where DIRECTORY has a dockerd already
# apt checks signature and digest of what it fetches; its own lists and cache are not touched.
set -euo pipefail
directory=$1 suite=${2:-trixie}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keys=/usr/share/keyrings/debian-archive-keyring.gpg

[ ! -x "$directory/dockerd" ] || exit 0
mkdir -p "$(dirname "$directory")"
work=$(mktemp -d "$directory.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{lists,cache,files,ready}
echo "deb [signed-by=$keys] $mirror $suite main" >"$work/sources.list"
apt=(apt-get -qq
  -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
"${apt[@]}" update
(cd "$work/files" && "${apt[@]}" download "docker.io/$suite")
dpkg-deb --extract "$work"/files/docker.io_*.deb "$work/root"
install -m 755 "$work/root/usr/sbin/dockerd" "$work/ready/dockerd"
for extra in docker-proxy docker-init; do
  for place in sbin bin libexec/docker; do
    [ ! -f "$work/root/usr/$place/$extra" ] || install -m 755 "$work/root/usr/$place/$extra" "$work/ready/"
  done
done
mv -T "$work/ready" "$directory"
