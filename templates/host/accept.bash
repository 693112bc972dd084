# ---- what is asked of a tree and of this host before anything is touched
right_host() { # HOST of the tree: of this host's name, until it has once been told
  local known
  if [[ -e $store/host ]]; then
    known=$(<"$store/host")
    [[ $known == "$1" ]] || die "this host is $known, and this tree is for $1 (--host to change that)"
  else
    known=$(uname -n)
    [[ ${known%%.*} == "$1" ]] || die "this host is called $known, and this tree is for $1: is it the right one? then --host"
  fi
}

unaltered() { # TREE: every file of the MANIFEST, and no other
  local wrong
  wrong=$(cd "$1" && awk '{print $1 "  " $3}' MANIFEST | sha256sum --check --quiet --strict 2>&1) || { tell "$wrong"; return 1; }
  wrong=$(cd "$1" && comm -3 <(awk '{print $3}' MANIFEST | sort) <(find . -mindepth 1 ! -type d -printf '%P\n' | grep -vx MANIFEST | sort) | tr -d '\t')
  [[ ! $wrong ]] || { tell "not in MANIFEST: $wrong"; return 1; }
}

stage() { # TREE GENERATION
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
unstage() { [[ $1 != "${staged-}" ]] || rm -rf "${trees:?}/$1"; } # if it was not there before this

nobodys_place() { # OLD NEW
  local found='' changed=''
  [[ $1 == "$2" ]] || found=$(strangers "$1" "$2")
  [[ $1 == none ]] || changed=$(manifest_of "$1" | in_place | awk '{sub(/^files/, "", $3); print $3}')
  [[ ! $found ]] || tell "not from netc, and in the way (--overwrite to replace): $found"
  [[ ! $changed ]] || tell "changed by hand since it was installed (--overwrite to replace): $changed"
  [[ ! $found$changed ]]
}

judge() { # GENERATION
  local tree=$trees/$1/files left=0 order
  order_of "$1"
  read_scripts up "$tree/etc/netc/parts" "${order[@]}"
  needs || left=1
  shells "$tree" || left=1
  ((!left)) || return
  in_its_place "$tree" || left=1
  return "$left"
}

needs() { # what the parts ask for: programs, and secrets that the host brings
  local part word what package missing='' left=0 how="bash $0 keys"
  local -A known=()
  [[ ! ${NETC_SIGNED-} ]] || how="files/usr/local/sbin/netc-host keys, in the unpacked bundle"
  for part in "${order[@]}"; do
    while read -r word what package; do
      [[ ! ${known[$word $what]-} ]] || continue
      known[$word $what]=1
      case $word in
        need) command -v "$what" >/dev/null || [[ " $missing" == *" $package "* ]] || missing+="$package " ;;
        secret)
          [[ $what != /* || -s $what ]] || { tell "the secret $what is missing: bring it, or make it: $how"; left=1; }
          ;;
      esac
    done <<<"${script[$part]}"
  done
  [[ ! $missing ]] || { tell "missing: apt-get install $missing"; left=1; }
  return "$left"
}

shells() ( # TREE: this host's bash can read every script: each as the body of a function, which nobody calls
  IFS=$'\n'
  for file in "$1"/etc/netc/parts/*/* "$1"/usr/lib/netc/* "$1"/usr/local/*bin/*; do
    [[ -f $file ]] || continue
    mapfile -t text <"$file"
    eval "unread() {"$'\n'"${text[*]}"$'\n'"}" || { tell "$file"; exit 1; }
  done
)

in_its_place() { # TREE: by the judges of this host, and by a packet from where the admin came
  local way=() client server port device left=0
  [[ -e $1/usr/lib/netc/trial.bash ]] || return 0
  read -r client _ server port <<<"${SSH_CONNECTION-}"
  device=$(ip -o route get "${client:-none}" from "${server:-none}" 2>/dev/null | sed -n 's/.* dev \([^ ]*\) .*/\1/p')
  [[ $client != *%* ]] || device=${client#*%}
  [[ ! $device || $device == lo ]] || way=("$server" "$port" "${client%%%*}" "$device")
  make_folders /etc/netc /run/netc && [[ -d /run/netc ]] || return
  unshare --mount --net bash "$1/usr/local/sbin/netc-host" try "$1" "${way[@]}" 8>&- || left=1
  remove_folders
  return "$left"
}
