# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by the scripts of uplinks and splits, whose device comes and goes as somebody else pleases.
strict=${journal:?}.strict # how its reverse path filter was before

keep() { # FAMILY ROUTE…: there now if the uplink is; if not, the watcher puts it back as soon as it can be
  ip "$1" route replace "${@:2}" 2>/dev/null || printf 'netc: not yet: ip %s route replace %s\n' "$1" "${*:2}" >&2
}

loosen() { # DEVICE: the stricter of its own filter and that of all devices holds, and 2 wins over 1 (ip-sysctl)
  local all=/proc/sys/net/ipv4/conf/all/rp_filter own=/proc/sys/net/ipv4/conf/$1/rp_filter
  [[ -e $own && $(<"$all") != 2 && $(<"$own") != 2 && $(<"$all")$(<"$own") == *1* ]] || return 0
  [[ -e $strict ]] || cp "$own" "$strict"
  printf '2\n' >"$own"
}

tighten() { # DEVICE: as it was
  local own=/proc/sys/net/ipv4/conf/$1/rp_filter
  [[ -e $strict ]] || return 0
  [[ ! -e $own ]] || cat "$strict" >"$own"
  rm "$strict"
}

watch() { # DEVICE: what is kept is put back after each event of it, and every 30 seconds
  local line status
  while :; do
    again 2>/dev/null
    while :; do
      status=0
      read -r -t 30 line || status=$?
      ((status == 0)) || break
      case $line in
        Deleted*proto\ netc* | Deleted*proto\ 77*) break ;; # one of ours was taken away
        *proto\ netc* | *proto\ 77*) ;; # or put there
        *" $1:"* | *" $1@"* | *" $1 "*) break ;;
      esac
    done
    ((status == 0 || status > 128)) || return 1 # nothing more is said
  done < <(exec ip -o monitor link address route)
}

keeps() { # FAMILY DEVICE SOURCE-OR-- QUESTION…: where the uplink is there, with its address; a route comes back with it
  if is_there "$@"; then "${@:4}"; else passes_for_asked "$2" "${@:5}"; fi
}
passes_for_asked() { # DEVICE COMMAND KEY …: its route, which may still be there
  local number
  listen "$2"
  for number in ${lines_of["$2 $3"]-}; do
    [[ ${said["$2 $number"]} != *" dev $1 "* ]] || asked["$2 $number"]=1
  done
}
is_there() { # FAMILY DEVICE SOURCE-OR-- …
  local up="ip -o $1 address show up scope global" sure="ip -o $1 address show -tentative" number
  listen "$up"
  [[ ${lines_of["$up $2"]-} ]] || return
  if [[ $3 != - ]]; then
    listen "$sure"
    for ((number = 0; number < ${said["$sure"]}; number++)); do
      [[ ${said["$sure $number"]} != *" $3/"* ]] || break
    done
    ((number < ${said["$sure"]}))
  fi
}
is_loose() { # DEVICE
  local all own
  { read -r all </proc/sys/net/ipv4/conf/all/rp_filter && read -r own <"/proc/sys/net/ipv4/conf/$1/rp_filter"; } 2>/dev/null || return 0
  [[ $all$own == *2* || $all$own != *1* ]] || differs "sysctl net.ipv4.conf.$1.rp_filter is strict, not loose"
}
