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

shortcut_is() { # FILE DEVICE…: as `nftables.bash` asks; `up` does without where the kernel has none
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
    ((refused == 3)) && [[ ! $loaded ]] || differs "shortcut rules of $1 cannot be asked for: ${wanted%%$'\n'*}"
  elif [[ ! $loaded ]]; then
    differs "table inet netc_offload is not there"
  elif [[ $wanted != "$loaded" ]]; then
    compare "shortcut rule" - "$(flat <<<"$wanted")" "$(flat <<<"$loaded")"
  fi
}
