# shellcheck shell=bash
# Sourced after steps.bash by the part `offload`: a shortcut past the packet filter, which nobody depends on.

offload() { # FILE DEVICE...
  local device
  for device in "${@:2}"; do # nft refuses the whole table for the sake of one
    [[ -e /sys/class/net/$device ]] || { say "$device is not there; packets take the ordinary way"; return 0; }
  done
  nft -f "$1" 2>/dev/null || say "this kernel has no flowtables; packets take the ordinary way"
}
