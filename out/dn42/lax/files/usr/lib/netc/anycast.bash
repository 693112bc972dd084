# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced by the checker of an anycast service. While it answers, `protocols` of BIRD's tell of it; while it drains,
# `draining` do, as the last resort. `rise` good checks in a row bring it up, `fall` bad ones down.
set -uo pipefail
export LC_ALL=C
umask 022 # BIRD reads its switches as a user of its own
: "${service:?}" "${protocols[0]:?}" "${draining[0]-}"
: "${namespace=}" "${question[0]-}" "${interval=0}" "${timeout=0}" "${drain=0}" "${rise=0}" "${fall=0}" # a checker's
state=down good=0 bad=0 drained=0
told=/run/netc/anycast-$service.state switched_off=/etc/netc/anycast/$service.disabled turned=/run/netc/bird.switches

say() { printf 'netc: anycast %s: %s\n' "$service" "$*" >&2; }
now() { local up _; read -r up _ </proc/uptime && printf '%s\n' $((10#${up/./} * 10)); } # milliseconds, by no clock that is set
seconds() { printf '%d.%03d\n' $(($1 / 1000)) $(($1 % 1000)); }
ask_bird() { timeout 5 birdc -s /run/netc/bird.ctl "$@" 2>/dev/null; }

put() { # FILE LINE: whole or not at all
  [[ -d ${1%/*} ]] && printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"
}

answers() { # nothing that a check leaves open or running is waited for
  timeout --signal=KILL "$(seconds "$timeout")" ip netns exec "$namespace" \
    setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
    "${question[@]}" </dev/null >/dev/null 2>&1 &
  wait $!
}

turn() { # on|off PROTOCOL…
  local line='disabled;' verb=disable wanted=down name
  [[ $1 == off ]] || line='disabled no;' verb=enable wanted=up
  for name in "${@:2}"; do
    [[ -e $turned/$name ]] || continue # BIRD's part is down, or knows of no such
    [[ $(<"$turned/$name") == "$line" ]] || put "$turned/$name" "$line"
    [[ ${running[$name]-$wanted} == "$wanted" ]] || ask_bird "$verb" "\"$name\"" >/dev/null
  done
}

look_at_bird() { # what it does now; it may have been started anew
  local name kind at _
  running=()
  while read -r name kind _ at _; do
    [[ $kind != Static ]] || running[$name]=$at
  done < <(ask_bird show protocols "\"any-$service*\"")
}

tell() { # as the state wants it: on before off, so that a route is replaced and at no moment gone
  local -A running
  local on=() off=() name _
  case $state in
    up | falling) on=("${protocols[@]}") off=("${draining[@]}") ;;
    draining) on=("${draining[@]}") off=("${protocols[@]}") ;;
    *) off=("${protocols[@]}" "${draining[@]}") ;;
  esac
  look_at_bird
  turn on "${on[@]}"
  for _ in {1..20}; do
    for name in "${on[@]}"; do [[ ${running[$name]-up} == up ]] || break; done
    [[ ${name-} && ${running[$name]-up} != up ]] || break
    sleep 0.05
    look_at_bird
  done
  turn off "${off[@]}"
}

become() { # STATE
  [[ $state == "$1" ]] || say "$state, now $1"
  state=$1
  put "$told" "$state"
}

judge() { # of one more check
  if answers; then good=$((good + 1)) bad=0; else good=0 bad=$((bad + 1)); fi
  if [[ -e $switched_off ]]; then
    case $state in
      up | falling) start_to_drain ;;
      draining) if ((bad >= fall || $(now) >= drained)); then become disabled; fi ;;
      *) become disabled ;;
    esac
    return
  fi
  case $state in
    up | falling | draining)
      if ((bad >= fall)); then become down; elif ((bad)); then become falling; else become up; fi
      ;;
    *)
      if ((good >= rise)); then become up; elif ((good)); then become rising; else become down; fi
      ;;
  esac
}

start_to_drain() {
  drained=$(($(now) + drain))
  if ((${#draining[@]})); then become draining; else become disabled; fi
}

look_after() {
  local next
  trap leave TERM INT
  become down
  tell
  while :; do
    next=$(($(now) + interval))
    judge
    tell
    [[ ! ${NOTIFY_SOCKET-} ]] || systemd-notify WATCHDOG=1
    rest "$next"
  done
}

rest() { # MILLISECOND: until then
  local left=$(($1 - $(now)))
  ((left > 0)) || return 0
  sleep "$(seconds "$left")" &
  wait $!
}

leave() { # drains first, if there is something to drain
  trap '' TERM INT
  mapfile -t left < <(jobs -p)
  ((${#left[@]} == 0)) || kill "${left[@]}" 2>/dev/null
  if [[ $state == up || $state == falling ]]; then
    start_to_drain
    tell
  fi
  [[ $state != draining ]] || rest "$drained"
  withdraw
  exit 0
}

withdraw() {
  state=down
  tell
  rm -f "$told" "$told.new"
}
