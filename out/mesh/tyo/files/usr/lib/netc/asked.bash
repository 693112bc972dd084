# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host` for `install`, `status` and `check`, and by `netc import host`: asks this host what it has, each
# program once, and compares that with what the topology says (/etc/netc/expected). It changes nothing.

# ---- what the host has
declare -gA mtu_of=() master_of=() netcs=() # by interface; netcs: those of netc
declare -gA called=()                    # by altname (ip-link(8)), the interface
declare -ga addresses=() defaults=()     # `INTERFACE 4|6 ADDRESS/LENGTH FLAG…`; `4|6 INTERFACE ROUTER|- PROTOCOL METRIC onlink|-`

ask_host() {
  local line lines family=4
  mtu_of=() master_of=() called=() netcs=() addresses=() defaults=()
  read_lines ip_says || return
  for line in "${lines[@]}"; do
    case $line in
      '=') family=6 ;;
      default\ *) heard_default "$family" "$line" ;;
      *': <'*) heard_link "$line" ;;
      *) heard_address "$line" ;;
    esac
  done
}
ip_says() {
  ip -N -o link show && ip -N -o address show scope global && ip -N -4 -o route show default && echo '=' || return
  ip -N -6 -o route show default 2>/dev/null || : # a kernel without IPv6
}
heard_link() { # `2: eth0@if7: <UP> mtu 1500 … group 0 …\    link/ether …\    altname enp0s3`
  local rest=${1#*: } name other words
  name=${rest%%: <*} name=${name%%@*}
  words=${rest#*: <} words=${words%%\\*} # what follows may hold an alias, which is any text
  [[ ! $words =~ ' mtu '([0-9]+)' ' ]] || mtu_of[$name]=${BASH_REMATCH[1]}
  [[ ! $words =~ ' master '([^ ]+)' ' ]] || master_of[$name]=${BASH_REMATCH[1]}
  [[ $words != *' group 77 '* ]] || netcs[$name]=1
  while [[ $rest == *'\    altname '* ]]; do
    rest=${rest#*'\    altname '} other=${rest%%[\\ ]*}
    [[ ! $other ]] || called[$other]=$name
  done
}
heard_address() { # `2: eth0    inet6 2001:db8::1/64 scope 0 dynamic mngtmpaddr \       valid_lft …`, `inet 192.0.2.1 peer 192.0.2.9/32 …`
  local words family=4 alone=32
  read -ra words <<<"${1%%\\*}"
  [[ ${words[2]-} != inet6 ]] || family=6 alone=128
  [[ ${words[4]-} != peer ]] || words[3]+=/$alone
  ((${#words[@]} < 4)) || addresses+=("${words[1]} $family ${words[*]:3}")
}
heard_default() { # FAMILY LINE: `default via 192.0.2.1 dev eth0 proto 16 metric 100`, or with a `nexthop` for each of several
  local words i via=- protocol=- metric=0 near=- found=()
  [[ ! $2 =~ ' proto '([0-9]+) ]] || protocol=${BASH_REMATCH[1]}
  [[ ! $2 =~ ' metric '([0-9]+) ]] || metric=${BASH_REMATCH[1]}
  [[ " $2 " != *' onlink '* ]] || near=onlink
  read -ra words <<<"$2"
  for i in "${!words[@]}"; do
    case ${words[i]} in
      nexthop) via=- ;;
      via) via=${words[i + 1]-} && [[ $via != inet6 ]] || via=${words[i + 2]-} ;;
      dev) found+=("$1 ${words[i + 1]-} ${via:--} $protocol $metric $near") ;;
    esac
  done
  defaults+=("${found[@]}")
}
is_netcs_route() { [[ ${netcs[$1]-} || $2 == @(12|77) ]]; } # INTERFACE PROTOCOL: of netc or of BIRD (rtnetlink(7))

# ---- what the topology says of it
differs_here() { # WHAT TOPOLOGY HOST VERDICT: prints a row, without characters that could change a terminal
  local words=("${@//[^[:print:]]/?}") IFS=$'\t'
  printf '%s\n' "${words[*]}"
}
differing_host() { # TREE install|status|check: prints a row for each difference. `refused` breaks something, `odd` does not
  local tree=$1 asker=$2 line lines words
  local -A expected=()
  [[ -e $tree/etc/netc/expected ]] || return 0
  if ! { read_lines cat "$tree/etc/netc/expected" && ask_host; }; then
    differs_here host - "ip does not answer" "refused: nothing can be compared"
    return
  fi
  for line in "${lines[@]}"; do expected[${line% *}]=1; done
  for line in "${lines[@]}"; do
    read -ra words <<<"$line"
    case ${words[0]} in
      interface | mtu | address | gateway | default | hops | server | ssh | forwarding | sysctls | ipv6 | memory) "compare_${words[0]}" "${words[@]:1}" ;;
    esac
  done
  compare_addresses_beside
  compare_systemd
  compare_kernel
  compare_keys
  compare_clock
  compare_disk
}

compare_interface() { # INTERFACE KEY
  local line words other='' why='' others=()
  [[ ! ${mtu_of[$1]-} || ${master_of[$1]-} ]] || return 0
  if [[ ${called[$1]-} ]]; then
    differs_here "interface $1" "$1" "an altname of ${called[$1]}" "refused: no rule matches an altname: write $2 = \"${called[$1]}\""
    return
  fi
  for line in "${addresses[@]}"; do
    read -ra words <<<"$line"
    [[ ! ${expected["address $1 ${words[2]%/*}"]-} || ${expected["interface ${words[0]}"]-} ]] || other=${words[0]} why="has its address"
  done
  for line in "${defaults[@]}"; do
    read -ra words <<<"$line"
    [[ $other || ${expected["interface ${words[1]}"]-} ]] || is_netcs_route "${words[1]}" "${words[3]}" || other=${words[1]} why="has the default route"
  done
  if [[ ${master_of[$1]-} ]]; then
    compare_master "$1" "$2" "${master_of[$1]}" "${other:-${master_of[$1]}}"
  elif [[ $other ]]; then
    differs_here "interface $1" "$1" "missing, and $other $why" "refused: write $2 = \"$other\""
  else
    for other in "${!mtu_of[@]}"; do [[ $other == lo || ${netcs[$other]-} ]] || others+=("$other"); done
    differs_here "interface $1" "$1" "missing${others[*]:+; there is ${others[*]:0:5}}" "odd: nothing passes by it until it is there"
  fi
}
compare_master() { # INTERFACE KEY MASTER INSTEAD: packets come in by the bridge, bond or team, and routes of a VRF are in a table of its own
  local then="write $2 = \"$4\""
  ! grep -qsx DEVTYPE=vrf "/sys/class/net/$3/uevent" || then="netc knows no VRF: take $1 out of $3"
  differs_here "interface $1" "an uplink" "a port of $3" "refused: $then"
}
compare_mtu() { # INTERFACE MTU LARGEST KEY
  local there=${mtu_of[$1]-$2}
  if ((there < $3)); then
    differs_here "MTU of $1" "$2" "$there" "refused: tunnels send packets of $3 bytes by it: write $4 = $there"
  elif ((there != $2 && (there < $2 || there <= 1500))); then # jumbo frames may end before the peer does
    differs_here "MTU of $1" "$2" "$there" "odd: write $4 = $there"
  fi
}
compare_address() { # INTERFACE ADDRESS KEY
  local line words family=4 there=''
  [[ ${mtu_of[$1]-} ]] || return 0
  [[ $2 != *:* ]] || family=6
  for line in "${addresses[@]}"; do
    read -ra words <<<"$line"
    [[ ${words[*]:0:2} != "$1 $family" ]] || there+="${there:+ }${words[2]%/*}"
  done
  [[ " $there " != *" $2 "* ]] || return 0
  if [[ $there ]]; then
    differs_here "address of $1" "$2" "$there" "refused: write it into $3, or give $1 the address of the topology"
  else
    differs_here "address of $1" "$2" "none" "odd: the image may set it later"
  fi
}
compare_addresses_beside() { # of IPv6: a packet that chooses its source address by itself may have one of these
  local line words flags
  local -A beside=()
  for line in "${addresses[@]}"; do
    read -ra words <<<"$line"
    [[ ${words[1]} == 6 && ! ${expected["address ${words[0]} ${words[2]%/*}"]-} ]] || continue
    flags=" ${words[*]:3} "
    case $flags in
      *' temporary '*) beside[${words[0]}]+="${words[2]%/*} (temporary) " ;;
      *' mngtmpaddr '* | *' dynamic '*) beside[${words[0]}]+="${words[2]%/*} (dynamic) " ;;
    esac
  done
  for line in "${addresses[@]}"; do # if the interface has none of the topology's, that is refused above
    read -ra words <<<"$line"
    [[ ${words[1]} == 6 && ${expected["address ${words[0]} ${words[2]%/*}"]-} && ${beside[${words[0]}]-} ]] || continue
    differs_here "addresses of ${words[0]}" "${words[2]%/*}" "also ${beside[${words[0]}]% }" "odd: packets of this host may leave from these"
    unset "beside[${words[0]}]"
  done
}
compare_gateway() { # INTERFACE ROUTER KEY: a router may have an address of each of these kinds. Advertised ones (9) do not count
  local line words there='' like='*.*'
  case $2 in fe80:*) like='fe80:*' ;; *:*) like='[!f]*:*' ;; esac
  for line in "${defaults[@]}"; do
    read -ra words <<<"$line"
    # shellcheck disable=SC2053 # a pattern
    [[ ${words[1]} == "$1" && ${words[3]} != 9 && ${words[2]} == $like ]] || continue
    there+="${there:+ }${words[2]}"
  done
  [[ ! $there || " $there " == *" $2 "* ]] || differs_here "router of $1" "$2" "$there" "refused: write it into $3, or set the default route of $1"
}
compare_hops() { # 4|6 KEY: BIRD takes no default route by a router that is in no subnet of the interface, unless it is `onlink`
  local line lines words near way
  for line in "${defaults[@]}"; do
    read -ra words <<<"$line"
    [[ ${words[0]} == "$1" && ${words[2]} != @(-|fe80:*) && ${words[5]} == - ]] || continue
    read_lines ip -N -o "-$1" route show match "${words[2]}" dev "${words[1]}" || continue
    near=''
    for way in "${lines[@]}"; do [[ $way == default* || $way == *' via '* || ${way%% *} != */* && $way != *' proto 2 '* ]] || near=1; done
    [[ $near ]] || differs_here "route to ${words[2]}, IPv$1" "in a subnet of ${words[1]}, or onlink" neither \
      "odd: BIRD resolves no next hops by ${words[1]} for $2: write an uplink with this gateway, or make the default route onlink"
  done
}
compare_default() { # INTERFACE… KEY: by which packets to the internet leave, in each family
  local family device devices=" ${*:1:$#-1} " verdict
  for device in ${devices}; do [[ ! ${mtu_of[$device]-} ]] || break; done
  [[ ${mtu_of[$device]-} ]] || return 0 # that is a row already
  for family in 4 6; do
    device=$(leave_elsewhere "$family")
    verdict="odd: packets to the internet leave by $device"
    [[ $device != unreachable ]] || verdict="odd: a route or policy rule stops packets to the internet"
    [[ ! $device ]] || differs_here "default route, IPv$family" "${devices:1:-1}" "$device" "$verdict"
  done
}
leave_elsewhere() { # 4|6: prints an interface that is none of `devices`. A VPN may take all by policy rules or by halves of everything
  local line words best='' least=0 to=9.9.9.9
  [[ $1 == 4 ]] || to=2620:fe::9
  for line in "${defaults[@]}"; do
    read -ra words <<<"$line"
    [[ ${words[0]} == "$1" ]] || continue
    [[ $best ]] && ((words[4] >= least)) || best=$line least=${words[4]}
  done
  if line=$(ip -N -o "-$1" route get fibmatch "$to" 2>/dev/null); then
    read -ra words <<<"$line"
    [[ ${words[0]} != @(default|*/[0-3]) ]] || { local defaults=() && heard_default "$1" "$line" && best=${defaults[0]-}; }
  elif [[ $best ]]; then
    echo unreachable
    return
  fi
  read -ra words <<<"$best"
  [[ ! $best || $devices == *" ${words[1]} "* ]] || is_netcs_route "${words[1]}" "${words[3]}" || echo "${words[1]}"
}
compare_server() { # ADDRESS INTERFACE… KEY: a server of a forward, behind this host. At INTERFACEs, visitors' packets are dropped
  local device='' never=" ${*:2:$#-2} "
  [[ ! $(ip -o route get "$1" 2>/dev/null) =~ ' dev '([^ ]+) ]] || device=${BASH_REMATCH[1]}
  [[ $device && $never == *" $device "* ]] || return 0
  differs_here "server $1" "behind this host" "$device" "odd: visitors of ${!#} do not reach it by $device"
}
sshd_reach() { # prints `REACH PORT ADDRESS` of sshd, the widest first. REACH: 2 at addresses of uplinks, 1 at others, 0 on this host alone
  local line lines words address device reach
  read_lines sshd_sockets || return
  for line in "${lines[@]}"; do
    address=${line%:*} device='' reach=1
    address=${address//[][]/} address=${address#::ffff:}
    case $address in
      127.* | ::1 | *%lo) reach=0 ;;
      0.0.0.0 | :: | '*') reach=2 ;;
      fe80:*) ;;
      *%*) device=${address#*%} ;;
      *) device=$(device_of "$address") ;;
    esac
    [[ ! $device ]] || ! has_default "$device" || reach=2
    echo "$reach ${line##*:} $address"
  done | sort -u -k1,1nr -k2,2n
}
device_of() { # ADDRESS of this host
  local line words
  for line in "${addresses[@]}"; do read -ra words <<<"$line" && [[ ${words[2]%/*} != "$1" ]] || echo "${words[0]}"; done
}
has_default() { [[ " ${defaults[*]} " == *" $1 "* ]]; } # INTERFACE: a default route leaves by it
compare_ssh() { # PORT must|may KEY: if others reach sshd at all
  local line lines words ports='' most fewer=''
  read_lines sshd_reach || { differs_here "port of sshd" "$1" "ss does not answer" "refused: it is not known where sshd listens"; return; }
  most=${lines[0]-0} most=${most%% *}
  for line in "${lines[@]}"; do
    read -ra words <<<"$line"
    if ((words[0] == most)); then ports+="${ports:+ }${words[1]}"; elif [[ ${words[1]} == "$1" ]]; then fewer=" ($1 at ${words[2]})"; fi
  done
  ((most)) && [[ " $ports " != *" $1 "* ]] || return 0
  case $2 in
    must) differs_here "port of sshd" "$1" "$ports$fewer" "refused: the packet filter opens $1/tcp: write $3 = ${ports%% *}, or change the port of sshd" ;;
    may) differs_here "port of sshd" "$1" "$ports$fewer" "odd: write $3 = ${ports%% *}" ;;
  esac
}
compare_forwarding() { # 4|6
  local file=/proc/sys/net/ipv4/ip_forward value=''
  [[ $1 == 4 ]] || file=/proc/sys/net/ipv6/conf/all/forwarding
  { read -r value <"$file"; } 2>/dev/null
  [[ $value == [1-9]* || -w $file ]] || differs_here "forwarding, IPv$1" on "off, and not allowed here" "refused: turn it on where this container is configured"
}
compare_sysctls() { # of interfaces that netc makes
  [[ -w /proc/sys/net/ipv4/conf/default/rp_filter ]] || differs_here "sysctls, net.*" writable read-only "refused: allow them where this container is configured"
}
compare_ipv6() {
  local value=''
  { read -r value </proc/sys/net/ipv6/conf/default/disable_ipv6; } 2>/dev/null
  [[ $value == 0 ]] || differs_here IPv6 "used by parts" "turned off" "refused: set net.ipv6.conf.default.disable_ipv6 to 0"
}
compare_memory() { # KIB RANGES
  local name value free=0 most='' verdict=refused
  while read -r name value _; do [[ $name != @(MemAvailable|SwapFree): ]] || free=$((free + value)); done </proc/meminfo
  { read -r most </sys/fs/cgroup/memory.max; } 2>/dev/null && [[ $most =~ ^[0-9]+$ ]] && ((most / 1024 < free)) || most=''
  [[ ! $most ]] || free=$((most / 1024))
  ((free < $1)) || return 0
  [[ $asker == install ]] || verdict=odd
  differs_here memory "$(($1 / 1024)) MiB for sets of $2 ranges" "$((free / 1024)) MiB free" "$verdict: free some, or make the sets smaller"
}

compare_systemd() { # without it nobody follows a drop-in: what should be confined is not, if somebody starts it as it is
  local line lines unit only="odd: only systemd"
  ! has_systemd || return 0
  read_lines for_systemd_alone || { differs_here systemd - "grep does not answer" "refused: nothing can be compared"; return; }
  for line in "${lines[@]}"; do
    unit=${line%%:*} line=${line#*:}
    unit=${unit%/50-netc*} unit=${unit%.d} unit=${unit##*/}
    case $unit:$line in
      netc-*:LoadCredential=*) [[ ${CREDENTIALS_DIRECTORY-} ]] || differs_here "secret ${line#*=}" "a credential" "no systemd" "refused: only systemd loads credentials: write { file = \"/etc/netc/keys/${line#*=}.key\" }" ;;
      netc[-_]*) ;;
      *:NetworkNamespacePath=*) differs_here "$unit" "in namespace ${line##*/}" "no systemd" "$only puts it there: start it by ip netns exec ${line##*/}" ;;
      *.slice:Requires=* | *:Slice=*) differs_here "$unit" "in a split" "no systemd" "$only puts it there: let the split match a \`group\` or \`user\`" ;;
    esac
  done
}
for_systemd_alone() { # prints `FILE:KEY=VALUE`. grep has status 2 if there is no file of one of the kinds
  grep -sHE '^(NetworkNamespacePath|Slice|LoadCredential|Requires)=' \
    "$tree"/etc/systemd/system/{{*.service,*.socket,*.slice}.d/50-netc{,-split}.conf,netc-*.service} || (($? <= 2))
}
compare_kernel() { # a container has no modules of its own, and a kernel may have them built in: the last question is whether it works
  local line lines words word missing=() instead=''
  local -A alias=([nft]=nf_tables [ipset]=ip_set [bbr]=tcp_bbr)
  read_lines grep -s '^kernel ' "$tree/etc/netc/expected" || return 0
  for line in "${lines[@]}"; do
    word=${line#kernel }
    for words in "$word" "ip_$word" "${word/ip6/ip6_}" "${alias[$word]-}"; do [[ ! $words || ! -e /sys/module/$words ]] || continue 2; done
    missing+=("$word")
  done
  ((${#missing[@]})) || return 0
  words=()
  for word in "${missing[@]}"; do words+=("${alias[$word]-rtnl-link-$word}"); done
  ! modprobe -qna "${words[@]}" 2>/dev/null || return 0
  read_lines unshare --net bash -c "$(declare -f can can_not); can_not \"\$@\"" asked "${missing[@]}" 2>/dev/null ||
    { differs_here kernel "${missing[*]}" "not known" "odd: no network namespace can be made here to ask for it"; return; }
  for word in "${lines[@]}"; do
    case $word in
      bbr) differs_here "kernel: bbr" needed missing "odd: TCP keeps the congestion control that it has" ;;
      wireguard)
        for instead in wireguard-go boringtun-cli boringtun; do ! command -v "$instead" >/dev/null || continue 2; done
        differs_here "kernel: wireguard" needed missing "refused: apt-get install wireguard-go, or run a kernel that has it"
        ;;
      *) differs_here "kernel: $word" needed missing "refused: run a kernel that has it, or load it where this container runs" ;;
    esac
  done
}
can_not() { local word; for word; do can "$word" || echo "$word"; done; } # WORDS…: prints those of them
can() { # WORD: the kernel can do it, in a network namespace of its own. An error about something else says that it can
  local said number=''
  case $1 in
    nft) said=$(nft list tables 2>&1) || [[ $said != *"not supported"* ]] ;;
    ipset) said=$(ipset list -n 2>&1) || [[ $said != *"Kernel error received"* && $said != *"not supported"* ]] ;;
    bbr) [[ " $(</proc/sys/net/ipv4/tcp_available_congestion_control) " == *" $1 "* ]] ;;
    *)
      [[ $1 != vxlan ]] || number='id 1 dstport 4789'
      # shellcheck disable=SC2086 # words
      said=$(ip link add dev asked type "$1" $number 2>&1) || [[ $said != *"Unknown device type"* && $said != *"not supported"* ]]
      ;;
  esac
}

compare_keys() { # the public half of each key of this host
  local file whose known next there lines line
  [[ -e $tree/etc/netc/secrets ]] && command -v wg >/dev/null && read_lines grep -s '^identity ' "$tree/etc/netc/secrets" || return 0
  for line in "${lines[@]}"; do
    read -r _ file whose known next <<<"$line"
    [[ $known && -s $file ]] || continue # `install` reports a file that is missing
    there=$(wg pubkey <"$file" 2>/dev/null) || there="$file is not a key"
    [[ $there == "$known" || $there == "$next" ]] ||
      differs_here "$whose" "$known" "$there" "refused: write it into the topology, or copy the right key to $file"
  done
}
compare_clock() {
  local now today last=''
  printf -v now '%(%s)T' -1
  printf -v today '%(%FT%TZ)T' -1
  # The year of this release: peers of WireGuard refuse handshakes that are older than the last one, and certificates are not valid yet.
  ((now >= 1767225600)) || { differs_here clock "2026 or later" "$today" "refused: set the clock"; return; }
  [[ ! -r $store/history ]] || last=$(tail -n 1 "$store/history")
  [[ ! ${last%% *} > $today ]] || { differs_here clock "after the last change, ${last%% *}" "$today" "odd: WireGuard peers refuse handshakes until then"; return; }
  # `status` does not ask: the answer starts a service, and monitors ask every few seconds.
  ! has_systemd || [[ $asker == status || $(timeout 5 timedatectl show -P NTPSynchronized 2>/dev/null) != no ]] ||
    differs_here clock synchronised "not synchronised" "odd: install a time service, such as systemd-timesyncd"
}
compare_disk() { # room for the tree in $store, beside the files in place, and for a rollback
  local place size blocks inodes need=2048 wanted verdict=refused line lines words number
  local -A known=()
  for place in /etc /usr/lib /usr/local/sbin /var/lib; do
    [[ ! -e $place || -w $place ]] || differs_here "disk: $place" writable read-only "refused: netc cannot put its files there"
  done
  place=$tree
  [[ $asker == install ]] || { place=$trees/$(current) verdict=odd; }
  [[ ! -d $place ]] || { size=$(du -sk "$place") && need=$((need + ${size%%[!0-9]*} * 4)); }
  # Each may be a file system of its own. One that does not exist yet is an error of stat, and the others are printed.
  words=$(stat -f -c '%n %i %S %a %c %d' /etc{,/netc} /usr/lib{,/netc} /var/lib{,/netc} /usr/local/sbin 2>/dev/null) || :
  split_lines "$words"
  for line in "${lines[@]}"; do
    read -r place number size blocks words inodes <<<"$line"
    [[ ! ${known[$number]-} ]] || continue
    [[ ! ${number//0/} ]] || known[$number]=1
    wanted=$need
    [[ $place != /usr/local/sbin ]] || wanted=512 # `netc-host` alone, and the one before
    if ((size * blocks / 1024 < wanted)); then
      differs_here "disk: $place" "$wanted KiB" "$((size * blocks / 1024)) KiB free" "$verdict: free some"
    elif ((words && inodes < 1000)); then # of a file system that counts them
      differs_here "disk: $place" "1000 inodes" "$inodes free" "$verdict: remove files"
    fi
  done
}

# ---- for people
host_agrees() { # TREE: prints what differs as a table; fails if something would break
  local rows
  rows=$(differing_host "$1" install) || rows+=$'\n'$(differs_here host - "the questions did not end" "refused: nothing can be compared")
  [[ $rows ]] || return 0
  report "the topology and this host differ:"
  printf 'what\ttopology\thost\tthen\n%s\n' "$rows" | awk -F '\t' '
    NF == 4 { for (i = 1; i < 4; i++) if (length($i) > width[i]) width[i] = length($i); row[++count] = $0 }
    END { for (n = 1; n <= count; n++) { split(row[n], f, "\t"); printf "  %-" width[1] "s  %-" width[2] "s  %-" width[3] "s  %s\n", f[1], f[2], f[3], f[4] } }' >&2
  [[ $rows != *$'\t'refused:* ]]
}
check_host() { # prints what would break, and on standard error what is odd
  local line lines words
  read_lines differing_host '' check || { echo "host: the questions did not end"; return; }
  for line in "${lines[@]}"; do
    IFS=$'\t' read -ra words <<<"$line"
    line="${words[0]}: ${words[1]} by the topology, here ${words[2]} (${words[3]#*: })"
    if [[ ${words[3]} == refused:* ]]; then echo "$line"; else report "$line"; fi
  done
}
found_host() { # rows of `status`
  local line lines
  read_lines differing_host '' status || lines=("$(differs_here host - "the questions did not end" "refused: nothing can be compared")")
  for line in "${lines[@]}"; do printf 'host\t%s\n' "$line"; done
}
