# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the packet filter of a host that sends ports elsewhere. The kernel remembers where a flow
# goes, and that one that began before its port was forwarded goes nowhere (conntrack(8)). So a reload has the flows of
# ports that changed forgotten, and no others.

wanted=/etc/netc/forwarded loaded=/run/netc/${part:?}.forwarded

remember_ports() { cp "$wanted" "$loaded"; }
forget_ports() { rm -f "$loaded"; }
ports_are_remembered() { exists "$loaded"; }

forget_changed_ports() { # and remember those of now
  local address protocol
  [[ -e $loaded ]] || : >"$loaded"
  if command -v conntrack >/dev/null; then
    while read -r address protocol; do
      forget_flows "$address" "$protocol"
    done < <(changed_ports | sort -u)
  elif [[ $(changed_ports) ]]; then
    say "flows of changed ports go where they went until they pause: apt-get install conntrack"
  fi
  remember_ports
}

changed_ports() { # ADDRESS PROTOCOL of each line that is new or gone
  comm -3 <(sort "$loaded") <(sort "$wanted") | while read -r address protocol _; do printf '%s %s\n' "$address" "$protocol"; done
}

forget_flows() { # ADDRESS PROTOCOL: those whose port leads elsewhere than before
  local family=ipv4 line source from port original='src=([^ ]+) dst=[^ ]+ sport=([0-9]+) dport=([0-9]+)'
  local -A ways=()
  [[ $1 != *:* ]] || family=ipv6
  while read -r line; do
    [[ $line =~ $original ]] || continue
    source=${BASH_REMATCH[1]} from=${BASH_REMATCH[2]} port=${BASH_REMATCH[3]}
    [[ ${ways[$port]-} ]] || ways[$port]=$(leads "$1" "$2" "$port" | uniq | wc -l)
    ((${ways[$port]} > 1)) || continue
    # It may have ended meanwhile.
    conntrack -D -f "$family" -p "$2" --orig-src "$source" --orig-dst "$1" --orig-port-src "$from" \
      --orig-port-dst "$port" >/dev/null 2>&1 || true
  done < <(conntrack -L -f "$family" -p "$2" --orig-dst "$1" 2>/dev/null)
}

leads() { # ADDRESS PROTOCOL PORT: what became of it, and in a second line what becomes of it now
  local file address protocol first last what
  for file in "$loaded" "$wanted"; do
    while read -r address protocol first last what; do
      if [[ "$address $protocol" == "$1 $2" ]] && (($3 >= first && $3 <= last)); then printf '%s; ' "$what"; fi
    done <"$file"
    echo
  done
}
