# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# FILE RUNNING SOCKET PIDFILE [OPTION…]: runs BIRD, and is the main process of the part `bird`. If BIRD ends and nobody stopped
# it, this script starts it again at once with its last configuration (RUNNING). The kernel keeps the routes until then, and
# external neighbours do too (graceful restart, RFC 4724). If BIRD ran for less than a minute, it is not started again, and
# the part has failed.
set -uo pipefail
export LC_ALL=C
# While BIRD looks up the name of an RTR server, all of it stands still. Without this, that is 28 s if three DNS servers do
# not answer, and OSPF and BGP lose their neighbours.
export RES_OPTIONS='timeout:1 attempts:1'
file=$1 running=$2 socket=$3 pidfile=$4 again=() pid=''
trap '' PIPE # a message that nobody reads must not end this script
stop() {
  trap '' TERM
  [[ ! $pid ]] || kill "$pid" 2>/dev/null
  wait
  exit 0
}
trap stop TERM

up_for() { local now; read -r now _ </proc/uptime && printf '%s\n' "${now%.*}"; } # in seconds since the boot, because somebody may set the clock

while :; do
  began=$(up_for)
  bird -f -c "$file" -s "$socket" "${again[@]}" "${@:5}" </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$pidfile"
  wait "$pid"
  ended=$?
  (($(up_for) - began >= ${NETC_STEADY:-60})) || exit 1
  printf 'netc: bird: BIRD ended by itself (status %d), and is started again\n' "$ended" >&2
  again=(-R) # graceful recovery
  [[ ! -e $running ]] || file=$running
done
