# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the scripts of parts that hold a WireGuard device.

need_wireguard() {
  need wg wireguard-tools
  [[ -e /sys/module/wireguard ]] || modprobe -qn wireguard 2>/dev/null || userspace >/dev/null ||
    refuse "this kernel has no WireGuard, and no userspace implementation is installed: apt-get install wireguard-go"
}
userspace() { command -v wireguard-go || command -v boringtun-cli || command -v boringtun; }

wireguard() { # NAME: a device of the kernel, else of a userspace implementation; link group 77 marks it as netc's
  local said tool
  said=$(ip link add dev "$1" group 77 type wireguard 2>&1) && return
  [[ $said == *"Unknown device type"* || $said == *"not supported"* ]] || { say "$said"; return 1; }
  tool=$(userspace) || return 1
  NETC_TUNNEL=$1 setsid "$tool" "$1" </dev/null >/dev/null 2>&1 7>&- 9>&- || { say "$tool $1 failed"; return 1; }
  ip link set dev "$1" group 77
}

sync_wireguard() { # NAME KEY [NAMESPACE]: peers that did not change keep their session
  local in=() conf=/etc/netc/wireguard/$1.conf peer lines
  [[ $# == 2 ]] || in=(ip netns exec "$3")
  if ! is_same_device "$@"; then
    sync_device "$@"
    return
  fi
  sed '/^\[Interface\]$/,/^$/d' "$conf" | "${in[@]}" wg addconf "$1" /dev/stdin || return
  read_lines "${in[@]}" wg show "$1" peers || return
  for peer in "${lines[@]}"; do
    grep -qxF "PublicKey = $peer" "$conf" || "${in[@]}" wg set "$1" peer "$peer" remove || return
  done
}
is_same_device() { # wireguard-go reopens its socket even if the port is the same, and loses packets that wait there
  local port mark
  port=$(sed -n 's/^ListenPort = //p' "$conf") mark=$(sed -n 's/^FwMark = //p' "$conf")
  [[ ${port:-any} == @(any|"$("${in[@]}" wg show "$1" listen-port)") &&
    $(wg pubkey <"$2") == "$("${in[@]}" wg show "$1" public-key)" ]] &&
    ((${mark:-0} == $("${in[@]}" wg show "$1" fwmark | sed 's/off/0/')))
}
sync_device() { # `wg syncconf` resets what the file leaves out, so the key and the port are added to its input
  local port
  port=$("${in[@]}" wg show "$1" listen-port) || return
  { printf '[Interface]\nListenPort = %s\nPrivateKey = %s\n' "$port" "$(<"$2")" && cat "$conf"; } |
    "${in[@]}" wg syncconf "$1" /dev/stdin
}

# ---- questions of `check`. `wg show … dump` is never used: it prints private keys
declare -gA place_of=() public_of=() # also where a function sources this
query_wg() { # WHAT [NAMESPACE]: stores `wg show all WHAT` under the command that is in `by`
  local device
  by="${2:+ip netns exec $2 }wg show all $1"
  [[ ! ${queried[$by]-} ]] || return 0
  if [[ ! ${timed_out[wg]-} ]]; then
    read_output "$by" ${2:+ip netns exec "$2"} wg show all "$1"
    [[ ${timed_out[$by]-} ]] || return 0
    # A userspace device does not answer, perhaps one of other software, and blocks `wg show all`. From now on netc's own
    # devices are asked one by one, except those that do not answer.
    timed_out[wg]=1
    for device in "${!lines_of[@]}"; do [[ $device != "$by "* ]] || lines_of["$device"]=; done
    own=(/etc/netc/wireguard/*.conf) own=("${own[@]##*/}") own=("${own[@]%.conf}")
    for device in "${own[@]}"; do
      timeout 2 wg show "$device" listen-port >/dev/null 2>&1 || (($? != 124)) || timed_out["wg $device"]=1
    done
  fi
  read_output "$by" each_device "$@"
}
each_device() { # WHAT [NAMESPACE]
  local device
  for device in "${own[@]}"; do
    [[ ${timed_out["wg $device"]-} ]] || ${2:+ip netns exec "$2"} wg show "$device" "$1" 2>/dev/null | sed "s/^/$device\t/" || true
  done
}
query_device() { # DEVICE WHAT [NAMESPACE]: puts its line into `words`
  local number
  query_wg "${@:2}"
  number=${lines_of["$by $1"]-} words=()
  [[ ! $number ]] || read -ra words <<<"${output["$by ${number# }"]}"
}

peers_are() { # DEVICE FILE [NAMESPACE]: compares with FILE, except endpoints, which may change
  local by line name='' key='' value port='' mark=0 net words number before=''
  local -A names=() allowed=() every=() there=() next=()
  is_readable "$2" || return 0
  place_of[$1]=${3--}
  while IFS= read -r line; do
    value=${line#* = }
    case $line in
      '# '*) name=${line#??} ;;
      ListenPort*) port=$value ;;
      FwMark*) mark=$value ;;
      PublicKey*)
        before=$key key=$value names[$key]=${name:-$key} name=''
        [[ ${names[$key]} != *', next key' ]] || next[$before]=$key
        ;;
      AllowedIPs*) allowed[$key]=${value//, / } ;;
      PersistentKeepalive*) every[$key]=${value/#0/off} ;;
    esac
  done <"$2"
  query_device "$1" listen-port "${@:3}"
  if [[ ${timed_out["wg $1"]-} ]]; then
    differs "the program of interface $1 does not answer"
    return 0
  fi
  [[ ! $port || ! ${words[1]-} || ${words[1]} == "$port" ]] || differs "interface $1 listens on port ${words[1]}, not $port"
  query_device "$1" fwmark "${@:3}"
  [[ ! ${words[1]-} ]] || ((mark == ${words[1]/off/0})) || differs "interface $1 has mark ${words[1]}, not $mark"
  query_wg persistent-keepalive "${@:3}"
  for number in ${lines_of["$by $1"]-}; do
    read -ra words <<<"${output["$by $number"]}"
    key=${words[1]}
    [[ ${every[$key]-${words[2]}} == "${words[2]}" ]] ||
      differs "peer ${names[$key]} of $1 has keepalive ${words[2]}, not ${every[$key]}"
  done
  query_wg allowed-ips "${@:3}"
  for key in "${!next[@]}"; do # `follow_key` moves them while a key is replaced
    for number in ${lines_of["$by $1"]-}; do
      read -ra words <<<"${output["$by $number"]}"
      [[ ${words[1]} != "$key" || ${words[2]} != '(none)' ]] || allowed[${next[$key]}]=${allowed[$key]} allowed[$key]=''
    done
  done
  for number in ${lines_of["$by $1"]-}; do
    read -ra words <<<"${output["$by $number"]}"
    key=${words[1]} there[${words[1]}]=1
    [[ ${names[$key]-} ]] || { differs "peer $key of $1 is not from netc"; continue; }
    for net in ${allowed[$key]-}; do
      [[ " ${words[*]:2} " == *" $net "* ]] || differs "peer ${names[$key]} of $1 lacks the allowed IP $net"
    done
    for net in "${words[@]:2}"; do
      [[ $net == '(none)' || " ${allowed[$key]-} " == *" $net "* ]] || differs "peer ${names[$key]} of $1 has the allowed IP $net, which is not from netc"
    done
  done
  for key in "${!names[@]}"; do [[ ${there[$key]-} ]] || differs "peer ${names[$key]} of $1 is not there"; done
}

key_is() { # DEVICE FILE NAMESPACE [PUBLIC [NEXT]]: the device has the key with the public half PUBLIC; with NEXT, that of FILE
  local by words file=$2
  query_device "$1" public-key "${3#-}"
  [[ ${words[1]-} ]] || return 0
  [[ ${5-} || ${4-} != "${words[1]}" ]] || return 0
  if [[ $file == /* && ! ${public_of[$file]-} ]]; then public_of[$file]=$(wg pubkey 2>/dev/null <"$file") || true; fi
  if [[ ${public_of[$file]-${words[1]}} != "${words[1]}" ]]; then
    differs "interface $1 has another key than $file"
  elif [[ ${4-} && ${5-} != "${words[1]}" && $4 != "${words[1]}" ]]; then
    differs "interface $1 has another key than the topology"
  fi
}

# ---- for `netc-host status`, which defines `row`
found_peers() { # of netc's own devices; `wg show … dump` is not used, because it prints private keys
  local in device wg
  local -A ours=()
  for device in "${!place_of[@]}"; do ours[${place_of[$device]}]+=" $device "; done
  for in in "${!ours[@]}"; do
    wg=(wg show all)
    [[ $in == - ]] || wg=(ip netns exec "$in" wg show all)
    [[ ! ${timed_out[wg]-} ]] || continue
    awk -F '\t' -v OFS='\t' -v in_="$in" -v ours="${ours[$in]}" -v now="$(printf '%(%s)T' -1)" '
      function names(device, file, line, name) {
        file = "/etc/netc/wireguard/" device ".conf"
        known[device]
        while ((getline line <file) > 0) {
          if (line ~ /^# /) name = substr(line, 3)
          if (sub(/^PublicKey = /, "", line)) called[device, line] = name
        }
        close(file)
      }
      FILENAME == ARGV[1] { endpoint[$1, $2] = $3; next }
      FILENAME == ARGV[2] { met[$1, $2] = $3; next }
      !index(ours, " " $1 " ") { next } # a userspace device is listed in every namespace
      {
        if (!($1 in known)) names($1)
        name = ($1, $2) in called ? called[$1, $2] : "-"
        at = met[$1, $2] + 0
        print "peer", $1, in_, name, $2, (endpoint[$1, $2] == "(none)" ? "-" : endpoint[$1, $2]), \
          (at ? at : "-"), (at && at <= now ? now - at : "-"), $3, $4
      }' <(exec "${wg[@]}" endpoints 2>/dev/null) <(exec "${wg[@]}" latest-handshakes 2>/dev/null) \
      <(exec "${wg[@]}" transfer 2>/dev/null)
  done
}

# ---- endpoints that are DNS names. The script `endpoints` of a part looks them up every 75 seconds, so `up` never waits for
# DNS. A live peer makes a handshake at least every 120 s. If the last one is less than 135 s ago, the endpoint stays.
endpoint() { # DEVICE PUBLIC-KEY NAME PORT [NAMESPACE]: the lookup is made on the host, not in the namespace
  local device=$1 key=$2 name=$3 port=$4 in=() handshake now current found address
  [[ $# == 4 ]] || in=(ip netns exec "$5")
  [[ ${met[$device]-} ]] || read_handshakes "$device" "${in[@]}" || { failed=1; return; }
  handshake=${met[$device $key]-}
  printf -v now '%(%s)T' -1
  ((now - ${handshake:-0} >= 135 || ${handshake:-0} > now)) || return 0 # a handshake in the future: the clock was set back
  if ! found=$(timeout 5 getent ahosts "$name"); then
    printf 'netc: %s: DNS lookup of %s failed\n' "$device" "$name" >&2
    failed=1
    return
  fi
  current=$(value_of "$key" "${in[@]}" wg show "$device" endpoints) || current=
  address=$(choose_address "$current" "${handshake:-0}" <<<"$found")
  [[ $address != *:* ]] || address=[$address]
  [[ $current == "$address:$port" ]] || "${in[@]}" wg set "$device" peer "$key" endpoint "$address:$port" || failed=1
}

declare -A met=() # devices that were asked, and when their peers made the last handshake
read_handshakes() { # DEVICE COMMAND…: one process for all peers of DEVICE
  local key at
  while read -r key at; do met[$1 $key]=$at; done < <("${@:2}" wg show "$1" latest-handshakes)
  wait "$!" && met[$1]=1
}

follow_key() { # DEVICE KEY NEXT: the allowed IPs move to the one of both keys that made the last handshake
  local device=$1 from=$2 to=$3 nets line='' before after
  nets=$(wg show "$device" allowed-ips) || { failed=1; return; }
  # The peer may use the next key already, and use the first one again.
  [[ $'\n'$nets != *$'\n'"$from"$'\t(none)'* ]] || from=$3 to=$2
  before=$(value_of "$from" wg show "$device" latest-handshakes) || { failed=1; return; }
  after=$(value_of "$to" wg show "$device" latest-handshakes) || { failed=1; return; }
  ((${after:-0} > ${before:-0})) || return 0
  line=${nets#*"$from"$'\t'} line=${line%%$'\n'*}
  wg set "$device" peer "$to" allowed-ips "${line// /,}" || { failed=1; return; }
  printf 'netc: %s: the peer uses the key %s now\n' "$device" "$to" >&2
}

value_of() { # KEY COMMAND…: prints the second word of the line that begins with KEY
  local said
  said=$("${@:2}") || return
  [[ ! $'\n'$said =~ $'\n'"$1"[[:blank:]]+([^[:space:]]+) ]] || printf '%s\n' "${BASH_REMATCH[1]}"
}

choose_address() { # CURRENT HANDSHAKE: prints one of the addresses on stdin; if there never was a handshake, the next one
  local all=() address last=${1%:*} i
  last=${last#[} last=${last%]}
  while read -r address _; do
    [[ " ${all[*]} " == *" $address "* ]] || all+=("$address")
  done
  for i in "${!all[@]}"; do
    [[ ${all[i]} == "$last" ]] || continue
    (($2)) || i=$(((i + 1) % ${#all[@]}))
    printf '%s\n' "${all[i]}"
    return
  done
  for address in "${all[@]}"; do # the current address is not among them: prefer its family
    [[ $last && ($address == *:* && $last != *:* || $address != *:* && $last == *:*) ]] || { printf '%s\n' "$address"; return; }
  done
  printf '%s\n' "${all[0]}"
}
