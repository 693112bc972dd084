# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part that adds the loopback addresses of the host.

unused_address() { # ADDRESS/LENGTH
  [[ -z $(ip -o address show to "${1%/*}") ]] || refuse "the address ${1%/*} exists already, and does not belong to this part"
}
remove_address() { # ADDRESS/LENGTH
  [[ -z $(ip -o address show dev lo to "${1%/*}") ]] || ip address delete "$1" dev lo
}
