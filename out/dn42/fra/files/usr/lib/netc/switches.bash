# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part that routes, where others turn some of BIRD's protocols on and off. Each has a
# file with its word, so that BIRD, when all else changes, does not forget it. After a start all of them are off.
turned=/run/netc/bird.switches

switches() ( # off|as_they_are PROTOCOL…: those and no others
  umask 022 # BIRD reads them as a user of its own
  mkdir -p "$turned" || return
  for name in "$turned"/*; do
    [[ " ${*:2} " == *" ${name##*/} "* ]] || rm -f "$name" || return
  done
  for name in "${@:2}"; do
    [[ $1 == as_they_are && -e $turned/$name ]] || printf 'disabled;\n' >"$turned/$name" || return
  done
)
no_switches() { rm -rf "$turned"; }
