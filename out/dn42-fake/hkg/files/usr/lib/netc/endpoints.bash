# shellcheck shell=bash
# Sourced by the `endpoints` script of a part, which runs every 30 seconds: links and routes never wait for DNS. A peer
# that was heard of in the last 135 s is where it was (wg(8): a live peer shakes hands at least every 120 s).
set -euo pipefail
export LC_ALL=C
failed=0

endpoint() { # DEVICE PUBLIC-KEY NAME PORT [NAMESPACE]: the name is looked up here, outside the namespace
  local device=$1 key=$2 name=$3 port=$4 in=() heard now current found address
  [[ $# == 4 ]] || in=(ip netns exec "$5")
  heard=$(of "$key" "${in[@]}" wg show "$device" latest-handshakes) || { failed=1; return; }
  printf -v now '%(%s)T' -1
  ((now - ${heard:-0} >= 135)) || return 0
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
