#!/bin/bash
# What runs as process 1 of a lab host, in namespaces of its own: the host's files, its engine,
# its sshd. Ends when both have ended; killing it is the power cut.
#   inside.sh DIRECTORY NAME USER UID CGROUP ENGINE PROGRAMS [HIDDEN...]
# Nothing of the machine is written to: /etc is an overlay; /home, /root, /srv, /tmp and the
# directories of the engine (below ENGINE) are the host's own. PROGRAMS, where not "", holds
# another dockerd. DIRECTORY/disk.img, where there is one, is a disk of the host's own, for its
# engine and its files: one that can be full. HIDDEN are directories that a real host would not see.
set -euo pipefail
directory=$1 name=$2 user=$3 uid=$4 cgroup=$5 engine=$6 programs=$7
shift 7

hostname "$name"
resolver=$(cat /etc/resolv.conf)
exec {engine_log}>>"$directory/dockerd.log" {sshd_log}>>"$directory/sshd.log"

# This is a copy of the machine's mounts: those of its engine are not to be kept alive here.
awk '$5 ~ "^/(var/lib/docker|run/docker|run/netns)/" { print $5 }' /proc/self/mountinfo |
  sort -r | while read -r mounted; do umount --lazy "$mounted" 2>/dev/null || true; done

own=$directory/own data=$engine/data
if [ -f "$directory/disk.img" ]; then
  mkdir -p "$directory/disk"
  mount -o loop "$directory/disk.img" "$directory/disk"
  own=$directory/disk/own data=$directory/disk/engine
fi

own() {  # own AT MODE: a directory of the host's own, kept while the host exists
  mkdir -p "$own$1"
  chmod "$2" "$own$1"
  mount --bind "$own$1" "$1"
}

mkdir -p "$directory"/own/etc "$directory"/work/etc
mount -t overlay -o "lowerdir=/etc,upperdir=$directory/own/etc,workdir=$directory/work/etc" \
  overlay /etc
mkdir -p "$engine/etc" "$data" /etc/docker
mount --bind "$engine/etc" /etc/docker                  # key.json: the engine's ID; daemon.json
mount --bind "$data" /var/lib/docker
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock /run/programs
[ -z "$programs" ] || mount --bind "$programs" /run/programs
own /home 755
own /root 700
own /srv 755

# The network of this namespace, with the machine's control groups.
mkdir /run/cgroup
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --rbind /run/cgroup /sys/fs/cgroup
umount --recursive --lazy /run/cgroup

cat /proc/sys/kernel/random/uuid >/run/boot_id          # every start is a boot
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id

echo "$name" >/etc/hostname
echo "$resolver" | { rm -f /etc/resolv.conf; cat >/etc/resolv.conf; }
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >/etc/hosts
rm -rf /etc/ssh
cp -r "$directory/etc-ssh" /etc/ssh
getent group docker >/dev/null || groupadd --system docker
if ! id "$user" >/dev/null 2>&1; then
  useradd --uid "$uid" --create-home --shell /bin/bash --groups docker --password '*' "$user"
fi
install -d -m 700 -o "$user" -g "$user" "/home/$user/.ssh"
install -m 600 -o "$user" -g "$user" "$directory/authorized_keys" "/home/$user/.ssh/authorized_keys"

mount -t tmpfs -o mode=1777 tmpfs /dev/shm
own /tmp 1777
own /var/tmp 1777
for hidden in "$@"; do mount -t tmpfs -o mode=755 tmpfs "$hidden" 2>/dev/null || true; done
cd /

PATH=/run/programs:$PATH dockerd --group docker --cgroup-parent "$cgroup" >&"$engine_log" 2>&1 &
/usr/sbin/sshd -D -e >&"$sshd_log" 2>&1 &
wait
