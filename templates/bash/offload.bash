# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part `offload`: a flowtable, by which established flows skip the packet filter. It is
# optional: without it packets pass the packet filter as before.

offload() { # FILE DEVICE...
  local device
  for device in "${@:2}"; do # nft refuses the whole flowtable if one device is missing
    [[ -e /sys/class/net/$device ]] || { say "interface $device does not exist: no flowtable is loaded, and packets pass the packet filter"; return 0; }
  done
  nft -f "$1" 2>/dev/null || say "this kernel has no flowtables: packets pass the packet filter"
}

flowtable_is() { # FILE DEVICE…: compares as nftables.bash does; no difference if the kernel has no flowtables
  local device wanted loaded refused=0
  for device in "${@:2}"; do [[ -e /sys/class/net/$device ]] || return 0; done
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c '
    for device in "${@:2}"; do
      for kind in dummy bridge veth; do ! ip link add dev "$device" type "$kind" 2>/dev/null || break; done
    done
    nft -f "$1" || exit 3
    nft -s list table inet netc_offload' rules "$@" 2>&1) || refused=$?
  loaded=$(nft -s list table inet netc_offload 2>/dev/null) || loaded=''
  if ((refused)); then
    ((refused == 3)) && [[ ! $loaded ]] || differs "flowtable rules of $1 cannot be checked: ${wanted%%$'\n'*}"
  elif [[ ! $loaded ]]; then
    differs "table inet netc_offload is not there"
  else
    compare_rulesets "flowtable rule" - "$wanted" "$loaded"
  fi
}
