# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by the scripts of uplinks and splits. Other software may delete their interface and make it again at any time.
strict=${journal:?}.strict # the value of rp_filter before netc changed it

keep() { # FAMILY ROUTE…: adds the route if the interface is up; if not, netc-watch-PART adds it later
  ip "$1" route replace "${@:2}" 2>/dev/null || printf 'netc: cannot be added yet: ip %s route replace %s\n' "$1" "${*:2}" >&2
}

loosen() { # DEVICE: sets rp_filter to 2 (loose) if it is 1 (strict); the kernel uses the larger of DEVICE and `all` (ip-sysctl)
  local all=/proc/sys/net/ipv4/conf/all/rp_filter own=/proc/sys/net/ipv4/conf/$1/rp_filter
  [[ -e $own && $(<"$all") != 2 && $(<"$own") != 2 && $(<"$all")$(<"$own") == *1* ]] || return 0
  [[ -e $strict ]] || cp "$own" "$strict"
  printf '2\n' >"$own"
}

tighten() { # DEVICE: restores rp_filter
  local own=/proc/sys/net/ipv4/conf/$1/rp_filter
  [[ -e $strict ]] || return 0
  [[ ! -e $own ]] || cat "$strict" >"$own"
  rm "$strict"
}

advise_conntrack() {
  command -v conntrack >/dev/null ||
    say "UDP flows of containers with the address of an uplink that is down stay rejected until they time out: apt-get install conntrack"
}
declare -A left_by=()
forget_moved() { # FAMILY BRIDGE CONTAINER DEVICE ADDRESS: once what comes from there leaves by another interface than DEVICE
  local way family=ipv4 anywhere=198.41.0.4 # the first root server: any address of the internet
  [[ $1 != -6 ]] || family=ipv6 anywhere=2001:503:ba3e::2:30
  way=$(ip "$1" route get "$anywhere" from "$3" iif "$2" 2>/dev/null) && [[ $way == *" dev "* ]] || return 0
  way=${way#* dev } way=${way%% *}
  [[ ${left_by[$*]-} != "$way" ]] || return 0
  left_by[$*]=$way
  [[ $way == "$4" ]] || conntrack -D -f "$family" --src-nat "$5" >/dev/null 2>&1 || true
}

watch() { # DEVICE [once]: runs `again` after each event of DEVICE, and every 30 seconds
  local line status
  [[ ${2-} != once ]] || { again 2>/dev/null; return; }
  while :; do
    again 2>/dev/null
    while :; do
      status=0
      read -r -t 30 line || status=$?
      ((status == 0)) || break
      case $line in
        Deleted*proto\ netc* | Deleted*proto\ 77*) break ;; # somebody deleted a route of netc
        *proto\ netc* | *proto\ 77*) ;; # netc itself added a route
        *" $1:"* | *" $1@"* | *" $1 "*) break ;;
      esac
    done
    ((status == 0 || status > 128)) || return 1 # `ip monitor` has ended
  done < <(exec ip -o monitor link address route)
}

if_up() { # FAMILY DEVICE SOURCE QUESTION…: asks only if DEVICE is up and has SOURCE (`-` is any); else the route comes with it
  if is_up_with_source "$@"; then "${@:4}"; else claim_routes "$2" "${@:5}"; fi
}
claim_routes() { # DEVICE COMMAND KEY …: a route of DEVICE that is still there is not a stray
  local number
  query "$2"
  for number in ${lines_of["$2 $3"]-}; do
    [[ ${output["$2 $number"]} != *" dev $1 "* ]] || claimed["$2 $number"]=1
  done
}
is_up_with_source() { # FAMILY DEVICE SOURCE …
  local up="ip -o $1 address show up scope global" usable="ip -o $1 address show -tentative" number
  query "$up"
  [[ ${lines_of["$up $2"]-} ]] || return
  if [[ $3 != - ]]; then
    query "$usable"
    for ((number = 0; number < ${output["$usable"]}; number++)); do
      [[ ${output["$usable $number"]} != *" $3/"* ]] || break
    done
    ((number < ${output["$usable"]}))
  fi
}
rp_filter_is_loose() { # DEVICE
  local all own
  { read -r all </proc/sys/net/ipv4/conf/all/rp_filter && read -r own <"/proc/sys/net/ipv4/conf/$1/rp_filter"; } 2>/dev/null || return 0
  [[ $all$own == *2* || $all$own != *1* ]] || differs "sysctl net.ipv4.conf.$1.rp_filter is strict, not loose (2)"
}
