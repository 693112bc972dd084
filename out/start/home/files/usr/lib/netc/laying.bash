# shellcheck shell=bash disable=SC2154
# Sourced after generations.bash: the files of a generation, put into their places. Each is first written beside its place, when
# nothing has changed yet, and then renamed.
beside=.netc-new

in_place() { # reads a MANIFEST: the lines whose file is not in its place as it should be
  local sum mode path rest place manifest
  manifest=$(sed -n '/  files\//p')
  local -A sums=() modes=()
  while read -r sum place; do sums[$place]=$sum; done < <(places "$manifest" | xargs -r -d '\n' sha256sum 2>/dev/null)
  while read -r mode place; do modes[$place]=$mode; done < <(places "$manifest" | xargs -r -d '\n' stat -c '%a:%u:%g %n' 2>/dev/null)
  while read -r sum mode path rest; do
    [[ $path ]] || continue
    place=/${path#files/}
    [[ ${sums[$place]-} == "$sum" && ${modes[$place]-} == "${mode#0}:0:0" ]] || echo "$sum $mode $path $rest"
  done <<<"$manifest"
}
places() { awk '{sub(/^files/, "", $3); print $3}' <<<"$1"; }

prepare() { # NEW: all that is not in its place yet is written beside it
  local sum mode path place
  while read -r sum mode path _; do
    place=/${path#files/}
    make_folder "${place%/*}" && install -m "$mode" -o root -g root "$(tree_of "$1")/$path" "$place$beside" &&
      [[ $(sha256sum <"$place$beside") == "$sum  -" ]] || { clear_away "$1"; return 1; }
  done < <(manifest_of "$1" | in_place)
}
clear_away() { # GENERATION: what was prepared and not used
  manifest_of "$1" | awk -v beside="$beside" '$3 ~ /^files\// {sub(/^files/, "", $3); print $3 beside}' | xargs -r -d '\n' rm -f
  remove_folders
}

make_folder() { # and remember it, to be removed again
  [[ ! -d $1 ]] || return 0
  make_folder "${1%/*}" && mkdir "$1" && echo "$1" >>"$store/folders"
}
remove_folders() { # that were made here and hold nothing any more
  local folder
  [[ -e $store/folders ]] || return 0
  sort -ru "$store/folders" | while read -r folder; do
    rmdir "$folder" 2>/dev/null || [[ ! -d $folder ]] || echo "$folder"
  done >"$store/folders.new"
  mv "$store/folders.new" "$store/folders"
}

lay() { # OLD NEW, which was prepared
  local path
  manifest_of "$2" | awk '$3 ~ /^files\// {sub(/^files/, "", $3); print $3}' | while read -r path; do
    [[ ! -e $path$beside ]] || mv -fT "$path$beside" "$path" || return
  done || return
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
