# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the packet filter of a host that forwards or publishes ports. The kernel applies DNAT to the
# first packet of a flow and remembers the result, also that there was no DNAT (conntrack(8)). So `reload` deletes the
# conntrack entries of flows whose port now has another target, and no others. /etc/netc/forwarded lists the ports and
# targets; its copy in /run/netc is the list at the last load.

wanted=/etc/netc/forwarded loaded=/run/netc/${part:?}.forwarded

remember_ports() { cp "$wanted" "$loaded"; }
forget_ports() { rm -f "$loaded"; }
ports_are_remembered() { exists "$loaded"; }

forget_changed_ports() { # then the present list is the one to compare with next time
  local flow changed lines
  [[ -e $loaded ]] || : >"$loaded"
  changed=$(changed_ports) || return
  split_lines "$changed"
  if command -v conntrack >/dev/null; then
    for flow in "${lines[@]}"; do forget_flows "${flow% *}" "${flow#* }" || return; done
  elif [[ $changed ]]; then
    say "flows that are under way keep the old target of a changed port until they time out: apt-get install conntrack"
  fi
  remember_ports
}

changed_ports() { # prints ADDRESS PROTOCOL of the lines that were added or removed
  { sort -u "$loaded" && sort -u "$wanted"; } | sort | uniq -u | awk '{print $1, $2}' | sort -u
}

forget_flows() { # ADDRESS PROTOCOL: deletes entries whose port has another target than before
  local family=ipv4 line lines source from port original='src=([^ ]+) dst=[^ ]+ sport=([0-9]+) dport=([0-9]+)'
  local -A targets=()
  [[ $1 != *:* ]] || family=ipv6
  read_lines conntrack -L -f "$family" -p "$2" --orig-dst "$1" 2>/dev/null ||
    { say "conntrack lists no flows: those to $1 keep the old target of a changed port until they time out"; return 0; }
  for line in "${lines[@]}"; do
    [[ $line =~ $original ]] || continue
    source=${BASH_REMATCH[1]} from=${BASH_REMATCH[2]} port=${BASH_REMATCH[3]}
    [[ ${targets[$port]-} ]] || targets[$port]=$(targets_of "$1" "$2" "$port" | uniq | wc -l) || return
    ((${targets[$port]} > 1)) || continue
    # The flow may have ended in the meantime.
    conntrack -D -f "$family" -p "$2" --orig-src "$source" --orig-dst "$1" --orig-port-src "$from" \
      --orig-port-dst "$port" >/dev/null 2>&1 || true
  done
}

targets_of() { # ADDRESS PROTOCOL PORT: prints its targets at the last load, and in a second line its present targets
  local file address protocol first last what
  for file in "$loaded" "$wanted"; do
    while read -r address protocol first last what; do
      if [[ "$address $protocol" == "$1 $2" ]] && (($3 >= first && $3 <= last)); then printf '%s; ' "$what"; fi
    done <"$file"
    echo
  done
}
