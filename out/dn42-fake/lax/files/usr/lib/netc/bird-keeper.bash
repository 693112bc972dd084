# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# FILE RUNNING SOCKET PIDFILE [OPTION…]: runs BIRD, and is the main process of the part `bird`. If BIRD ends and nobody stopped
# it, this script starts it again at once with its last configuration (RUNNING). The kernel keeps the routes until then, and
# external neighbours do too (graceful restart, RFC 4724). If BIRD ran for less than a minute, it is not started again, and
# the part has failed.
set -uo pipefail
export LC_ALL=C
file=$1 running=$2 socket=$3 pidfile=$4 again=() pid=''
trap '' PIPE # a message that nobody reads must not end this script
stop() {
  trap '' TERM
  kill "$pid" "${watcher-}" 2>/dev/null
  wait
  exit 0
}
trap stop TERM

up_for() { local now; read -r now _ </proc/uptime && printf '%s\n' "${now%.*}"; } # in seconds since the boot, because somebody may set the clock

ask() { timeout 30 birdc -s "$socket" "$@" 2>/dev/null; }
ask_neighbours() { ask reload in '"peer_*"' || ask reload bgp in '"peer_*"'; } # BIRD 3 has other words than BIRD 2
# Without `import table`, BIRD does not filter routes again when ROAs change. The serial number of an RTR server says that
# they did (RFC 8210). Neighbours are then asked for their routes, at most once in ten minutes: that is work for both
# (RFC 9324).
watch_roas() {
  local said known='' next=0
  exec {never}<> <(:) # nobody writes there
  while kill -0 $$; do # as long as this script runs
    read -r -t 10 -u "$never" _ || true
    [[ -r $running && $(<"$running") == *$'\n'"protocol rpki "* ]] || continue
    said=$(ask show protocols all | sed -nE '/(Session ID|Serial number): +[0-9]/p') || continue
    if [[ $said && $said != "$known" ]] && (($(up_for) >= next)); then
      [[ ! $known ]] || next=$(($(up_for) + 600))
      known=$said
      ask_neighbours >/dev/null || true
    fi
  done
}
watch_roas &
watcher=$!

while :; do
  began=$(up_for)
  bird -f -c "$file" -s "$socket" "${again[@]}" "${@:5}" </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$pidfile"
  wait "$pid"
  ended=$?
  (($(up_for) - began >= ${NETC_STEADY:-60})) || { kill "$watcher"; exit 1; }
  printf 'netc: bird: BIRD ended by itself (status %d), and is started again\n' "$ended" >&2
  again=(-R) # graceful recovery
  [[ ! -e $running ]] || file=$running
done
