# shellcheck shell=bash disable=SC1091,SC2016,SC2053,SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host` for `install` and `status`. It asks the packet filters of others whether a packet to each opening,
# forward and published port (/etc/netc/walks) gets through. The packets go from one network namespace to another, and these
# end with this. One of them has the rulesets of this host, those of others and netc's. On the host itself nothing is loaded
# or sent.

first=10000 # the source port of the first packet. Each has a port of its own, by which it is found again
station=02:00:00:00:00:01 # the hardware address of every interface there
# What follows the first 8 bytes of a TCP header: a SYN with the options of Linux (MSS, SACK, window), but for timestamps, which
# have the byte of a new line, where bash would end the packet. For other protocols it is data.
segment='\0\0\0\0\x80\x02\xfa\xf0\0\0\0\0\x02\x04\x05\xb4\x01\x01\x04\x02\x01\x03\x03\x07'

# A row is `dropped TABLE PACKETS CHAIN` or `unasked WHAT WHY`, separated by tabs.
not_asked() { printf 'unasked\t%s\t%s\n' "$1" "$2"; } # WHAT WHY

copies=/run/netc/copies # of the rulesets of others, in a mount namespace of its own: nothing is left, also if it is killed
dropped_by_others() { # prints a row for what others drop, and for what could not be asked. While no ruleset changes, those of before
  [[ -s /etc/netc/walks ]] && ! is_alone || return 0
  # shellcheck disable=SC2016 # for the shell in there
  unshare --mount bash -c 'source "$1/steps.bash" - none && set +e && libraries=$1 && source "$1/walk.bash" && walk_again "$2"' \
    netc "$libraries" "$store/walked" || not_asked "packet filters of others" "nothing can be mounted in a namespace"
}
walk_again() { # FILE with the rows of before. If it cannot be written, they are asked each time
  local sum last=''
  mount -n -t tmpfs none /run/netc && mkdir "$copies" || return
  copy_filters "$copies" /etc/netc/walks >"$copies/rows"
  sum=$(summed "$copies")
  { read -r last <"$1"; } 2>/dev/null
  [[ $last != "$sum" ]] || { tail -n +2 "$1"; return; }
  walk_apart >>"$copies/rows"
  { { echo "$sum" && cat "$copies/rows"; } >"$1.$$" && mv "$1.$$" "$1"; } 2>/dev/null || true
  cat "$copies/rows"
}
summed() { # FOLDER: prints a sum of the copies and of netc's files, without counters and lifetimes
  cat "$1"/*.nft "$1"/*tables-* "$1"/{rows,sets,addresses,default4,default6,routes,interfaces} \
    /etc/netc/walks /etc/netc/*.nft /etc/netc/*.rules /etc/netc/parts/docker/up 2>/dev/null |
    sed -e '/^# [GC]/d' -e 's/ \[[0-9]*:[0-9]*\]$//' -e 's/ *valid_lft.*//' -e '/^add /s/ \(timeout\|packets\|bytes\) [0-9]*//g' | sha256sum
}
walk_apart() { # the files of netc are at their places
  [[ -e $copies/addresses ]] && may_drop "$copies" || return 0
  unshare --net bash -c 'source "$1/steps.bash" - none && set +e && libraries=$1 && source "$1/walk.bash" && walk "$2"' \
    netc "$libraries" "$copies" || not_asked "packet filters of others" "no packet can be sent in a network namespace"
}

# ---- on the host: copies of what others have loaded, each table in a file of its own
tables_of_others() { # sets `tables` to `FAMILY TABLE`, and `legacy` to the commands whose tables are not of nft
  local line lines names
  tables=() legacy=()
  read_lines nft list tables || return
  for line in "${lines[@]}"; do
    [[ $line == 'table inet netc'?(_guard|_offload) ]] || tables+=("${line#table }")
  done
  for line in iptables ip6tables; do
    { read -r names <"/proc/net/${line/tables/_tables}_names"; } 2>/dev/null || names=''
    [[ ! $names ]] || legacy+=("$line")
  done
}
is_alone() { # netc's filter is the only one
  local tables legacy
  tables_of_others 2>/dev/null && ((!${#tables[@]} && !${#legacy[@]}))
}
copy_filters() { # FOLDER WALKS
  local tables legacy table number=100 word to leaving
  command -v nft >/dev/null || { not_asked "packet filters of others" "this needs nft: apt-get install nftables"; return; }
  tables_of_others || { not_asked "packet filters of others" "nft does not list its tables"; return; }
  ((${#tables[@]} || ${#legacy[@]})) || return 0
  for table in "${tables[@]}"; do copy_table "$1" "${table%% *}" "${table#* }" $((number += 1)); done
  for word in "${legacy[@]}"; do copy_legacy "$1" "$word"; done
  ! grep -qs -e '--match-set ' "$1"/*tables* || ipset save >"$1/sets" 2>/dev/null
  ip -o address show >"$1/addresses"
  ip -o -4 route show default >"$1/default4" 2>/dev/null
  ip -o -6 route show default >"$1/default6" 2>/dev/null
  while read -r _ _ _ _ _ _ _ to leaving _; do
    [[ $leaving != - || $to == - ]] || ip -o route get "$to"
  done <"$2" >"$1/routes" 2>/dev/null
  printf '%s\n' /sys/class/net/* >"$1/interfaces"
}
copy_legacy() { # FOLDER iptables|ip6tables. To list its rules makes its tables, so most are empty
  local file=$1/100.$2-legacy family=${2%tables}
  if ! "$2-legacy-save" >"$file" 2>/dev/null; then
    not_asked "tables of $2-legacy" "$2-legacy-save fails"
  elif grep -vE '^-A netc-| -j netc-[A-Z]+$' "$file" | grep -E '^-A |^:[^ ]+ DROP' >/dev/null; then
    compgen -G "$1/*.$2-nft" >/dev/null || grep -qsE "^table $family (filter|nat|mangle|raw|security) " "$1"/*.nft || return 0
    not_asked "tables of $2-legacy" "this host has tables of $2-nft beside them"
  fi
  rm "$file"
}
copy_table() { # FOLDER FAMILY TABLE NUMBER
  local word=iptables file=$1/$4.nft
  if ! nft -s list table "$2" "$3" >"$file" 2>"$1/said"; then
    not_asked "table $2 $3" "nft does not list it"
    rm "$file"
  elif [[ $2 == ip?(6) ]] && grep -qsE 'managed by iptables-nft|(^|[[:blank:]])xt (match|target) ' "$file" "$1/said"; then
    [[ $2 == ip ]] || word=ip6tables # nft cannot load all that iptables-nft made
    rm "$file"
    "$word-nft-save" -t "$3" 2>/dev/null | grep -v -e '^-A DOCKER-USER .*--comment netc -j ACCEPT' >"$1/$4.$word-nft"
    grep -q '^COMMIT' "$1/$4.$word-nft" || { not_asked "table $2 $3" "$word-nft-save does not print it"; rm "$1/$4.$word-nft"; }
  elif [[ $2 == @(arp|bridge|netdev) ]]; then
    ! grep -qiE 'drop|reject' "$file" || not_asked "table $2 $3" "packets are sent through tables of ip, ip6 and inet alone"
    rm "$file"
  else # a table that has an owner (nft(8)) would end with the nft that loads it
    sed -i -E '2{/^[[:blank:]]*flags /{s/(owner|persist),?//g;s/,$//;/flags $/d}}' "$file"
  fi
}
may_drop() { # FOLDER: something of others drops packets
  { cat "$1"/*.nft "$1"/*tables-* 2>/dev/null || true; } | grep -vE '^(:|-A )netc-' | grep -iE 'drop|reject|queue|tarpit' >/dev/null
}

# ---- in a network namespace: what the packets need of interfaces, addresses and routes
declare -A holder=() address_of=() length=() leads_to=()
declare -A near=() # of each interface: addresses that it may share with others
every_link='@(fe80:*|ff02:*|224.0.0.*)' # link-local and multicast
walks=() # of each packet: WHAT FAMILY INTERFACE SOURCE PROTOCOL ADDRESS PORT TARGET INTERFACE TTL
read_addresses() { # FOLDER
  local name family address rest
  while read -r _ name family address rest; do
    [[ $rest == *'scope global'* ]] || continue
    [[ $address != */* ]] || length[${address%/*}]=${address#*/} # it has none beside a `peer`
    address=${address%/*} family=${family/inet6/6} family=${family/inet/4}
    holder[$address]=${holder[$address]-$name}
    [[ ${address_of["$name $family"]-} || $rest == *@(temporary|deprecated|tentative)* ]] || address_of["$name $family"]=$address
  done <"$1/addresses"
  while read -r address rest; do
    [[ $address == local || ! " $rest " =~ ' dev '([^ ]+) ]] || leads_to[${address#unicast }]=${BASH_REMATCH[1]}
  done <"$1/routes"
}
default_of() { # FOLDER FAMILY: prints the interface of the default route
  sed -n '1s/.* dev \([^ ]*\).*/\1/p' "$1/default$2"
}
read_walks() { # FOLDER: those of which this host knows what the topology leaves open
  local what family device source protocol on port to leaving ttl
  local -A default=()
  default[4]=$(default_of "$1" 4)
  default[6]=$(default_of "$1" 6)
  while read -r what family device source protocol on port to leaving ttl; do
    [[ $what != '#' ]] || continue
    [[ $device != - ]] || device=${holder[$on]-${default[$family]}}
    [[ $on != - ]] || on=${address_of["$device $family"]-}
    [[ ! $device || $on != $every_link ]] || near[$device]+=" $on"
    [[ ! $device || $on != @(fe80:*|ff02:*) ]] || on+="%$device"
    [[ $leaving != - || $to == - ]] || leaving=${leads_to[$to]-}
    # Without IPv6, or before a link or a LAN is there, no packet comes by it.
    [[ ! $device || ! $on || ! $leaving ]] || walks+=("$what $family $device $source $protocol $on $port $to $leaving $ttl")
  done </etc/netc/walks
  walks=("${walks[@]:0:20000}")
}
make_interfaces() { # FOLDER CLIENT: as on the host, by name. The other end of each, with its number as the name, is in CLIENT
  local name walk words number=0
  local -A all=()
  while read -r name; do all[${name##*/}]=1; done <"$1/interfaces"
  for walk in "${walks[@]}"; do
    read -ra words <<<"$walk"
    all[${words[2]}]=1
    [[ ${words[8]} == - ]] || all[${words[8]}]=1
  done
  unset 'all[lo]'
  for name in "${!all[@]}"; do
    [[ $name != *[!A-Za-z0-9_.:@+-]* ]] || continue
    end_of[$name]=end$((number += 1))
    echo "link add dev $name address $station type veth peer name ${end_of[$name]} netns $2"
    echo "link set dev $name up"
  done
  echo "link set dev lo up"
}
make_places() { # FOLDER: prints addresses and routes for `ip -batch`
  local address walk words everywhere=([4]=0.0.0.0/0 [6]=::/0)
  for walk in "${walks[@]}"; do
    read -ra words <<<"$walk"
    [[ ${words[5]} == $every_link ]] || holder[${words[5]}]=${holder[${words[5]}]-${words[2]}}
    [[ ${words[7]} == - ]] || echo "route replace ${words[7]} dev ${words[8]}"
  done
  # With their prefixes: rules of others may lead a packet farther, such as to a container.
  for address in "${!holder[@]}"; do
    if [[ $address == *:* ]]; then
      echo "address add $address/${length[$address]-128} dev ${holder[$address]} nodad"
    else
      echo "address add $address/${length[$address]-32} dev ${holder[$address]}"
    fi
  done
  for walk in "${!near[@]}"; do
    for address in ${near[$walk]}; do
      case $address in # `autojoin`: the kernel takes packets to the group
        fe80:*) echo "address replace $address/64 dev $walk nodad" ;;
        ff02:*) echo "address replace $address/128 dev $walk nodad autojoin" ;;
        *) echo "address replace $address/32 dev $walk autojoin" ;;
      esac
    done
  done
  for address in 4 6; do
    walk=$(default_of "$1" "$address")
    [[ ! $walk ]] || echo "route add ${everywhere[$address]} dev $walk"
  done
}
open_kernel() { # what the kernel itself would drop is not asked
  local file
  for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >"$file"; done
  echo 1 >/proc/sys/net/ipv4/ip_forward
  echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
  { echo 0 >/proc/sys/net/netfilter/nf_conntrack_checksum; } 2>/dev/null
}

# ---- the rulesets
load_filters() { # FOLDER
  local file what word number
  [[ ! -e $1/sets ]] || ipset restore -exist -file "$1/sets" || not_asked ipsets "they do not load in a namespace of their own"
  for file in "$1"/[0-9]*; do
    what=${file##*.}
    case $what in
      nft) without_limits "$file" | nft -f - || not_asked "$(sed -n '1s/ {.*//p' "$file")" "it does not load in a namespace of its own" ;;
      *)
        word=${what%-*}
        # What iptables-legacy has is asked as iptables-nft, whose chains can be traced.
        without_limits "$file" | "$word-nft-restore" -w --noflush || not_asked "table $(sed -n 's/^\*//p' "$file" | tr '\n' ' ')of $what" "it does not load in a namespace of its own"
        ;;
    esac 2>/dev/null
  done
  load_own
}
without_limits() { # FILE: all packets come in one burst, and limits of rates and numbers are no drop
  sed -E -e 's,(rate (over )?)[0-9]+/(second|minute|hour|day|week)( burst [0-9]+ packets)?,\11000000/second burst 1000000 packets,g' \
    -e 's,(ct count (over )?)[0-9]+,\165535,g' -e 's,(--connlimit-(above|upto)) [0-9]+,\1 65535,g' -e 's,(--hitcount) [0-9]+,\1 255,g' \
    -e 's,(--(hash)?limit)(-above|-upto)? [0-9]+/[a-z]+( --(hash)?limit-burst [0-9]+)?,\1\3 10000/sec \1-burst 10000,g' "$1"
}
load_own() { # as `up` does; for Docker's chain, what the part `docker` adds
  # shellcheck disable=SC2034 # say prints it
  local word lines line words part=walk
  if [[ -e /etc/netc/nftables.nft ]]; then nft -f /etc/netc/nftables.nft; fi
  for word in iptables ip6tables; do
    [[ -e /etc/netc/$word.rules ]] || continue
    source "$libraries/iptables.bash"
    for line in /etc/netc/sets/*.ipset; do [[ ! -e $line ]] || ipset restore -exist -file "$line"; done
    "$word-nft-save" 2>/dev/null | replacing_old "/etc/netc/$word.rules" | "$word-nft-restore" -w --noflush
  done
  [[ -e /etc/netc/parts/docker/up ]] && source "$libraries/docker.bash" || return 0
  read_lines sed -n 's/^step \(\(way_\)\?past_docker add .*\)/\1/p' /etc/netc/parts/docker/up
  for line in "${lines[@]}"; do
    read -ra words <<<"$line"
    "${words[@]}" 2>/dev/null
  done
}
count_arrivals() { # after all that drops: of the chains with one priority, the kernel runs first the one that was added last
  printf '%s\n' 'table inet netc_walk {
    set arrived { type inet_service; }
    chain taken { type filter hook input priority 2147483647; add @arrived { th sport }; }
    chain passed {
      type filter hook postrouting priority 2147483647
      iiftype 1 ct status & snat == snat meta l4proto { tcp, udp } add @arrived { ct original proto-src } accept
      iiftype 1 add @arrived { th sport }
    }
  }' | nft -f -
}

# ---- the packets
send() { # CLIENT NUMBERS…: in one round, or in several if packets to one address have different sources
  local number words client=$1 left=("${@:2}") later commands packets device way on
  local -A ways=()
  while ((${#left[@]})); do
    ways=() later=() commands='' packets=''
    for number in "${left[@]}"; do
      read -ra words <<<"${walks[number]}"
      way="${words[2]} ${words[3]}"
      [[ ${ways[${words[5]}]-$way} == "$way" ]] || { later+=("$number"); continue; }
      device=${end_of[${words[2]}]} on=${words[5]%%%*}
      packets+="${words[5]/\%*/%$device} $((first + number))"$'\n'
      [[ ! ${ways[${words[5]}]-} ]] || continue
      ways[${words[5]}]=$way
      [[ ${words[1]} == 4 ]] && commands+="address replace ${words[3]}/32 dev $device"$'\n' || commands+="address replace ${words[3]}/128 dev $device nodad"$'\n'
      case $on in # beside that of another interface; of groups, before the kernel's own
        fe80:*) commands+="route replace $on dev $device src ${words[3]} metric ${device#end}"$'\n' ;;
        ff02:*) commands+="route replace multicast $on dev $device src ${words[3]} metric ${device#end} table local"$'\n' ;;
        *) commands+="route replace $on dev $device src ${words[3]}"$'\n' ;;
      esac
      commands+="neighbour replace $on lladdr $station dev $device nud permanent"$'\n'
    done
    printf '%s' "$commands" | in_client "$client" ip -force -batch - >/dev/null 2>&1
    # bash sends UDP to the number of the packet, and the client's own rules make of it what the packet has to be.
    printf '%s' "$packets" | in_client "$client" \
      bash -c 'while read -r to port; do printf "$1" >"/dev/udp/$to/$port"; done' netc "$segment" 2>/dev/null
    left=("${later[@]}")
  done
}
in_client() { nsenter --net --target "$1" -- "${@:2}"; } # CLIENT COMMAND…
shape_packets() { # prints the client's rules
  local number words port header ttl=([4]='ip ttl' [6]='ip6 hoplimit')
  echo 'table inet netc_walk { chain sent { type filter hook output priority -1000; notrack'
  for number in "${!walks[@]}"; do
    read -ra words <<<"${walks[number]}"
    port=$((first + number)) header='ip protocol'
    [[ ${words[1]} == 4 ]] || header='ip6 nexthdr'
    header="$header set ${words[4]/tcp/6}"
    [[ ${words[4]} != udp ]] || header=''
    [[ ${words[9]} == - ]] || header+=" ${ttl[${words[1]}]} set ${words[9]}"
    echo "meta nfproto ipv${words[1]} udp dport $port udp sport set $port udp dport set ${words[6]} $header accept"
  done
  echo '}; }'
}
find_missing() { # puts the numbers of packets that did not arrive into `missing`
  local said number
  local -A there=()
  for _ in {1..10}; do # a packet takes no time, and a busy host some
    sleep 0.05
    said=$(nft -n list set inet netc_walk arrived) && said=${said#*elements} || return
    for number in ${said//[!0-9]/ }; do there[$number]=1; done
    missing=()
    for number in "${!walks[@]}"; do [[ ${there[$((first + number))]-} ]] || missing+=("$number"); done
    ((${#missing[@]})) || return 0
  done
}
trace_missing() { # CLIENT FOLDER: sends them again, and puts the chain that dropped each into `dropper`
  local monitor port chain
  printf 'table inet netc_walk { chain begins { type filter hook prerouting priority -2147483648; meta nftrace set 1; }; }\n' | nft -f -
  nft -n monitor trace >"$2/trace" 2>/dev/null &
  monitor=$!
  sleep 0.3
  send "$1" "${missing[@]}"
  sleep 0.5
  kill "$monitor"
  awk '
    / packet: / && match($0, / sport [0-9]+/) { port[$3] = substr($0, RSTART + 7, RLENGTH - 7); next }
    / packet: / && match($0, /@th,0,[0-9]+ 0x[0-9a-f]+/) { n = split(substr($0, RSTART, RLENGTH), w, " "); port[$3] = substr(w[n], 1, 6); next }
    ($3 in port) && / policy drop| \(verdict (drop|queue)/ { print port[$3], $4, $5, $6 }' "$2/trace" >"$2/drops"
  while read -r port chain; do
    [[ $port != 0x* ]] || port=$((port))
    ((port < first)) || dropper[port - first]=$chain
  done <"$2/drops"
}

walk() { # FOLDER
  local client missing=() dropper=() number words
  local -A end_of=()
  unshare --net sleep 60 &
  client=$!
  until [[ ! /proc/$client/ns/net -ef /proc/self/ns/net ]]; do sleep 0.02; done
  read_addresses "$1"
  read_walks "$1"
  if ((${#walks[@]})); then
    make_interfaces "$1" "$client" >"$1/batch" && make_places "$1" >>"$1/batch"
    echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
    ip -force -batch "$1/batch" >/dev/null 2>&1
    for number in "${!end_of[@]}"; do echo "link set dev ${end_of[$number]} up"; done | in_client "$client" ip -force -batch - >/dev/null 2>&1
    if ! { count_arrivals && shape_packets | in_client "$client" nft -f -; }; then
      kill "$client"
      return 1
    fi
    load_filters "$1"
    open_kernel
    send "$client" "${!walks[@]}"
    find_missing
    ((!${#missing[@]})) || trace_missing "$client" "$1"
    print_dropped "$1"
  fi
  kill "$client"
}
print_dropped() { # FOLDER: a row for each table and chain
  local number words packet family chain own
  local -A rows=()
  own=" $(sed -n 's/^:\(netc-[^ ]*\).*/\1/p' "$1"/*tables-* /etc/netc/*tables.rules 2>/dev/null | tr '\n' ' ')" # of iptables
  for number in "${missing[@]}"; do
    read -ra words <<<"${walks[number]}"
    packet="${words[4]} ${words[6]} of ${words[5]}"
    [[ ${words[4]} == *[!0-9]* ]] || packet="protocol ${words[4]} to ${words[5]}"
    read -r family chain <<<"${dropper[number]-}"
    [[ "$family $chain" != 'inet netc '* && ! ($family == ip?(6) && $own == *" ${chain#* } "*) ]] || continue # as the topology has it
    chain="${words[0]}"$'\t'"${chain:+chain ${chain#* } of table $family ${chain% *}}"
    rows[$chain]+="${rows[$chain]+, }$packet"
  done
  for chain in "${!rows[@]}"; do
    if [[ ${chain#*$'\t'} ]]; then
      printf 'dropped\t%s\t%s\t%s\n' "${chain%$'\t'*}" "${rows[$chain]}" "${chain#*$'\t'}"
    else
      not_asked "${chain%$'\t'*}" "${rows[$chain]}: the packet was lost, and no chain says where"
    fi
  done | sort
}
