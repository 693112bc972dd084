# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the scripts of parts that hold a WireGuard device.

need_wireguard() {
  need wg wireguard-tools
  [[ -e /sys/module/wireguard ]] || modprobe -qn wireguard 2>/dev/null || userspace >/dev/null ||
    refuse "this kernel has no wireguard, and there is no userspace one: apt-get install wireguard-go"
}
userspace() { command -v wireguard-go || command -v boringtun-cli || command -v boringtun; }

wireguard() { # NAME: by the kernel, else by a userspace implementation; link group 77 says that it is netc's
  local said tool
  said=$(ip link add dev "$1" group 77 type wireguard 2>&1) && return
  [[ $said == *"Unknown device type"* || $said == *"not supported"* ]] || { say "$said"; return 1; }
  tool=$(userspace) || return 1
  NETC_TUNNEL=$1 "$tool" "$1" </dev/null >/dev/null 2>&1 7>&- 9>&- || { say "$tool $1 failed"; return 1; }
  ip link set dev "$1" group 77
}

sync_wireguard() { # NAME KEY [NAMESPACE]: only what changed
  local in=() conf=/etc/netc/wireguard/$1.conf peer
  [[ $# == 2 ]] || in=(ip netns exec "$3")
  if ! is_same_device "$@"; then
    sync_device "$@"
    return
  fi
  sed '/^\[Interface\]$/,/^$/d' "$conf" | "${in[@]}" wg addconf "$1" /dev/stdin || return
  for peer in $("${in[@]}" wg show "$1" peers); do
    grep -qxF "PublicKey = $peer" "$conf" || "${in[@]}" wg set "$1" peer "$peer" remove || return
  done
}
is_same_device() { # told of its port once more, wireguard-go opens it anew, and what waits there is lost
  local port mark
  port=$(sed -n 's/^ListenPort = //p' "$conf") mark=$(sed -n 's/^FwMark = //p' "$conf")
  [[ ${port:-any} == @(any|"$("${in[@]}" wg show "$1" listen-port)") &&
    $(wg pubkey <"$2") == "$("${in[@]}" wg show "$1" public-key)" ]] &&
    ((${mark:-0} == $("${in[@]}" wg show "$1" fwmark | sed 's/off/0/')))
}
sync_device() { # what a file leaves out is reset, so the key and the port go in on the way
  local port
  port=$("${in[@]}" wg show "$1" listen-port)
  { printf '[Interface]\nListenPort = %s\nPrivateKey = %s\n' "$port" "$(<"$2")" && cat "$conf"; } |
    "${in[@]}" wg syncconf "$1" /dev/stdin
}

# ---- asked by `check`, and never by what would say a private key (`wg show … dump`)
declare -gA place_of=() public_of=() # also where a function sources this
wg_says() { # WHAT [NAMESPACE]: in the lines of `by`
  local device
  by="${2:+ip netns exec $2 }wg show all $1"
  [[ ! ${asked[$by]-} ]] || return 0
  if [[ ! ${silent[wg]-} ]]; then
    hear "$by" ${2:+ip netns exec "$2"} wg show all "$1"
    [[ ${silent[$by]-} ]] || return 0
    # A userspace device is stuck, perhaps somebody else's: from now on netc's own are asked one by one, but for those.
    silent[wg]=1
    for device in "${!lines_of[@]}"; do [[ $device != "$by "* ]] || lines_of["$device"]=; done
    own=(/etc/netc/wireguard/*.conf) own=("${own[@]##*/}") own=("${own[@]%.conf}")
    for device in "${own[@]}"; do
      timeout 2 wg show "$device" listen-port >/dev/null 2>&1 || (($? != 124)) || silent["wg $device"]=1
    done
  fi
  hear "$by" each_device "$@"
}
each_device() { # WHAT [NAMESPACE]
  local device
  for device in "${own[@]}"; do
    [[ ${silent["wg $device"]-} ]] || ${2:+ip netns exec "$2"} wg show "$device" "$1" 2>/dev/null | sed "s/^/$device\t/" || true
  done
}
wg_says_of() { # DEVICE WHAT [NAMESPACE]: in one line, which is in `words`
  local number
  wg_says "${@:2}"
  number=${lines_of["$by $1"]-} words=()
  [[ ! $number ]] || read -ra words <<<"${said["$by ${number# }"]}"
}

peers_are() { # DEVICE FILE [NAMESPACE]: as FILE has them; endpoints move
  local by line name='' key='' value port='' mark=0 net words number
  local -A called=() allowed=() every=() there=()
  can_be_read "$2" || return 0
  place_of[$1]=${3--}
  while IFS= read -r line; do
    value=${line#* = }
    case $line in
      '# '*) name=${line#??} ;;
      ListenPort*) port=$value ;;
      FwMark*) mark=$value ;;
      PublicKey*) key=$value called[$key]=${name:-$key} name='' ;;
      AllowedIPs*) allowed[$key]=${value//, / } ;;
      PersistentKeepalive*) every[$key]=${value/#0/off} ;;
    esac
  done <"$2"
  wg_says_of "$1" listen-port "${@:3}"
  if [[ ${silent["wg $1"]-} ]]; then
    differs "the program of interface $1 does not answer"
    return 0
  fi
  [[ ! $port || ! ${words[1]-} || ${words[1]} == "$port" ]] || differs "interface $1 listens at port ${words[1]}, not $port"
  wg_says_of "$1" fwmark "${@:3}"
  [[ ! ${words[1]-} ]] || ((mark == ${words[1]/off/0})) || differs "interface $1 has mark ${words[1]}, not $mark"
  wg_says persistent-keepalive "${@:3}"
  for number in ${lines_of["$by $1"]-}; do
    read -ra words <<<"${said["$by $number"]}"
    key=${words[1]}
    [[ ${every[$key]-${words[2]}} == "${words[2]}" ]] ||
      differs "peer ${called[$key]} of $1 has keepalive ${words[2]}, not ${every[$key]}"
  done
  wg_says allowed-ips "${@:3}"
  for number in ${lines_of["$by $1"]-}; do
    read -ra words <<<"${said["$by $number"]}"
    key=${words[1]} there[${words[1]}]=1
    [[ ${called[$key]-} ]] || { differs "peer $key of $1 is not from netc"; continue; }
    for net in ${allowed[$key]-}; do
      [[ " ${words[*]:2} " == *" $net "* ]] || differs "peer ${called[$key]} of $1 may not use $net"
    done
    for net in "${words[@]:2}"; do
      [[ $net == '(none)' || " ${allowed[$key]-} " == *" $net "* ]] || differs "peer ${called[$key]} of $1 may use $net, and should not"
    done
  done
  for key in "${!called[@]}"; do [[ ${there[$key]-} ]] || differs "peer ${called[$key]} of $1 is not there"; done
}

key_is() { # DEVICE FILE NAMESPACE-OR-- [PUBLIC]: the private half of what the topology knows, or else of FILE
  local by words file=$2
  wg_says_of "$1" public-key "${3#-}"
  [[ ${words[1]-} ]] || return 0
  [[ ${4-} != "${words[1]}" ]] || return 0
  if [[ $file == /* && ! ${public_of[$file]-} ]]; then public_of[$file]=$(wg pubkey 2>/dev/null <"$file") || true; fi
  if [[ ${public_of[$file]-${words[1]}} != "${words[1]}" ]]; then
    differs "interface $1 has another key than $file"
  elif [[ ${4-} ]]; then
    differs "interface $1 has another key than the topology knows"
  fi
}

# ---- and by `netc-host status`, in the words of its `row`
found_peers() { # netc's own devices, and of their keys only what peers may know: `wg show … dump` would say all
  local in device wg
  local -A ours=()
  for device in "${!place_of[@]}"; do ours[${place_of[$device]}]+=" $device "; done
  for in in "${!ours[@]}"; do
    wg=(wg show all)
    [[ $in == - ]] || wg=(ip netns exec "$in" wg show all)
    [[ ! ${silent[wg]-} ]] || continue
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
      !index(ours, " " $1 " ") { next } # a userspace device answers in all of them
      {
        if (!($1 in known)) names($1)
        name = ($1, $2) in called ? called[$1, $2] : "-"
        at = met[$1, $2] + 0
        print "peer", $1, in_, name, $2, (endpoint[$1, $2] == "(none)" ? "-" : endpoint[$1, $2]), \
          (at ? at : "-"), (at ? (now > at ? now - at : 0) : "-"), $3, $4
      }' <(exec "${wg[@]}" endpoints 2>/dev/null) <(exec "${wg[@]}" latest-handshakes 2>/dev/null) \
      <(exec "${wg[@]}" transfer 2>/dev/null)
  done
}

# ---- where peers are that are dialled by name: asked every 30 seconds by the script `endpoints` of a part, since links and
# routes never wait for DNS. A peer that was heard of in the last 135 s is where it was (wg(8): a live peer shakes hands at
# least every 120 s).
endpoint() { # DEVICE PUBLIC-KEY NAME PORT [NAMESPACE]: the name is looked up here, outside the namespace
  local device=$1 key=$2 name=$3 port=$4 in=() heard now current found address
  [[ $# == 4 ]] || in=(ip netns exec "$5")
  heard=$(of "$key" "${in[@]}" wg show "$device" latest-handshakes) || { failed=1; return; }
  printf -v now '%(%s)T' -1
  ((now - ${heard:-0} >= 135 || ${heard:-0} > now)) || return 0 # the clock may have been set back since
  if ! found=$(timeout 5 getent ahosts "$name"); then
    printf 'netc: %s: %s cannot be looked up now\n' "$device" "$name" >&2
    failed=1
    return
  fi
  current=$(of "$key" "${in[@]}" wg show "$device" endpoints) || current=
  address=$(choose "$current" "${heard:-0}" <<<"$found")
  [[ $address != *:* ]] || address=[$address]
  [[ $current == "$address:$port" ]] || "${in[@]}" wg set "$device" peer "$key" endpoint "$address:$port" || failed=1
}

of() { # KEY COMMAND…: the second word of the line that begins with KEY
  local key value wanted=$1
  while read -r key value; do [[ $key != "$wanted" ]] || printf '%s\n' "$value"; done < <("${@:2}")
}

choose() { # CURRENT HEARD: of the addresses on stdin; a peer that never answered is tried at the next one
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
  for address in "${all[@]}"; do # moved: keep to the family that worked
    [[ $last && ($address == *:* && $last != *:* || $address != *:* && $last == *:*) ]] || { printf '%s\n' "$address"; return; }
  done
  printf '%s\n' "${all[0]}"
}
