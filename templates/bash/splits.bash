# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced by the scripts of the packet filter if it matches programs by group or user, and of splits with a command.

make_groups() { # FILE of sysusers.d(5): groups that exist stay as they are
  local kind name
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers "$1"
    return
  fi
  while read -r kind name _; do
    [[ $kind != g ]] || getent group "$name" >/dev/null || groupadd --system "$name" || return
  done <"$1"
}
keep_groups() { say "the groups of $1 are not deleted, because files may belong to them"; }

make_hidden_folders() { mkdir -p "$@"; } # FOLDER…

masks_stay() { # GROUP FOLDER…: hidden from programs of the command. If a folder is deleted, the mounts over it go with it everywhere
  local gid file folder mounts gone lines said
  gid=$(getent group "$1") || return 0 # another question reports that
  gid=${gid#*:*:} gid=${gid%%:*}
  said=$(grep -lsE "^Gid:[[:space:]]+${gid}[[:space:]]" /proc/[0-9]*/status) || (($? <= 2)) || { differs "programs of group $1 cannot be checked"; return 0; }
  split_lines "$said"
  for file in "${lines[@]}"; do
    { mounts=$(<"${file%status}mountinfo"); } 2>/dev/null || continue # it has ended
    gone=()
    for folder in "${@:2}"; do [[ $mounts == *" / $folder "* ]] || gone+=("$folder"); done
    # A program from which nothing is hidden was not started by the command.
    file=${file%/status}
    ((!${#gone[@]} || ${#gone[@]} == $# - 1)) || differs "${gone[*]} was deleted, and is no longer hidden from process ${file##*/} of group $1: start it again"
  done
}

need_user() { getent passwd "$1" >/dev/null || refuse "the user $1 of a split does not exist: adduser $1"; }

daemons_that_resolve() { # prints a sentence for each daemon that resolves names for programs: its queries do not use the tunnel
  local line
  while read -r line; do
    [[ ! $line =~ ^hosts:.*[[:space:]]resolve([[:space:]]|$) ]] ||
      echo "systemd-resolved resolves names, and its queries do not use the tunnel: remove \`resolve\` from the line hosts: of /etc/nsswitch.conf"
  done </etc/nsswitch.conf
  [[ ! -S /run/nscd/socket ]] || echo "nscd resolves names, and its queries do not use the tunnel: $(disabling nscd)"
}
look_at_names() { # only warns: the host needs its packet filter. `install` refuses
  local line lines
  read_lines daemons_that_resolve
  for line in "${lines[@]}"; do say "$line"; done
}

groups_are() { # FILE of sysusers.d(5)
  local kind name
  is_readable "$1" || return 0
  while read -r kind name _; do
    [[ $kind != g ]] || getent group "$name" >/dev/null || differs "group $name is not there"
  done <"$1"
}
