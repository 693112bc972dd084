# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part `offload`: a shortcut past the packet filter, which nobody depends on.

offload() { # FILE DEVICE...
  local device
  for device in "${@:2}"; do # nft refuses the whole table for the sake of one
    [[ -e /sys/class/net/$device ]] || { say "$device is not there; packets take the ordinary way"; return 0; }
  done
  nft -f "$1" 2>/dev/null || say "this kernel has no flowtables; packets take the ordinary way"
}

shortcut_is() { # FILE DEVICE…: as `nftables.bash` asks; `up` does without where there is none
  local device wanted loaded
  for device in "${@:2}"; do [[ -e /sys/class/net/$device ]] || return 0; done
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c '
    for device in "${@:2}"; do
      ip link add dev "$device" type dummy || ip link add dev "$device" type bridge || ip link add dev "$device" type veth || exit
    done
    nft -f "$1" && nft -s list table inet netc_offload' rules "$@" 2>/dev/null) || return 0
  loaded=$(nft -s list table inet netc_offload 2>/dev/null) || { differs "table inet netc_offload is not there"; return 0; }
  [[ $wanted == "$loaded" ]] || compare "shortcut rule" - "$(flat <<<"$wanted")" "$(flat <<<"$loaded")"
}
