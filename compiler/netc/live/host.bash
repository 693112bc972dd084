# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# `netc verify` runs this on a host, behind templates/bash/walk.bash. It copies what the host has loaded (interfaces, addresses,
# routes, policy rules, packet filters, switches of the kernel) into a network namespace, sends packets through the copy, and
# prints where each of them comes out. The copy ends with this. The host itself gets no file, no rule and no packet, except
# one datagram into each WireGuard tunnel that has been silent.
#
#   state   prints what the host has. Standard input: its network namespaces, one a line, `-` for its own
#   ask     sends packets. Standard input: ID SPACE in|out DEVICE|UID:GID FAMILY PROTOCOL SOURCE TO SPORT DPORT and, if an
#           answer is sent too, in|out DEVICE|- SOURCE TO SPORT. `-` is the packet's own number, or what the kernel chooses
#   why     the same, and prints what dropped each packet
set -uo pipefail
export LC_ALL=C PATH=${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin
first=61000                          # as netc.live.question has it: the source port of the first packet
copies=/mnt                          # in a mount namespace of its own
declare -A near_end=([4]=198.18.255.254 [6]=2001:2::ffff) wide=([4]=32 [6]=128)
most_routes=100000
patience=110 # seconds

read_lines() { # COMMAND…: its lines in `lines`
  local said
  lines=()
  said=$("$@") || return
  [[ ! $said ]] || mapfile -t lines <<<"$said"
}
in_space() { # SPACE COMMAND…
  if [[ $1 == - ]]; then "${@:2}"; else ip netns exec "$1" "${@:2}"; fi
}

# ---- copies: walk.bash leaves out what is netc's own
tables_of_others() {
  local line lines names
  tables=() legacy=()
  read_lines nft list tables || return
  for line in "${lines[@]}"; do tables+=("${line#table }"); done
  for line in iptables ip6tables; do
    { read -r names <"/proc/net/${line/tables/_tables}_names"; } 2>/dev/null || names=''
    [[ ! $names ]] || legacy+=("$line")
  done
}
copy_legacy() { # FOLDER iptables|ip6tables
  local file=$1/100.$2-legacy
  if ! "$2-legacy-save" >"$file" 2>/dev/null; then
    not_asked "tables of $2-legacy" "$2-legacy-save fails"
  elif grep -E '^-A |^:[^ ]+ DROP' "$file" >/dev/null; then
    compgen -G "$1/*.$2-nft" >/dev/null || return 0
    not_asked "tables of $2-legacy" "this host has tables of $2-nft beside them"
  fi
  rm "$file"
}
load_own() { :; } # it is among the tables
copy_families() { # FOLDER: nft lists `meta nfproto ipv6 … reject with tcp reset` without the family, so it is read from the kernel's own code
  local file table word
  for file in "$1"/*.nft; do
    [[ -e $file ]] && read -r _ word table _ <"$file" && [[ $word == inet ]] || continue
    nft -a -s -d netlink list table inet "$table" | awk '
      /^inet [^ ]+ [^ ]+ [0-9]+/ { rule = $3 " " $4; next }
      /^  \[ meta load nfproto / { asks = 1; next }
      /^  \[ / {
        if (asks && / cmp eq reg [0-9]+ 0x0*a /) family[rule] = "ipv6"
        if (asks && / cmp eq reg [0-9]+ 0x0*2 /) family[rule] = "ipv4"
        asks = 0; next
      }
      /^table / { is_text = 1 }
      !is_text { next }
      $1 == "chain" { chain = $2 }
      match($0, / # handle [0-9]+$/) {
        rule = chain " " substr($0, RSTART + 10); $0 = substr($0, 1, RSTART - 1)
        if (rule in family && !/nfproto|[^a-z0-9](ip6? [a-z]+ |icmp(v6)? (type|code) )/ && !/\{$/) sub(/^[[:blank:]]*/, "&meta nfproto " family[rule] " ")
      }
      { print }' >"$1/said" && [[ -s $1/said ]] || { not_asked "table inet $table" "nft does not print its code"; continue; }
    sed -E '2{/^[[:blank:]]*flags /{s/(owner|persist),?//g;s/,$//;/flags $/d}}' "$1/said" >"$file"
  done
}
code_of() { # prints the kernel's own code of all rules, without counters, limits and names of sets that have no name
  nft -s -d netlink list ruleset 2>/dev/null | awk '
    /^(ip|ip6|inet) [^ ]+ [^ ]+ [0-9]+/ { rule = $1 " " $2 " " $3; next }
    /^  \[ / && !/^  \[ (counter|limit|connlimit|quota|last) / && rule !~ / netc_walk / { gsub(/__(set|map)[0-9]+/, "__set"); print rule, ++count[rule] $0 }' | sort
}

copy_host() { # FOLDER: of the network namespace that this runs in
  local family
  copy_filters "$1" /dev/null
  copy_families "$1"
  code_of >"$1/code"
  [[ -s $1/code ]] || ! nft -a list ruleset 2>/dev/null | grep -qE '^[[:blank:]]+[^{]* # handle [0-9]+$' ||
    not_asked "packet filters" "nft does not print the code of rules"
  ip -N -o link show >"$1/links" && ip -N -o address show >"$1/held" || return
  for family in 4 6; do
    ip -N -o "-$family" route show table all 2>/dev/null | cleaned >"$1/ways$family"
    ip "-$family" rule save >"$1/turns$family" 2>/dev/null
    ip -N "-$family" rule show >"$1/rules$family" 2>/dev/null
  done
  grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv[46]/conf/all/forwarding \
    /proc/sys/net/ipv4/conf/*/{rp_filter,accept_local,route_localnet,src_valid_mark,forwarding} \
    /proc/sys/net/ipv6/conf/*/{disable_ipv6,forwarding} >"$1/switches" 2>/dev/null
  (($(cat "$1"/ways[46] | wc -l) <= most_routes)) || not_asked routes "they are more than $most_routes"
  ! grep -q ' l3mdev' "$1"/rules[46] || not_asked "policy rules" "some are of a VRF"
  ! grep -qsE '[io]if(type|kind)' "$1"/*.nft || not_asked "packet filters" "some rules ask for the kind of an interface"
  ! grep -qsE '(masquerade|snat|MASQUERADE|SNAT).*(random|to (ip |ip6 )?:|to-ports)' "$1"/*.nft "$1"/*tables-* ||
    not_asked "packet filters" "some rules give packets another source port"
}
cleaned() { # routes without what changes by itself, and without those that the kernel makes of addresses
  sed -E -e 's/\\/ /g' -e 's/ (linkdown|dead|offload|trap|notify|cache)\b//g' -e 's/ (expires|nhid|error) -?[0-9]+(sec)?//g' \
    -e 's/[[:blank:]]+/ /g' -e 's/ $//' -e '/^[2-5] .* proto 2( |$)/d' -e 's/^2 /local /;s/^6 /blackhole /;s/^7 /unreachable /;s/^8 /prohibit /;s/^9 /throw /' | sort
}

# ---- the copy, in a network namespace
make_links() { # FOLDER CLIENT: prints commands of `ip -batch`
  local line name
  while read -r line; do
    [[ $line =~ ^[0-9]+:' '([^:@ ]+)[^:]*': <' ]] || continue
    name=${BASH_REMATCH[1]}
    [[ $name != lo ]] || continue
    echo "link add dev $name address $station type veth peer name end${end_of[$name]} netns $2"
    echo "link set dev $name arp off addrgenmode none"
    [[ ! $line =~ ' group '([0-9]+) ]] || echo "link set dev $name group ${BASH_REMATCH[1]}"
  done <"$1/links"
}
make_held() { # FOLDER: the same, of what interfaces have
  local line name words rest
  while read -r _ name line; do
    read -ra words <<<"${line%%\\*}"
    rest=" ${words[*]:2} "
    [[ ${words[1]} != @(127.0.0.1/8|::1/128) ]] || continue
    line="address add ${words[1]}"
    [[ ! $rest =~ ' peer '([^ ]+) ]] || line+=" peer ${BASH_REMATCH[1]}"
    [[ ! $rest =~ ' scope '([0-9]+) ]] || line+=" scope ${BASH_REMATCH[1]}"
    line+=" dev $name noprefixroute"
    [[ $rest != *' deprecated '* ]] || line+=" preferred_lft 0"
    [[ ${words[0]} != inet6 ]] || line+=" nodad"
    echo "$line"
  done <"$1/held"
  echo "link set dev lo up"
  while read -r line; do
    [[ ! $line =~ ^[0-9]+:' '([^:@ ]+)[^:]*': <'([^>]*,)?'UP'[,\>] ]] || echo "link set dev ${BASH_REMATCH[1]} up"
  done <"$1/links"
}
make_copy() { # FOLDER CLIENT
  local family line number
  make_links "$1" "$2" >"$1/batch"
  echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
  ip -force -batch "$1/batch" >/dev/null 2>&1
  while IFS=: read -r family line; do { echo "$line" >"$family"; } 2>/dev/null; done <"$1/switches"
  make_held "$1" >"$1/batch"
  ip -force -batch "$1/batch" >/dev/null 2>&1
  for family in 4 6; do
    sed 's/^/route append /' "$1/ways$family" >"$1/batch"
    for _ in 1 2; do ip -force "-$family" -batch "$1/batch" >/dev/null 2>&1; done # a router may be reached by a later line
    ip "-$family" rule flush 2>/dev/null
    ip "-$family" rule restore <"$1/turns$family" 2>/dev/null && ip "-$family" rule delete priority 0 2>/dev/null # there are two now
    ip -N -o "-$family" route show table all 2>/dev/null | cleaned >"$1/copied"
    compare_copy routes "$1/ways$family" "$1/copied"
    ip -N "-$family" rule show 2>/dev/null >"$1/copied"
    compare_copy "policy rules" "$1/rules$family" "$1/copied"
  done
  awk '{print $2, $4}' "$1/held" >"$1/wanted"
  ip -N -o address show | awk '{print $2, $4}' >"$1/copied"
  compare_copy addresses "$1/wanted" "$1/copied"
  echo 0 | tee /proc/sys/net/netfilter/nf_conntrack_checksum /proc/sys/net/ipv4/ip_unprivileged_port_start >/dev/null
  for number in "${end_of[@]}"; do
    echo "link set dev end$number address $station arp off up"
    # Where packets for this interface are sent first, whatever they become
    echo "route add $(stand_in 4 "$number")/32 dev end$number"
    echo "route add $(stand_in 6 "$number")/128 dev end$number"
  done >"$1/batch"
  in_client "$2" ip -force -batch - >/dev/null 2>&1 <<<"link set dev lo up
address add ${near_end[4]}/32 dev lo
address add ${near_end[6]}/128 dev lo nodad"
  in_client "$2" ip -force -batch "$1/batch" >/dev/null 2>&1
}
stand_in() { # FAMILY NUMBER: prints an address
  if [[ $1 == 4 ]]; then echo "198.18.$(($2 / 256)).$(($2 % 256))"; else printf '2001:2::1:%x\n' "$2"; fi
}
enters() { # NUMBER FAMILY INTERFACE SOURCE: sets `at` to where to send what comes by it
  local device=$3
  # Of the interface that netc does not know, the route to SOURCE says which it is.
  [[ $device != unknown || ! $(ip -o route get "$4" 2>/dev/null) =~ ' dev '([^ ]+) ]] || device=${BASH_REMATCH[1]}
  [[ ${end_of[$device]-} ]] || { echo "missing $1 there is no interface $device"; return 1; }
  [[ ! ${down[$device]-} ]] || { echo "missing $1 $device is down"; return 1; }
  at=$(stand_in "$2" "${end_of[$device]}")
}
compare_copy() { # WHAT FILE FILE
  local more less
  less=$(comm -23 <(sort "$2") <(sort "$3") | head -n 1) more=$(comm -13 <(sort "$2") <(sort "$3") | head -n 1)
  [[ ! $less ]] || not_asked "$1" "a copy lacks ${less//[[:blank:]]/ }"
  [[ ! $more ]] || not_asked "$1" "a copy has, and this host has not, ${more//[[:blank:]]/ }"
}
count_packets() { # after all that drops
  local family ip proto
  for family in 4 6; do
    ip=ip proto="meta nfproto ipv$family"
    [[ $family == 4 ]] || ip=ip6
    cat <<END
table inet netc_walk {
  set came$family { type inet_service . inet_service . ifname; flags dynamic; size 65535; }
  set begun$family { type inet_service . inet_service . ipv${family}_addr; flags dynamic; size 65535; }
  set ends$family { type inet_service . inet_service . ipv${family}_addr . ipv${family}_addr; flags dynamic; size 65535; }
  set way$family { type inet_service . inet_service . ifname . mark . ipv${family}_addr; flags dynamic; size 65535; }
  set got$family { type inet_service . inet_service . ifname; flags dynamic; size 65535; }
  chain came { type filter hook prerouting priority -2147483648; $proto add @came$family { th sport . th dport . iifname }; }
  chain shape { type route hook output priority -1000; }
  chain sent { type filter hook output priority 2147483647; $proto add @begun$family { th sport . th dport . $ip saddr }; }
  chain taken { type filter hook input priority 2147483647; $proto add @got$family { th sport . th dport . iifname }
    $proto add @ends$family { th sport . th dport . $ip saddr . $ip daddr }; }
  chain passed { type filter hook postrouting priority 2147483647
    $proto oifname != "lo" add @way$family { th sport . th dport . oifname . meta mark . rt $ip nexthop }
    $proto add @ends$family { th sport . th dport . $ip saddr . $ip daddr }; }
}
END
  done | nft -f - && in_client "$1" nft -f - <<<'table inet netc_walk { chain shape { type filter hook output priority -1000; notrack; }; }'
}

# ---- the packets: bash sends UDP to the number of a packet, and rules make of it what it has to be
shapes() { # CLIENT: loads `here` into the copy and `there` into the client. What the kernel of the copy says by itself is dropped
  printf '%s\n' 'flush chain inet netc_walk shape' "${here[@]/#/add rule inet netc_walk shape }" 'add rule inet netc_walk shape drop' | nft -f - &&
    printf '%s\n' 'flush chain inet netc_walk shape' 'add rule inet netc_walk shape notrack' "${there[@]/#/add rule inet netc_walk shape }" |
    in_client "$1" nft -f -
}
header() { # FAMILY PROTOCOL: prints what makes another protocol of UDP
  [[ $2 == udp ]] || if [[ $1 == 4 ]]; then echo "ip protocol set 6"; else echo "ip6 nexthdr set 6"; fi
}
declare -A owners=()
known_owner() { # UID:GID, as numbers or names
  local uid=${1%:*} gid=${1#*:}
  [[ ${owners[$1]-} ]] && return
  [[ $uid =~ ^[0-9]+$ ]] || uid=$(getent passwd "$uid" | cut -d: -f3)
  [[ $gid =~ ^[0-9]+$ ]] || gid=$(getent group "$gid" | cut -d: -f3)
  [[ $uid && $gid ]] && owners[$1]=$uid:$gid
}
questions() { # CLIENT NUMBERS…: the first packets
  local number words family ip port own shape at here=() there=() to=''
  local -A by_owner=()
  for number in "${@:2}"; do
    read -ra words <<<"${asked[number]}"
    family=${words[4]} ip=ip port=$((first + number)) own=${words[3]}
    [[ $family == 4 ]] || ip=ip6
    shape="meta nfproto ipv$family udp dport $port udp sport set $port udp dport set ${words[9]}"
    if [[ ${words[2]} == out ]]; then
      known_owner "$own" || { echo "nobody $number it has no user or group ${own/:/ }"; continue; }
      own=${owners[$own]}
      here+=("$shape $(header "$family" "${words[5]}") accept")
      by_owner[$own]+="${words[7]} $port"$'\n'
    else
      enters "$number" "$family" "$own" "${words[6]}" || continue
      there+=("$shape $ip saddr set ${words[6]} $ip daddr set ${words[7]} $(header "$family" "${words[5]}")")
      to+="$at $port"$'\n'
    fi
  done
  shapes "$1" || return
  printf '%s' "$to" | in_client "$1" bash -c "$SENDER" netc "$segment" 2>/dev/null
  for own in "${!by_owner[@]}"; do
    printf '%s' "${by_owner[$own]}" |
      setpriv --reuid "${own%:*}" --regid "${own#*:}" --clear-groups bash -c "$SENDER; exit 0" netc "$segment" 2>/dev/null ||
      not_asked "programs of $own" "setpriv cannot start them"
  done
}
SENDER='while read -r to port; do printf "$1" >"/dev/udp/$to/$port"; done'
answers() { # CLIENT NUMBERS…: to packets that came out before
  local number words family ip port at here=() there=() to='' own=()
  for number in "${@:2}"; do
    read -ra words <<<"${asked[number]}"
    ((${#words[@]} > 10)) || continue
    family=${words[4]} ip=ip port=$((first + number))
    [[ $family == 4 ]] || ip=ip6
    if [[ ${words[10]} == out ]]; then
      here+=("meta nfproto ipv$family udp dport $port $ip saddr set ${words[12]} $(header "$family" "${words[5]}") accept")
      own+=("${words[13]} $port ${words[14]}")
    else
      enters "$number" "$family" "${words[11]}" "${words[12]}" || continue
      there+=("meta nfproto ipv$family udp dport $port udp sport set ${words[14]} $ip saddr set ${words[12]} $ip daddr set ${words[13]} $(header "$family" "${words[5]}")")
      to+="$at $port"$'\n'
    fi
  done
  shapes "$1" || return
  printf '%s' "$to" | in_client "$1" bash -c "$SENDER" netc "$segment" 2>/dev/null
  for words in "${own[@]}"; do # a program answers from its own port
    read -r to port number <<<"$words"
    echo "$number $number" >/proc/sys/net/ipv4/ip_local_port_range
    # shellcheck disable=SC2059 # the packet is a format of printf
    { printf "$segment" >"/dev/udp/$to/$port"; } 2>/dev/null
  done
  echo "32768 60999" >/proc/sys/net/ipv4/ip_local_port_range
}
print_sets() { # PHASE: when no more packets come
  local before='' now family set same=0
  for _ in {1..50}; do
    sleep 0.1
    now=$(for family in 4 6; do for set in came begun ends way got; do echo "set $set" && nft -n list set inet netc_walk "$set$family"; done; done)
    [[ $now == "$before" ]] && ((same += 1)) || same=0
    ((same < 2)) || break
    before=$now
  done
  printf 'phase %s\n%s\n' "$1" "$now"
  for family in 4 6; do for set in came begun ends way got; do echo "flush set inet netc_walk $set$family"; done; done | nft -f -
}
traced() { # COMMAND…: sends packets, and prints what dropped each
  local monitor
  nft -f - <<<'table inet netc_begins {
    chain came { type filter hook prerouting priority -2147483648; meta nftrace set 1; }
    chain own { type filter hook output priority -2147483648; meta nftrace set 1; }; }'
  nft -n monitor trace >"$folder/trace" 2>/dev/null &
  monitor=$!
  sleep 0.3
  "$@"
  sleep 0.5
  kill "$monitor"
  nft delete table inet netc_begins
  awk '
    / packet: / { for (i = 1; i < NF; i++) { if ($i == "sport") s[$3] = $(i + 1); if ($i == "dport") d[$3] = $(i + 1) } next }
    / policy drop| \(verdict drop\)/ { id = $3; sub(/^trace id [^ ]+ /, ""); print "drop", s[id], d[id], $0 }' "$folder/trace"
}

# ---- what the host has
print_state() { # SPACE FOLDER
  local line lines
  sed 's/^/held /' "$2/held"
  (($(cat "$2"/[0-9]* "$2/sets" 2>/dev/null | wc -c) < 1000000)) || not_asked "single ports and addresses of rules" "rules are longer than 1 MB"
  { nft -n -s list ruleset 2>/dev/null || true; cat "$2"/*tables-* 2>/dev/null; } | head -c 1000000 | grep -E '[0-9]' | sed 's/^[[:blank:]]*/rule /'
  head -q -n 5000 "$2"/ways[46] | grep -v ' proto 2\b' | sed 's/^/route /'
  sed 's/^/turn /' "$2"/rules[46]
  command -v wg >/dev/null || return 0
  wake_tunnels
  wg show all allowed-ips 2>/dev/null | sed 's/^/peer /'
  wg show all latest-handshakes 2>/dev/null | sed 's/^/heard /'
  printf 'now %(%s)T\n' -1
}
wake_tunnels() { # a session of WireGuard ends when nothing is sent: one datagram to port 9 (discard), if it would go into the tunnel
  local line lines words now to silent
  printf -v now '%(%s)T' -1
  for _ in {1..6}; do
    silent=()
    read_lines wg show all latest-handshakes 2>/dev/null || return 0
    for line in "${lines[@]}"; do read -ra words <<<"$line" && ((now - words[2] < 170)) || silent+=("${words[0]} ${words[1]}"); done
    ((${#silent[@]})) || return 0
    for line in "${silent[@]}"; do
      to=$(address_beyond "${line% *}" "${line#* }") || continue
      { printf . >"/dev/udp/$to/9"; } 2>/dev/null
    done
    sleep 0.5
  done
}
address_beyond() { # INTERFACE KEY: prints an address of this peer to which packets leave by the interface
  local line lines words to
  read_lines wg show "$1" allowed-ips || return
  for line in "${lines[@]}"; do
    read -ra words <<<"$line"
    [[ ${words[0]} == "$2" ]] || continue
    for to in "${words[@]:1}"; do
      to=${to/#0.0.0.0\/0/192.0.2.1} to=${to/#::\/0/2001:db8::1}
      [[ $(ip -o route get "${to%/*}" 2>/dev/null) != *" dev $1 "* ]] || { echo "${to%/*}"; return; }
    done
  done
  return 1
}

# ---- verbs
apart() { # state|ask|why: in a mount namespace of its own
  local lines space words
  mount -n -t tmpfs none "$copies" && cat >"$copies/asked" || exit 1
  words=${SSH_CONNECTION-}
  echo "from ${words%% *}"
  if [[ $1 == state ]]; then read_lines cat "$copies/asked"; else read_lines awk '!seen[$2]++ {print $2}' "$copies/asked"; fi || exit 1
  for space in "${lines[@]}"; do
    echo "space $space"
    [[ $space == - || -e /run/netns/$space ]] || { echo absent; continue; }
    mkdir "$copies/$space" && in_space "$space" bash -c "$BASH_EXECUTION_STRING" netc there "$1" "$space"
  done
  echo end
}
there() { # state|ask|why SPACE: in the network that is copied
  local folder=$copies/$2
  command -v nft >/dev/null || { not_asked "this host" "it has no nft: apt-get install nftables"; return; }
  copy_host "$folder"
  if [[ $1 == state ]]; then
    print_state "$2" "$folder"
  else
    [[ $1 != why ]] || print_routes "$2"
    unshare --net bash -c "$BASH_EXECUTION_STRING" netc inside "$1" "$2" || not_asked "this host" "no packet can be sent in a network namespace"
  fi
}
print_routes() { # SPACE: the route that the host itself has for each packet
  local words arriving
  while read -ra words; do
    [[ ${words[1]} == "$1" ]] || continue
    arriving="from ${words[6]} iif ${words[3]}"
    [[ ${words[2]} == in ]] || arriving="uid ${words[3]%:*}"
    # shellcheck disable=SC2086 # words
    echo "route ${words[0]} $(ip -o "-${words[4]}" route get fibmatch "${words[7]}" $arriving 2>&1 | head -n 1)"
  done <"$copies/asked"
}
inside() { # ask|why SPACE: in an empty network
  local folder=$copies/$2 client line lines numbers=()
  local -a asked=()
  local -A end_of=() down=() # by interface: its number, and whether it is down
  unshare --net sleep "$patience" &
  client=$!
  until [[ ! /proc/$client/ns/net -ef /proc/self/ns/net ]]; do sleep 0.02; done
  read_lines awk -v space="$2" '$2 == space' "$copies/asked" || return
  for line in "${lines[@]}"; do asked[${line%% *}]=$line; done
  while read -r line; do
    [[ $line =~ ^[0-9]+:' '([^:@ ]+)[^:]*': <'([^>]*)'>' ]] || continue
    end_of[${BASH_REMATCH[1]}]=$((${#end_of[@]} + 1))
    [[ ,${BASH_REMATCH[2]}, == *,UP,* ]] || down[${BASH_REMATCH[1]}]=1
  done <"$folder/links"
  numbers=("${!asked[@]}")
  make_copy "$folder" "$client"
  count_packets "$client" || { kill "$client"; return 1; }
  ! compgen -G "$folder/[0-9]*" >/dev/null || load_filters "$folder"
  code_of >"$folder/copied"
  compgen -G "$folder/*-legacy" >/dev/null || compare_copy "packet filters" "$folder/code" "$folder/copied"
  if [[ $1 == why ]]; then traced questions "$client" "${numbers[@]}"; else questions "$client" "${numbers[@]}"; fi
  print_sets 1
  if [[ $1 == why ]]; then traced answers "$client" "${numbers[@]}"; else answers "$client" "${numbers[@]}"; fi
  print_sets 2
  kill "$client" 2>/dev/null || not_asked "this host" "the packets took longer than $patience s"
}
case ${1-} in
  state | ask | why) unshare --mount bash -c "$BASH_EXECUTION_STRING" netc apart "$1" ;;
  apart | there | inside) "$@" ;;
esac
