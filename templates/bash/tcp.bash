# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part that chooses how TCP finds its speed. New connections follow; old ones stay.
before=${journal:?}.before # what the host had, a path and a value a line
control=/proc/sys/net/ipv4/tcp_congestion_control queue=/proc/sys/net/core/default_qdisc

congestion() { # CONTROL QUEUE
  local file
  modprobe -qa "tcp_$1" "sch_$2" 2>/dev/null || true
  if [[ " $(<"${control%/*}/tcp_available_congestion_control") " != *" $1 "* ]]; then
    say "this kernel has no $1: TCP stays with $(<"$control")"
    return
  fi
  if [[ ! -e $before ]]; then
    for file in "$control" "$queue"; do [[ ! -e $file ]] || printf '%s %s\n' "$file" "$(<"$file")"; done >"$before.new"
    mv "$before.new" "$before"
  fi
  { printf '%s\n' "$1" >"$control"; } 2>/dev/null || { say "TCP stays with $(<"$control"): $1 is not allowed here"; return 0; }
  # The kernel paces BBR by itself where the queue does not; containers have no say in it.
  { [[ -e $queue ]] && printf '%s\n' "$2" >"$queue"; } 2>/dev/null || say "new interfaces keep their queue, without $2"
}

congestion_before() { # CONTROL QUEUE: what is still as netc set it is as it was
  local file value
  rm -f "$before.new"
  [[ -e $before ]] || return 0
  while read -r file value; do
    [[ $(<"$file") != "$1" && $(<"$file") != "$2" ]] || printf '%s\n' "$value" >"$file" || return
  done <"$before"
  rm "$before"
}

speed_is() { # CONTROL QUEUE: as it was set, where it could be
  local there
  [[ -e $before ]] || return 0
  { read -r there <"$control"; } 2>/dev/null || return 0
  [[ $there == "$1" ]] || differs "sysctl net.ipv4.tcp_congestion_control is $there, not $1"
}
