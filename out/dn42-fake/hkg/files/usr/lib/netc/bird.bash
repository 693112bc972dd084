# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part `bird`: one BIRD with netc's own configuration, control socket and process. It
# changes only its own routes in the kernel.
socket=/run/netc/bird.ctl pidfile=/run/netc/bird.pid passwords=/run/netc/bird.passwords
keeper=/usr/lib/netc/bird-keeper.bash keeper_pidfile=/run/netc/bird-keeper.pid roa_watcher=/usr/lib/netc/bird-roas.bash
running=/run/netc/bird.running # a copy of the configuration that BIRD has read

processes() { # PROGRAM [WORD]: PIDs in this network namespace, with WORD in the command line
  local process comm program
  for process in /proc/[0-9]*; do
    { read -r comm <"$process/comm"; } 2>/dev/null || continue # it has ended
    # Everybody can give a script of his own this name; the file of its program is then that of a shell.
    [[ $comm == "$1" && $process/ns/net -ef /proc/self/ns/net && -O $process/exe ]] || continue
    (($# == 1)) || grep -qszxF "$2" "$process/cmdline" || continue
    program=$(readlink "$process/exe") && program=${program% (deleted)} && [[ ${program##*/} == "$1" ]] || continue
    printf '%s\n' "${process##*/}"
  done
}
bird_processes() { processes bash "$roa_watcher"; processes bash "$keeper"; processes bird "$socket"; } # of netc; the keeper before BIRD, which it would start again

only_bird() { # two BIRDs on one table delete each other's routes
  local others
  others=$(processes bird)
  [[ -z $others ]] || refuse "another BIRD runs here (process ${others//$'\n'/, }): $(disabling bird)"
}

ask_bird() { timeout "${limit:-30}" birdc -s "$socket" "$@"; } # birdc waits forever if BIRD hangs

refuse_password() {
  say "the password in $1 must be one line of 1 to 80 characters, without spaces, double quotes and backslashes"
  [[ ${verb:?} != reload ]] || note up # BIRD runs as before
}
bird_password() { # PROTOCOL FILE [md5 | mac]: writes the file that bird.conf includes, with that authentication; only root and BIRD can read it
  local word group=root how=${3:+authentication $3; } with=''
  [[ ${3-} != mac ]] || with=' { algorithm hmac sha256; }'
  word=$(<"$2")
  [[ ${#word} -le 80 && $word =~ ^[[:graph:]]+$ && $word != *[\"\\]* ]] ||
    { refuse_password "$2"; return 1; }
  ! getent group bird >/dev/null || group=bird
  mkdir -p "$passwords" && chown "root:$group" "$passwords" && chmod 750 "$passwords" || return
  (umask 027 && printf '%spassword "%s"%s;\n' "$how" "$word" "$with" >"$passwords/$1") && chown "root:$group" "$passwords/$1"
}
no_bird_password() { rm -f "$passwords/$1" && { [[ ! -e $passwords ]] || rmdir --ignore-fail-on-non-empty "$passwords"; }; }

# The configuration is copied before BIRD reads it. If the file changes in between, `check` sees that BIRD has not read it.
copy_config() { install -m 644 "$1" "$running.new"; } # BIRD is not root when it reads it
keep_copy() { mv -f "$running.new" "$running"; }

watch_roas() { # asks neighbours again when an RTR server has other ROAs. The keeper may be that of an earlier release, which `reload` leaves alone
  local lines
  read_lines processes bash "$roa_watcher" || return
  ((${#lines[@]} == 0)) && grep -q '^protocol rpki ' "$running" || return 0
  setsid bash "$roa_watcher" "$running" "$socket" "$pidfile" "$(<"$keeper_pidfile")" </dev/null >/dev/null 2>&1 6>&- 7>&- 8>&- 9>&- &
}

start_bird() { # FILE
  local as=() pid try
  ! getent passwd bird >/dev/null || as=(-u bird -g bird)
  copy_config "$1" || return
  exec_detached setsid bash "$keeper" "$1" "$running" "$socket" "$pidfile" "${as[@]}" 7>&- 9>&- &
  pid=$!
  printf '%s\n' "$pid" >"$keeper_pidfile"
  for try in {1..100}; do
    kill -0 "$pid" 2>/dev/null || { wait "$pid" || true; print_log_tail; say "BIRD did not start"; return 1; }
    [[ ! -S $socket ]] || ! ask_bird show status >/dev/null 2>&1 || { keep_copy && watch_roas; return; }
    (($? != 124)) || break
    sleep 0.1
  done
  print_log_tail
  say "BIRD does not answer"
  return 1
}

end_by_signal() { # SIGNAL SECONDS: true if BIRD and its keeper end in time
  local lines try
  for ((try = 0; try < $2 * 10; try++)); do
    read_lines bird_processes || return
    ((${#lines[@]})) || return 0
    kill -s "$1" "${lines[@]}" 2>/dev/null || true
    sleep 0.1
  done
  return 1
}

end_bird() { # BIRD closes its sessions and removes its routes; if it died or hangs, its routes are flushed
  local family
  end_by_signal TERM 20 || { say "BIRD does not end by SIGTERM"; end_by_signal KILL 5; } || { say "BIRD does not end by SIGKILL"; return 1; }
  for family in -4 -6; do ip "$family" route flush table all protocol bird 2>/dev/null || true; done
  rm -f "$socket" "$pidfile" "$keeper_pidfile" "$running" "$running.new"
}

read_session() { # LINE of `show protocols`: name, kind, state and info. `since` may have two words, the date and the time
  local line=$1
  [[ ! $line =~ ^(.*)\ [0-9-]{10}\ ([0-9:.]{8,})(.*)$ ]] || line="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}${BASH_REMATCH[3]}"
  read -r name kind _ state _ info <<<"$line"
}

sessions() { # of each BGP session: NAME state STATE, and NAME TABLE routes|none: whether it has imported reachable routes
  local line lines name kind state info
  read_lines ask_bird show protocols || return
  for line in "${lines[@]}"; do
    read_session "$line"
    [[ $kind == BGP ]] || continue
    state=${info%% *}
    printf '%s state %s\n' "$name" "${state:-down}"
    ask_bird "show route where dest != RTD_UNREACHABLE protocol '$name' count" |
      sed -n "s/^0 of .* in table \(.*\)/$name \1 none/p; s/^[1-9].* of .* in table \(.*\)/$name \1 routes/p"
  done
}

lost_sessions() { # BEFORE: sessions that are still configured and have lost their established state or all routes of a table
  local line lines name what was now lost=
  now=$(sessions) || { printf ' (BIRD does not answer)'; return; }
  now=$'\n'$now$'\n'
  split_lines "$1"
  for line in "${lines[@]}"; do
    read -r name what was <<<"$line"
    [[ $was == @(Established|routes) && $now == *$'\n'"$name $what "* && "$lost " != *" $name "* ]] || continue
    [[ $now == *$'\n'"$name $what $was"$'\n'* ]] || lost+=" $name"
  done
  printf '%s' "$lost"
}

over_limit() { # sessions that have hit their receive limit: BIRD has discarded the routes above it
  local line lines name=
  read_lines ask_bird show protocols all || return
  for line in "${lines[@]}"; do
    case $line in
      [!\ ]*) name=${line%% *} ;;
      *"Receive limit:"*"[HIT]"*) printf '%s\n' "$name" ;;
    esac
  done
}

without_refresh() { # sessions whose neighbour cannot announce its routes again (RFC 2918)
  local line lines name='' is_theirs='' can=''
  read_lines ask_bird show protocols all || return
  for line in "${lines[@]}"; do
    case $line in
      [!\ ]*) name=${line%% *} is_theirs='' ;;
      *"Neighbor capabilities"*) is_theirs=yes can='' ;;
      *"Route refresh"*) can=yes ;;
      *"Session: "*) [[ $name != peer_* || ! $is_theirs || $can ]] || printf '%s\n' "$name" ;;
    esac
  done
}

say_reset() { # SESSION…: those that BIRD has reset to apply changed filters
  local name now
  now=$'\n'$(sessions)$'\n'
  for name in "$@"; do
    [[ $now == *$'\n'"$name state Established"$'\n'* ]] || say "reset, because its neighbour has no route refresh: $name. \`import_table = true\` would keep the session"
  done
}

external_sessions() { # established ones with neighbours in other ASes
  local line lines name kind state info
  read_lines ask_bird show protocols || return
  for line in "${lines[@]}"; do
    read_session "$line"
    [[ $kind != BGP || $name != peer_* || $info != Established* ]] || printf '%s\n' "$name"
  done
}

ask_again() { # SESSION: for its routes. BIRD 3 has other words than BIRD 2
  ask_bird reload in "'$1'" >/dev/null || ask_bird reload bgp in "'$1'" >/dev/null || say "BIRD does not ask $1 for its routes again"
}

up_for() { local now; read -r now _ </proc/uptime && printf '%s\n' "${now%.*}"; } # in seconds since the boot, because somebody may set the clock
unchanged() { say "$*"; note up; } # BIRD runs as before

reload_bird() { # FILE: if this script is killed before it confirms, BIRD restores the old configuration after 88 s
  # BIRD stands still while it looks up the name of an RTR server. One that an earlier release started does so for 28 s.
  local said before end lost hit name far lines limit=60
  said=$(ask_bird configure check "\"$1\"") || { unchanged "${said:-BIRD does not answer}"; return 1; }
  { before=$(sessions) && hit=$(over_limit) && far=$(without_refresh); } || { unchanged "BIRD does not answer"; return 1; }
  copy_config "$1" || return
  said=$(ask_bird configure "\"$1\"" timeout 88) || { unchanged "${said:-BIRD does not answer}"; return 1; }
  split_lines "$far" && say_reset "${lines[@]}"
  end=$(($(up_for) + ${NETC_PATIENCE:-75}))
  while lost=$(lost_sessions "$before") && [[ $lost ]]; do
    if (($(up_for) >= end)); then
      # `configure undo` would also undo what anycast checkers have switched since, so it is the second choice.
      ask_bird configure "\"$running\"" >/dev/null || ask_bird configure undo >/dev/null || true
      unchanged "these sessions did not come back:$lost. BIRD has its old configuration again, and $1 is still the new one"
      return 1
    fi
    sleep 0.5
  done
  ask_bird configure confirm >/dev/null && keep_copy && watch_roas || return
  ! grep -q 'roa_check' "$1" || hit+=$'\n'$(external_sessions) # a file of ROAs may be new
  for name in $hit; do ask_again "$name"; done # the new limit may be higher
}

bird_runs() { # FILE: compares the copy, not times, because somebody may set the clock
  timeout 5 birdc -s "$socket" show status >/dev/null 2>&1 || differs "BIRD does not answer"
  [[ -r $keeper_pidfile && $(processes bash "$keeper") == *"$(<"$keeper_pidfile")"* ]] || differs "bird-keeper.bash does not run: if BIRD ends, nothing starts it again"
  ! grep -q '^protocol rpki ' "$1" || [[ $(processes bash "$roa_watcher") ]] || differs "bird-roas.bash does not run: if ROAs change, routes are not filtered again"
  cmp -s "$1" "$running" || differs "BIRD has not read the present $1"
}

# For `netc-host status`, which defines `row`.
found_sessions() { # BGP sessions and RTR sessions (ROAs), with the first word of BIRD's info as their state
  local name kind state info said lines
  said=$(timeout 5 birdc -s "$socket" show protocols 2>/dev/null) || { row failed "bird (does not answer)"; return; }
  split_lines "$said"
  for said in "${lines[@]}"; do
    read_session "$said"
    [[ $kind == BGP || $kind == RPKI ]] || continue
    info=${info%% *}
    [[ $state != down || $info ]] || info=disabled
    row session "$name" "$kind" "${info:-$state}"
  done
}
