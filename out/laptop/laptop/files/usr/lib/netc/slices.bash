# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced where programs are told by their slice. nft and iptables look for a slice's control group when rules are loaded and keep
# its number; a group that is made anew has another, and would not be known. So the packet filter makes the groups
# before it loads its rules, systemd starts services in what it finds, and before a slice starts, `hold` compares.
tree=/sys/fs/cgroup numbers=/run/netc/firewall.groups

need_control_groups() {
  [[ -e $tree/cgroup.controllers ]] || refuse "needs version 2 of control groups, and no other, at $tree"
}
need_levels() { # of nft's: iptables asks whether one group is within another, which every kernel can say
  told_by_control_group || refuse "the kernel does not tell packets by their control group: it is older than 6.1, or this is a container and it is older than 6.12"
}

told_by_control_group() { # shown by a packet, since a kernel that counts levels from elsewhere says nothing
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
remove_control_groups() { # those that nothing runs in; systemd removes its own
  local path
  for path; do rmdir "$tree/$path" 2>/dev/null || true; done
}

remember_control_groups() { mv "$numbers.new" "$numbers"; }
forget_control_groups() { rm -f "$numbers" "$numbers.new"; }

same_control_groups() {
  local number path
  [[ -s $numbers ]] || return
  while read -r number path; do
    [[ $(stat -c %i "$tree/$path" 2>/dev/null) == "$number" ]] || return
  done <"$numbers"
}

look_at_services() { # SLICE SERVICE…: which of them run elsewhere, since before this was so
  local service group
  command -v systemctl >/dev/null || return 0
  for service in "${@:2}"; do
    group=$(systemctl show --property=ControlGroup --value "$service" 2>/dev/null) || continue
    [[ ! $group || /$group/ == *"/$1/"* ]] || say "$service goes by no tunnel before: systemctl daemon-reload && systemctl restart $service"
  done
}

control_groups_are() { # PATH…: of those that are there; what nothing runs in may be gone, and `hold` looks before it starts
  local number path
  local -A known=()
  [[ -s $numbers ]] || { differs "$numbers is not there"; return 0; }
  while read -r number path; do [[ ! -e $tree/$path ]] || known[$path]=$number; done <"$numbers"
  ((${#known[@]})) || return 0
  while read -r number path; do
    [[ ${known[$path]} == "$number" ]] || differs "control group $path is another than the rules know"
  done < <(cd "$tree" && stat -c '%i %n' -- "${!known[@]}" 2>/dev/null)
}
