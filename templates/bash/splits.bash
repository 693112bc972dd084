# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced by the scripts of the packet filter, where it tells programs by their group or user.

make_groups() { # FILE: of sysusers.d(5); a group that is there stays as it is
  local kind name
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers "$1"
    return
  fi
  while read -r kind name _; do
    [[ $kind != g ]] || getent group "$name" >/dev/null || groupadd --system "$name" || return
  done <"$1"
}
keep_groups() { say "the groups of $1 stay, since files may be theirs by now"; }

need_user() { getent passwd "$1" >/dev/null || refuse "there is no user $1, whose programs go by a tunnel"; }

look_at_names() { # what is asked of a daemon is sent by the daemon, outside of the tunnel
  local line
  while read -r line; do
    [[ ! $line =~ ^hosts:.*[[:space:]]resolve([[:space:]]|$) ]] ||
      say "names are asked of systemd-resolved, outside of the tunnel: take \`resolve\` out of /etc/nsswitch.conf"
  done </etc/nsswitch.conf
  [[ ! -S /run/nscd/socket ]] || say "names are asked of nscd, outside of the tunnel: stop it"
}

groups_are() { # FILE of sysusers.d(5)
  local kind name
  can_be_read "$1" || return 0
  while read -r kind name _; do
    [[ $kind != g ]] || getent group "$name" >/dev/null || differs "group $name is not there"
  done <"$1"
}
