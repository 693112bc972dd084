# shellcheck shell=bash
# The first process of a host of the lab: makes the host's own world, says its process id, and lives until its
# standard input ends, which is when the lab ends, in whatever way. It runs in new namespaces for mounts, network,
# processes and the name; whatever is still running inside ends together with it.
set -euo pipefail

read -r pid _ </proc/self/stat # as seen from outside: /proc is still the machine's
printf '%s\n' "$1" >/proc/sys/kernel/hostname

# Nothing inside can write to the machine's own file systems, …
while read -r _ _ _ _ place _; do
    [[ $place =~ ^/(dev|proc|run|sys)(/|$) || ! -e $place ]] || mount -o remount,bind,ro "$place"
done < <(sort -u -k 5,5 /proc/self/mountinfo)

# … and what is written in these places goes to memory. The machine's root may be read-only.
mount -t tmpfs -o mode=0755 layers /run
mkdir -p /run/{etc,tmp,usr/lib,usr/local,var}/{upper,work} /run/cgroup
chmod 1777 /run/tmp/upper
for place in /etc /tmp /usr/lib /usr/local /var; do
    echo "lab$place $place overlay lowerdir=$place,upperdir=/run$place/upper,workdir=/run$place/work"
done >/run/layers

# /proc is of these processes. /sys shows the network of whoever mounts it; the cgroups stay as they are.
cat >>/run/layers <<'.'
lab/proc /proc proc defaults
/sys/fs/cgroup /run/cgroup none rbind
lab/sys /sys sysfs defaults
.
mount --all --fstab /run/layers
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
