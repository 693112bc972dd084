# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the scripts of a tunnel that another program makes. The program and its children have
# NETC_TUNNEL=INTERFACE in their environment from the start. By this mark `down` finds them, even if they became daemons
# or `up` was killed before the interface existed.

program() { [[ -x $(type -P "$1") ]] || refuse "needs the program $1, which is not installed"; }

# Times are counted since the boot, because somebody may set the clock.
is_before() { local up; read -r up _ </proc/uptime && ((10#${up/./} < $1)); } # HUNDREDTHS of a second since the boot
in_seconds() { local up; read -r up _ </proc/uptime && printf '%s\n' $((10#${up/./} + $1 * 100)); } # SECONDS from now, in hundredths since the boot

foreign() { # INTERFACE SECONDS COMMAND…: runs COMMAND and waits until INTERFACE exists and its routes are complete
  local name=$1 pid seen='' now quiet=0 end status
  end=$(in_seconds "$2")
  # The child keeps the part's locks (7, 9) until NETC_TUNNEL is in its environment.
  exec_detached env NETC_TUNNEL="$name" setsid bash -c 'exec "$@" 7>&- 9>&-' netc "${@:3}" &
  pid=$!
  while is_before "$end"; do
    if [[ $pid ]] && ! kill -0 "$pid" 2>/dev/null; then
      wait "$pid" || { status=$?; print_log_tail; say "$3 ended with status $status"; return 1; }
      pid='' # it became a daemon
    fi
    if [[ -e /sys/class/net/$name ]]; then # the routes are complete if none was added for half a second
      now=$(ip -4 route show dev "$name" 2>/dev/null; ip -6 route show dev "$name" 2>/dev/null)
      [[ $now == "$seen" ]] || quiet=0
      seen=$now quiet=$((quiet + 1))
      ((quiet <= 5)) || break
    fi
    sleep 0.1
  done
  [[ -e /sys/class/net/$name ]] || { print_log_tail; say "$3 did not create interface $name within $2 s"; return 1; }
  ip link set dev "$name" group 77 && delete_default_routes "$name" || return
  # If the program has ended already, as some do after they made the interface, `check` does not expect it.
  if [[ $(pids_of_tunnel "$name") ]]; then : >"$journal.runs"; fi
}

delete_default_routes() { # INTERFACE: also routes of /1 to /3 and IPv6 routes of /4; multicast stays (IPv4 /4, IPv6 /8)
  local family to lines
  for family in -4 -6; do
    read_lines ip "$family" route show dev "$1" || return
    for to in "${lines[@]%% *}"; do
      [[ $to == default || $to == */[0-3] || $family$to == -6*/4 ]] || continue
      ip "$family" route delete "$to" dev "$1" || return
    done
  done
}

instead() { # FAMILY PREFIX dev INTERFACE protocol NUMBER: replaces the program's own route to PREFIX
  ip "$1" route delete "${@:2:3}" 2>/dev/null || true
  ip "$1" route add "${@:2}"
}

find_link() { # INTERFACE NAMESPACE: true if netc's link is there; `place` has the options of `ip`; NAMESPACE `-` is the host
  place=(-n "$2")
  [[ $2 != - && $(ip "${place[@]}" -o link show dev "$1" group 77 2>/dev/null) ]] && return
  place=()
  [[ -e /sys/class/net/$1 ]] || return
  # Not in group 77 yet, because `up` was killed before, or because the program made the interface again.
  [[ $(ip -o link show dev "$1" group 77) || $(pids_of_tunnel "$1") || $(grep -vx down "${journal:?}" | tail -n 1) == "foreign $1 "* ]]
}

wait_until_gone() { # INTERFACE NAMESPACE SECONDS
  local end
  end=$(in_seconds "$3")
  while is_before "$end"; do
    [[ $(pids_of_tunnel "$1") ]] || find_link "$1" "$2" || return 0
    sleep 0.1
  done
  return 1
}

end_foreign() { # INTERFACE NAMESPACE [COMMAND…]: runs COMMAND, then sends signals, then deletes the interface if it is left
  local place=() lines said='' signal
  if ! find_link "$1" "$2" && [[ -e /sys/class/net/$1 && ! $(pids_of_tunnel "$1") ]]; then
    say "interface $1 now belongs to something else (it is not in group 77) and is not deleted"
    return
  fi
  if (($# > 2)); then
    said=$(timeout -k 2 20 "${@:3}" </dev/null 2>&1 7>&- 9>&-) || said="$3: ${said:-failed}"
    wait_until_gone "$1" "$2" 5 || say "the stop command did not end the program${said:+ ($said)}"
  fi
  for signal in TERM KILL; do
    read_lines pids_of_tunnel "$1" || return
    ((${#lines[@]})) || break
    kill -s "$signal" "${lines[@]}" 2>/dev/null || true
    wait_until_gone "$1" "$2" 3 || true
  done
  if find_link "$1" "$2"; then ip "${place[@]}" link delete dev "$1" || return; fi
  rm -f "$journal.runs"
  rm -f "/run/wireguard/$1.sock" && rmdir --ignore-fail-on-non-empty /run/wireguard 2>/dev/null || true
}

program_runs() { # INTERFACE: the program still runs, if it ran when `up` ended
  [[ ! -e $journal.runs || $(pids_of_tunnel "$1") ]] || differs "the program of interface $1 has ended"
}
