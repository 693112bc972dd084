# shellcheck shell=bash
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
  "$tool" "$1" >/dev/null 2>&1 7>&- 9>&- || { say "$tool $1 failed"; return 1; }
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
wg_says() { by="${2:+ip netns exec $2 }wg show all $1"; listen "$by"; } # WHAT [NAMESPACE]: in the lines of `by`
wg_says_of() { # DEVICE WHAT [NAMESPACE]: in one line, which is in `words`
  local number
  wg_says "${@:2}"
  number=${lines_of["$by $1"]-} words=()
  [[ ! $number ]] || read -ra words <<<"${said["$by ${number# }"]}"
}

peers_are() { # DEVICE FILE [NAMESPACE]: as FILE has them; endpoints move
  local by line name='' key='' value port='' net words number
  local -A called=() allowed=() every=() there=()
  place_of[$1]=${3--}
  while IFS= read -r line; do
    value=${line#* = }
    case $line in
      '# '*) name=${line#??} ;;
      ListenPort*) port=$value ;;
      PublicKey*) key=$value called[$key]=${name:-$key} name='' ;;
      AllowedIPs*) allowed[$key]=${value//, / } ;;
      PersistentKeepalive*) every[$key]=${value/#0/off} ;;
    esac
  done <"$2"
  wg_says_of "$1" listen-port "${@:3}"
  [[ ! $port || ! ${words[1]-} || ${words[1]} == "$port" ]] || differs "interface $1 listens at port ${words[1]}, not $port"
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
  if [[ $file == /* && ! ${public_of[$file]-} ]]; then public_of[$file]=$(wg pubkey <"$file" 2>/dev/null) || true; fi
  if [[ ${public_of[$file]-${words[1]}} != "${words[1]}" ]]; then
    differs "interface $1 has another key than $file"
  elif [[ ${4-} ]]; then
    differs "interface $1 has another key than the topology knows"
  fi
}
