# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the scripts of a tunnel that another program makes. Whatever the program turns into, it and
# its children carry NETC_TUNNEL in their environment from before they are let go, so that they are found after a kill
# at any moment, also before there is an interface.

program() { [[ -x $(type -P "$1") ]] || refuse "needs the program $1, and it is not there"; }

# By no clock that somebody sets meanwhile.
before() { local up; read -r up _ </proc/uptime && ((10#${up/./} < $1)); } # HUNDREDTH of a second since the boot
after() { local up; read -r up _ </proc/uptime && printf '%s\n' $((10#${up/./} + $1 * 100)); } # SECONDS: the hundredth then

foreign() { # INTERFACE SECONDS COMMAND…
  local name=$1 pid seen='' now quiet=0 end status
  end=$(after "$2")
  # The lock (9) is held until the mark can be seen.
  outlives env NETC_TUNNEL="$name" setsid bash -c 'exec "$@" 7>&- 9>&-' netc "${@:3}" &
  pid=$!
  while before "$end"; do
    if [[ $pid ]] && ! kill -0 "$pid" 2>/dev/null; then
      wait "$pid" || { status=$?; last_words; say "$3 ended with status $status"; return 1; }
      pid='' # a daemon by now
    fi
    if [[ -e /sys/class/net/$name ]]; then # and has all its routes when none came for half a second
      now=$(ip -4 route show dev "$name" 2>/dev/null; ip -6 route show dev "$name" 2>/dev/null)
      [[ $now == "$seen" ]] || quiet=0
      seen=$now quiet=$((quiet + 1))
      ((quiet <= 5)) || break
    fi
    sleep 0.1
  done
  [[ -e /sys/class/net/$name ]] || { last_words; say "$3 made no interface $name within $2 s"; return 1; }
  ip link set dev "$name" group 77 && not_everywhere "$name" || return
  # One that made its interface and ended is not missed later.
  if [[ $(running "$name") ]]; then : >"$journal.runs"; fi
}

not_everywhere() { # INTERFACE: what leads to (a half, an eighth of) everywhere goes; multicast is an IPv4 /4, an IPv6 /8
  local family to _
  for family in -4 -6; do
    while read -r to _; do
      [[ $to == default || $to == */[0-3] || $family$to == -6*/4 ]] || continue
      ip "$family" route delete "$to" dev "$1" || return
    done < <(ip "$family" route show dev "$1")
  done
}

instead() { # FAMILY PREFIX dev INTERFACE protocol NUMBER: of its own route to the same
  ip "$1" route delete "${@:2:3}" 2>/dev/null || true
  ip "$1" route add "${@:2}"
}

find_link() { # INTERFACE NAMESPACE-OR--: whether there is one of netc's; `place` is where, as `ip` takes it
  place=(-n "$2")
  [[ $2 != - && $(ip "${place[@]}" -o link show dev "$1" group 77 2>/dev/null) ]] && return
  place=()
  [[ -e /sys/class/net/$1 ]] || return
  # Killed before it had its group, or made anew by the program.
  [[ $(ip -o link show dev "$1" group 77) || $(running "$1") || $(grep -vx down "${journal:?}" | tail -n 1) == "foreign $1 "* ]]
}

gone() { # INTERFACE NAMESPACE-OR-- SECONDS
  local end
  end=$(after "$3")
  while before "$end"; do
    [[ $(running "$1") ]] || find_link "$1" "$2" || return 0
    sleep 0.1
  done
  return 1
}

end_foreign() { # INTERFACE NAMESPACE-OR-- [COMMAND…]: by its own command, by a signal, and what is left of it
  local place=() pids said='' signal
  if ! find_link "$1" "$2" && [[ -e /sys/class/net/$1 && ! $(running "$1") ]]; then
    say "$1 is someone else's by now, and stays"
    return
  fi
  if (($# > 2)); then
    said=$(timeout -k 2 20 "${@:3}" </dev/null 2>&1 7>&- 9>&-) || said="$3: ${said:-failed}"
    gone "$1" "$2" 5 || say "did not end by its own command${said:+ ($said)}"
  fi
  for signal in TERM KILL; do
    mapfile -t pids < <(running "$1")
    ((${#pids[@]})) || break
    kill -s "$signal" "${pids[@]}" 2>/dev/null || true
    gone "$1" "$2" 3 || true
  done
  if find_link "$1" "$2"; then ip "${place[@]}" link delete dev "$1" || return; fi
  rm -f "$journal.runs"
  rm -f "/run/wireguard/$1.sock" && rmdir --ignore-fail-on-non-empty /run/wireguard 2>/dev/null || true
}

program_runs() { # INTERFACE: if it did when the interface was there
  [[ ! -e $journal.runs || $(running "$1") ]] || differs "the program of $1 has ended"
}
