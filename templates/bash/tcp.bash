# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part that sets the TCP congestion control. It applies to new connections.
before=${journal:?}.before # the values that the host had before: a path and a value on each line
control=/proc/sys/net/ipv4/tcp_congestion_control queue=/proc/sys/net/core/default_qdisc

congestion() { # CONTROL QUEUE
  local file
  modprobe -qa "tcp_$1" "sch_$2" 2>/dev/null || true
  if [[ " $(<"${control%/*}/tcp_available_congestion_control") " != *" $1 "* ]]; then
    say "this kernel has no $1: TCP congestion control stays $(<"$control")"
    return
  fi
  if [[ ! -e $before ]]; then
    for file in "$control" "$queue"; do [[ ! -e $file ]] || printf '%s %s\n' "$file" "$(<"$file")"; done >"$before.new"
    mv "$before.new" "$before"
  fi
  { printf '%s\n' "$1" >"$control"; } 2>/dev/null || { say "$1 is not allowed here: TCP congestion control stays $(<"$control")"; return 0; }
  # Without $2 the kernel paces BBR itself. A container cannot set the default queue.
  { [[ -e $queue ]] && printf '%s\n' "$2" >"$queue"; } 2>/dev/null || say "the default queue cannot be set to $2 here"
}

congestion_before() { # CONTROL QUEUE: restores the earlier values, except where somebody changed the value since
  local file value
  rm -f "$before.new"
  [[ -e $before ]] || return 0
  while read -r file value; do
    [[ $(<"$file") == "$value" || ($(<"$file") != "$1" && $(<"$file") != "$2") ]] || printf '%s\n' "$value" >"$file" || return
  done <"$before"
  rm "$before"
}

congestion_is() { # CONTROL: if `up` could set it
  local there
  [[ -e $before ]] || return 0
  { read -r there <"$control"; } 2>/dev/null || return 0
  [[ $there == "$1" ]] || differs "sysctl net.ipv4.tcp_congestion_control is $there, not $1"
}
