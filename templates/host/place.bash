# ---- put the files of a generation into place
# Each file that differs is first written beside its path. When all are written, they are renamed.
beside=.netc-new

not_in_place() { # reads a MANIFEST, prints the lines whose file is missing or differs on this host
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

prepare() { # NEW: writes each file that is not in place beside its path
  local sum path paths=() all=''
  local -A folders=()
  while read -r sum _ path _; do
    path=${path#files/}
    [[ ! -d /$path || -L /$path ]] || { report "/$path is a directory, and netc has a file there"; return 1; }
    paths+=("$path") folders[/${path%/*}]=1 all+="$sum  /$path$beside"$'\n'
  done < <(manifest_of "$1" | not_in_place)
  ((${#paths[@]})) || return 0
  make_folders "${!folders[@]}" && printf '%s\n' "${paths[@]}" |
    tar --create --directory "$trees/$1/files" --owner=0 --group=0 --no-recursion --files-from=- |
    tar --extract --directory / --touch --preserve-permissions --keep-directory-symlink --transform "s,\$,$beside," &&
    printf '%s' "$all" | sha256sum --check --quiet --strict >/dev/null && return
  remove_prepared "$1"
  return 1
}
remove_prepared() { # GENERATION: files that `prepare` wrote and `put_files` did not rename
  manifest_of "$1" | awk -v beside="$beside" '$3 ~ /^files\// {sub(/^files/, "", $3); print $3 beside}' | xargs -r -d '\n' rm -f
  remove_folders
}

make_folders() { # DIRECTORY…: notes those that were missing, for `remove_folders`
  local folder missing=() open=()
  local -A known=()
  for folder; do
    while [[ ! -d $folder && ! ${known[$folder]-} ]]; do
      known[$folder]=1 missing+=("$folder") folder=${folder%/*}
    done
  done
  ((${#missing[@]})) || return 0
  for folder in "${missing[@]}"; do [[ $folder == "$parts" ]] || open+=("$folder"); done
  # Nobody but root may ever open $parts, which is locked. BIRD and services read the others.
  printf '%s\n' "${missing[@]}" >>"$store/folders" && umask 077 && mkdir -p "${missing[@]}" && umask 022 && chmod 755 "${open[@]}"
}
remove_folders() { # those that `make_folders` made and that are empty
  local folder made=()
  [[ -e $store/folders ]] || return 0
  mapfile -t made < <(sort -ru "$store/folders")
  rmdir --ignore-fail-on-non-empty "${made[@]}" 2>/dev/null || true
  for folder in "${made[@]}"; do [[ ! -d $folder ]] || echo "$folder"; done >"$store/folders.new"
  mv "$store/folders.new" "$store/folders"
}

put_files() { # OLD NEW: renames what `prepare NEW` wrote, and removes files that only OLD has
  local path except=''
  while read -r _ _ path _; do
    path=/${path#files/}
    [[ ! -e $path$beside ]] || mv -fT "$path$beside" "$path" || return
  done < <(manifest_of "$2" | sed -n '/  files\//p')
  [[ $2 != none ]] || except='\,^files/usr/\(lib/netc\|local/sbin\)/,d;'
  comm -23 <(manifest_of "$1" | awk '{print $3}' | sort) <(manifest_of "$2" | awk '{print $3}' | sort) |
    sed -n "${except}s,^files/,/,p" | xargs -r -d '\n' rm -f
  remove_folders
  # Somebody else may have made these folders, with another umask.
  [[ $2 == none ]] || { find /etc/netc \( -path "$parts" -o -path /etc/netc/keys \) -prune -o -type d ! -perm 755 -exec chmod 755 {} + && chmod 700 "$parts"; }
  sync -f /etc /usr "$store"
}
remove_own_files() { rm -rf /usr/lib/netc /usr/local/sbin/netc-host && remove_folders; } # last: until then netc-host completes or takes back

has_file() { manifest_of "$1" | awk -v path="$2" '$3 == path {found = 1} END {exit !found}'; } # GENERATION PATH

occupied_paths() { # OLD NEW: prints paths with files of others: OLD did not have them, and they differ from NEW
  local path
  manifest_of "$2" | not_in_place | while read -r _ _ path _; do
    [[ ! -e /${path#files/} && ! -L /${path#files/} ]] || has_file "$1" "$path" || echo "/${path#files/}"
  done
}
