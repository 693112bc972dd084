# shellcheck shell=bash
# Sourced after steps.bash by the `reload` of the packet filter. A flow keeps the target that it began with, and one that
# began before its port was forwarded goes on without: the kernel remembers (conntrack(8)). So the flows of ports that
# changed are forgotten, and no others.

forwarded() { # a line for each range of ports: ADDRESS PROTOCOL FIRST LAST WHAT-BECOMES-OF-IT
  nft -s list table inet netc | awk '
    function say(address, what,   ends) {
      if (split(ports, ends, "-") == 1) ends[2] = ends[1]
      gsub(/ +/, "_", what)
      print address, protocol, ends[1], ends[2], what
    }
    /" \. .* \. (tcp|udp) \. / { # of a map: DEVICE . ADDRESS . PROTOCOL . PORTS : TARGET
      gsub(/.*= \{ |,$| \}/, "")
      protocol = $5; ports = $7
      say($3, $1 " to " $9 " " $11)
    }
    / daddr .*(dport|proto-dst) .*(dnat|masquerade)/ {
      gsub(/[{},]/, "")
      for (i = 1; i <= NF; i++) {
        if ($i == "tcp" || $i == "udp") protocol = $i
        if ($i == "daddr") at = i + 1
        if ($i == "dport" || $i == "proto-dst") { ports = $(i + 1); $(i + 1) = "-" }
      }
      for (end = at; $end ~ /[.:]/; end++) { address[end] = $end; $end = "-" }
      while (end-- > at) { sub(/- (- )+/, "- "); say(address[end], $0) }
    }' | sort
}

changed_flows() { # of flows, below a list of changes, those that one is about: PROTOCOL SOURCE ADDRESS PORT PORT
  awk '
    /^[-+] / { sign[++n] = $1 "1"; at[n] = $2 " " $3; first[n] = $4; last[n] = $5; what[n] = $6; next }
    {
      split("", flow); split("", sum)
      for (i = 1; i <= NF; i++) if (split($i, word, "=") == 2 && !(word[1] in flow)) flow[word[1]] = word[2]
      for (i = 1; i <= n; i++)
        if (at[i] == flow["dst"] " " $1 && first[i] <= flow["dport"] && flow["dport"] <= last[i]) sum[what[i]] += sign[i]
      for (each in sum) if (sum[each]) { print $1, flow["src"], flow["dst"], flow["sport"], flow["dport"]; next }
    }'
}

family() { if [[ $1 == *:* ]]; then echo ipv6; else echo ipv4; fi; }

forget() { # CHANGES
  local address protocol source port service
  {
    printf '%s\n' "$1"
    while read -r address protocol; do
      conntrack -L -f "$(family "$address")" -p "$protocol" --orig-dst "$address" 2>/dev/null || true
    done < <(cut -d ' ' -f 2,3 <<<"$1" | sort -u)
  } | changed_flows | while read -r protocol source address port service; do
    conntrack -D -f "$(family "$source")" -p "$protocol" --orig-src "$source" --orig-dst "$address" \
      --orig-port-src "$port" --orig-port-dst "$service" >/dev/null 2>&1 || true # it may have ended meanwhile
  done
}

load_rules() { # FILE
  local before after changes
  if ! before=$(forwarded 2>/dev/null); then # somebody took the table away: what was in it is not known
    nft -f "$1"
    return
  fi
  nft -f "$1" && after=$(forwarded) || return
  changes=$(comm -3 --output-delimiter='+ ' <(echo "$before") <(echo "$after") | sed '/^\(+ \)\?$/d; s/^[^+]/- &/')
  [[ $changes ]] || return 0
  if command -v conntrack >/dev/null; then
    forget "$changes"
  else
    say "flows of changed ports go where they went until they pause: apt-get install conntrack"
  fi
}
