# ---- the files of a generation, put into their places
# All that changes is first written beside its place, when nothing has changed yet, and then renamed.
beside=.netc-new

in_place() { # reads a MANIFEST: the lines whose file is not in its place as it should be
  local word sum mode path place line lines=() places=()
  local -A sums=() modes=()
  while read -r line; do
    [[ $line == *'  files/'* ]] || continue
    read -r _ _ path _ <<<"$line"
    lines+=("$line")
    [[ ! -f /${path#files/} ]] || places+=("/${path#files/}")
  done
  while read -r word place; do
    if [[ $word == *:* ]]; then modes[$place]=${word#*:}; else sums[$place]=$word; fi
  done < <(printf '%s\n' "${places[@]}" | xargs -r -d '\n' sh -c 'sha256sum "$@"; exec stat -c "is:%a:%u:%g %n" "$@"' - 2>/dev/null)
  for line in "${lines[@]}"; do
    read -r sum mode path _ <<<"$line"
    place=/${path#files/}
    [[ ${sums[$place]-} == "$sum" && ${modes[$place]-} == "${mode#0}:0:0" ]] || printf '%s\n' "$line"
  done
}

prepare() { # NEW: all that is not in its place yet is written beside it
  local sum path paths=() all=''
  local -A holding=()
  while read -r sum _ path _; do
    path=${path#files/}
    [[ ! -d /$path || -L /$path ]] || { tell "/$path is a folder"; return 1; }
    paths+=("$path") holding[/${path%/*}]=1 all+="$sum  /$path$beside"$'\n'
  done < <(manifest_of "$1" | in_place)
  ((${#paths[@]})) || return 0
  make_folders "${!holding[@]}" && printf '%s\n' "${paths[@]}" |
    tar --create --directory "$trees/$1/files" --owner=0 --group=0 --no-recursion --files-from=- |
    tar --extract --directory / --touch --preserve-permissions --keep-directory-symlink --transform "s,\$,$beside," &&
    printf '%s' "$all" | sha256sum --check --quiet --strict >/dev/null && return
  clear_away "$1"
  return 1
}
clear_away() { # GENERATION: what was prepared and not used
  manifest_of "$1" | awk -v beside="$beside" '$3 ~ /^files\// {sub(/^files/, "", $3); print $3 beside}' | xargs -r -d '\n' rm -f
  remove_folders
}

make_folders() { # and remember them, to be removed again
  local folder missing=()
  local -A known=()
  for folder; do
    while [[ ! -d $folder && ! ${known[$folder]-} ]]; do
      known[$folder]=1 missing+=("$folder") folder=${folder%/*}
    done
  done
  ((${#missing[@]})) || return 0
  printf '%s\n' "${missing[@]}" >>"$store/folders" && mkdir -p "${missing[@]}"
}
remove_folders() { # that were made here and hold nothing any more
  local folder made=()
  [[ -e $store/folders ]] || return 0
  mapfile -t made < <(sort -ru "$store/folders")
  rmdir --ignore-fail-on-non-empty "${made[@]}" 2>/dev/null || true
  for folder in "${made[@]}"; do [[ ! -d $folder ]] || echo "$folder"; done >"$store/folders.new"
  mv "$store/folders.new" "$store/folders"
}

lay() { # OLD NEW, which was prepared
  local path
  while read -r _ _ path _; do
    path=/${path#files/}
    [[ ! -e $path$beside ]] || mv -fT "$path$beside" "$path" || return
  done < <(manifest_of "$2" | sed -n '/  files\//p')
  comm -23 <(manifest_of "$1" | awk '{print $3}' | sort) <(manifest_of "$2" | awk '{print $3}' | sort) |
    sed -n 's,^files/,/,p' | xargs -r -d '\n' rm -f
  remove_folders
  sync -f /etc /usr "$store"
}

brings() { manifest_of "$1" | awk -v path="$2" '$3 == path {found = 1} END {exit !found}'; } # GENERATION PATH

strangers() { # OLD NEW: places that are somebody else's: files that OLD did not bring, and that are not as NEW has them
  local path
  manifest_of "$2" | in_place | while read -r _ _ path _; do
    [[ ! -e /${path#files/} && ! -L /${path#files/} ]] || brings "$1" "$path" || echo "/${path#files/}"
  done
}
