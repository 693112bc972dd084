# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part of BIRD if there are anycast services. Their checkers enable and disable protocols of
# BIRD. bird.conf includes a file for each such protocol, with `disabled;` or `disabled no;`, so a reload of BIRD keeps
# their state. When BIRD starts, all of them are disabled.
switched=/run/netc/bird.switches

switches() ( # off|keep PROTOCOL…: writes a file for each, and removes files of other protocols
  umask 022 # BIRD is not root when it reads them
  mkdir -p "$switched" || return
  for name in "$switched"/*; do
    [[ " ${*:2} " == *" ${name##*/} "* ]] || rm -f "$name" || return
  done
  for name in "${@:2}"; do
    [[ $1 == keep && -e $switched/$name ]] || printf 'disabled;\n' >"$switched/$name" || return
  done
)
no_switches() { rm -rf "$switched"; }
