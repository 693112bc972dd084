# ---- check: prints each difference from what was installed, on a line of its own
check_parts() { # PARTS… that are up: prints what their `check` scripts find. Run it in a subshell: it redefines `source` and `finish`
  local part journal script
  local -A sourced=()
  source() { # these scripts call it in place of the builtin
    case $1 in
      */steps.bash) part=$2 journal=/run/netc/$2 ;;
      *) [[ ${sourced[$1]-} ]] || { sourced[$1]=1; builtin source "$1"; } ;;
    esac
  }
  finish() { :; }
  ask_all
  for script in "$@"; do
    part=$script journal=/run/netc/$script
    asking=$script # global: after an error the EXIT trap of steps.bash reads it, and locals are gone
    if [[ -r $parts/$script/check ]]; then builtin source "$parts/$script/check"; else differs "cannot be checked: it has no check script"; fi
  done
  trap - EXIT
  ((!${#differences[@]})) || printf '%s\n' "${differences[@]}"
}

check() {
  local found generation
  (($# == 0)) || usage
  generation=$(current)
  [[ ! -e $pending ]] || { is_complete && generation=$(<"$pending/new"); } || die "a change is under way, or was interrupted: netc-host revert rolls it back"
  [[ $generation != none ]] || die "nothing is installed"
  found=$(altered_files "$generation" && unknown_files "$generation" && closed_folders || exit; (ask check_host); differing_parts)
  (($? == 0)) || found+=$'\n'"the check did not finish"
  [[ $found ]] || return 0
  printf '%s\n' "$found"
  return 1
}
differing_parts() { # prints parts that are not up, what checks of the others find, and rules and routes of netc that no part has
  local part order line lines up=()
  installed_order
  for part in "${order[@]}"; do
    if is_up "$part"; then up+=("$part"); continue; fi
    if [[ -e /run/netc/$part ]]; then echo "part $part is half up"; else echo "part $part is down"; fi
  done
  ! needs_run || echo "netc-host run does not run, and $job needs it"
  check_parts "${up[@]}"
  read_lines strays || return
  for line in "${lines[@]}"; do stray "${line%%$'\t'*}" "${line#*$'\t'}"; done
}
runs() { # `netc-host run` does, in process `runner`
  local words=()
  { read -r runner </run/netc-run/pid && mapfile -d '' -t words <"/proc/$runner/cmdline"; } 2>/dev/null
  [[ ${words[*]:1} == */'netc-host run' ]]
}
needs_run() { # this host has no systemd, and nothing runs its `job`
  ! has_systemd && ! runs || return
  for job in "$parts"/*/{watch,health,endpoints,hold,metrics}; do [[ ! -e $job ]] || return 0; done
  false
}
altered_files() { # GENERATION
  local sum mode path place line lines
  not_in_place "$1" || return
  for line in "${lines[@]}"; do
    read -r sum mode path _ <<<"$line"
    place=/${path#files/}
    if [[ ! -e $place && ! -L $place ]]; then
      echo "file $place is missing"
    elif [[ ! -f $place || $(sha256sum <"$place") != "$sum  -" ]]; then
      echo "file $place is not as it was installed"
    else
      echo "file $place has mode $(stat -c '%a of %U:%G' "$place"), not ${mode#0} of root:root"
    fi
  done
}
closed_folders() { # BIRD and services are not root
  find /etc/netc \( -path "$parts" -o -path /etc/netc/keys \) -prune -o -type d ! -perm -055 -printf 'folder %p has mode %m, not 755\n'
}
unknown_files() { # GENERATION: files in /etc/netc that it does not have, except the host's own
  local path lines
  local -A known=()
  read_lines awk '{print $3}' "$trees/$1/MANIFEST" || return
  for path in "${lines[@]}"; do known[/${path#files/}]=1; done
  read_lines find /etc/netc -path /etc/netc/keys -prune -o ! -type d -print || return
  for path in "${lines[@]}"; do
    [[ ! ${known[$path]-} && $path != @(/etc/netc/anycast/*.disabled|*"$beside") ]] || continue
    # What a script names is the host's own.
    grep -qsF -e "$path" -- /etc/netc/parts/*/up /etc/netc/bird.conf || echo "file $path is not from netc"
  done
}
