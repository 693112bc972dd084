# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part that routes: an instance of BIRD with netc's own configuration, socket and
# process, which owns its routes and those alone.
socket=/run/netc/bird.ctl pidfile=/run/netc/bird.pid passwords=/run/netc/bird.passwords
keeper=/usr/lib/netc/bird-keeper.bash keeper_pidfile=/run/netc/bird-keeper.pid
running=/run/netc/bird.running # the configuration that BIRD has

processes() { # PROGRAM [WORD]: ids of those in this network namespace, with this word in their command line
  local process comm
  for process in /proc/[0-9]*; do
    { read -r comm <"$process/comm"; } 2>/dev/null || continue # it ended meanwhile
    [[ $comm == "$1" && $process/ns/net -ef /proc/self/ns/net ]] || continue
    (($# == 1)) || grep -qszxF "$2" "$process/cmdline" || continue
    printf '%s\n' "${process##*/}"
  done
}
bird_processes() { processes bash "$keeper"; processes bird "$socket"; } # of netc's own, whoever keeps it first

only_bird() { # two of them on one table take each other's routes away
  local others
  others=$(processes bird)
  known_bird
  [[ -z $others ]] || refuse "another BIRD runs here (process ${others//$'\n'/, }): systemctl disable --now bird"
}

known_bird() { # others may read the same words another way
  local said
  said=$(bird --version 2>&1) || true
  [[ $said == *' 2.0.12'* ]] || say "all that it reads was tried with BIRD 2.0.12, and this is ${said:-another}"
}

ask_bird() { timeout 30 birdc -s "$socket" "$@"; } # it may hang

no_password() {
  say "the password $1 is not one line of 1 to 80 characters without space, quote and backslash"
  [[ ${verb:?} != reload ]] || note up # it routes as it did
}
bird_password() { # PROTOCOL FILE: as BIRD's configuration includes it, for BIRD alone
  local word group=root
  word=$(<"$2")
  [[ ${#word} -le 80 && $word =~ ^[[:graph:]]+$ && $word != *[\"\\]* ]] ||
    { no_password "$2"; return 1; }
  ! getent group bird >/dev/null || group=bird
  mkdir -p "$passwords" && chown "root:$group" "$passwords" && chmod 750 "$passwords" || return
  (umask 027 && printf 'password "%s";\n' "$word" >"$passwords/$1") && chown "root:$group" "$passwords/$1"
}
no_bird_password() { rm -f "$passwords/$1" && { [[ ! -e $passwords ]] || rmdir --ignore-fail-on-non-empty "$passwords"; }; }

# What BIRD reads is copied before it does: a file that changes meanwhile is one that it has not read.
about_to_read() { install -m 644 "$1" "$running.new"; } # BIRD reads it as a user of its own
has_read() { mv -f "$running.new" "$running"; }

start_bird() { # FILE
  local as=() pid try
  ! getent passwd bird >/dev/null || as=(-u bird -g bird)
  about_to_read "$1" || return
  outlives setsid bash "$keeper" "$1" "$running" "$socket" "$pidfile" "${as[@]}" 7>&- 9>&- &
  pid=$!
  printf '%s\n' "$pid" >"$keeper_pidfile"
  for try in {1..100}; do
    kill -0 "$pid" 2>/dev/null || { wait "$pid" || true; last_words; say "BIRD did not start"; return 1; }
    [[ ! -S $socket ]] || ! ask_bird show status >/dev/null 2>&1 || { has_read; return; }
    (($? != 124)) || break
    sleep 0.1
  done
  last_words
  say "BIRD does not answer"
  return 1
}

ended_by() { # SIGNAL SECONDS
  local pids try
  for ((try = 0; try < $2 * 10; try++)); do
    mapfile -t pids < <(bird_processes)
    ((${#pids[@]})) || return 0
    kill -s "$1" "${pids[@]}" 2>/dev/null || true
    sleep 0.1
  done
  return 1
}

end_bird() { # neighbours hear of it, and the routes are gone; those of one that died or hangs are taken away
  local family
  ended_by TERM 20 || { say "BIRD does not end by itself"; ended_by KILL 5; } || { say "BIRD does not end"; return 1; }
  for family in -4 -6; do ip "$family" route flush table all protocol bird 2>/dev/null || true; done
  rm -f "$socket" "$pidfile" "$keeper_pidfile" "$running" "$running.new"
}

heard() { # of each BGP session: NAME state STATE, and NAME TABLE routes|none: whether it brings any that lead somewhere
  local name kind state info
  ask_bird show protocols | while read -r name kind _ _ _ info; do
    [[ $kind == BGP ]] || continue
    state=${info%% *}
    printf '%s state %s\n' "$name" "${state:-down}"
    ask_bird "show route where dest != RTD_UNREACHABLE protocol '$name' count" |
      sed -n "s/^0 of .* in table \(.*\)/$name \1 none/p; s/^[1-9].* of .* in table \(.*\)/$name \1 routes/p"
  done
}

missed() { # BEFORE: sessions that were established, are still wanted, and are less than they were
  local name what was now lost=
  now=$'\n'$(heard)$'\n'
  while read -r name what was; do
    [[ $was == @(Established|routes) && $now == *$'\n'"$name $what "* && "$lost " != *" $name "* ]] || continue
    [[ $now == *$'\n'"$name $what $was"$'\n'* ]] || lost+=" $name"
  done <<<"$1"
  printf '%s' "$lost"
}

limited() { # sessions that said more than they may: what was over is forgotten
  local line name=
  ask_bird show protocols all | while IFS= read -r line; do
    case $line in
      [!\ ]*) name=${line%% *} ;;
      *"Receive limit:"*"[HIT]"*) printf '%s\n' "$name" ;;
    esac
  done
}

up_for() { local now; read -r now _ </proc/uptime && printf '%s\n' "${now%.*}"; } # in seconds: no clock that is set is asked
unchanged() { say "$*"; note up; } # it routes as it did

reload_bird() { # FILE: BIRD takes it back by itself if this script does not live to say that all is well
  local said before end lost hit name
  said=$(ask_bird configure check "\"$1\"") || { unchanged "${said:-BIRD does not answer}"; return 1; }
  before=$(heard)
  hit=$(limited)
  about_to_read "$1" || return
  said=$(ask_bird configure "\"$1\"" timeout 88) || { unchanged "${said:-BIRD does not answer}"; return 1; }
  end=$(($(up_for) + ${NETC_PATIENCE:-75}))
  while lost=$(missed "$before") && [[ $lost ]]; do
    if (($(up_for) >= end)); then
      # Not by `undo`, which would also take back what its switches have said since.
      ask_bird configure "\"$running\"" >/dev/null || ask_bird configure undo >/dev/null || true
      unchanged "these were there and did not come back:$lost; BIRD has its old configuration, $1 is still the new one"
      return 1
    fi
    sleep 0.5
  done
  ask_bird configure confirm >/dev/null && has_read || return
  for name in $hit; do ask_bird reload in "'$name'" >/dev/null || true; done # the limit may be higher now
}

bird_runs() { # FILE: by what it read, since clocks are set, and those of files and of BIRD need not agree
  timeout 5 birdc -s "$socket" show status >/dev/null 2>&1 || differs "BIRD does not answer"
  [[ $(processes bash "$keeper") ]] || differs "nobody looks after BIRD: none would follow it"
  cmp -s "$1" "$running" || differs "BIRD has not read $1 since it changed"
}

# Asked by `netc-host status`, in the words of its `row`.
found_sessions() { # with others and with files of ROAs; how a session does is BIRD's first word about it
  local name kind state info said
  said=$(timeout 5 birdc -s "$socket" show protocols 2>/dev/null) || { row failed "bird (does not answer)"; return; }
  while read -r name kind _ state _ info; do
    [[ $kind == BGP || $kind == RPKI ]] || continue
    info=${info%% *}
    [[ $state != down || $info ]] || info=disabled
    row session "$name" "$kind" "${info:-$state}"
  done <<<"$said"
}
