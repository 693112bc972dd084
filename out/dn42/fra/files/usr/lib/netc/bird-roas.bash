# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# RUNNING SOCKET PIDFILE KEEPER: while KEEPER, the process that keeps BIRD running, is there. Without `import table`, BIRD does
# not filter routes again when ROAs change. The serial number of an RTR server says that they did (RFC 8210). Neighbours are
# then asked for their routes, at most once in ten minutes: that is work for both (RFC 9324).
set -uo pipefail
export LC_ALL=C
running=$1 socket=$2 pidfile=$3 keeper=$4 bird='' known='' next=0
trap 'kill "$!" 2>/dev/null; exit 0' TERM

up_for() { local now; read -r now _ </proc/uptime && printf '%s\n' "${now%.*}"; } # in seconds since the boot, because somebody may set the clock
ask() { timeout 30 birdc -s "$socket" "$@" 2>/dev/null; }
ask_neighbours() { ask reload in '"peer_*"' || ask reload bgp in '"peer_*"'; } # BIRD 3 has other words than BIRD 2
serials() { ask show protocols all | sed -nE '/(Session ID|Serial number): +[0-9]/p'; }

while kill -0 "$keeper" 2>/dev/null && grep -q '^protocol rpki ' "$running"; do
  # A BIRD that was started again may have had the routes before the ROAs.
  [[ $(<"$pidfile") == "$bird" ]] || bird=$(<"$pidfile") known='' next=0
  if said=$(serials) && [[ $said && $said != "$known" ]] && (($(up_for) >= next)); then
    [[ ! $known ]] || next=$(($(up_for) + 600))
    known=$said
    ask_neighbours >/dev/null
  fi
  sleep 10 &
  wait "$!"
done
