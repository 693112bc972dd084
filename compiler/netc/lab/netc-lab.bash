#!/usr/bin/env bash
# The first program of a container of a lab, and what is called in one.
#   netc-lab hold NODE                        brings the node up, and ends when the container is stopped
#   netc-lab is-up                            waits until the node is up
#   netc-lab visit FROM TO PORT/PROTOCOL [UID GID]
#                                             sends one packet. FROM is an address, or - for the one that the kernel takes
# Compiled by netc: the same in every lab.
set -euo pipefail

lab=${NETC_LAB:-/lab}
mark=/run/netc-lab.up
tree=/var/tmp/netc
export CREDENTIALS_DIRECTORY=/run/credentials

# ---- what start/NODE calls ---------------------------------------------------------------------------------------------

# containerlab puts interfaces into a container that runs already.
present() { until [[ -e /proc/sys/net/ipv4/conf/$1 ]]; do sleep 0.1; done; }

# rename DEVICE NAME
rename() {
    present "$1"
    ip link set dev "$1" down
    ip link set dev "$1" name "$2"
}

# plug DEVICE MTU ADDRESS…: and waits until the addresses can be used
plug() {
    local device=$1 address
    present "$device"
    echo 0 >"/proc/sys/net/ipv6/conf/$device/accept_dad"
    ip link set dev "$device" mtu "$2" up
    for address in "${@:3}"; do
        if [[ $address == *:* ]]; then
            ip address replace "$address" dev "$device" nodad
        else
            ip address replace "$address" dev "$device"
        fi
    done
    until [[ $(ip link show dev "$device") == *LOWER_UP* && -z $(ip -6 address show dev "$device" tentative) ]]; do
        sleep 0.1
    done
}

# key NAME: a private key that everybody can compute. Nothing that is worth a secret is behind it.
key() {
    local sum
    sum=$(printf 'netc lab key %s' "$1" | sha256sum)
    # shellcheck disable=SC2001 # every two digits
    printf '%b' "$(sed 's/../\\x&/g' <<<"${sum%% *}")" | base64
}

# secret PATH NAME
secret() (
    umask 077
    mkdir -p "${1%/*}"
    key "$2" >"$1"
)

# Installs the tree as an operator does, and waits until netc-host has asked all parts whether they are up.
come_up() {
    rm -rf "$tree"
    cp -r "$lab/trees/$node" "$tree"
    bash "$tree/install" --commit --overwrite
    netc-host run &
    run=$!
    until [[ -s /run/netc-run/pid ]]; do sleep 0.1; done
    sleep 0.2
    while grep -qsz '^up$' /proc/[0-9]*/cmdline; do sleep 0.1; done
}

# listen NAMESPACE ANY UDP TCP: answers packets of `visit` at these ports, and prints who sent them.
# ANY 1: for every address that is routed to it.
listen() {
    local there=()
    [[ ! $1 ]] || there=(ip netns exec "$1")
    printf '["watch", "%s", "%s", "%s", "%s"]' "${1:-$node}" "${@:2}" | "${there[@]}" python3 -I -S "$lab/agent.py" &
}

# ---- verbs -------------------------------------------------------------------------------------------------------------

hold() {
    node=$1 run=
    [[ -e $lab/start/$node ]] || { echo "netc-lab: no node is called $node" >&2; exit 2; }
    trap 'ended' TERM INT
    mountpoint -q /run || mount -t tmpfs -o mode=0755 run /run
    sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
    [[ ! -d $lab/root/$node ]] || cp -rT "$lab/root/$node" /
    # shellcheck disable=SC1090 # compiled for this node
    . "$lab/start/$node"
    echo "$node" >"$mark"
    echo "netc-lab: $node is up"
    if [[ $run ]]; then wait "$run"; else sleep infinity & wait $!; fi
}

ended() {
    if [[ $run ]]; then kill "$run" && wait "$run"; fi
    exit 0
}

is_up() {
    local tries
    for ((tries = 0; tries < 1200; tries++)); do
        if [[ -s $mark ]]; then echo "$(<"$mark") is up" && return; fi
        sleep 0.1
    done
    echo "netc-lab: it is not up after two minutes: docker logs says why" >&2
    return 1
}

visit() {
    local asked said
    (($# == 3 || $# == 5)) || { sed -n '2,/^# Compiled/s/^#  //p' "$0" >&2; exit 2; }
    asked=$(python3 -I -S -c '
import json, sys
source, to, port, uid, gid, any_, number = sys.argv[1:]
port, _, protocol = port.partition("/")
ids = {"uid": int(uid), "gid": int(gid), "number": int(number)}
ends = {"source": source.strip("-"), "to": to, "port": int(port), "protocol": protocol}
print(json.dumps(["ask", json.dumps([{**ids, **ends, "any": any_ == "internet"}])]))
' "$1" "$2" "$3" "${4:-0}" "${5:-0}" "$(<"$mark")" $((RANDOM % 1000)))
    said=$(python3 -I -S "$lab/agent.py" <<<"$asked")
    if [[ $said == *'"answered"'* ]]; then echo answered; else echo "no answer"; return 1; fi
}

case ${1-} in
    hold) hold "$2" ;;
    is-up) is_up ;;
    visit) visit "${@:2}" ;;
    *) sed -n '2,/^# Compiled/s/^#  //p' "$0" >&2; exit 2 ;;
esac
