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
deaf() { # sessions whose neighbour has no route refresh (RFC 2918)
  ask show protocols all | awk '/^[^ ]/ { name = $1; can = is_theirs = 0 } /Neighbor capabilities/ { is_theirs = 1; can = 0 } /Route refresh/ { can = 1 }
    /Session: / && name ~ /^peer_/ && is_theirs && !can { print name }'
}
reset_deaf() { # ROAs are there for the first time: without a reset, all routes of these would stay rejected. With an import table, BIRD has them
  local name names said
  names=$(deaf) || return
  for name in $names; do
    said=$(ask reload in "'$name'" || ask reload bgp in "'$name'")
    [[ $said != *@(reload failed|not reloading)* ]] || ask restart "'$name'" >/dev/null
  done
}
serials() { ask show protocols all | sed -nE '/(Session ID|Serial number): +[0-9]/p'; }

while kill -0 "$keeper" 2>/dev/null && grep -q '^protocol rpki ' "$running"; do
  # A BIRD that was started again may have had the routes before the ROAs.
  [[ $(<"$pidfile") == "$bird" ]] || bird=$(<"$pidfile") known='' next=0
  if said=$(serials) && [[ $said && $said != "$known" ]] && (($(up_for) >= next)); then
    ask_neighbours >/dev/null
    if [[ $known ]]; then next=$(($(up_for) + 600)); else reset_deaf || said=''; fi
    known=$said
  fi
  sleep 10 &
  wait "$!"
done
