# shellcheck shell=bash disable=SC2154,SC2329
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
  local -A rules_before=() led=()
  local found_routes=() default_routes=()
  remember_rules
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
      delete_default_routes "$name"
      now=${found_routes[*]}
      [[ $now == "$seen" ]] || quiet=0
      seen=$now quiet=$((quiet + 1))
      ((quiet <= 5)) || break
    fi
    sleep 0.1
  done
  [[ -e /sys/class/net/$name ]] || { delete_new_rules; print_log_tail; say "$3 did not create interface $name within $2 s"; return 1; }
  ip link set dev "$name" group 77 && delete_default_routes "$name" || return
  find_default_routes "$name" || return
  ((!${#default_routes[@]})) || { say "$3 adds default routes by $name faster than they can be removed: ${default_routes[*]@Q}"; return 1; }
  # If the program has ended already, as some do after they made the interface, `check` does not expect it.
  if [[ $(pids_of_tunnel "$name") ]]; then : >"$journal.runs"; fi
}

# ---- what a program must not do: lead the whole host into its tunnel. wg-quick does that by a default route in a table
# of its own and a rule for all packets without its mark.
# Prefixes that have an eighth of all addresses (IPv6: a sixteenth) are parts of a default route: clients have lists
# of what is left of the internet without private prefixes, for instance. Private prefixes are no part.
find_parts() { # FAMILY PREFIX…: makes keys of `parts` of them. Prefixes inside parts count on their own
  local lines line to first size end total layer inside least=$((1 << 32 - 3))
  [[ $1 == -4 ]] || least=$((1 << 62 - 4))
  read_lines by_place "$@" || return
  while :; do
    end=-1 total=0 layer=() inside=()
    for line in "${lines[@]}"; do
      first=${line%% *} to=${line##* } size=${line#* } size=${size%% *}
      if ((first > end)); then layer+=("$to") total=$((total + size)) end=$((first + size - 1)); else inside+=("$line"); fi
    done
    ((total >= least)) || return 0
    for to in "${layer[@]}"; do parts["$1 $to"]=1; done
    lines=("${inside[@]}")
  done
}
by_place() { # FAMILY PREFIX…: prints for each its place, how many places it has (none: a part of one), and itself; the widest first
  local to ip bits rest groups private='^f[c-f]|^(10|127|169\.254|192\.168|172\.(1[6-9]|2.|3[01])|100\.(6[4-9]|[7-9].|1[01].|12[0-7]))\.'
  for to in "${@:2}"; do
    ip=${to%/*} bits=32
    [[ ! $ip =~ $private ]] || continue
    [[ $1 == -4 ]] || bits=128
    [[ $to != */* ]] || bits=${to#*/}
    [[ $to != default ]] || ip=:: bits=0
    if [[ $1 == -4 ]]; then # a place is an address
      IFS=. read -ra groups <<<"${ip/::/0.0.0.0}"
      printf '%s %s %s\n' $((groups[0] << 24 | groups[1] << 16 | groups[2] << 8 | groups[3])) $((1 << 32 - bits)) "$to"
    else # a place is a /62, so that numbers of all places fit
      [[ $ip != *.* ]] || ip=${ip%:*}:0:0
      IFS=: read -ra rest <<<"${ip##*::}"
      IFS=: read -ra groups <<<"${ip%%::*}"
      [[ $ip != *::* ]] || while ((${#groups[@]} + ${#rest[@]} < 8)); do groups+=(0); done
      [[ $ip != *::* ]] || groups+=("${rest[@]}")
      printf '%s %s %s\n' $((16#${groups[0]} << 46 | 16#${groups[1]} << 30 | 16#${groups[2]} << 14 | 16#${groups[3]} >> 2)) \
        $((bits > 62 ? 0 : 1 << 62 - bits)) "$to"
    fi
  done | sort -k 1,1n -k 2,2nr -k 3 -u
}
each_rule() { # FAMILY COMMAND…: calls COMMAND with each rule as one word, except those of netc and of Tailscale (5210 to
  # 5270), of VRFs, and of daemons that say who they are. Fails if there is no answer.
  local line lines
  read_lines ip -N "$1" rule show 2>/dev/null || return
  for line in "${lines[@]}"; do
    [[ $line == *' proto '* || $line == *l3mdev* || $line =~ ^52([1-6][0-9]|70): ]] || "${@:2}" "$1 $line"
  done
}
remember_rules() { # a family that the kernel does not have is left alone
  local family
  remember() { rules_before[$1]=1; }
  for family in -4 -6; do ! each_rule "$family" remember || rules_before[$family]=1; done
}
delete_new_rules() { # rules that were not there before the program started
  local family
  for family in -4 -6; do [[ ! ${rules_before[$family]-} ]] || each_rule "$family" delete_if_new || true; done
}
delete_if_new() { # RULE
  local words
  [[ ! ${rules_before[$1]-} ]] || return 0
  read -ra words <<<"$1"
  say "removes a policy rule that was not there before the program: ${words[*]}"
  ip -N "${words[0]}" rule delete priority "${words[1]%:}" "${words[@]:2}" 2>/dev/null || true # the program may be first
}
routes_by() { # INTERFACE: puts those that are not netc's into `found_routes`, each as FAMILY PREFIX TABLE METRIC
  local family line lines words i table metric
  found_routes=()
  for family in -4 -6; do
    read_lines ip -N -o "$family" route show table all type unicast dev "$1" 2>/dev/null || return
    for line in "${lines[@]}"; do # 2: the kernel's own, of the subnets of the interface
      [[ " $line " != *' proto '@(77|2)' '* ]] || continue
      table=254 metric=''
      read -ra words <<<"$line"
      for ((i = 1; i < ${#words[@]}; i++)); do
        case ${words[i]} in table) table=${words[i + 1]} ;; metric) metric=${words[i + 1]} ;; esac
      done
      found_routes+=("$family ${words[0]} $table $metric")
    done
  done
}
find_default_routes() { # INTERFACE: puts those that are there into `default_routes`. `led` has each prefix that was there before too,
  # since the program adds the next part after `up` has removed the first ones
  local route family to rest prefixes
  local -A parts=()
  default_routes=()
  routes_by "$1" || return
  for route in "${found_routes[@]}"; do
    read -r family to rest <<<"$route"
    led["$family $to"]=1
  done
  for family in -4 -6; do
    prefixes=()
    for to in "${!led[@]}"; do [[ $to != "$family "* ]] || prefixes+=("${to#* }"); done
    find_parts "$family" "${prefixes[@]}" || return
  done
  for route in "${found_routes[@]}"; do
    read -r family to rest <<<"$route"
    [[ ! ${parts["$family $to"]-} ]] || default_routes+=("$route")
  done
}
delete_default_routes() { # INTERFACE: in every table, and the rules that lead there
  local route family to table metric
  delete_new_rules
  find_default_routes "$1" || return
  for route in "${default_routes[@]}"; do
    read -r family to table metric <<<"$route"
    ip "$family" route delete "$to" dev "$1" table "$table" ${metric:+metric "$metric"} 2>/dev/null || true
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

leads_nothing() { # INTERFACE: a question. Programs may add default routes later, for instance when they connect again
  local family all number line to table first prefixes
  local -A tables=() parts=()
  for family in 4 6; do
    all="ip -N -d -o -$family route show table all protocol boot" # programs that do not say who they are
    query "$all"
    prefixes=() first=''
    for ((number = 0; number < ${output["$all"]-0}; number++)); do
      line=${output["$all $number"]}
      [[ $line == *" dev $1 "* && $line == *' table '* ]] || continue
      read -r to _ <<<"$line"
      table=${line#* table } table=${table%% *}
      ((table >= 253 && table <= 255)) || tables["$family $table"]=1
      prefixes+=("$to $table")
    done
    find_parts "-$family" "${prefixes[@]% *}" || differs "cannot be checked: the routes by $1"
    for line in "${prefixes[@]}"; do
      [[ ! ${parts["-$family ${line% *}"]-} || $first ]] || first=$line
    done
    number=${#parts[@]} parts=()
    [[ ! $first ]] || differs "route ${first% *} dev $1 table ${first#* } is not from netc and leads the host into the tunnel$( ((number == 1)) || printf ', with %s others' $((number - 1)))"
    all="ip -N -$family rule show protocol 77" # lists all rules
    query "$all"
    for ((number = 0; number < ${output["$all"]-0}; number++)); do
      line=${output["$all $number"]}
      [[ $line != *' proto '* && $line =~ ' lookup '([0-9]+)' ' && ${tables["$family ${BASH_REMATCH[1]}"]-} ]] || continue
      differs "rule${line% } is not from netc and leads into the tunnel of $1"
    done
  done
}

program_runs() { # INTERFACE: the program still runs, if it ran when `up` ended
  [[ ! -e $journal.runs || $(pids_of_tunnel "$1") ]] || differs "the program of interface $1 has ended"
}
