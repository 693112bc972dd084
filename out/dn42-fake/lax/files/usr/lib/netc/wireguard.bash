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
