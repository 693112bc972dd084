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
  [[ ! -e $pending ]] || generation=$(<"$pending/new")
  [[ ! -e $pending || $(<"$pending/phase") == complete ]] || die "a change is under way, or was interrupted: netc-host revert rolls it back"
  [[ $generation != none ]] || die "nothing is installed"
  found=$(altered_files "$generation"; unknown_files "$generation"; closed_folders; differing_parts)
  [[ $found ]] || return 0
  printf '%s\n' "$found"
  return 1
}
differing_parts() { # prints parts that are not up, what checks of the others find, and rules and routes of netc that no part has
  local part order line up=()
  installed_order
  for part in "${order[@]}"; do
    if is_up "$part"; then
      up+=("$part")
    elif [[ -e /run/netc/$part ]]; then
      echo "part $part is half up"
    else
      echo "part $part is down"
    fi
  done
  check_parts "${up[@]}"
  while IFS=$'\t' read -r part line; do stray "$part" "$line"; done < <(strays)
}
altered_files() { # GENERATION
  local sum mode path place
  manifest_of "$1" | not_in_place | while read -r sum mode path _; do
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
  local path
  local -A known=()
  while read -r _ _ path _; do known[/${path#files/}]=1; done < <(manifest_of "$1")
  while read -r path; do
    [[ ! ${known[$path]-} && $path != @(/etc/netc/anycast/*.disabled|*"$beside") ]] || continue
    grep -qsF -e "$path" -- /etc/netc/parts/*/up /etc/netc/bird.conf || echo "file $path is not from netc" # scripts name files of the host's own
  done < <(find /etc/netc -path /etc/netc/keys -prune -o ! -type d -print)
}
