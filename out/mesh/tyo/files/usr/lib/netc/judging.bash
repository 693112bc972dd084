# shellcheck shell=bash disable=SC2154
# Sourced after generations.bash by `install`: what is asked of a tree and of this host before anything is touched.

right_hands() { # where it is said who signs, a tree comes in a bundle, whose signature was looked at
  [[ ! -e /etc/netc/allowed_signers || ${NETC_SIGNED-} ]] || die "this host takes signed bundles alone: netc-host install FILE.tar.gz"
}

right_host() { # of its name, until it has once been told
  local known
  if [[ -e $store/host ]]; then
    known=$(<"$store/host")
    [[ $known == "${host:?}" ]] || die "this host is $known, and this tree is for $host (--host to change that)"
  else
    known=$(uname -n)
    [[ ${known%%.*} == "${host:?}" ]] || die "this host is called $known, and this tree is for $host: is it the right one? then --host"
  fi
}

unaltered() { # TREE: every file of the MANIFEST, and no other
  local wrong
  wrong=$(cd "$1" && awk '{print $1 "  " $3}' MANIFEST | sha256sum --check --quiet --strict 2>&1) || { tell "$wrong"; return 1; }
  wrong=$(cd "$1" && comm -3 <(awk '{print $3}' MANIFEST | sort) <(find . -mindepth 1 ! -type d -printf '%P\n' | grep -vx MANIFEST | sort) | tr -d '\t')
  [[ ! $wrong ]] || { tell "not in MANIFEST: $wrong"; return 1; }
}

stage() { # TREE GENERATION
  local half=$store/generations/.half path mode
  [[ ! -d $(tree_of "$2") ]] || return 0
  rm -rf "$half"
  staged=$2
  mkdir "$half" && awk '{print $3}' "$1/MANIFEST" | (cd "$1" && xargs -d '\n' cp --parents -t "$half" MANIFEST) &&
    awk '{print $2, $3}' "$1/MANIFEST" | while read -r mode path; do chmod "$mode" "$half/$path" || exit; done &&
    chown -R root:root "$half" && sync -f "$half" && mv -T "$half" "$(tree_of "$2")" && return
  rm -rf "$half"
  return 1
}
unstage() { [[ $1 != "${staged-}" ]] || rm -rf "$(tree_of "$1")"; } # if it was not there before this

nobodys_place() { # OLD NEW
  local found changed
  found=$(strangers "$1" "$2")
  changed=$(manifest_of "$1" | in_place | awk '{sub(/^files/, "", $3); print $3}')
  [[ ! $found ]] || tell "not from netc, and in the way (--overwrite to replace): $found"
  [[ ! $changed ]] || tell "changed by hand since it was installed (--overwrite to replace): $changed"
  [[ ! $found$changed ]]
}

judge() { # GENERATION
  local tree left=0
  tree=$(tree_of "$1")/files
  tools "$tree" || left=1
  secrets "$tree" || left=1
  shells "$tree" || left=1
  ((!left)) || return
  in_its_place "$tree" || left=1
  return "$left"
}

tools() { # TREE: those that its parts ask for
  local missing
  missing=$(sed -n 's/^need \([^ ]*\) \([^ ]*\)$/\1 \2/p' "$1"/etc/netc/parts/*/up | sort -u | while read -r tool package; do
    command -v "$tool" >/dev/null || echo "$package"
  done | sort -u | tr '\n' ' ')
  [[ ! $missing ]] || { tell "missing: apt-get install $missing"; return 1; }
}

secrets() { # TREE
  local file left=0
  while read -r file; do
    [[ -s $file ]] || { tell "the secret $file is missing: bring it, or have netc-host keys make it"; left=1; }
  done < <(sed -n 's,^secret \(/[^ ]*\)$,\1,p' "$1"/etc/netc/parts/*/up | sort -u)
  return "$left"
}

shells() { # TREE
  local left=0 file
  while read -r file; do bash -n "$file" || left=1; done < <(grep -rlIE '^#!.*bash|^# shellcheck shell=bash' "$1")
  return "$left"
}

in_its_place() { # TREE: by the judges of this host, and by a packet from where the admin came
  local way=() client server port device left=0
  read -r client _ server port <<<"${SSH_CONNECTION-}"
  device=$(ip -o route get "${client:-none}" from "${server:-none}" 2>/dev/null | sed -n 's/.* dev \([^ ]*\) .*/\1/p')
  [[ $client != *%* ]] || device=${client#*%}
  [[ ! $device || $device == lo ]] || way=("$server" "$port" "${client%%%*}" "$device")
  make_folder /etc/netc && make_folder /run/netc && [[ -d /run/netc ]] || return
  unshare --mount --net bash "$1/usr/lib/netc/trying.bash" "$1" "${way[@]}" 8>&- || left=1
  remove_folders
  return "$left"
}
