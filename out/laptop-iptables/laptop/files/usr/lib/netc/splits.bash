# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced by the scripts of the packet filter if it matches programs by group or user.

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

need_user() { getent passwd "$1" >/dev/null || refuse "the user $1 of a split does not exist: adduser $1"; }

look_at_names() { # warns about daemons that resolve names for programs: their queries do not use the tunnel
  local line
  while read -r line; do
    [[ ! $line =~ ^hosts:.*[[:space:]]resolve([[:space:]]|$) ]] ||
      say "systemd-resolved resolves names, and its queries do not use the tunnel: remove \`resolve\` from the line hosts: of /etc/nsswitch.conf"
  done </etc/nsswitch.conf
  [[ ! -S /run/nscd/socket ]] || say "nscd resolves names, and its queries do not use the tunnel: systemctl disable --now nscd"
}

groups_are() { # FILE of sysusers.d(5)
  local kind name
  is_readable "$1" || return 0
  while read -r kind name _; do
    [[ $kind != g ]] || getent group "$name" >/dev/null || differs "group $name is not there"
  done <"$1"
}
