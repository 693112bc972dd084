# ---- status: reads the state of this host and changes nothing
# A row is KIND NAME …, separated by tabs. A value that is not known is `-`.
row() { local IFS=$'\t'; printf '%s\n' "$*"; }
found() {
  local what
  found_generation
  (ask found_host)
  found_parts
  # Functions of the libraries that the `check` scripts have sourced.
  for what in found_peers found_sessions; do [[ $(type -t "$what") != function ]] || "$what"; done
  found_anycast
  found_failed
  [[ ! -e /etc/netc/walks ]] || { builtin source "$libraries/walk.bash" && dropped_by_others; } || :
}
# By the wall clock, which may have been set since. The rollback comes by the clock that counts from the boot.
reverts_at() { { local now due; read -r due <"$pending/due" && read -r now _ </proc/uptime; } 2>/dev/null && echo $(($(printf '%(%s)T' -1) + due - ${now%.*})) || cat "$pending/until" 2>/dev/null || echo -; }
found_generation() {
  row generation "$(current)"
  [[ ! -e $pending ]] || row pending "$(cat "$pending/new" 2>/dev/null || echo none)" "$(reverts_at)" "$(sed 's/\blaying/placing/' "$pending/phase" 2>/dev/null || echo preparing)"
}
found_parts() { # half: an `up` or `down` is running or was interrupted; broken: something of it is missing
  local part state order up=() difference
  local -A broken=()
  installed_order
  for part in "${order[@]}"; do ! is_up "$part" || up+=("$part"); done
  check_parts "${up[@]}" >/dev/null
  for difference in "${differences[@]}"; do broken[${difference%%: *}]=broken; done
  for part in "${order[@]}"; do
    state=down
    [[ ! -e /run/netc/$part ]] || state=half
    [[ " ${up[*]} " != *" $part "* ]] || state=${broken[$part]-up}
    row part "$part" "$state"
  done
  for difference in "${differences[@]}"; do row broken "${difference%%: *}" "${difference#*: }"; done
}
found_anycast() {
  local part state order
  installed_order
  for part in "${order[@]}"; do
    [[ -x /etc/netc/parts/$part/health ]] || continue
    { read -r state <"/run/netc/$part.state"; } 2>/dev/null || state=unchecked
    row anycast "${part#anycast-}" "$state"
  done
}
found_failed() {
  local unit ours lines job
  ! needs_run || row failed "netc-host run (does not run)"
  has_systemd || return 0
  ours=$(units_of "$(current)") && read_lines systemctl list-units --failed --plain --no-legend --no-pager || { row failed "systemd (does not answer)"; return; }
  for unit in "${lines[@]%% *}"; do
    [[ $unit != netc[-_.]* && $'\n'$ours$'\n' != *$'\n'"$unit"$'\n'* ]] || row failed "$unit"
  done
}

is_healthy() { # reads rows. A silent peer is not a failure, nor is a session or an anycast service that somebody turned off
  awk -F '\t' '
    $1 == "generation" && $2 == "none" || $1 == "host" && $5 ~ /^refused/ || $1 == "part" && $3 != "up" || $1 ~ /^(broken|failed)$/ { bad = 1 }
    $1 == "session" && $4 !~ /^(Established|disabled)$/ || $1 == "anycast" && $3 !~ /^(up|disabled)$/ { bad = 1 }
    END { exit bad }'
}

# ---- status as text, JSON or metrics
status() {
  local all how=as_text
  (($# <= 1)) || usage
  [[ ${1-} == @(|--json|--metrics) ]] || usage
  [[ ! ${1-} ]] || how=as_${1#--}
  all=$(found) || all+=$'\n'$(row failed "check (did not finish)")
  "$how" <<<"$all"
  is_healthy <<<"$all"
}

as_text() {
  awk -F '\t' -v now="$(printf '%(%s)T' -1)" '
    function line(what, name, how) { printf "%-11s %-" width "s  %s\n", what, name, how }
    function span(s) {
      if (s < 120) return s " s"
      if (s < 7200) return int(s / 60) " min"
      return s < 172800 ? int(s / 3600) " h" : int(s / 86400) " d"
    }
    function size(n, i) {
      for (i = 1; n >= 1024 && i < 5; i++) n /= 1024
      return sprintf(i == 1 ? "%d B" : "%.1f " substr("  KMGT", i + 1, 1) "iB", n)
    }
    function peer(row, f, n) {
      n = split(row, f, "\t")
      line("peer", f[2] " " (f[4] == "-" ? substr(f[5], 1, 8) ".." : f[4]), \
        (f[7] == "-" ? "no handshake yet" : f[8] == "-" ? "last handshake in the future" : "handshake " span(f[8]) " ago") ", received " size(f[9]) ", sent " size(f[10]) \
        (f[3] == "-" ? "" : ", in " f[3]))
    }
    { rows[NR] = $0; name = $1 == "peer" ? $2 " " ($4 == "-" ? "12345678.." : $4) : $2 }
    $1 !~ /^(failed|broken|host)$/ && length(name) > width { width = length(name) }
    END {
      for (i = 1; i <= NR; i++) {
        split(rows[i], f, "\t")
        if (f[1] == "pending") line("pending", f[2], f[4] (f[3] == "-" ? "" : ", rolls back in " span(f[3] > now ? f[3] - now : 0) " unless confirmed"))
        else if (f[1] == "peer") peer(rows[i])
        else if (f[1] == "session") line("session", f[2], f[4])
        else if (f[1] == "host") line("host", f[2], f[4] ", topology " f[3] " (" f[5] ")")
        else line(f[1], f[2], f[3] (f[4] == "" ? "" : ": " f[4]))
      }
    }' | sed 's/ *$//'
}

escaping='function escaped(text, out, i, c) {
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    out = out (c == "\\" || c == "\"" ? "\\" c : c < " " ? "?" : c)
  }
  return out
}'
as_json() { # `kinds`: for each kind of row, its list in JSON and the names of its values. Names that end in # are numbers or null
  local kinds='part parts name state|broken broken part what|session sessions name kind state|anycast anycast service state|failed failed|host host what topology host then|dropped dropped table packets by|unasked unasked what why'
  kinds+='|peer wireguard interface namespace peer public_key endpoint handshake_at# handshake_age# received# sent#'
  awk -F '\t' -v kinds="$kinds" "$escaping"'
    function quoted(text) { return text == "-" ? "null" : "\"" escaped(text) "\"" }
    BEGIN {
      pending = "null"
      count = split(kinds, rows, "|")
      for (i = 1; i <= count; i++) { split(rows[i], words, " "); names[words[1]] = rows[i]; list[i] = words[2] }
    }
    $1 == "generation" { generation = $2 == "none" ? "null" : quoted($2) }
    $1 == "pending" {
      pending = "{\"generation\": " quoted($2) ", \"reverts_at\": " ($3 == "-" ? "null" : $3) ", \"phase\": " quoted($4) "}"
    }
    $1 in names {
      n = split(names[$1], words, " ")
      item = n == 2 ? quoted($2) : ""
      for (i = 3; i <= n; i++) {
        is_number = sub(/#$/, "", words[i])
        item = item (i == 3 ? "{" : ", ") "\"" words[i] "\": " (is_number && $(i - 1) ~ /^[0-9]+$/ ? $(i - 1) : is_number ? "null" : quoted($(i - 1)))
      }
      all[words[2]] = all[words[2]] (all[words[2]] == "" ? "" : ",") "\n    " item (n == 2 ? "" : "}")
    }
    END {
      printf "{\n  \"generation\": %s,\n  \"pending\": %s", generation, pending
      for (i = 1; i <= count; i++) printf ",\n  \"%s\": [%s%s]", list[i], all[list[i]], (all[list[i]] == "" ? "" : "\n  ")
      print "\n}"
    }'
}

as_metrics() { # prometheus.io, "Text-based format"
  awk -F '\t' "$escaping"'
    function quoted(text) { return "\"" (text == "-" ? "" : escaped(text)) "\"" }
    function metric(name, type, help) {
      order[++count] = name
      head[name] = "# HELP " name " " help "\n# TYPE " name " " type "\n"
    }
    function add(name, labels, value) { body[name] = body[name] name (labels == "" ? "" : "{" labels "}") " " value "\n" }
    BEGIN {
      metric("netc_generation_info", "gauge", "The generation that is installed.")
      metric("netc_pending", "gauge", "Whether a change waits for its confirmation.")
      metric("netc_part_up", "gauge", "Whether the part is up and nothing of it is missing.")
      metric("netc_wireguard_handshake_seconds", "gauge", "Time of the last handshake in seconds since the epoch, 0 if there was none.")
      metric("netc_wireguard_received_bytes_total", "counter", "Bytes received from the peer since the interface came up.")
      metric("netc_wireguard_sent_bytes_total", "counter", "Bytes sent to the peer since the interface came up.")
      metric("netc_bgp_session_up", "gauge", "Whether the BGP session is established.")
      metric("netc_rpki_session_up", "gauge", "Whether the source of ROAs answers.")
      metric("netc_anycast_announced", "gauge", "1 if the anycast service is up or falling, 0 otherwise, also while it drains.")
      metric("netc_host_differs", "gauge", "1 for each difference between the host and the topology, 0 if it is only odd.")
      metric("netc_unit_failed", "gauge", "1 for each unit that failed.")
      metric("netc_dropped_by_others", "gauge", "1 for each table of the topology whose packets another packet filter drops.")
    }
    $1 == "generation" { add("netc_generation_info", "generation=" quoted($2), 1) }
    $1 == "pending" { waits = 1 }
    $1 == "part" { add("netc_part_up", "part=" quoted($2), $3 == "up") }
    $1 == "peer" {
      labels = "interface=" quoted($2) ",namespace=" quoted($3) ",peer=" quoted($4) ",public_key=" quoted($5)
      add("netc_wireguard_handshake_seconds", labels, $7 == "-" ? 0 : $7)
      add("netc_wireguard_received_bytes_total", labels, $9)
      add("netc_wireguard_sent_bytes_total", labels, $10)
    }
    $1 == "session" { add("netc_" tolower($3) "_session_up", "session=" quoted($2), $4 == "Established") }
    $1 == "anycast" { add("netc_anycast_announced", "service=" quoted($2), $3 == "up" || $3 == "falling") }
    $1 == "host" { add("netc_host_differs", "what=" quoted($2), $5 ~ /^refused/) }
    $1 == "failed" { add("netc_unit_failed", "unit=" quoted($2), 1) }
    $1 == "dropped" { add("netc_dropped_by_others", "table=" quoted($2) ",by=" quoted($4), 1) }
    END {
      add("netc_pending", "", waits + 0)
      for (i = 1; i <= count; i++) if (order[i] in body) printf "%s%s", head[order[i]], body[order[i]]
    }'
}
