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

sync_wireguard() { # NAME KEY [NAMESPACE]: what a file leaves out is reset, so the key and the port go in on the way
  local in=() port
  [[ $# == 2 ]] || in=(ip netns exec "$3")
  port=$("${in[@]}" wg show "$1" listen-port)
  { printf '[Interface]\nListenPort = %s\nPrivateKey = %s\n' "$port" "$(<"$2")" && cat "/etc/netc/wireguard/$1.conf"; } |
    "${in[@]}" wg syncconf "$1" /dev/stdin
}
