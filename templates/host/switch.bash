# ---- the switch from one generation to another, and the rollback from any phase
#
# While a change is not confirmed, $pending holds `old`, `new` and `phase`, which is written before each phase begins:
#   `stopping`  parts that leave or restart go down by the scripts that brought them up; all files are the old ones
#   `laying`    these parts are down; files are renamed to their paths, so some are old and some are new; status: `placing`
#   `starting`  all files are the new ones; parts come up or reload
#   `complete`  the change waits for its confirmation
# In a rollback the phases are called back-stopping and so on, and the two generations are exchanged.

phase() { printf '%s\n' "$1" >"$pending/phase.new" && mv "$pending/phase.new" "$pending/phase" && sync -f "$pending"; }

# Parts, with systemd or without it.

by_systemd() { # VERB PARTS…: in one call; systemd takes the order from the units
  local them=("${@/#/netc-}")
  timeout $((120 + 2 * $#)) systemctl "$1" "${them[@]:1}" 8>&- # two minutes, and two seconds for each part
}
show_unit_log() { ! has_systemd || journalctl -u "netc-$1.service" -n 15 -o cat --no-pager 2>/dev/null || true; } # PART

stop_parts() { # PARTS…, in this order: those that do not go down are in `failed`
  failed=()
  (($#)) || return 0
  printf 'netc: down     %s\n' "$@" >&2
  ! has_systemd || stop_units "$@"
  take_down_parts "$@"
}
stop_units() { # PARTS…, in this order: parts before a group of links stop first; links go down in a batch, before their units stop
  local part group=() rest=()
  read_scripts down "$parts" "$@"
  for part in "$@" ''; do
    if [[ $part && ${script[$part]} == *'undo remove_link '* ]]; then
      group+=("$part")
      continue
    fi
    if ((${#group[@]} > 1)); then
      ((!${#rest[@]})) || by_systemd stop "${rest[@]}" || true
      links_down_in_batch "${group[@]}"
      rest=()
    fi
    rest+=("${group[@]}" ${part:+"$part"})
    group=()
  done
  ((!${#rest[@]})) || by_systemd stop "${rest[@]}" || true
}
start_parts() { # PARTS…, in this order: those that are not up at the end are in `failed`
  local part to_start=()
  failed=()
  (($#)) || return 0
  for part in "$@"; do is_up "$part" || { to_start+=("$part"); report "up       $part"; }; done
  if has_systemd; then bring_up start_units "$@" || true; else bring_up up_by_scripts "${to_start[@]}" || true; fi
  failed=()
  for part in "$@"; do is_up "$part" || { show_unit_log "$part"; failed+=("$part"); }; done
  ((!${#failed[@]}))
}
start_units() { # PARTS…: while $store/starting exists, units do not check again what a batch brought up
  echo "$$" >"$store/starting"
  by_systemd start "$@" || true
  rm -f "$store/starting"
}
reload_part() {
  is_up "$1" && [[ -x /etc/netc/parts/$1/reload ]] || { start_parts "$1"; return; }
  report "reload   $1"
  if ! has_systemd; then "/etc/netc/parts/$1/reload" 8>&-; else by_systemd reload "$1" || { show_unit_log "$1"; return 1; }; fi
}

retire() { # OLD NEW PART: undoes what only the old `down` undoes, since a reload only adds
  local old=$trees/$1/files new=$trees/$2/files undone
  grep -q "  retire:$3$" "$trees/$1/MANIFEST" || (($? > 1)) || return 0
  undone=$(awk 'NR == FNR {kept[$0]; next} /^undo / && !($0 in kept)' {"$new","$old"}"/etc/netc/parts/$3/down") || return
  [[ $undone ]] || return 0
  { sed -n "/^source /{s,/usr/lib/netc/,$old/usr/lib/netc/,; s/ down$/ reload/; p}" "$old/etc/netc/parts/$3/down" &&
    printf '%s\n' "$undone" finish; } >"$pending/retire" && bash "$pending/retire" 8>&-
}
retire_sets() { # OLD: removes ipsets of parts that left, which rules of OLD named until now
  local part down
  for part in "${!action[@]}"; do
    [[ $part == set-* && ${action[$part]} == leave ]] || continue
    down=$trees/$1/files/etc/netc/parts/$part/down
    down=$(sed "s,/usr/lib/netc/,$trees/$1/files/usr/lib/netc/,; s/ down$/ none/; /^finish$/d" "$down") && bash -c "$down" 8>&-
  done
}

own_units='|netc-.*|systemd-networkd\.service' # whose processes use the host's own routes anyway
units_of() { # GENERATION: units that are not parts
  manifest_of "$1" | awk '{n = split($4, all, ","); for (i = 1; i <= n; i++) if (sub(/^unit:/, "", all[i])) print all[i]}' | sort -u
}
list_running_units() { # OLD NEW: of both, those that run now: NAME INVOCATION, and `changed` if `plan_change` found a changed file of it
  local line lines name changed
  local -A shown=()
  has_systemd || return 0
  line=$({ units_of "$1" && units_of "$2"; } | sort -u) || return
  split_lines "$line"
  ((${#lines[@]})) || return 0
  line=$(systemctl show -p Names,ActiveState,InvocationID -- "${lines[@]/@./@*.}") || return
  split_lines "${line//$'\n\n'/$'\n=\n'}"$'\n=' # an empty line ends a unit
  for line in "${lines[@]}"; do
    [[ $line == = ]] || { shown[${line%%=*}]=${line#*=}; continue; }
    changed=''
    for name in ${shown[Names]-}; do [[ ! ${changed_units[$name]-}${changed_units[${name/@*./@.}]-} ]] || changed=changed; done
    [[ ${shown[ActiveState]-inactive} == @(inactive|failed) ]] || echo "$name ${shown[InvocationID]:--} $changed"
  done
}
stop_own_units() { # OLD NEW: netc's units that NEW does not have
  local unit lines
  unit=$({ units_of "$1" && units_of "$2" && units_of "$2"; } | sort | uniq -u) || return
  split_lines "$unit"
  for unit in "${lines[@]}"; do [[ $unit != netc-* ]] || quietly systemctl stop "$unit" 8>&- || true; done
}
resume_units() { # NEW: restarts units that still run as before their files changed, and starts units that ran before the change
  local unit was changed line lines left=0
  has_systemd || return 0
  split_lines "$outdated"
  for line in "${lines[@]}"; do
    read -r unit was changed <<<"$line"
    [[ $changed && $(systemctl show -P InvocationID "$unit") == "$was" ]] && is_loaded "$unit" || continue
    report "restart  $unit"
    systemctl restart "$unit" 8>&- || left=1
  done
  mapfile -t lines <"$pending/running" || return
  for unit in "${lines[@]%% *}"; do
    if [[ $1 == none && ! $unit =~ ^($own_units)$ ]]; then
      report "$unit is stopped and now would use the host's own routes: systemctl start $unit, or systemctl disable $unit"
    else
      quietly systemctl is-active "$unit" || ! is_loaded "$unit" || systemctl start "$unit" 8>&- || left=1
    fi
  done
  read_lines units_of "$1" || return
  for unit in "${lines[@]}"; do
    [[ $unit == netc-*.@(timer|service) && $unit != netc-@(write|endpoints)-*.service ]] || continue
    quietly systemctl is-active "$unit" || quietly systemctl start "$unit" 8>&- || true
  done
  return "$left"
}
stop_changed_units() { # units of others, before rules or namespaces change: their processes would be where NEW does not expect them
  local unit others=()
  for unit in "${!changed_units[@]}"; do [[ $unit =~ ^($own_units)$ ]] || others+=("${unit/@./@*.}"); done
  ! has_systemd || ((!${#others[@]})) || systemctl stop "${others[@]}" 8>&- || true
}
is_loaded() { [[ $(systemctl show -P LoadState "$1") == loaded ]]; }

reload_systemd() { # OLD NEW: makes systemd and systemd-networkd read files that changed. `outdated` has the units that run by now
  has_systemd || return 0
  systemctl daemon-reload
  if quietly systemctl is-active systemd-networkd; then
    if [[ ${changed_units[systemd-networkd.service]-} ]]; then systemctl restart systemd-networkd; else networkctl reload || true; fi
  fi
  unset 'changed_units[systemd-networkd.service]'
  outdated=$(list_running_units "$1" "$2") || return
  quietly systemctl enable netc.target || true
}
disable_units() { # NEW: it may enable other units. netc.target stays: at boot it starts the rollback of an interrupted change
  local target=/etc/systemd/system/netc.target
  has_systemd && [[ -e $target ]] || return 0
  sed -n 's/^Also=//p' "$target" | xargs -r systemctl --quiet disable || true
  [[ $1 != none ]] || quietly systemctl disable netc.target || true
}

# ---- the phases
run_phases() { # OLD NEW [back-]: fails at the first part that does not come up; a rollback continues with the others
  local part back=${3-} left=0 order failed group=()
  plan_change "$1" "$2" || return
  if [[ $(<"$pending/phase") != "${back}"@(laying|starting) ]]; then
    phase "${back}stopping" || return
    order_of "$1"
    select_by_action leave restart
    reversed order
    stop_changed_units
    stop_parts "${order[@]}" || [[ $back ]] || { report "${failed[*]} does not go down"; return 1; }
    phase "${back}laying" || return
  fi
  if [[ $(<"$pending/phase") != "${back}starting" ]]; then
    ! has_systemd || stop_own_units "$1" "$2" || left=1
    ! has_systemd || [[ $2 != none ]] || quietly systemctl stop netc.target 8>&- || true
    disable_units "$2"
    put_files "$1" "$2" || return
    phase "${back}starting" || return
  fi
  reload_systemd "$1" "$2" || { left=1; [[ $back ]] || return 1; }
  order_of "$2"
  [[ $back ]] || select_by_action restart start reload
  for part in "${order[@]}" ''; do
    if [[ $part && ${action[$part]} != reload ]]; then
      group+=("$part")
      continue
    fi
    start_parts "${group[@]}" || { report "${failed[*]} does not come up"; left=1; [[ $back ]] || return 1; }
    group=()
    [[ ! $part ]] || { reload_part "$part" && retire "$1" "$2" "$part"; } ||
      { report "$part does not come up"; left=1; [[ $back ]] || return 1; }
  done
  has_systemd || put_back_routes
  retire_sets "$1"
  ! has_systemd || [[ $2 == none ]] || systemctl start netc.target 8>&- || left=1
  resume_units "$2" || left=1
  return "$left"
}

put_back_routes() { # that went with an interface which has restarted: the watchers that do it are units of systemd
  local part watcher
  for watcher in "$parts"/*/watch; do
    part=${watcher%/watch} part=${part##*/}
    [[ -x $watcher ]] && is_up "$part" || continue
    # That of an older release knows no `once`: it begins with what is wanted, and does not end.
    if grep -qF '"$@"' "$watcher"; then "$watcher" once || left=1; else timeout 5 "$watcher" || true; fi
  done
}

arm_rollback() { # SECONDS: starts its timer, which does not end with the connection or with this process
  local netc_host
  netc_host=$trees/$(<"$pending/new")/files/usr/local/sbin/netc-host
  ln -sfn "$netc_host" "$pending/netc-host" || return
  if has_systemd; then
    # The first of the two timers counts: daemon-reload restarts --on-active, and somebody may set the clock back.
    systemd-run --quiet --collect --unit=netc-revert --property=Restart=on-abnormal --timer-property=AccuracySec=100ms --on-active="$1" \
      --on-calendar="@$(($(printf '%(%s)T' -1) + $1))" \
      "$netc_host" revert --unconfirmed 8>&-
  else
    NETC_REVERT=$pending setsid -f bash -c 'sleep "$1"; unset NETC_REVERT; exec "$2" revert --unconfirmed' revert "$1" "$netc_host" \
      </dev/null >>"$store/log" 2>&1 8>&-
  fi
}
rollback_processes() { # prints the ids of those that wait for a rollback or run it
  # Processes may end meanwhile, and grep then has status 2.
  grep -lszxF "NETC_REVERT=$pending" /proc/[0-9]*/environ 2>/dev/null | sed 's,^/proc/\([0-9]*\)/.*,\1,' || true
}
disarm_rollback() { # ends its timer and its processes, except the caller
  local process lines
  ! has_systemd || quietly systemctl stop netc-revert.timer || true
  read_lines rollback_processes
  for process in "${lines[@]}"; do
    [[ $process == "$$" || ! -O /proc/$process ]] || kill "$process" 2>/dev/null || true
  done
}

discard() { # FOLDER in $store [FILE…]: removes FOLDER so that nobody ever finds half of it
  [[ ! -e $store/discarded ]] || rm -rf "$store/discarded"
  mv -T "$1" "$store/discarded" && rm -rf "$store/discarded" "${@:2}"
}
end_change() { # CURRENT WORDS…: WORDS are for the history
  local to=$1
  printf '%(%FT%TZ)T %s %s\n' -1 "$to" "${*:2}" >>"$store/history"
  { if [[ $to == none ]]; then rm -f "$store/current"; else ln -sfn "generations/$to" "$store/current.new" && mv -fT "$store/current.new" "$store/current"; fi &&
    discard "$pending" "$store/reserve" && sync -f "$store"; } || { report "cannot write $store"; return 1; }
  remove_old_generations
}
remove_old_generations() { # except the last five and the current one
  local path lines
  path=$(find "$trees" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | tail -n +6) || return
  split_lines "$path"
  for path in "${lines[@]#* }"; do [[ ${path##*/} == "$(current)" ]] || discard "$path"; done
}

begin_change() { # OLD NEW WANTED: makes $pending, whole or not at all
  local half=$store/pending.half
  rm -rf "$half"
  mkdir "$half" && printf '%s\n' "$1" >"$half/old" && printf '%s\n' "$2" >"$half/new" && printf '%s\n' "$3" >"$half/wanted" &&
    printf '%s\n' "${NETC_BY-}" >"$half/by" && cat /proc/sys/kernel/random/boot_id >"$half/boot" &&
    printf '%s\n' "$$" >"$half/process" && list_running_units "$1" "$2" >"$half/running" &&
    printf '%s\n' preparing >"$half/phase" && mv -T "$half" "$pending"
}

switch() { # NEW SECONDS WANTED: WANTED is the SHA-256 of the token that confirms
  local now old
  old=$(current); begin_change "$old" "$1" "$3" || refuse_change "cannot write $store"
  if ! { reserve_space "$old" && prepare "$1" && read -r now _ </proc/uptime && echo $((${now%.*} + $2)) >"$pending/due" && echo $(($(printf '%(%s)T' -1) + $2)) >"$pending/until" && disarm_rollback && arm_rollback "$2"; }; then # the timer may be that of a confirmation that was cut off
    remove_prepared "$1"; discard "$pending" "$store/reserve"; refuse_change "no room for the files, or for a rollback"
  fi
  # A connection is new if its sshd began after this process.
  if run_phases "$old" "$1" && cat /proc/self/stat >"$pending/complete" && phase complete; then
    report "all parts are up"
  else
    report "rolling back"
    roll_back "the new generation did not come up"
    return 1
  fi
}
refuse_change() { [[ $old != none || -e $store/history ]] || rm -rf "$store"; die "$*; nothing was changed"; } # as in `install_from`
reserve_space() { # OLD: room for its files in a rollback, twice their size and 1 MiB
  local size=65536 # if nothing was installed
  [[ $1 == none ]] || size=$(($(du -sb "$trees/$1" | cut -f1) * 2 + 1048576))
  fallocate -l "$size" "$store/reserve" 2>/dev/null || head -c "$size" /dev/zero >"$store/reserve"
}

roll_back() { # REASON: from any phase
  local old new at boot failed=0
  local -A next=([stopping]=back-starting [laying]=back-laying [starting]=back-stopping [complete]=back-stopping)
  old=$(<"$pending/old") new=$(<"$pending/new") at=$(<"$pending/phase") boot=$(<"$pending/boot")
  rm -f "$store/reserve"
  remove_prepared "$new"
  [[ $boot != "$(</proc/sys/kernel/random/boot_id)" ]] || boot=''
  if [[ $boot && ! -e /run/netc ]]; then
    roll_back_at_boot "$old" "$new" || failed=1
  else
    [[ ! $boot || $at == preparing ]] || at=complete # somebody brought up parts since the boot
    [[ ! ${next[$at]-} ]] || phase "${next[$at]}"
    [[ $at == preparing ]] || { prepare "$old" && run_phases "$new" "$old" back-; } || failed=1
  fi
  disarm_rollback
  ((!failed)) || { report "rolled back to $old, but not all of it came up: see netc-host status"; }
  end_change "$old" "rolled back from $new: $1" || failed=1
  [[ $old != none ]] || remove_own_files
  broadcast "netc rolled back from $new to $old: $1"
  return "$failed"
}
roll_back_at_boot() { # OLD NEW: no part is up yet, and systemd would start the units of NEW
  prepare "$1" && disable_units "$1" && put_files "$2" "$1" || return
  has_systemd || return 0
  systemctl daemon-reload
  plan_change "$2" "$1" # services that started before this rollback run as NEW has them
  printf '%s\n' "${!changed_units[@]}" | sed '/^$/d; s/@\./@*./' | quietly xargs -r -d '\n' systemctl try-restart --no-block || true
  [[ $1 == none ]] || { quietly systemctl enable netc.target; systemctl start --no-block netc.target; }
}
broadcast() { # to standard error, all terminals and the log
  report "$*"
  ! command -v wall >/dev/null || quietly wall "$*" || true
  ! command -v logger >/dev/null || logger -t netc -p daemon.crit "$*" || true
}
