# shellcheck shell=bash
# FILE SOCKET PIDFILE [OPTION…]: runs BIRD, and is the process that the part `bird` hangs on. A BIRD that ends though
# nobody ended it is followed at once by another, which takes over its routes: until then the kernel keeps them, and
# neighbours outside do (RFC 4724). One that did not live for a minute is not followed, and the part has failed.
set -uo pipefail
export LC_ALL=C
file=$1 socket=$2 pidfile=$3 pid='' again=()
trap 'trap "" TERM; [[ ! $pid ]] || kill "$pid" 2>/dev/null; wait; exit 0' TERM

while :; do
  began=$SECONDS
  bird -f -c "$file" -s "$socket" "${again[@]}" "${@:4}" </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$pidfile"
  wait "$pid"
  ended=$?
  ((SECONDS - began >= ${NETC_STEADY:-60})) || exit 1
  printf 'netc: bird: BIRD ended by itself (%d), and another takes over\n' "$ended" >&2
  again=(-R)
done
