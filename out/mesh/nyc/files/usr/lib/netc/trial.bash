# shellcheck shell=bash disable=SC1091,SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host` before it installs a tree with rules or a router. In a mount namespace of its own, which ends with
# the trial, also if it is killed, the files of TREE are at their final paths. In a network namespace nft, iptables, ipset and
# BIRD read them. If the admin is connected over ssh, a packet from the admin's address, on the same interface, must reach the
# ssh port through the new rules. Then packet filters of others are asked (walk.bash).

try() { # TREE [SERVER PORT CLIENT DEVICE]: in the network of the host
  local left=0
  mount_tree "$1" || { report "rules and configurations are not tried, nor whether they close ssh to you or other packet filters drop packets: nothing can be mounted in a namespace here"; return 0; }
  [[ ! -e /etc/netc/walks ]] || { use walk && mkdir "$copies" && copy_filters "$copies" /etc/netc/walks >"$copies/rows"; }
  unshare --net bash "$0" tried "$@" || left=1
  remove_made_groups
  return "$left"
}
tried() { # TREE [SERVER PORT CLIENT DEVICE]: in an empty network
  local as_bird=()
  wrong=0
  ask_names "$1"
  load_rules
  check_namespace_rules
  ! getent passwd bird >/dev/null || as_bird=(-u bird -g bird)
  [[ ! -e /etc/netc/bird.conf ]] || bird -p -c /etc/netc/bird.conf "${as_bird[@]}" || refused "BIRD refuses bird.conf"
  (($# == 1)) || [[ ! -e /etc/netc/nftables.nft && ! -e /etc/netc/iptables.rules ]] || try_ssh "${@:2}"
  [[ ! -e /etc/netc/walks ]] || ask_filters
  return "$wrong"
}
refused() { report "$*"; wrong=1; }

mount_tree() { # TREE: provides what its parts find when they come up: files, groups, control groups, what BIRD includes
  local name lines
  chmod 755 "$1/etc/netc" # as it will be in its place, also if the tree was unpacked with another umask
  mount -n -t tmpfs none /run/netc && mount -n --bind "$1/etc/netc" /etc/netc || return
  cp /etc/group /run/netc/group || return
  if [[ -e $1/etc/sysusers.d/netc.conf ]]; then
    read_lines sed -n 's/^g \([^ ]*\) .*/\1/p' "$1/etc/sysusers.d/netc.conf" || return
    for name in "${lines[@]}"; do getent group "$name" >/dev/null || echo "$name:x:60123:" >>/run/netc/group; done
  fi
  mount -n --bind /run/netc/group /etc/group || return
  mkdir -p /run/netc/bird.switches /run/netc/bird.passwords
  sed -n 's,.*include "\(/run/netc/[^"]*\)";.*,\1,p' /etc/netc/bird.conf 2>/dev/null | xargs -r touch
  made=()
  read_lines control_groups || return
  for name in "${lines[@]}"; do
    [[ -d /sys/fs/cgroup/$name ]] || { mkdir -p "/sys/fs/cgroup/$name" && made=("$name" "${made[@]}"); }
  done
}
control_groups() { # prints those that rules name
  local part line lines words order
  installed_order
  read_scripts up "$parts" "${order[@]}" || return
  for part in "${order[@]}"; do
    split_lines "${script[$part]}"
    for line in "${lines[@]}"; do
      [[ $line != "step make_control_groups "* ]] || { read -ra words <<<"$line" && printf '%s\n' "${words[@]:2}"; }
    done
  done
}
remove_made_groups() { (cd /sys/fs/cgroup && { ((!${#made[@]})) || rmdir -- "${made[@]}"; }) || true; }

ask_names() { # TREE: programs of a split with `dns` must not reach daemons whose queries do not use the tunnel
  local line lines
  grep -qsx look_at_names /etc/netc/parts/firewall/up || return 0
  if ! { source "$1/usr/lib/netc/splits.bash" && read_lines daemons_that_resolve; }; then
    refused "cannot read $1/usr/lib/netc/splits.bash"
    return
  fi
  for line in "${lines[@]}"; do refused "a split has \`dns\`, and its programs reach resolver daemons: $line"; done
}

load_rules() { # of the host itself, into this network namespace
  local file word
  for file in /etc/netc/sets/*.ipset; do [[ ! -e $file ]] || ipset restore -file "$file" || refused "ipset refuses $file"; done
  if compgen -G '/etc/netc/sets/*/*.nft' >/dev/null; then
    source "$root/usr/lib/netc/pieces.bash"
    load_rules /etc/netc/nftables.nft || refused "nft refuses nftables.nft and the sets that it names"
  elif [[ -e /etc/netc/nftables.nft ]]; then
    nft -f /etc/netc/nftables.nft || refused "nft refuses nftables.nft"
  fi
  for word in iptables ip6tables; do
    [[ -e /etc/netc/$word.rules ]] || continue
    # With the jumps from the built-in chains: without them no packet would meet a rule.
    source "$root/usr/lib/netc/iptables.bash"
    replacing_old "/etc/netc/$word.rules" </dev/null | "$word-restore" -w --noflush || refused "$word refuses $word.rules"
  done
}
check_namespace_rules() { # reads them and loads nothing
  local file
  for file in /etc/netc/namespaces/*.nft; do [[ ! -e $file ]] || nft -c -f "$file" || refused "nft refuses $file"; done
  for file in /etc/netc/namespaces/*.iptables.rules; do [[ ! -e $file ]] || iptables-restore --test "$file" || refused "iptables refuses $file"; done
  for file in /etc/netc/namespaces/*.ip6tables.rules; do [[ ! -e $file ]] || ip6tables-restore --test "$file" || refused "ip6tables refuses $file"; done
}

try_ssh() { # SERVER PORT CLIENT DEVICE: whether the rules accept a connection from the admin's address
  local client as_client at=(ip -4 address add) bits=32 server=$1 said
  [[ $1 != *:* ]] || bits=128 at=(ip -6 address add)
  [[ $1 != fe80* ]] || server=$1%admin
  if ! ip link add dev "$4" type veth peer name admin 2>/dev/null; then
    echo "netc: the ssh port is not tested: no veth interface can be made" >&2
    return
  fi
  unshare --net sleep 20 &
  client=$!
  until [[ ! /proc/$client/ns/net -ef /proc/self/ns/net ]]; do sleep 0.02; done
  ip link set dev admin netns "$client"
  echo 0 | tee "/proc/sys/net/ipv4/conf/all/rp_filter" "/proc/sys/net/ipv4/conf/$4/rp_filter" >/dev/null
  "${at[@]}" "$1/$bits" dev "$4" nodad 2>/dev/null
  ip link set dev "$4" up && ip route replace "$3/$bits" dev "$4"
  as_client=(nsenter --net --target "$client")
  "${as_client[@]}" "${at[@]}" "$3/$bits" dev admin nodad 2>/dev/null
  "${as_client[@]}" ip link set dev admin up && "${as_client[@]}" ip route replace "$1/$bits" dev admin
  count_accepted "$2" "$bits"
  # shellcheck disable=SC2016 # the bash of the client expands it
  "${as_client[@]}" timeout 3 bash -c 'echo >"/dev/tcp/$1/$2"' to "$server" "$2" 2>/dev/null
  said=$(accepted "$2" "$bits")
  kill "$client"
  [[ $said =~ ^[1-9] ]] || refused "with these rules port $2 would be closed to $3, your address"
}
count_accepted() { # PORT BITS: adds a counter after all rules of netc
  local iptables=iptables
  [[ $2 == 32 ]] || iptables=ip6tables
  if [[ -e /etc/netc/nftables.nft ]]; then
    nft "table inet last { chain input { type filter hook input priority 1000; tcp dport $1 counter; }; }"
  else
    "$iptables" -A INPUT -p tcp --dport "$1"
  fi
}
accepted() { # PORT BITS: prints that counter
  local iptables=iptables
  [[ $2 == 32 ]] || iptables=ip6tables
  if [[ -e /etc/netc/nftables.nft ]]; then
    nft list table inet last | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
  else
    "$iptables" -nvxL INPUT | awk -v port="dpt:$1" '$NF == port {print $1}'
  fi
}

ask_filters() { # what filters of others drop is reported, and not refused
  local kind what packets chain
  use walk
  walk_apart >>"$copies/rows"
  while IFS=$'\t' read -r kind what packets chain; do
    case $kind in
      dropped) report "$chain, which is not netc's, drops $packets ($what)" ;;
      unasked) report "not asked: $what: $packets" ;;
    esac
  done <"$copies/rows"
  own_filter_closes_docker
}
own_filter_closes_docker() { # the firewall drops what is forwarded, Docker is here, and the topology does not say so
  [[ -d /sys/class/net/docker0 ]] && ! grep -qs docker0 /etc/netc/nftables.nft /etc/netc/iptables.rules || return 0
  ! grep -qsE 'hook forward priority filter; policy drop|^-A netc-FORWARD -j DROP' /etc/netc/nftables.nft /etc/netc/iptables.rules ||
    report "this firewall closes ports that Docker publishes and what containers send: set \`docker = true\` if that is not meant"
}
