# shellcheck shell=bash
# The first process of a host of the lab: makes the host's own world, says its process id, and lives until its
# standard input ends, which is when the lab ends, in whatever way. It runs in new namespaces for mounts, network,
# processes and the name; whatever is still running inside ends together with it.
set -euo pipefail

read -r pid _ </proc/self/stat # as seen from outside: /proc is still the machine's
printf '%s\n' "$1" >/proc/sys/kernel/hostname
mount -t proc proc /proc

# Nothing inside can write to the machine's own file systems, …
findmnt --real --list --noheadings --output TARGET | while read -r target; do
    mount -o remount,bind,ro "$target"
done

# … and what is written in these places goes to memory. The machine's root may be read-only.
mount -t tmpfs -o mode=0755 layers /run
for place in /etc /tmp /usr/lib /usr/local /var; do
    mkdir -p "/run$place/upper" "/run$place/work"
    chmod --reference="$place" "/run$place/upper"
    mount -t overlay -o "lowerdir=$place,upperdir=/run$place/upper,workdir=/run$place/work" "lab$place" "$place"
done

# /sys shows the network of whoever mounted it. The cgroups stay as they are.
mkdir /run/cgroup
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --move /run/cgroup /sys/fs/cgroup

umount --lazy /run # the layers stay, unseen, as long as something is mounted from them
mount -t tmpfs -o mode=0755 run /run
mkdir -m 1777 /run/lock

printf '%s\n' "$1" >/etc/hostname
rm -f /etc/resolv.conf # often a link to something in the machine's /run
: >/etc/resolv.conf
ip link set dev lo up

printf '%s\n' "$pid"
exec >/dev/null
read -r _ || true # bash reaps meanwhile what daemons leave behind
