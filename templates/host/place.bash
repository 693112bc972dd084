# ---- put the files of a generation into place
# Each file that differs is first written beside its path. When all are written, they are renamed.
beside=.netc-new

not_in_place() { # GENERATION: puts the lines of its MANIFEST whose file is missing or differs on this host into `lines`
  local word sum mode path place line found=() places=()
  local -A there=()
  [[ $1 == none ]] || mapfile -t found <"$trees/$1/MANIFEST" || return
  for line in "${found[@]}"; do
    read -r _ _ path _ <<<"$line"
    [[ $path != files/* || ! -f /${path#files/} ]] || places+=("/${path#files/}")
  done
  # What cannot be read counts as different.
  split_lines "$(printf '%s\n' "${places[@]}" | xargs -r -d '\n' sh -c 'sha256sum "$@"; exec stat -c "is:%a:%u:%g %n" "$@"' - 2>/dev/null)"
  for line in "${lines[@]}"; do
    read -r word place <<<"$line"
    there[$place]+="$word "
  done
  lines=()
  for line in "${found[@]}"; do
    read -r sum mode path _ <<<"$line"
    [[ $path != files/* || ${there[/${path#files/}]-} == "$sum is:${mode#0}:0:0 " ]] || lines+=("$line")
  done
}

prepare() { # NEW: writes each file that is not in place beside its path
  local sum path line lines paths=() all=''
  local -A folders=()
  not_in_place "$1" || return
  for line in "${lines[@]}"; do
    read -r sum _ path _ <<<"$line"
    path=${path#files/}
    [[ ! -d /$path || -L /$path ]] || { report "/$path is a directory, and netc has a file there"; return 1; }
    paths+=("$path") folders[/${path%/*}]=1 all+="$sum  /$path$beside"$'\n'
  done
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
  local folder lines kept=()
  [[ -e $store/folders ]] || return 0
  read_lines sort -ru "$store/folders" || return
  rmdir --ignore-fail-on-non-empty "${lines[@]}" 2>/dev/null || true
  for folder in "${lines[@]}"; do [[ ! -d $folder ]] || kept+=("$folder"); done
  printf '%s\n' "${kept[@]}" >"$store/folders.new" && mv "$store/folders.new" "$store/folders"
}

put_files() { # OLD NEW: renames what `prepare NEW` wrote, and removes files that only OLD has
  local path lines places gone except=''
  places=$(manifest_of "$2" | sed -n 's,^[^/]*  files/\([^ ]*\).*,/\1,p') || return
  [[ $2 != none ]] || except='\,^files/usr/\(lib/netc\|local/sbin\)/,d;'
  # NEW twice: what is there once is of OLD alone.
  gone=$({ manifest_of "$1" && manifest_of "$2" && manifest_of "$2"; } | awk '{print $3}' | sort | uniq -u | sed -n "${except}s,^files/,/,p") || return
  split_lines "$places"
  for path in "${lines[@]}"; do [[ ! -e $path$beside ]] || mv -fT "$path$beside" "$path" || return; done
  [[ ! $gone ]] || printf '%s\n' "$gone" | xargs -d '\n' rm -f || return
  remove_folders
  # Somebody else may have made these folders, with another umask.
  [[ $2 == none ]] || { find /etc/netc \( -path "$parts" -o -path /etc/netc/keys \) -prune -o -type d ! -perm 755 -exec chmod 755 {} + && chmod 700 "$parts"; }
  sync -f /etc /usr "$store"
}
remove_own_files() { runs || rm -rf /run/netc-run; rm -rf /usr/lib/netc /usr/local/sbin/netc-host && remove_folders; } # last: until then netc-host completes or takes back
