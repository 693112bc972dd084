# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced where rules match programs by their systemd slice. nft and iptables resolve the control group of a slice when they
# load the rules, and keep its inode number. If the control group is deleted and made again, its number is another one and
# the rules no longer match. So the packet filter makes the control groups before it loads rules, and systemd uses a
# control group that already exists. Before a slice starts, `hold` compares the numbers and reloads the rules if needed.
tree=/sys/fs/cgroup numbers=/run/netc/firewall.groups

need_control_groups() {
  [[ -e $tree/cgroup.controllers ]] || refuse "slices need the unified control group hierarchy (cgroup v2 alone) at $tree: boot with systemd.unified_cgroup_hierarchy=1"
}
need_levels() { # nft matches a control group at a level, which needs a newer kernel; iptables matches by path
  matches_control_groups || refuse "nft cannot match control groups here: it needs kernel 6.1, or kernel 6.12 in a container"
}

matches_control_groups() { # sends one packet: a kernel that counts levels from another root loads the rule, but it never matches
  local probe=netc_probe$RANDOM$RANDOM said='' try
  mkdir -p "$tree/$probe" && nft -f - <<<"table inet $probe {
    chain output {
      type filter hook output priority raw
      socket cgroupv2 level 1 \"$probe\" counter
    }
  }" || return
  (echo "$BASHPID" >"$tree/$probe/cgroup.procs" && printf x >/dev/udp/127.0.0.1/9) && said=$(nft list table inet "$probe")
  nft delete table inet "$probe"
  for try in {1..40}; do
    if rmdir "$tree/$probe" 2>/dev/null; then break; fi
    sleep 0.05
  done
  [[ $said =~ packets\ [1-9] ]]
}

make_control_groups() { # PATH…
  local path
  for path; do mkdir -p "$tree/$path" || return; done
  (cd "$tree" && stat -c '%i %n' -- "$@") >"$numbers.new"
}
remove_control_groups() { # if nothing runs in them; systemd removes those that it uses
  local path
  for path; do rmdir "$tree/$path" 2>/dev/null || true; done
}

remember_control_groups() { # the guard looks them up again if they are other ones than before
  local same=''
  ! same_control_groups || same=1
  mv "$numbers.new" "$numbers" || return
  last_of /run/netc/guard
  [[ $same || $last != up ]] || /etc/netc/parts/guard/reload
}
forget_control_groups() { rm -f "$numbers" "$numbers.new"; }

same_control_groups() { # as when the rules were loaded
  local number path
  [[ -s $numbers ]] || return
  while read -r number path; do
    [[ $(stat -c %i "$tree/$path" 2>/dev/null) == "$number" ]] || return
  done <"$numbers"
}

look_at_services() { # SLICE SERVICE…: warns about services that do not run in the slice yet
  local service group
  command -v systemctl >/dev/null || return 0
  for service in "${@:2}"; do
    group=$(systemctl show --property=ControlGroup --value "$service" 2>/dev/null) || continue
    [[ ! $group || /$group/ == *"/$1/"* ]] || say "$service does not run in $1 yet, and does not use the tunnel until you restart it: systemctl daemon-reload && systemctl restart $service"
  done
}

control_groups_are() { # only those that exist: systemd removes an empty one, and `hold` compares before its slice starts
  local number path said lines
  local -A known=()
  [[ -s $numbers ]] || { differs "$numbers is not there"; return 0; }
  while read -r number path; do [[ ! -e $tree/$path ]] || known[$path]=$number; done <"$numbers"
  ((${#known[@]})) || return 0
  said=$(cd "$tree" && stat -c '%i %n' -- "${!known[@]}" 2>/dev/null) || [[ $said ]] || differs "control groups cannot be checked"
  split_lines "$said"
  for path in "${lines[@]}"; do
    number=${path%% *} path=${path#* }
    [[ ${known[$path]} == "$number" ]] || differs "control group $path was made again after the rules were loaded, and they do not match it"
  done
}
