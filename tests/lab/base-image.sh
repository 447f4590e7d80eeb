#!/bin/bash
# A stand-in for python:3.11-slim, made from Debian bookworm where no registry can be reached.
#   base-image.sh TAG ROOTFS     ROOTFS is made anew and removed in the end
# It carries this machine's own CA certificates, so that pip in a container trusts what pip here
# trusts. Needs root, debootstrap and a running engine.
set -euo pipefail
tag=$1 rootfs=$2

rm -rf "$rootfs"
mkdir -p "$(dirname "$rootfs")"
trap 'rm -rf "$rootfs"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
  bookworm "$rootfs"
mkdir -p "$rootfs/usr/local/share/ca-certificates"
cp /usr/local/share/ca-certificates/*.crt "$rootfs/usr/local/share/ca-certificates/" 2>/dev/null || true
chroot "$rootfs" update-ca-certificates
ln -sf python3 "$rootfs/usr/bin/python"
rm -f "$rootfs/usr/lib/python3.11/EXTERNALLY-MANAGED"
rm -rf "$rootfs"/var/cache/apt/archives/*.deb "$rootfs"/var/lib/apt/lists/* \
  "$rootfs"/var/cache/apt/*.bin "$rootfs"/usr/share/{doc,man,locale,info}/* "$rootfs"/var/log/*
docker=/usr/bin/docker
[ -x $docker ] || docker=docker
tar -C "$rootfs" --numeric-owner --sort=name --mtime=@0 -c . | $docker import \
  -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  -c 'ENV LANG=C.UTF-8' \
  -c 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
  -c 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
  -c 'CMD ["python3"]' - "$tag"
