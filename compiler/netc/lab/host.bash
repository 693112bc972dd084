# shellcheck shell=bash
# The first process of a host of the lab: makes the host's own world, says its process id, and lives until its
# standard input ends, which is when the lab ends, in whatever way. It runs in new namespaces for mounts, network,
# processes and the name; whatever is still running inside ends with it.
# NAME [apart]: `apart` hides all that is this machine's own: homes, credentials, devices, what programs keep in /var.
set -euo pipefail

read -r pid _ </proc/self/stat # as seen from outside: /proc is still the machine's
hostname "$1"
apart=${2-}

# Nothing inside can write to the machine's own file systems, …
while read -r _ _ _ _ place _; do
    [[ $place =~ ^/(dev|proc|run|sys)(/|$) || ! -e $place ]] || mount -o remount,bind,ro "$place" 2>/dev/null || [[ $apart ]]
done < <(sort -u -k 5,5 /proc/self/mountinfo)

# … and what is written in these places goes to memory. The machine's root may be read-only.
mount -t tmpfs -o mode=0755 layers /run
overlays=(/etc /tmp /usr/lib /usr/local /var)
[[ ! $apart ]] || overlays=(/etc /usr/lib /usr/local)
for place in "${overlays[@]}"; do mkdir -p "/run$place/upper" "/run$place/work"; done
mkdir -p /run/cgroup
[[ $apart ]] || chmod 1777 /run/tmp/upper
for place in "${overlays[@]}"; do
    echo "lab$place $place overlay lowerdir=$place,upperdir=/run$place/upper,workdir=/run$place/work"
done >/run/layers

# Users and groups of this machine without their passwords. The files are the host's own, so it can add to them.
accounts() {
    local file
    for file in passwd group; do cat "/etc/$file" >"/run/etc/upper/$file"; done
    awk -F : '{print $1 ":*:::::::"}' /etc/passwd >/run/etc/upper/shadow
    awk -F : '{print $1 ":*::"}' /etc/group >/run/etc/upper/gshadow
    chmod 600 /run/etc/upper/{shadow,gshadow}
    : >/run/etc/upper/.pwd.lock
}
# Without root, folders of the machine belong to nobody here: those that a host writes to are its own. Files in them can
# be replaced.
folders() {
    (cd /etc && find . -xdev -type d -readable -print0) | (cd /run/etc/upper && xargs -0 mkdir -p)
    (cd /usr/local && find . -xdev -maxdepth 2 -type d -print0) | (cd /run/usr/local/upper && xargs -0 mkdir -p)
}
[[ ! $apart ]] || { folders && accounts; }

# /proc is of these processes. /sys shows the network of the process that mounts it; the cgroups stay as they are.
cat >>/run/layers <<'.'
lab/proc /proc proc defaults
/sys/fs/cgroup /run/cgroup none rbind
lab/sys /sys sysfs defaults
.
[[ ! $apart ]] || sed -i '/cgroup/d; s,sysfs defaults,sysfs ro,' /run/layers
mount --all --fstab /run/layers
[[ $apart ]] || mount --move /run/cgroup /sys/fs/cgroup
umount --lazy /run # the layers stay, unseen, as long as something is mounted from them
mount -t tmpfs -o mode=0755 run /run
mkdir -m 1777 /run/lock

read -r _ _ ids </proc/self/uid_map
is_root() { ((ids == 4294967295)); } # of this machine, not of a user namespace
# Prints lines of fstab(5): what this machine has and a host does not see.
hidden() {
    local place
    for place in /*; do
        case $place in
            /bin | /dev | /etc | /lib* | /proc | /run | /sbin | /sys | /usr) ;;
            *)
                if [[ -f $place && ! -L $place ]]; then echo "/dev/null $place none bind"; fi
                if [[ -d $place && ! -L $place ]]; then echo "hidden $place tmpfs mode=0755"; fi
                ;;
        esac
    done
    # What only root or a group may read on the machine is not for hosts, nor is a netc of the machine's own. Without
    # root, a folder in an overlay cannot be made again where one was removed.
    local own=(/etc/hosts) folders=() line
    while read -rd '' line; do if [[ -d $line ]] && ! is_root; then folders+=("$line"); else own+=("$line"); fi; done < <(
        printf '%s\0' /etc/netc /etc/netns /etc/wireguard /usr/lib/netc /usr/local/sbin/netc-host
        find /etc /usr/local -xdev ! -type l ! -perm -004 ! -name '*shadow' ! -name .pwd.lock -prune -print0 2>/dev/null
    )
    rm -rf "${own[@]}"
    for line in "${folders[@]}"; do echo "hidden $line tmpfs mode=0755"; done
}
# Devices that harm nobody.
devices() {
    local name
    mkdir -p /run/dev/net
    for name in null zero full random urandom tty net/tun; do
        [[ -e /dev/$name ]] || continue
        : >"/run/dev/$name"
        echo "/dev/$name /run/dev/$name none bind"
    done
    echo "/run/dev /dev none rbind"
}
# Root of this machine could still write these; root of a user namespace cannot.
settings() {
    printf '%s\n' "/proc/sys /proc/sys none bind" "/proc/sys/net /proc/sys/net none bind"
    [[ ! -e /proc/sysrq-trigger ]] || echo "/dev/null /proc/sysrq-trigger none bind"
}
put_apart() {
    { hidden && devices && { ! is_root || settings; }; } >/run/hidden
    mount --all --fstab /run/hidden
    rm /run/hidden
    ! is_root || mount -o remount,bind,ro /proc/sys
    printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts
    mkdir -p /var/{cache,lib,log,opt,spool,tmp} /dev/{pts,shm}
    chmod 1777 /tmp /var/tmp
    printf '%s\n' 'pts /dev/pts devpts newinstance,ptmxmode=0666' 'shm /dev/shm tmpfs mode=1777' >/run/more
    mount --all --fstab /run/more
    rm /run/more
    ln -s /run /var/run
    ln -s pts/ptmx /proc/self/fd /dev
    ln -s fd/0 /dev/stdin && ln -s fd/1 /dev/stdout && ln -s fd/2 /dev/stderr
}
[[ ! $apart ]] || put_apart

rm -f /etc/hostname
printf '%s\n' "$1" >/etc/hostname
rm -f /etc/resolv.conf # often a link to something in the machine's /run
: >/etc/resolv.conf
ip link set dev lo up

printf '%s\n' "$pid"
exec >/dev/null
read -r _ || true # bash reaps meanwhile what daemons leave behind
