# ---- preflight: checks of the tree and of this host, before anything changes
matches_manifest() { # TREE: it has every file of its MANIFEST, and no other
  local wrong
  wrong=$(cd "$1" && awk '{print $1 "  " $3}' MANIFEST | sha256sum --check --quiet --strict 2>&1) || { report "$wrong"; return 1; }
  wrong=$(cd "$1" && { awk '{print $3}' MANIFEST && find . ! -type d ! -path ./MANIFEST -printf '%P\n'; } | sort | uniq -u) || return
  [[ ! $wrong ]] || { report "not in MANIFEST: $wrong"; return 1; }
}

stage() { # TREE GENERATION: copies the tree to $trees
  local half=$trees/.half mode lines
  [[ ! -d $trees/$2 ]] || return 0
  rm -rf "$half"
  staged=$2
  mkdir "$half" && awk '{print $3}' "$1/MANIFEST" | (cd "$1" && xargs -d '\n' cp --parents -t "$half" MANIFEST) &&
    read_lines awk '!seen[$2]++ {print $2}' "$half/MANIFEST" && (cd "$half" && for mode in "${lines[@]}"; do
      awk -v mode="$mode" '$2 == mode {print $3}' MANIFEST | xargs -d '\n' chmod "$mode" || exit
    done) && chown -R root:root "$half" && sync -f "$half" && mv -T "$half" "$trees/$2" && return
  rm -rf "$half"
  return 1
}
unstage() { [[ $1 != "${staged-}" ]] || discard "$trees/$1"; } # GENERATION, if `stage` copied it

preflight() { # GENERATION
  local tree=$trees/$1/files left=0 order
  order_of "$1"
  read_scripts up "$tree/etc/netc/parts" "${order[@]}" || return
  needs_are_met || left=1
  tools_suffice "$tree/etc/netc/target" && scripts_parse "$tree" || left=1
  find_admin "$tree" "$from" || left=1
  ((!left)) || return
  run_trial "$tree" || left=1
  # shellcheck source=/dev/null
  [[ ! -e $tree/usr/lib/netc/confined.bash ]] || { source "$tree/usr/lib/netc/confined.bash" && services_stay_inside "$tree"; } || left=1
  return "$left"
}

needs_are_met() { # each program and secret that the parts of `order` need is there
  local part line lines word what package missing='' left=0 how="bash $0 keys"
  local -A known=()
  [[ ! ${NETC_SIGNED-} ]] || how="files/usr/local/sbin/netc-host keys in the unpacked bundle"
  for part in "${order[@]}"; do
    split_lines "${script[$part]}"
    for line in "${lines[@]}"; do
      [[ $line == @(need|secret)\ * ]] && read -r word what package <<<"$line" && [[ ! ${known[$word $what]-} ]] || continue
      known[$word $what]=1
      case $word in
        need) command -v "$what" >/dev/null || [[ " $missing" == *" $package "* ]] || missing+="$package " ;;
        secret) [[ $what != /* || -s $what ]] || { report "the secret $what is missing: copy it to this host; this makes keys of its own and lists the others: $how"; left=1; } ;;
      esac
    done
  done
  [[ ! $missing ]] || { report "missing: apt-get install $missing"; left=1; }
  return "$left"
}

scripts_parse() ( # TREE: this host's bash parses every script, as the body of a function that nothing calls
  IFS=$'\n'
  for file in "$1"/etc/netc/parts/*/* "$1"/usr/lib/netc/* "$1"/usr/local/*bin/*; do
    [[ -f $file ]] || continue
    mapfile -t text <"$file" && eval "never_called() {"$'\n'"${text[*]}"$'\n'"}" || { report "bash cannot parse $file"; exit 1; }
  done
)
