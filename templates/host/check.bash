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
  [[ ! -e $pending || $(<"$pending/phase") == complete ]] || die "a change is under way"
  [[ $generation != none ]] || die "nothing is installed"
  found=$(altered_files "$generation"; unknown_files "$generation"; differing_image /etc/netc/image; differing_parts)
  [[ $found ]] || return 0
  printf '%s\n' "$found"
  return 1
}
differing_parts() { # prints parts that are not up, what checks of the others find, and rules and routes of netc that no part has
  local part order line up=()
  installed_order
  for part in "${order[@]}"; do
    if is_up "$part"; then up+=("$part"); continue; fi
    if [[ -e /run/netc/$part ]]; then echo "part $part is half up"; else echo "part $part is down"; fi
  done
  check_parts "${up[@]}"
  while IFS=$'\t' read -r part line; do stray "$part" "$line"; done < <(strays)
}
altered_files() { # GENERATION
  local sum mode path place now
  manifest_of "$1" | not_in_place | while read -r sum mode path _; do
    place=/${path#files/}
    if [[ ! -e $place && ! -L $place ]]; then
      echo "file $place is missing"
    elif [[ ! -f $place || $(sha256sum <"$place") != "$sum  -" ]]; then
      echo "file $place is not as it was installed"
    else
      now=$(stat -c '%a of %U:%G' "$place")
      echo "file $place has mode $now, not ${mode#0} of root:root"
    fi
  done
}
unknown_files() { # GENERATION: files in /etc/netc that it does not have, except the host's own
  local path
  local -A known=()
  while read -r _ _ path _; do known[/${path#files/}]=1; done < <(manifest_of "$1")
  while read -r path; do
    [[ ! ${known[$path]-} ]] || continue
    case $path in
      /etc/netc/anycast/*.disabled | *"$beside") continue ;;
    esac
    is_named_by_scripts "$path" || echo "file $path is not from netc"
  done < <(find /etc/netc -path /etc/netc/keys -prune -o ! -type d -print)
}
is_named_by_scripts() { # FILE of the host, which netc reads
  grep -qsF -e "$1" -- /etc/netc/parts/*/up /etc/netc/bird.conf
}
