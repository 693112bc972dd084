# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# FILE RUNNING SOCKET PIDFILE [OPTION…]: runs BIRD, and is the process that the part `bird` hangs on. A BIRD that ends though
# nobody ended it is followed at once by another, which takes over its routes: until then the kernel keeps them, and
# neighbours outside do (RFC 4724). It has the configuration that the last one had. One that did not live for a minute is
# not followed, and the part has failed.
set -uo pipefail
export LC_ALL=C
file=$1 running=$2 socket=$3 pidfile=$4 again=()
trap '' PIPE # what nobody reads ends nobody
leave() {
  local all
  trap '' TERM
  mapfile -t all < <(jobs -p)
  ((!${#all[@]})) || kill "${all[@]}" 2>/dev/null
  wait
  exit 0
}
trap leave TERM

up_for() { local now; read -r now _ </proc/uptime && printf '%s\n' "${now%.*}"; } # in seconds: no clock that is set is asked

while :; do
  began=$(up_for)
  bird -f -c "$file" -s "$socket" "${again[@]}" "${@:5}" </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$pidfile"
  wait "$pid"
  ended=$?
  (($(up_for) - began >= ${NETC_STEADY:-60})) || exit 1
  printf 'netc: bird: BIRD ended by itself (%d), and another takes over\n' "$ended" >&2
  again=(-R)
  [[ ! -e $running ]] || file=$running
done
