# shellcheck shell=bash disable=SC2154
# Sourced after generations.bash, laying.bash and looking.bash: what differs from what was installed, a line a difference.
# What rules should look like when they are loaded, the kernel itself says: they are loaded once more, into a network
# namespace that ends with the question.

check() {
  local differences generation
  (($# == 0)) || usage
  generation=$(current)
  [[ ! -e $pending ]] || generation=$(<"$pending/new")
  [[ ! -e $pending || $(<"$pending/phase") == complete ]] || die "a change is under way"
  [[ $generation != none ]] || die "nothing is installed"
  differences=$(altered_files "$generation"; strange_files "$generation"; for_each_part)
  [[ $differences ]] || return 0
  printf '%s\n' "$differences"
  return 1
}

# ---- files

altered_files() { # GENERATION
  local sum mode path place there
  manifest_of "$1" | in_place | while read -r sum mode path _; do
    place=/${path#files/}
    if [[ ! -e $place && ! -L $place ]]; then
      echo "file $place is missing"
    elif [[ ! -f $place || $(sha256sum <"$place") != "$sum  -" ]]; then
      echo "file $place is not as it was installed"
    else
      there=$(stat -c '%a of %U:%G' "$place")
      echo "file $place has mode $there, not ${mode#0} of root:root"
    fi
  done
}

strange_files() { # GENERATION: in netc's own folder, but for what belongs to the host there
  local path
  find /etc/netc -path /etc/netc/keys -prune -o ! -type d -print | while read -r path; do
    case $path in
      /etc/netc/anycast/*.disabled | *"$beside") continue ;;
    esac
    brings "$1" "files$path" || mentioned "$path" || echo "file $path is not from netc"
  done
}
mentioned() { # a file that the host brings, and netc reads
  grep -qsF -e "$1" -- /etc/netc/parts/*/up /etc/netc/bird.conf
}

# ---- what runs: each step of a part that is up, asked whether it still holds

for_each_part() {
  local part
  wanted_rules=()
  while read -r part; do
    if is_up "$part"; then
      each_step "$part"
    elif [[ -e /run/netc/$part ]]; then
      echo "part $part is half up"
    else
      echo "part $part is down"
    fi
  done < <(laid)
  policy_rules
}

each_step() { # PART
  local -a words
  while read -ra words; do
    case "${words[*]}" in
      "ip netns add "*) [[ -e /run/netns/${words[3]} ]] || echo "namespace ${words[3]} is not there" ;;
      "ip netns exec "*" nft -f "*) tables_of_nft "${words[6]}" "${words[3]}" ;;
      "nft -f "*) tables_of_nft "${words[2]}" - ;;
      "offload "*) shortcut "${words[@]:1}" ;;
      "load_tables "*) tables_of_iptables "${words[1]}" "${words[2]}" "${words[3]--}" ;;
      "ipset restore -file "*) lists "${words[3]}" ;;
      "ip -n "*) holds "${words[2]}" "${words[@]:3}" ;;
      "ip "*) holds - "${words[@]:1}" ;;
      "instead "*) holds - "${words[1]}" route add "${words[@]:2}" ;;
      "keep "*) ! can_hold "${words[@]:1}" || holds - "${words[1]}" route add "${words[@]:2}" ;;
      "setting "*) is_set "${words[1]}" "${words[2]}" "${words[3]--}" ;;
      "sysctls "*) all_are_set "${words[1]}" ;;
      "loosen "*) is_loose "${words[1]}" ;;
      "wg addconf "*) peers "${words[2]}" "${words[3]}" ;;
      "wg set "*" private-key "*) own_public "${words[2]}" "${words[4]}" ;;
      "start_bird "*) router "${words[1]}" ;;
    esac
  done < <(sed -n 's/^step //p' "/etc/netc/parts/$1/up")
}

there() { [[ $1 == - || -e /run/netns/$1 ]]; } # NAMESPACE
where() { [[ $1 == - ]] || printf ' in %s' "$1"; }

holds() { # NAMESPACE WORDS… of an `ip` command
  local in=$1
  shift
  there "$in" || return 0
  case "$*" in
    "link set dev "*" up") link "$in" "$4" "$([[ ${5-} != mtu ]] || echo "$6")" ;;
    *" address add "* | *" address replace "*) address "$in" "$1" "$4" "$6" ;;
    *" route add "*) route "$in" "$1" "${@:4}" ;;
    *" rule add "*) wanted_rules+=("$in $*") ;;
  esac
}

link() { # NAMESPACE DEVICE [MTU]
  local said
  if ! said=$(inside "$1" ip -o link show dev "$2" 2>/dev/null); then
    echo "interface $2$(where "$1") is not there"
  elif [[ ! $said =~ [\<,]UP[,\>] ]]; then
    echo "interface $2$(where "$1") is down"
  elif [[ ${3-} && $said != *" mtu $3 "* ]]; then
    said=${said#* mtu }
    echo "interface $2$(where "$1") has MTU ${said%% *}, not $3"
  fi
}

address() { # NAMESPACE FAMILY ADDRESS/LENGTH DEVICE
  inside "$1" ip -o "$2" address show dev "$4" to "${3%/*}" 2>/dev/null | grep -qF "/${3#*/} " ||
    echo "address $3 on $4$(where "$1") is not there"
}

route() { # NAMESPACE FAMILY WORDS…
  local in=$1 family=$2 asked=() words=("${@:3}")
  [[ $3 != unreachable ]] || { asked=(type unreachable); set -- "$in" "$family" "${@:4}"; }
  [[ " $* " == *" table "* ]] || asked+=(table main)
  asked+=(exact "$3")
  shift 3
  while (($#)); do
    case $1 in
      onlink) shift ;;
      via)
        [[ $2 != inet6 ]] || set -- via "${@:3}"
        asked+=(via "$2")
        shift 2
        ;;
      *) asked+=("$1" "$2"); shift 2 ;;
    esac
  done
  [[ $(inside "$in" ip "$family" route show "${asked[@]}" 2>/dev/null) ]] ||
    echo "route ${words[*]}$(where "$in") is not there"
}

can_hold() { # FAMILY ROUTE…: whether the uplink is there, with its address; if not, the route comes back with it
  local family=$1 route=" ${*:2} " device source
  device=$(sed -n 's/.* dev \([^ ]*\) .*/\1/p' <<<"$route") source=$(sed -n 's/.* src \([^ ]*\) .*/\1/p' <<<"$route")
  [[ ! $device || $(ip -o "$family" address show dev "$device" up scope global 2>/dev/null) ]] &&
    [[ ! $source || $(ip -o "$family" address show to "$source" -tentative) ]]
}

policy_rules() { # as the kernel says them when there are no others
  local in family wanted
  ((${#wanted_rules[@]})) || return 0
  for in in - $(namespaces_of_netc); do
    for family in -4 -6; do
      # shellcheck disable=SC2016 # for the shell in there
      wanted=$(printf '%s\n' "${wanted_rules[@]}" | sed -n "s/^$in \($family .*\)/ip \1/p" |
        unshare --net bash -c '. /dev/stdin; ip "$1" rule show protocol 77' rules "$family")
      compared "rule" "$(where "$in")" "$(sort <<<"$wanted")" "$(inside "$in" ip "$family" rule show protocol 77 | sort)"
    done
  done
}

is_set() { # PATH VALUE NAMESPACE; what is gone with its device is told of with it
  local value
  there "$3" && value=$(inside "$3" cat "/proc/sys/$1" 2>/dev/null) || return 0
  [[ $value == "$2" ]] || echo "sysctl ${1//\//.}$(where "$3") is $value, not $2"
}

all_are_set() { # FILE, by the rules of steps.bash
  local key value file
  while IFS=' =' read -r key value; do
    [[ $key == net* ]] || continue
    [[ $key == */* ]] || key=${key//./\/}
    file=/proc/sys/$key
    [[ -e $file && $(<"$file") != "$value" ]] || continue
    [[ $key == */accept_ra && $(<"$file") != 1 ]] || echo "sysctl ${key//\//.} is $(<"$file"), not $value"
  done <"$1"
}

is_loose() { # DEVICE
  local all=/proc/sys/net/ipv4/conf/all/rp_filter own=/proc/sys/net/ipv4/conf/$1/rp_filter
  [[ ! -e $own || $(<"$all")$(<"$own") == *2* || $(<"$all")$(<"$own") != *1* ]] ||
    echo "sysctl net.ipv4.conf.$1.rp_filter is strict, not loose"
}

place_of() { # DEVICE
  local in
  in=$(moved_devices | sed -n "s/^$1\t//p")
  printf '%s\n' "${in:--}"
}

own_public() { # DEVICE FILE, and what others know of it
  local in public known
  in=$(place_of "$1")
  there "$in" && public=$(inside "$in" wg show "$1" public-key 2>/dev/null) && [[ $2 == /* ]] || return 0
  known=$(awk -v file="$2" '$1 == "identity" && $2 == file {print $4}' /etc/netc/secrets)
  if [[ $(wg pubkey <"$2" 2>/dev/null) != "$public" ]]; then
    echo "interface $1 has another key than $2"
  elif [[ $known && $known != "$public" ]]; then
    echo "interface $1 has another key than the topology knows"
  fi
}

peers() { # DEVICE FILE; endpoints move
  local in
  in=$(place_of "$1")
  there "$in" || return 0
  inside "$in" wg show "$1" dump 2>/dev/null | awk -F '\t' -v device="$1" '
    function told(what) { print what }
    FILENAME != "-" && /^# / { name = substr($0, 3) }
    FILENAME != "-" && /^[A-Z]/ {
      at = index($0, " = "); word = substr($0, 1, at - 1); value = substr($0, at + 3)
      if (word == "ListenPort") port = value
      if (word == "PublicKey") { key = value; keys[++count] = key; called[key] = name }
      if (word == "AllowedIPs") allowed[key] = value
      if (word == "PersistentKeepalive") keepalive[key] = value == 0 ? "off" : value
    }
    FILENAME != "-" { next }
    FNR == 1 { if (port != "" && $3 != port) told("interface " device " listens at port " $3 ", not " port); next }
    !($1 in called) { told("peer " $1 " of " device " is not from netc"); next }
    {
      there[$1]
      split("", is); split("", wanted)
      n = split($4 == "(none)" ? "" : $4, found, ","); for (i = 1; i <= n; i++) is[found[i]]
      n = split(allowed[$1], found, ", "); for (i = 1; i <= n; i++) wanted[found[i]]
      for (net in wanted) if (!(net in is)) told("peer " called[$1] " of " device " may not use " net)
      for (net in is) if (!(net in wanted)) told("peer " called[$1] " of " device " may use " net ", and should not")
      if ($1 in keepalive && keepalive[$1] != $8) told("peer " called[$1] " of " device " has keepalive " $8 ", not " keepalive[$1])
    }
    END { for (i = 1; i <= count; i++) if (!(keys[i] in there)) told("peer " called[keys[i]] " of " device " is not there") }
  ' "$2" -
}

router() { # FILE: when BIRD read it, and when it was written, both to the second
  local at
  at=$(ask_bird show status | sed -n 's/^Last reconfiguration on //p')
  if [[ ! $at ]]; then
    echo "BIRD does not answer"
  elif (($(stat -c %Y "$1") > $(date -d "${at%.*}" +%s))); then
    echo "BIRD has not read $1 since it changed; it did at ${at%.*}"
  fi
}

# ---- rules

compared() { # WHAT WHERE WANTED THERE, a line a thing, in the same order
  local line
  [[ $3 != "$4" ]] || return 0
  diff --unchanged-line-format= --old-line-format="-$1 %L" --new-line-format="+$1 %L" \
    <(sed '/^$/d' <<<"$3") <(sed '/^$/d' <<<"$4") |
    while IFS= read -r line; do
      case $line in
        -*) echo "${line#-}$2 is not there" ;;
        +*) echo "${line#+}$2 is not from netc" ;;
      esac
    done
}

tables_of_nft() { # FILE NAMESPACE
  local wanted loaded
  there "$2" || return 0
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'nft -f "$1" && nft -s list table inet netc' stand-in "$1" 2>&1) ||
    { echo "rules of $1 cannot be compared: ${wanted%%$'\n'*}"; return; }
  loaded=$(inside "$2" nft -s list table inet netc 2>/dev/null) || { echo "table inet netc$(where "$2") is not there"; return; }
  [[ $wanted == "$loaded" ]] || compared rule "$(where "$2")" "$(flat <<<"$wanted")" "$(flat <<<"$loaded")"
}

flat() { # a table of nft's, a line a rule, with where it stands; elements of sets in order
  awk '
    function path(i, said) { for (i = 2; i <= depth; i++) said = said stack[i] ": "; return said }
    function element(text) { gsub(/^[ \t]+|[ \t,}]+$/, "", text); if (text != "") print "2\t" path() "element " text }
    { sub(/^[ \t]+/, ""); sub(/[ \t]+$/, "") }
    $0 == "" { next }
    in_elements || /^elements = \{/ {
      ends = /\}$/; sub(/^elements = \{/, ""); sub(/\}$/, "")
      n = split($0, parts, /,( |$)/); for (i = 1; i <= n; i++) element(parts[i])
      in_elements = !ends
      next
    }
    /\{$/ { sub(/ \{$/, ""); stack[++depth] = $0; if (depth > 1) print "1\t" path() "it"; next }
    $0 == "}" { depth--; next }
    { print "1\t" path() $0 }
  ' | sort -s -k1,1 | awk -F '\t' '$1 == 1 { print $2; next } { print $2 | "sort" }'
}

shortcut() { # FILE DEVICE…: `up` does without where there is none
  local device wanted loaded
  for device in "${@:2}"; do [[ -e /sys/class/net/$device ]] || return 0; done
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c '
    for device in "${@:2}"; do
      ip link add dev "$device" type dummy || ip link add dev "$device" type bridge || ip link add dev "$device" type veth || exit
    done
    nft -f "$1" && nft -s list table inet netc_offload' stand-in "$@" 2>/dev/null) || return 0
  loaded=$(nft -s list table inet netc_offload 2>/dev/null) || { echo "table inet netc_offload is not there"; return; }
  compared rule " of the shortcut" "$(flat <<<"$wanted")" "$(flat <<<"$loaded")"
}

tables_of_iptables() { # iptables|ip6tables FILE NAMESPACE
  local wanted
  there "$3" || return 0
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c '
    for file in /etc/netc/sets/*.ipset; do [[ ! -e $file ]] || ipset restore -file "$file" || exit; done
    . /usr/lib/netc/iptables.bash && load_tables "$1" "$2" && "$1-save"' stand-in "$1" "$2" 2>&1) ||
    { echo "rules of $2 cannot be compared: ${wanted%%$'\n'*}"; return; }
  compared "$1 rule" "$(where "$3")" "$(flat_tables <<<"$wanted")" "$(inside "$3" "$1-save" | flat_tables)"
}

flat_tables() { # netc's chains, and the jumps to them
  awk '
    /^\*/ { table = substr($1, 2) }
    /^:netc-/ { print table, substr($1, 2) ": it" }
    /^-A netc-/ || /^-A [A-Z]+ -j netc-/ { print table, $0 }
  ' | sort -s -k1,3
}

lists() { # FILE of `ipset restore`
  local name wanted loaded
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'ipset restore -file "$1" && ipset save' stand-in "$1" 2>&1 | sed -n 's/^add //p' | sort)
  loaded=$(sed -nE 's/^create -exist ([^ ]*) .*/\1/p' "$1" | grep -v -e '-new$' | while read -r name; do
    ipset save "$name" 2>/dev/null | sed -n 's/^add //p'
  done | sort)
  compared "ipset member" "" "$wanted" "$loaded"
}
