# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced by the checker of an anycast service. While the service is up, the BIRD protocols in `protocols` announce it. While
# it drains, those in `draining` announce it as the last resort (RFC 8326). After `rise` successful checks in a row it is
# up, after `fall` failed ones it is down.
set -uo pipefail
export LC_ALL=C
umask 022 # BIRD is not root when it reads the switches
: "${service:?}" "${protocols[0]:?}" "${draining[0]-}"
: "${namespace=}" "${check[0]-}" "${interval=0}" "${timeout=0}" "${drain=0}" "${rise=0}" "${fall=0}" # not set in `withdraw`
state=down good=0 bad=0 drained=0 child=''
state_file=/run/netc/anycast-$service.state disabled_file=/etc/netc/anycast/$service.disabled switches=/run/netc/bird.switches

say() { printf 'netc: anycast %s: %s\n' "$service" "$*" >&2; }
# A check of an idle service makes four processes: what limits its time, the same for `birdc`, `birdc`, and systemd-notify.
# So results are in variables, and nothing waits by `sleep`.
exec {never}<> <(:) # nobody writes there
read_clock() { # puts milliseconds since the boot into `now`, because somebody may set the clock
  local up _
  read -r up _ </proc/uptime && now=$((10#${up/./} * 10))
}
sleep_for() { local seconds; printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); read -r -t "$seconds" -u "$never" _ || true; } # MILLISECONDS
ask_bird() { exec timeout 5 birdc -s /run/netc/bird.ctl "$@" 2>/dev/null; } # in a process of its own

write_line() { # FILE LINE: replaces FILE atomically, unless LINE is what it says
  local said=''
  { read -r said <"$1"; } 2>/dev/null
  [[ $said != "$2" ]] || return 0
  [[ -d ${1%/*} ]] && printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"
}

answers() { # runs the check as nobody; the checker does not wait for processes that the check leaves behind
  local limit
  printf -v limit '%d.%03d' $((timeout / 1000)) $((timeout % 1000))
  timeout --signal=KILL "$limit" ip netns exec "$namespace" \
    setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
    "${check[@]}" </dev/null >/dev/null 2>&1 &
  child=$!
  wait "$child"
}

set_protocols() { # on|off PROTOCOL…
  local line='disabled;' verb=disable wanted=down name
  [[ $1 == off ]] || line='disabled no;' verb=enable wanted=up
  for name in "${@:2}"; do
    [[ -e $switches/$name ]] || continue # the part `bird` is down, or has no such protocol
    write_line "$switches/$name" "$line"
    [[ ${running[$name]-$wanted} == "$wanted" ]] || (ask_bird "$verb" "\"$name\"" >/dev/null)
  done
}

read_protocols() { # their states now, because BIRD may have been restarted
  local name kind at _
  running=()
  while read -r name kind _ at _; do
    [[ $kind != Static ]] || running[$name]=$at
  done < <(ask_bird show protocols "\"any_${service//-/_}*\"")
}

announce() { # as the state requires; on before off, so that the route is replaced and never withdrawn in between
  local -A running
  local on=() off=() name _
  case $state in
    up | falling) on=("${protocols[@]}") off=("${draining[@]}") ;;
    draining) on=("${draining[@]}") off=("${protocols[@]}") ;;
    *) off=("${protocols[@]}" "${draining[@]}") ;;
  esac
  read_protocols
  set_protocols on "${on[@]}"
  for _ in {1..20}; do
    for name in "${on[@]}"; do [[ ${running[$name]-up} == up ]] || break; done
    [[ ${name-} && ${running[$name]-up} != up ]] || break
    sleep_for 50
    read_protocols
  done
  set_protocols off "${off[@]}"
}

set_state() { # STATE
  [[ $state == "$1" ]] || say "$state, now $1"
  state=$1
  write_line "$state_file" "$state"
}

run_check() { # and set the state that follows from it
  if answers; then good=$((good + 1)) bad=0; else good=0 bad=$((bad + 1)); fi
  if [[ -e $disabled_file ]]; then
    case $state in
      up | falling) start_to_drain ;;
      draining) if read_clock && ((bad >= fall || now >= drained)); then set_state disabled; fi ;;
      *) set_state disabled ;;
    esac
    return
  fi
  case $state in
    up | falling | draining)
      if ((bad >= fall)); then set_state down; elif ((bad)); then set_state falling; else set_state up; fi
      ;;
    *)
      if ((good >= rise)); then set_state up; elif ((good)); then set_state rising; else set_state down; fi
      ;;
  esac
}

start_to_drain() {
  read_clock
  drained=$((now + drain))
  if ((${#draining[@]})); then set_state draining; else set_state disabled; fi
}

run_checks() {
  local next now
  trap stop TERM INT
  set_state down
  announce
  while :; do
    read_clock
    next=$((now + interval))
    run_check
    announce
    [[ ! ${NOTIFY_SOCKET-} ]] || systemd-notify WATCHDOG=1
    [[ ! ${NETC_ALIVE-} ]] || { read_clock && echo "$now" >"$NETC_ALIVE"; } # for `netc-host run`
    wait_until "$next"
  done
}

wait_until() { # MILLISECONDS since the boot
  read_clock
  ((now >= $1)) || sleep_for $(($1 - now))
}

stop() { # drains first if the service is up
  trap '' TERM INT
  [[ ! $child ]] || kill "$child" 2>/dev/null
  if [[ $state == up || $state == falling ]]; then
    start_to_drain
    announce
  fi
  [[ $state != draining ]] || wait_until "$drained"
  withdraw
  exit 0
}

withdraw() {
  state=down
  announce
  rm -f "$state_file" "$state_file.new"
}
