# ---- what is up on this host, and how it does: asks and changes nothing

birdc_says() { timeout 5 birdc -s /run/netc/bird.ctl "$@" 2>/dev/null; }
bird_is_wanted() { [[ -e /etc/netc/bird.conf ]] && is_up bird; }

# What is found: KIND NAME …, with tabs between them; - where there is none

row() { local IFS=$'\t'; printf '%s\n' "$*"; }

found() {
  found_generation
  found_parts
  found_peers
  found_sessions
  found_anycast
  found_failed
}

found_generation() {
  row generation "$(current)"
  [[ ! -e $pending ]] || row pending "$(cat "$pending/new" 2>/dev/null || echo none)" "$(revert_at)" "$(cat "$pending/phase" 2>/dev/null || echo preparing)"
}
revert_at() { # seconds since the epoch; - where nobody knows
  local process words within=''
  if has_systemd; then
    within=$(sed -n 's/^OnActiveSec=//p' /run/systemd/transient/netc-revert.timer 2>/dev/null | in_seconds)
  fi
  for process in $(reverting); do
    [[ ! $within ]] || break
    mapfile -d '' -t words <"/proc/$process/cmdline"
    for words in "${words[@]}"; do [[ ! $words =~ ^[1-9][0-9]*$ ]] || within=$words; done
  done 2>/dev/null
  if [[ $within && -e $pending/armed ]]; then echo $(($(<"$pending/armed") + within)); else echo -; fi
}
in_seconds() { # `2min 30s`, as systemd writes it
  awk '{
    for (i = 1; i <= NF; i++) {
      unit = $i; sub(/^[0-9.]+/, "", unit)
      sum += $i * (unit == "d" ? 86400 : unit == "h" ? 3600 : unit == "min" ? 60 : 1)
    }
    print int(sum)
  }'
}

found_parts() { # half: an `up` or `down` was cut off, or is under way; broken: something of it is not there any more
  local part state order up=() difference
  local -A broken=()
  laid
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

found_peers() { # netc's own devices, and of their keys only what peers may know: `wg show … dump` would say all
  local in device wg
  local -A ours=()
  for device in "${!place_of[@]}"; do ours[${place_of[$device]}]+=" $device "; done
  for in in "${!ours[@]}"; do
    wg=(wg show all)
    [[ $in == - ]] || wg=(ip netns exec "$in" wg show all)
    awk -F '\t' -v OFS='\t' -v in_="$in" -v ours="${ours[$in]}" -v now="$(printf '%(%s)T' -1)" '
      function names(device, file, line, name) {
        file = "/etc/netc/wireguard/" device ".conf"
        known[device]
        while ((getline line <file) > 0) {
          if (line ~ /^# /) name = substr(line, 3)
          if (sub(/^PublicKey = /, "", line)) called[device, line] = name
        }
        close(file)
      }
      FILENAME == ARGV[1] { endpoint[$1, $2] = $3; next }
      FILENAME == ARGV[2] { met[$1, $2] = $3; next }
      !index(ours, " " $1 " ") { next } # a userspace device answers in all of them
      {
        if (!($1 in known)) names($1)
        name = ($1, $2) in called ? called[$1, $2] : "-"
        at = met[$1, $2] + 0
        print "peer", $1, in_, name, $2, (endpoint[$1, $2] == "(none)" ? "-" : endpoint[$1, $2]), \
          (at ? at : "-"), (at ? (now > at ? now - at : 0) : "-"), $3, $4
      }' <(exec "${wg[@]}" endpoints 2>/dev/null) <(exec "${wg[@]}" latest-handshakes 2>/dev/null) \
      <(exec "${wg[@]}" transfer 2>/dev/null)
  done
}

found_sessions() { # with others and with files of ROAs; how a session does is BIRD's first word about it
  local name kind state info said
  bird_is_wanted || return 0
  said=$(birdc_says show protocols) || { row failed "bird (does not answer)"; return; }
  while read -r name kind _ state _ info; do
    [[ $kind == BGP || $kind == RPKI ]] || continue
    info=${info%% *}
    [[ $state != down || $info ]] || info=disabled
    row session "$name" "$kind" "${info:-$state}"
  done <<<"$said"
}

found_anycast() {
  local part state order
  laid
  for part in "${order[@]}"; do
    [[ -x /etc/netc/parts/$part/health ]] || continue
    { read -r state <"/run/netc/$part.state"; } 2>/dev/null || state=unchecked
    row anycast "${part#anycast-}" "$state"
  done
}

found_failed() {
  local unit ours
  has_systemd || return 0
  ours=$(grep -ho 'unit:[^,]*' "$store/current/MANIFEST" 2>/dev/null | cut -d: -f2- | sort -u)
  systemctl list-units --failed --plain --no-legend --no-pager 2>/dev/null | while read -r unit _; do
    if [[ $unit == netc[-_.]* ]] || grep -qxF "$unit" <<<"$ours"; then row failed "$unit"; fi
  done
}

all_is_well() { # of what is found: an anycast service that was turned off, and a peer that is silent, are no failures
  awk -F '\t' '
    $1 == "generation" && $2 == "none" { bad = 1 }
    $1 == "part" && $3 != "up" || $1 == "broken" { bad = 1 }
    $1 == "session" && $4 != "Established" && $4 != "disabled" { bad = 1 }
    $1 == "anycast" && $3 != "up" && $3 != "disabled" { bad = 1 }
    $1 == "failed" { bad = 1 }
    END { exit bad }'
}

# ---- and how it is said

status() {
  local all how=as_text
  (($# <= 1)) || usage
  case ${1-} in
    '') ;;
    --json) how=as_json ;;
    --metrics) how=as_metrics ;;
    *) usage ;;
  esac
  all=$(found)
  "$how" <<<"$all"
  all_is_well <<<"$all"
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
        (f[8] == "-" ? "never heard of" : "heard of " span(f[8]) " ago") ", received " size(f[9]) ", sent " size(f[10]) \
        (f[3] == "-" ? "" : ", in " f[3]))
    }
    { rows[NR] = $0; name = $1 == "peer" ? $2 " " ($4 == "-" ? "12345678.." : $4) : $2 }
    $1 != "failed" && $1 != "broken" && length(name) > width { width = length(name) }
    END {
      for (i = 1; i <= NR; i++) {
        split(rows[i], f, "\t")
        if (f[1] == "pending") line("pending", f[2], f[4] (f[3] == "-" ? "" : ", goes back in " span(f[3] > now ? f[3] - now : 0) " unless confirmed"))
        else if (f[1] == "peer") peer(rows[i])
        else if (f[1] == "session") line("session", f[2], f[4])
        else line(f[1], f[2], f[3])
      }
    }' | sed 's/ *$//'
}

as_json() {
  awk -F '\t' '
    function quoted(text, out, i, c) {
      if (text == "-") return "null"
      out = ""
      for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        out = out (c == "\\" || c == "\"" ? "\\" c : c < " " ? "?" : c)
      }
      return "\"" out "\""
    }
    function number(text) { return text ~ /^[0-9]+$/ ? text : "null" }
    function add(list, item) { lists[list] = lists[list] (lists[list] == "" ? "" : ",") "\n    " item }
    function told(list) { return "  \"" list "\": [" lists[list] (lists[list] == "" ? "" : "\n  ") "]" }
    BEGIN { pending = "null"; well = "true" }
    $1 == "generation" { generation = $2 == "none" ? "null" : quoted($2) }
    $1 == "pending" { pending = "{\"generation\": " quoted($2) ", \"reverts_at\": " number($3) ", \"phase\": " quoted($4) "}" }
    $1 == "part" { add("parts", "{\"name\": " quoted($2) ", \"state\": " quoted($3) "}") }
    $1 == "broken" { add("broken", "{\"part\": " quoted($2) ", \"what\": " quoted($3) "}") }
    $1 == "peer" {
      add("wireguard", "{\"interface\": " quoted($2) ", \"namespace\": " quoted($3) ", \"peer\": " quoted($4) \
        ", \"public_key\": " quoted($5) ", \"endpoint\": " quoted($6) ", \"handshake_at\": " number($7) \
        ", \"handshake_age\": " number($8) ", \"received\": " number($9) ", \"sent\": " number($10) "}")
    }
    $1 == "session" { add("sessions", "{\"name\": " quoted($2) ", \"kind\": " quoted($3) ", \"state\": " quoted($4) "}") }
    $1 == "anycast" { add("anycast", "{\"service\": " quoted($2) ", \"state\": " quoted($3) "}") }
    $1 == "failed" { add("failed", quoted($2)) }
    END {
      print "{\n  \"generation\": " generation ",\n  \"pending\": " pending ","
      print told("parts") ",\n" told("broken") ",\n" told("wireguard") ",\n" told("sessions") ",\n" told("anycast") ",\n" told("failed") "\n}"
    }'
}

as_metrics() { # prometheus.io, "Text-based format"
  awk -F '\t' '
    function quoted(text, out, i, c) {
      for (i = 1; text != "-" && i <= length(text); i++) {
        c = substr(text, i, 1)
        out = out (c == "\\" || c == "\"" ? "\\" c : c)
      }
      return "\"" out "\""
    }
    function metric(name, type, help) {
      order[++count] = name
      head[name] = "# HELP " name " " help "\n# TYPE " name " " type "\n"
    }
    function add(name, labels, value) { body[name] = body[name] name (labels == "" ? "" : "{" labels "}") " " value "\n" }
    BEGIN {
      metric("netc_generation_info", "gauge", "The generation that is installed.")
      metric("netc_pending", "gauge", "Whether a change waits to be confirmed.")
      metric("netc_part_up", "gauge", "Whether the part is up, and all of it is there.")
      metric("netc_wireguard_handshake_seconds", "gauge", "Time of the last handshake, seconds since the epoch; 0 is never.")
      metric("netc_wireguard_received_bytes_total", "counter", "Received from the peer since the device came up.")
      metric("netc_wireguard_sent_bytes_total", "counter", "Sent to the peer since the device came up.")
      metric("netc_bgp_session_up", "gauge", "Whether the BGP session is established.")
      metric("netc_rpki_session_up", "gauge", "Whether the source of ROAs is there.")
      metric("netc_anycast_announced", "gauge", "Whether the anycast service is announced.")
      metric("netc_unit_failed", "gauge", "A unit that failed.")
      waits = 0
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
    $1 == "failed" { add("netc_unit_failed", "unit=" quoted($2), 1) }
    END {
      add("netc_pending", "", waits)
      for (i = 1; i <= count; i++) if (order[i] in body) printf "%s%s", head[order[i]], body[order[i]]
    }'
}
