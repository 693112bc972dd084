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
  local address protocol
  [[ -e $loaded ]] || : >"$loaded"
  if command -v conntrack >/dev/null; then
    while read -r address protocol; do
      forget_flows "$address" "$protocol"
    done < <(changed_ports | sort -u)
  elif [[ $(changed_ports) ]]; then
    say "flows that are under way keep the old target of a changed port until they time out: apt-get install conntrack"
  fi
  remember_ports
}

changed_ports() { # prints ADDRESS PROTOCOL of each line that was added or removed
  comm -3 <(sort "$loaded") <(sort "$wanted") | while read -r address protocol _; do printf '%s %s\n' "$address" "$protocol"; done
}

forget_flows() { # ADDRESS PROTOCOL: deletes entries whose port has another target than before
  local family=ipv4 line source from port original='src=([^ ]+) dst=[^ ]+ sport=([0-9]+) dport=([0-9]+)'
  local -A targets=()
  [[ $1 != *:* ]] || family=ipv6
  while read -r line; do
    [[ $line =~ $original ]] || continue
    source=${BASH_REMATCH[1]} from=${BASH_REMATCH[2]} port=${BASH_REMATCH[3]}
    [[ ${targets[$port]-} ]] || targets[$port]=$(targets_of "$1" "$2" "$port" | uniq | wc -l)
    ((${targets[$port]} > 1)) || continue
    # The flow may have ended in the meantime.
    conntrack -D -f "$family" -p "$2" --orig-src "$source" --orig-dst "$1" --orig-port-src "$from" \
      --orig-port-dst "$port" >/dev/null 2>&1 || true
  done < <(conntrack -L -f "$family" -p "$2" --orig-dst "$1" 2>/dev/null)
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
