# ---- from one generation to another, and back from wherever that was cut off
#
# While a change is not confirmed, $pending holds `old`, `new`, and `phase`, written before each phase:
#   stopping  parts go down by the scripts that brought them up; all files are those before
#   laying    what differs is down; files are of both
#   starting  all files are those after; parts come up or reload
#   complete  waits to be confirmed
# On the way back the same phases are called back-stopping and so on, and new and old have changed places.

phase() { printf '%s\n' "$1" >"$pending/phase.new" && mv "$pending/phase.new" "$pending/phase" && sync -f "$pending"; }

# Parts, by systemd or without.

units() { printf 'netc-%s.service\n' "$@"; } # PARTS…
by_systemd() { # VERB PARTS…: at once, in the order that their units say
  local them
  mapfile -t them < <(units "${@:2}")
  timeout $((120 + 2 * $#)) systemctl "$1" "${them[@]}" 8>&-
}
why_not() { ! has_systemd || journalctl -u "netc-$1.service" -n 15 -o cat --no-pager 2>/dev/null || true; } # PART

stop_parts() { # PARTS…, in this order; those that stay are in `failed`
  failed=()
  (($#)) || return 0
  printf 'netc: down     %s\n' "$@" >&2
  ! has_systemd || stop_units "$@"
  take_down_parts "$@"
}
stop_units() { # PARTS…, in this order: what is bound to a part stops before it; units of links have nothing left to do
  local part group=() rest=()
  read_scripts down "$parts" "$@"
  for part in "$@" ''; do
    if [[ $part && ${script[$part]} == *'undo remove_link '* ]]; then
      group+=("$part")
      continue
    fi
    if ((${#group[@]} > 1)); then
      ((!${#rest[@]})) || by_systemd stop "${rest[@]}" || true
      links_down_together "${group[@]}"
      rest=()
    fi
    rest+=("${group[@]}" ${part:+"$part"})
    group=()
  done
  ((!${#rest[@]})) || by_systemd stop "${rest[@]}" || true
}
start_parts() { # PARTS…, in this order; those that are not up afterwards are in `failed`
  local part wanting=()
  failed=()
  (($#)) || return 0
  for part in "$@"; do is_up "$part" || { wanting+=("$part"); tell "up       $part"; }; done
  if has_systemd; then
    bring_up start_units "$@" || true
  else
    bring_up each_by_script "${wanting[@]}" || true
  fi
  failed=()
  for part in "$@"; do is_up "$part" || { why_not "$part"; failed+=("$part"); }; done
  ((!${#failed[@]}))
}
start_units() { # PARTS…: a unit whose part came up together with others asks nothing more while this is there
  echo "$$" >"$store/starting"
  by_systemd start "$@" || true
  rm -f "$store/starting"
}
reload_part() {
  is_up "$1" && [[ -x /etc/netc/parts/$1/reload ]] || { start_parts "$1"; return; }
  tell "reload   $1"
  if ! has_systemd; then "/etc/netc/parts/$1/reload" 8>&-; else by_systemd reload "$1" || { why_not "$1"; return 1; }; fi
}

retire() { # OLD NEW PART: what its old `down` takes back and its new one does not, since a reload only adds
  local old new script=$pending/retire
  old=$trees/$1/files new=$trees/$2/files
  manifest_of "$1" | grep -q "  retire:$3$" || return 0
  grep '^undo ' "$old/etc/netc/parts/$3/down" | grep -vxFf "$new/etc/netc/parts/$3/down" >"$script.lines" || return 0
  {
    grep '^source ' "$old/etc/netc/parts/$3/down" | sed "s,/usr/lib/netc/,$old/usr/lib/netc/,; s/ down$/ reload/"
    cat "$script.lines"
    echo finish
  } >"$script"
  bash "$script" 8>&-
}
retire_sets() { # OLD: ipsets of parts that left; they could not go while rules of the generation before named them
  local part down
  for part in "${!fate[@]}"; do
    [[ $part == set-* && ${fate[$part]} == leave ]] || continue
    down=$trees/$1/files/etc/netc/parts/$part/down
    bash -c "$(sed "s,/usr/lib/netc/,$trees/$1/files/usr/lib/netc/,; s/ down$/ none/; /^finish$/d" "$down")" 8>&-
  done
}

units_of() { manifest_of "$1" | grep -o 'unit:[^,]*' | cut -d: -f2- | sort -u; } # GENERATION: what is no part
invocation() { systemctl show -P InvocationID "$1" 2>/dev/null; }

remember_units() { # OLD NEW: which of them run, so that they do so afterwards
  local unit
  has_systemd || return 0
  for unit in $({ units_of "$1"; units_of "$2"; } | sort -u); do
    ! quietly systemctl is-active "$unit" || printf '%s %s\n' "$unit" "$(invocation "$unit")"
  done
}
stop_own_units() { # OLD NEW: those of netc that are no more
  local unit
  for unit in $(comm -23 <(units_of "$1") <(units_of "$2") | grep '^netc-'); do quietly systemctl stop "$unit" 8>&- || true; done
}
resume_units() { # NEW: what ran runs again, and anew where a file of it changed; it may have started anew already
  local unit was left=0
  has_systemd || return 0
  while read -r unit was; do
    if [[ ! ${changed_units[$unit]-} || $(invocation "$unit") != "$was" ]]; then
      quietly systemctl is-active "$unit" || ! is_loaded "$unit" || systemctl start "$unit" 8>&- || left=1
    elif is_loaded "$unit"; then
      tell "restart  $unit"
      systemctl restart "$unit" 8>&- || left=1
    fi
  done <"$pending/running"
  for unit in $(units_of "$1" | grep '^netc-.*\(timer\|service\)$' | grep -v '^netc-endpoints-.*service$'); do
    quietly systemctl is-active "$unit" || quietly systemctl start "$unit" 8>&- || true
  done
  return "$left"
}
is_loaded() { [[ $(systemctl show -P LoadState "$1") == loaded ]]; }

renew_systemd() { # OLD: what changed of systemd's own files is read
  has_systemd || return 0
  systemctl daemon-reload
  if quietly systemctl is-active systemd-networkd; then
    if [[ ${changed_units[systemd-networkd.service]-} ]]; then systemctl restart systemd-networkd; else networkctl reload || true; fi
  fi
  unset 'changed_units[systemd-networkd.service]'
  quietly systemctl enable netc.target || true
}
disable_units() { # NEW: what its units will be enabled by may differ; the target stays, which takes back what is cut off by a boot
  local target=/etc/systemd/system/netc.target
  has_systemd && [[ -e $target ]] || return 0
  sed -n 's/^Also=//p' "$target" | xargs -r systemctl --quiet disable || true
  [[ $1 != none ]] || quietly systemctl disable netc.target || true
}

# ---- the phases
go() { # OLD NEW [back-]: false as soon as something does not come up; on the way back all that can come up does
  local part back=${3-} left=0 order failed group=()
  plan_change "$1" "$2"
  if [[ $(<"$pending/phase") != "${back}"@(laying|starting) ]]; then
    phase "${back}stopping"
    order_of "$1"
    keep_those leave restart
    reversed order
    stop_parts "${order[@]}" || [[ $back ]] || { tell "${failed[*]} does not go down"; return 1; }
    phase "${back}laying"
  fi
  if [[ $(<"$pending/phase") != "${back}starting" ]]; then
    ! has_systemd || stop_own_units "$1" "$2"
    ! has_systemd || [[ $2 != none ]] || quietly systemctl stop netc.target 8>&- || true
    disable_units "$2"
    lay "$1" "$2" || return
    phase "${back}starting"
  fi
  renew_systemd
  order_of "$2"
  [[ $back ]] || keep_those restart start reload
  for part in "${order[@]}" ''; do
    if [[ $part && ${fate[$part]} != reload ]]; then
      group+=("$part")
      continue
    fi
    start_parts "${group[@]}" || { tell "${failed[*]} does not come up"; left=1; [[ $back ]] || return 1; }
    group=()
    [[ ! $part ]] || { reload_part "$part" && retire "$1" "$2" "$part"; } ||
      { tell "$part does not come up"; left=1; [[ $back ]] || return 1; }
  done
  retire_sets "$1"
  ! has_systemd || [[ $2 == none ]] || systemctl start netc.target 8>&- || left=1
  resume_units "$2" || left=1
  return "$left"
}

arm() { # SECONDS: the way back, which no lost connection and no signal to this process takes away
  local netc_host
  netc_host=$trees/$(<"$pending/new")/files/usr/local/sbin/netc-host
  ln -sfn "$netc_host" "$pending/netc-host"
  if has_systemd; then
    # The first of the two: a daemon-reload begins to count anew, and a clock may be set back.
    systemd-run --quiet --collect --unit=netc-revert --timer-property=AccuracySec=100ms --on-active="$1" \
      --on-calendar="@$(($(printf '%(%s)T' -1) + $1))" \
      "$netc_host" revert --unconfirmed 8>&-
  else
    # shellcheck disable=SC2016 # for the other shell
    NETC_REVERT=$pending setsid -f bash -c 'sleep "$1"; unset NETC_REVERT; exec "$2" revert --unconfirmed' revert "$1" "$netc_host" \
      </dev/null >>"$store/log" 2>&1 8>&-
  fi
}
reverting() { # processes that wait to go back, or do so, by their ids
  local process
  while IFS=/ read -r _ _ process _; do echo "$process"; done < <(grep -lszxF "NETC_REVERT=$pending" /proc/[0-9]*/environ 2>/dev/null)
}
disarm() { # but not the one that calls
  local process
  ! has_systemd || quietly systemctl stop netc-revert.timer || true
  for process in $(reverting); do
    [[ $process == "$$" ]] || kill "$process" 2>/dev/null || true
  done
}

end_change() { # CURRENT WORDS…: nothing is pending any more
  local to=$1
  printf '%(%FT%TZ)T %s %s\n' -1 "$to" "${*:2}" >>"$store/history"
  if [[ $to == none ]]; then rm -f "$store/current"; else ln -sfn "generations/$to" "$store/current.new" && mv -fT "$store/current.new" "$store/current"; fi
  rm -f "$store/reserve"
  rm -rf "$pending"
  sync -f "$store"
  forget_old
}
forget_old() { # but for the last five
  local path
  find "$trees" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | tail -n +6 | while read -r _ path; do
    [[ ${path##*/} == "$(current)" ]] || rm -rf "$path"
  done
}

begin_change() { # OLD NEW WANTED: all of $pending, or none of it
  local half=$store/pending.half
  rm -rf "$half"
  mkdir "$half" && printf '%s\n' "$1" >"$half/old" && printf '%s\n' "$2" >"$half/new" && printf '%s\n' "$3" >"$half/wanted" &&
    printf '%s\n' "${SSH_CONNECTION-}" >"$half/by" && cat /proc/sys/kernel/random/boot_id >"$half/boot" &&
    printf '%s\n' "$$" >"$half/process" && remember_units "$1" "$2" >"$half/running" &&
    printf '%s\n' preparing >"$half/phase" && mv -T "$half" "$pending"
}

switch() { # NEW SECONDS WANTED: WANTED is who may confirm, as the SHA-256 of the token
  local old
  old=$(current)
  begin_change "$old" "$1" "$3" || die "cannot write $store; nothing was changed"
  if ! reserve "$old" || ! prepare "$1"; then
    rm -rf "$pending" "$store/reserve"
    die "no room for the files, or for the way back; nothing was changed"
  fi
  arm "$2"
  echo $(($(printf '%(%s)T' -1) + $2)) >"$pending/until"
  if go "$old" "$1"; then
    phase complete
    tell "all of it is up"
  else
    tell "going back"
    revert_now "what was new did not come up"
    return 1
  fi
}
reserve() { # OLD: room for its files, for the way back
  local size=65536
  [[ $1 == none ]] || size=$(($(du -sb "$trees/$1" | cut -f1) * 2 + 1048576))
  fallocate -l "$size" "$store/reserve" 2>/dev/null || head -c "$size" /dev/zero >"$store/reserve"
}

revert_now() { # REASON: from any phase
  local old new at boot failed=0
  old=$(<"$pending/old") new=$(<"$pending/new") at=$(<"$pending/phase") boot=$(<"$pending/boot")
  rm -f "$store/reserve"
  clear_away "$new"
  [[ $boot != "$(</proc/sys/kernel/random/boot_id)" ]] || boot=''
  if [[ $boot && ! -e /run/netc ]]; then
    back_at_boot "$old" "$new" || failed=1
  else
    [[ ! $boot || $at == preparing ]] || at=complete # somebody has brought up what lies there
    case $at in
      preparing) ;;
      stopping) phase back-starting ;;
      laying) phase back-laying ;;
      starting | complete) phase back-stopping ;;
    esac
    [[ $at == preparing ]] || { prepare "$old" && go "$new" "$old" back-; } || failed=1
  fi
  disarm
  ((!failed)) || { tell "went back to $old, and not all of it came up: netc-host status"; }
  end_change "$old" "back from $new: $1"
  loudly "netc went back from $new to $old: $1"
  return "$failed"
}
back_at_boot() { # OLD NEW: nothing is up yet, and systemd has units of NEW to start
  prepare "$1" && disable_units "$1" && lay "$2" "$1" || return
  has_systemd || return 0
  systemctl daemon-reload
  [[ $1 == none ]] || { quietly systemctl enable netc.target; systemctl start --no-block netc.target; }
}
loudly() {
  tell "$*"
  ! command -v wall >/dev/null || quietly wall "$*" || true
  ! command -v logger >/dev/null || logger -t netc -p daemon.crit "$*" || true
}
