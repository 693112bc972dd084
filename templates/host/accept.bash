# ---- preflight: checks of the tree and of this host, before anything changes
require_right_host() { # HOST of the tree: the name that this host remembers, or at first its hostname
  local known
  if [[ -e $store/host ]]; then
    known=$(<"$store/host")
    [[ $known == "$1" ]] || die "this host is $known, and this tree is for $1: to install it nevertheless, add --host"
  else
    known=$(uname -n)
    [[ ${known%%.*} == "$1" ]] || die "this host is called $known, and this tree is for $1: if this is the right host, add --host"
  fi
}

matches_manifest() { # TREE: it has every file of its MANIFEST, and no other
  local wrong
  wrong=$(cd "$1" && awk '{print $1 "  " $3}' MANIFEST | sha256sum --check --quiet --strict 2>&1) || { report "$wrong"; return 1; }
  wrong=$(cd "$1" && comm -3 <(awk '{print $3}' MANIFEST | sort) <(find . -mindepth 1 ! -type d -printf '%P\n' | grep -vx MANIFEST | sort) | tr -d '\t')
  [[ ! $wrong ]] || { report "not in MANIFEST: $wrong"; return 1; }
}

stage() { # TREE GENERATION: copies the tree to $trees
  local half=$trees/.half mode
  [[ ! -d $trees/$2 ]] || return 0
  rm -rf "$half"
  staged=$2
  mkdir "$half" && awk '{print $3}' "$1/MANIFEST" | (cd "$1" && xargs -d '\n' cp --parents -t "$half" MANIFEST) &&
    awk '{print $2}' "$1/MANIFEST" | sort -u | while read -r mode; do
      awk -v mode="$mode" '$2 == mode {print $3}' "$1/MANIFEST" | (cd "$half" && xargs -d '\n' chmod "$mode") || exit
    done && chown -R root:root "$half" && sync -f "$half" && mv -T "$half" "$trees/$2" && return
  rm -rf "$half"
  return 1
}
unstage() { [[ $1 != "${staged-}" ]] || discard "$trees/$1"; } # GENERATION, if `stage` copied it

paths_are_free() { # OLD NEW: no file of others would be replaced, and nobody changed a file of OLD
  local found='' changed=''
  [[ $1 == "$2" ]] || found=$(occupied_paths "$1" "$2")
  [[ $1 == none ]] || changed=$(manifest_of "$1" | not_in_place | awk '{sub(/^files/, "", $3); print $3}')
  [[ ! $found ]] || report "not installed by netc, at paths that it needs (--overwrite replaces them): $found"
  [[ ! $changed ]] || report "changed by hand since the install (--overwrite replaces them): $changed"
  [[ ! $found$changed ]]
}

preflight() { # GENERATION
  local tree=$trees/$1/files left=0 order
  order_of "$1"
  read_scripts up "$tree/etc/netc/parts" "${order[@]}"
  needs_are_met || left=1
  scripts_parse "$tree" || left=1
  use bring && find_admin "$tree" "$from" || left=1
  ((!left)) || return
  run_trial "$tree" || left=1
  # shellcheck source=/dev/null
  [[ ! -e $tree/usr/lib/netc/confined.bash ]] || { source "$tree/usr/lib/netc/confined.bash" && services_stay_inside "$tree"; } || left=1
  return "$left"
}

needs_are_met() { # each program and secret that the parts of `order` need is there
  local part word what package missing='' left=0 how="bash $0 keys"
  local -A known=()
  [[ ! ${NETC_SIGNED-} ]] || how="files/usr/local/sbin/netc-host keys in the unpacked bundle"
  for part in "${order[@]}"; do
    while read -r word what package; do
      [[ ! ${known[$word $what]-} ]] || continue
      known[$word $what]=1
      case $word in
        need) command -v "$what" >/dev/null || [[ " $missing" == *" $package "* ]] || missing+="$package " ;;
        secret) [[ $what != /* || -s $what ]] || { report "the secret $what is missing: copy it to this host, or make it: $how"; left=1; } ;;
      esac
    done <<<"${script[$part]}"
  done
  [[ ! $missing ]] || { report "missing: apt-get install $missing"; left=1; }
  return "$left"
}

scripts_parse() ( # TREE: this host's bash parses every script, as the body of a function that nothing calls
  IFS=$'\n'
  for file in "$1"/etc/netc/parts/*/* "$1"/usr/lib/netc/* "$1"/usr/local/*bin/*; do
    [[ -f $file ]] || continue
    mapfile -t text <"$file"
    eval "never_called() {"$'\n'"${text[*]}"$'\n'"}" || { report "bash cannot parse $file"; exit 1; }
  done
)
