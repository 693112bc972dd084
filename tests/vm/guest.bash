# shellcheck shell=bash
# Runs the live tests inside the virtual machine, as its first program; or, where NETC_PROGRAM is set, that module.
#   guest.bash RESULTS PYTHON REPOSITORY [pytest arguments …]
# Machines that share a list of tests find in NETC_TAKEN what another one has.
# RESULTS is shared with the machine outside: log, kernel, links, junit.xml, and status last of all.
set -euo pipefail
results=$1 python=$2 repository=$3
shift 3

# The machine outside is the root file system, read-only, and each look at it is a message to the outside. A second view
# of it, at /mnt, keeps what was seen, and becomes the root of all that follows.
if [[ ! ${PIVOTED-} ]]; then
    exec >"$results/log" 2>&1
    outside=$(findmnt --noheadings --output SOURCE /mnt)
    umount /mnt
    mount -t 9p -o ro,trans=virtio,version=9p2000.L,access=any,msize=524288,cache=loose "$outside" /mnt
    mkdir -p /run/layer/{upper,work}
    chmod 1777 /run/layer/upper
    mount -t overlay -o lowerdir=/mnt/tmp,upperdir=/run/layer/upper,workdir=/run/layer/work tmp /mnt/tmp
    # Of a kernel from another root, virtme has linked the modules here, and the second view has none.
    modules=$(readlink -f "/lib/modules/$(uname -r)")
    if [[ ! -d /mnt/lib/modules/$(uname -r) ]]; then
        mount -t tmpfs modules /mnt/lib/modules
        mkdir "/mnt/lib/modules/$(uname -r)"
        mount --bind "/mnt$modules" "/mnt/lib/modules/$(uname -r)"
    fi
    for place in /dev /proc /run /sys "$results" ${NETC_TAKEN:+"$NETC_TAKEN"}; do
        mount --rbind "$place" "/mnt$place"
    done
    cd /mnt
    # shellcheck disable=SC2016 # for the shell inside
    exec env PIVOTED=yes unshare --mount --propagation private bash -c \
        'pivot_root . mnt && umount --lazy /mnt && exec bash "$@"' pivot "$0" "$results" "$python" "$repository" "$@"
fi

uname -r >"$results/kernel"
echo 2 >/proc/sys/net/core/fb_tunnels_only_for_init_net # gre0, sit0, … in every namespace only cost time
modprobe tcp_bbr
echo bbr >/proc/sys/net/ipv4/tcp_congestion_control # a network namespace is allowed no other than the machine's own
modprobe tun # no udev here to make /dev/net/tun on demand

# What the kernel of the machine outside may lack: each made, and gone again.
made() {
    ip link add dev probe "${@:2}"
    ip link delete dev probe
    printf '%s\n' "$1" >>"$results/links"
}
made wireguard type wireguard
made dummy type dummy
made gre type gre local 192.0.2.1 remote 192.0.2.2 ttl 64
made ip6gre type ip6gre local 2001:db8::1 remote 2001:db8::2
made ipip type ipip local 192.0.2.1 remote 192.0.2.2
made sit type sit local 192.0.2.1 remote 192.0.2.2
made vxlan type vxlan id 1 dstport 4789 local 192.0.2.1 remote 192.0.2.2

cd "$repository"
printf 'up after %s s\n' "$(cut -d ' ' -f 1 /proc/uptime)"
export NETC_LIVE=required PYTHONPATH=compiler PYTHONDONTWRITEBYTECODE=1
status=0
if [[ ${NETC_PROGRAM-} ]]; then
    PYTHONPATH=compiler:tests "$python" -m "$NETC_PROGRAM" "$results" || status=$?
else
    "$python" -m pytest tests/live -m live --ignore=tests/live/test_lab.py -p no:cacheprovider \
        --junit-xml="$results/junit.xml" "$@" || status=$?
fi
printf '%s\n' "$status" >"$results/status"
