# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced by the scripts of a part: `source /usr/lib/netc/steps.bash PART VERB`. One script of a part runs at a time.
# A script writes each step to the journal /run/netc/PART before it runs the step. If the script is killed, only the last
# step in the journal may be incomplete. An `up` that fails runs `down`. After a boot /run is empty, and nothing is up.
# The journal does not show whether the result of a step still exists: `check` asks the kernel. If a part is already up,
# its `up` runs `check` first.
# Group 77 marks netc's interfaces. Protocol 77 (`netc` in rt_protos.d) marks its routes and policy rules.
# Nothing here depends on the caller's shell: on its options (SHELLOPTS), on functions and aliases that it exports or that
# BASH_ENV defines, or on variables that change what bash and other programs do.
export -n SHELLOPTS BASHOPTS
set +abCefkmPvx +o posix
shopt -u expand_aliases nullglob failglob dotglob nocaseglob nocasematch lastpipe localvar_inherit localvar_unset xpg_echo
IFS=$' \t\n'
# shellcheck disable=SC2046 # names of functions
[[ $2 == none ]] || ! compgen -A function >/dev/null || unset -f $(compgen -A function)
unset -v BASH_COMPAT CDPATH FUNCNEST GLOBIGNORE GREP_OPTIONS POSIXLY_CORRECT TAR_OPTIONS TMOUT TMPDIR
TMPDIR=/run # bash writes large here-documents there; only root can
set -euo pipefail
umask 022 # daemons that are not root read /run/netc
export LC_ALL=C PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin # cron and su leave some out
part=$1 verb=$2 here=/etc/netc/parts/$1
[[ $part == - ]] || cd / # the caller's directory may be gone
journal=/run/netc/$part left=0 asking=''

# ---- lists. If a program fails in `< <(…)` or in a pipe to a loop, bash continues with a list that is too short, and without
# room for its temporary file a large here-document is an empty one. So all lists are read by these two.
split_lines() { # TEXT: puts its lines into `lines`, without empty ones
  local IFS=$'\n' -
  set -f
  # shellcheck disable=SC2206 # it is to be split
  lines=($1)
}
read_lines() { # COMMAND…: puts the lines that it prints into `lines`; fails if it fails
  local said
  said=$("$@") || return
  split_lines "$said"
}

say() { printf 'netc: %s: %s\n' "$part" "$*" >&2; }
refuse() { say "$*"; exit 1; }

last_of() { # JOURNAL: puts its last line into `last`
  local lines=()
  { mapfile -t lines <"$1"; } 2>/dev/null || true
  last=''
  ((!${#lines[@]})) || last=${lines[-1]}
}
note() { # another part that goes down may remove the directory between mkdir and printf: five attempts
  for _ in {1..5}; do { [[ -d /run/netc ]] || mkdir -p /run/netc; printf '%s\n' "$*" >>"$journal"; } 2>/dev/null && return; done
  refuse "cannot write $journal"
}

# ---- checks that `up` makes before it changes anything
need() { command -v "$1" >/dev/null || refuse "needs $1: apt-get install $2"; }
need_filter() {
  local last
  last_of /run/netc/firewall
  [[ $last == up ]] || refuse "the packet filter, which keeps strangers out, is not up: netc-host up starts it"
}
unused_link() {
  [[ -e /sys/class/net/$1 ]] || return 0
  [[ -z $(ip -o link show dev "$1" group 77 2>/dev/null) ]] || refuse "an interface $1 of an earlier netc exists (group 77), and no journal knows it: ip link delete dev $1"
  refuse "an interface $1 exists already, and does not belong to this part"
}
unused_namespace() { [[ ! -e /run/netns/$1 ]] || refuse "a namespace $1 exists already, and does not belong to this part"; }
secret() { # FILE
  [[ -s $1 ]] || refuse "the secret $1 is missing or empty"
  [[ $(stat -L -c '%a %u' "$1") == *'00 0' ]] || refuse "only root may have access to the secret $1: chown root $1 && chmod 600 $1"
}

disabling() { if [[ -d /run/systemd/system ]]; then echo "systemctl disable --now $1"; else echo "stop $1, and let your init not start it"; fi; } # DAEMON: the cure

# ---- functions that steps call
pids_of_tunnel() { # INTERFACE: processes of root or of a unit of netc's that have NETC_TUNNEL=INTERFACE in their environment, in this network namespace
  local pid said lines
  said=$(grep -lszxF "NETC_TUNNEL=$1" /proc/[0-9]*/environ) || (($? <= 2)) || return # 2: a process has ended meanwhile
  split_lines "$said"
  for pid in "${lines[@]}"; do
    pid=${pid#/proc/} pid=${pid%%/*}
    # Anybody can have it in his environment. A program that gave up being root is still in the unit's control group.
    [[ -O /proc/$pid ]] || grep -qs ':/system\.slice/netc-' "/proc/$pid/cgroup" || continue
    [[ ! /proc/$pid/ns/net -ef /proc/self/ns/net ]] || printf '%s\n' "$pid"
  done
}
stop_userspace() { # NAME: a userspace WireGuard ends when its device is deleted; one that hangs or was renamed is killed
  local socket=/run/wireguard/$1.sock lines signal
  for _ in {1..40}; do [[ -S $socket ]] || break; sleep 0.05; done
  if [[ -S $socket ]]; then
    for signal in TERM KILL; do
      read_lines pids_of_tunnel "$1" || return
      ((${#lines[@]})) || break
      kill -s "$signal" "${lines[@]}" 2>/dev/null || true
      for _ in {1..40}; do [[ -e /proc/${lines[0]} ]] || break; sleep 0.05; done
    done
    grep -qF " $socket" /proc/net/unix || rm -f "$socket"
  fi
  rmdir --ignore-fail-on-non-empty /run/wireguard 2>/dev/null || true
}
delete_renamed_links() { # [NAMESPACE]: deletes links of group 77 whose name is in no `up`: somebody renamed them
  local in=() name lines
  [[ $# == 0 ]] || in=(-n "$1")
  read_lines ip "${in[@]}" -o link show group 77 2>/dev/null || return 0 # the namespace is gone
  for name in "${lines[@]}"; do
    name=${name#*: } name=${name%%:*} name=${name%@*}
    grep -qsE -e " $name( |\$)" /etc/netc/parts/*/up || ip "${in[@]}" link delete dev "$name" || true
  done
}
remove_link() { # NAME [NAMESPACE]: deletes the link if netc made it (group 77)
  local in=()
  [[ $# == 1 ]] || in=(-n "$2")
  if ! ip "${in[@]}" link show dev "$1" >/dev/null; then
    [[ $# == 2 ]] || stop_userspace "$1"
    delete_renamed_links "${@:2}"
    return 1
  fi
  if [[ -z $(ip -o "${in[@]}" link show dev "$1" group 77) && $(grep -vx down "$journal" | tail -n 1) != "wireguard $1" ]]; then
    say "interface $1 now belongs to something else (it is not in group 77) and is not deleted"
    return
  fi
  ip "${in[@]}" link delete dev "$1" || return
  [[ ! -d /run/wireguard ]] || stop_userspace "$1"
}
setting() { # PATH VALUE [NAMESPACE]. Without IPv6, as with an MTU below 1280, a device has no file of it and needs none
  if [[ $# == 2 ]]; then
    [[ $1 == net/ipv6/* && ! -e /proc/sys/$1 ]] || printf '%s\n' "$2" >"/proc/sys/$1"
  elif [[ $1 != net/ipv6/* || -e /proc/sys/net/ipv6 ]]; then
    ip netns exec "$3" tee "/proc/sys/$1" <<<"$2" >/dev/null ||
      { [[ $1 == net/ipv6/* ]] && ! ip netns exec "$3" test -e "/proc/sys/$1"; }
  fi
}
advertised=/etc/sysctl.d/61-netc-ra.conf # accept_ra of interfaces that the topology does not name; `uninstall` removes it
keep_advertised() { # interfaces that live by router advertisements: without 2, the kernel ignores these once it forwards
  local flags device file there=''
  while read -r _ _ _ _ _ _ _ _ flags device; do # 0x40000: made by an advertisement (RTF_ADDRCONF)
    file=/proc/sys/net/ipv6/conf/$device/accept_ra
    ((16#$flags & 0x40000)) && [[ $device =~ ^[A-Za-z0-9_.@-]+$ && $(<"$file") == 1 && $(<"/sys/class/net/$device/netdev_group") != 77 ]] || continue
    echo 2 >"$file" || return
    [[ ! -e $advertised ]] || there=$(<"$advertised")
    printf '%s\n' "${there:-# Written by netc on this host: router advertisements for $device and others go on, although the host forwards.}" \
      "net/ipv6/conf/$device/accept_ra = 2" >"$advertised" || return
  done </proc/net/ipv6_route
}
sysctls() { # FILE: writes only values that differ, because /proc/sys may be read-only; then those of $advertised
  local key value file each
  for each in "$1" "$advertised"; do
    [[ -e $each ]] || continue
    while IFS=' =' read -r key value; do
      [[ $key == net* ]] || continue
      [[ $key == */* ]] || key=${key//./\/}
      file=/proc/sys/$key
      [[ $key != */accept_ra || (-e $file && $(<"$file") == 1) ]] || continue # 1 is the default; another value was set on purpose
      [[ $(<"$file") != "$value" ]] || continue
      [[ $key != */accept_ra || -w $file ]] || { say "router advertisements for ${key:14:-10} are ignored, because this container may not set accept_ra"; continue; }
      [[ $key != net/ipv6/conf/all/forwarding ]] || keep_advertised || return
      printf '%s\n' "$value" >"$file" || return
    done <"$each"
  done
}
keep_sysctls() { say "the sysctls of $1 keep their values, because other software may need them by now"; }

end_job() { # of `netc-host run`: the script of this part that runs all the time ends before its part. A checker drains first
  local pid seconds script words=()
  if { read -r pid seconds _ script <"/run/netc-run/$part" && mapfile -d '' -t words <"/proc/$pid/cmdline"; } 2>/dev/null &&
    [[ ${words[1]-} == "$script" ]] && kill "$pid" 2>/dev/null; then
    for ((seconds *= 10; seconds > 0; seconds--)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  # A checker that was killed, as `netc-host run` was, has withdrawn nothing.
  [[ ! -x $here/withdraw ]] || timeout -k 1 30 "$here/withdraw" || true
}

# ---- programs that outlive the script
exec_detached() { # COMMAND…: replaces this shell; output goes to systemd's journal or to a log file, never to a pipe
  if [[ ${JOURNAL_STREAM-} == "$(stat -L -c %d:%i /proc/self/fd/2)" ]]; then
    exec "$@" </dev/null >&2
  else
    rm -f "$journal.log"
    : >"$journal.log"
    setsid -f bash -c "$shorten_log" netc "$journal.log" </dev/null >/dev/null 2>&1 6>&- 7>&- 8>&- 9>&-
    exec "$@" </dev/null >>"$journal.log" 2>&1 # appended: it is made shorter while the program runs
  fi
}
# shellcheck disable=SC2016 # a bash of its own expands it
shorten_log=' # FILE: as long as it is there. What is longer than 1 MiB keeps its last 256 KiB
  exec 3<>"$1" 4<> <(:) # nobody writes to 4: to wait takes no process
  while read -r -t 30 -u 4; [[ $1 -ef /proc/self/fd/3 ]]; do
    (($(stat -L -c %s "$1") <= 1048576)) || { tail -c 262144 "$1" >"$1.new" && cat "$1.new" >/proc/self/fd/3; rm -f "$1.new"; }
  done 2>/dev/null'
print_log_tail() { [[ ! -s $journal.log ]] || tail -n 5 "$journal.log" >&2; }

# ---- steps
step() { note "$*"; "$@" || refuse "failed: $*"; }

undo() { # COMMAND…: the error that the object does not exist counts as success
  local said
  said=$("$@" 2>&1) && { [[ -z $said ]] || printf '%s\n' "$said" >&2; return; }
  case $said in
    *"Cannot find device"* | *"No such"* | *"does not exist"*) ;;
    *) say "cannot undo: $*: $said"; left=1 ;;
  esac
}

finish() {
  case $verb in
    check)
      trap - EXIT
      ((!${#differences[@]})) || { printf '%s\n' "${differences[@]}"; exit 1; }
      ;;
    down)
      ((!left)) || refuse "is only partly down: fix the cause and run $here/down again"
      rm -f "$journal" "$journal.log" && { rmdir --ignore-fail-on-non-empty /run/netc 2>/dev/null || [[ ! -e /run/netc ]]; } # another part may have removed it
      ;;
    *)
      note up
      trap - EXIT
      ;;
  esac
}

take_down() { NETC_LOCKED=$here "$here/down" || refuse "could not be taken down"; }

# ---- questions of `check`. Each command runs once, and all questions of all parts that are checked use its output.
# Indexed by command: `output` has its lines, `lines_of` their numbers by first and second word.
declare -a differences=()
declare -A output=() lines_of=() queried=() timed_out=() claimed=()
differs() { differences+=("$part: $*"); }
ask_all() { # if a question fails, the others still run; if the script ends early, it reports that
  set +e -E
  trap '(($? != 127)) || differs "has an unknown question: $BASH_COMMAND"' ERR
  trap 'part=${asking:-$part}; differs "could not be checked to the end"; printf "%s\n" "${differences[@]}"; exit 1' EXIT
}

query() { # COMMAND, as one word: runs it once and stores its output
  [[ ! ${queried[$1]-} ]] || return 0
  read -ra words <<<"$1"
  read_output "$1" "${words[@]}"
  [[ ! ${timed_out[$1]-} ]] || differs "cannot be checked: \`$1\` does not answer"
}
read_output() { # COMMAND WORDS…: runs WORDS and stores the output under COMMAND; `timed_out` if it prints nothing for 10 s
  local words line number=0 first second
  queried[$1]=1
  while read -t 10 -ra words || { (($? > 128)) && timed_out[$1]=1 && kill "$!" && false; }; do
    ((${#words[@]})) || continue
    first=${words[0]} second=${words[1]-}
    if [[ $first =~ ^[0-9]+:$ ]]; then # `4: wg-home@eth0: <UP>` is about wg-home
      first=${first%:} second=${second%:} second=${second%@*}
    fi
    line=" ${words[*]} " line=${line//[<,>]/ } line=${line//ipproto-/}
    case $1 in # `ip -N` prints route types as numbers (rtnetlink(7)): 1 is unicast, 7 is unreachable
      *' route show '*) line=${line/# 1 / } line=${line/# unicast / } line=${line/# 7 / unreachable } ;;
      *' rule show '*) line=${line/% 7 proto 77 / unreachable proto 77 } ;;
    esac
    output["$1 $number"]=$line
    lines_of["$1 $first"]+=" $number"
    [[ $second == "$first" ]] || lines_of["$1 $second"]+=" $number"
    number=$((number + 1))
  done < <([[ $2 != each_device ]] || { "${@:2}"; exit; }; exec "${@:2}" 2>/dev/null)
  output["$1"]=$number
}
describe() { # COMMAND: `what` it lists, such as link, its `family` (4 or 6), and `where`, such as " in NAMESPACE"
  local words
  family=''
  read -ra words <<<"$1"
  if [[ ${words[0]} != ip ]]; then what=$1 where=''; return; fi
  where='' words=("${words[@]:1}")
  [[ ${words[0]} != -n ]] || { where=" in ${words[1]}"; words=("${words[@]:2}"); }
  while [[ ${words[0]} == -* ]]; do
    [[ ${words[0]} != -[46] ]] || family=${words[0]#-}
    words=("${words[@]:1}")
  done
  what=${words[0]}
}

expect() { # COMMAND KEY WORDS…: the output needs a line whose first or second word is KEY and that has each of WORDS
  local found line words has what where family number lacks=''
  query "$1"
  read -ra found <<<"${lines_of["$1 $2"]-}"
  for number in "${found[@]}"; do
    line=${output["$1 $number"]} lacks=''
    for words in "${@:3}"; do
      [[ $line != *" $words "* ]] || continue
      lacks+=${lacks:+, }$words has=${line#*" ${words% *} "}
      [[ $has == "$line" ]] || lacks+=" (it has ${has%% *})"
    done
    if [[ ! $lacks ]] && has_nothing_else "$1" "$line" "${@:2}"; then
      claimed["$1 $number"]=1
      return 0
    fi
  done
  describe "$1"
  if ((${#found[@]} == 1)) && [[ $what == link ]]; then
    differs "$what $2$where lacks: $lacks"
  elif [[ ! $family || "$2 ${*:3}" == @(*:*|*[0-9].[0-9]*.[0-9]*.[0-9]*) ]]; then
    differs "$what $2${3+ (${*:3})}$where is not there"
  else
    differs_in_family "$family" "$what $2" "${3+ (${*:3})}$where is not there"
  fi
}
differs_in_family() { # 4|6 WHAT REST: no word of it says the family, so it is named. One line names both
  local i other=$((10 - $1))
  for i in "${!differences[@]}"; do
    [[ ${differences[i]} == "$part: $2 of IPv$other$3" ]] || continue
    differences[i]="$part: $2 of IPv4 and IPv6$3"
    return
  done
  differs "$2 of IPv$1$3"
}
has_nothing_else() { # COMMAND LINE KEY WORDS…: a rule or route has no other words than these and those that the kernel adds
  local rest=$2 word i
  [[ $1 == *' rule show '* || $1 == *' route show '* || $1 == *' -S '* ]] || return 0
  if [[ $rest == " $3: "* ]]; then rest=" ${rest#*: }"; else rest=${rest/" $3 "/ }; fi
  for word in "${@:4}"; do rest=${rest/" $word "/ }; done
  read -ra word <<<"$rest"
  for ((i = 0; i < ${#word[@]}; i++)); do
    case "${word[i]} ${word[i + 1]-} $1" in
      'scope '* | 'proto 77 '* | 'error '* | 'pref medium '* | 'metric 1024 '*' -6 '* | 'dev lo '*' -6 '*) i=$((i + 1)) ;;
      'linkdown '* | 'dead '* | 'offload '* | 'rt_offload '* | '[detached] '*) ;;
      *) return 1 ;;
    esac
  done
}
strays() { # rules and routes of protocol 77 that no checked part expects: the command and the line, with a tab between
  local all number
  for all in "${!queried[@]}"; do
    [[ $all == 'ip '*' protocol 77' ]] || continue
    for ((number = 0; number < ${output["$all"]-0}; number++)); do
      # `ip rule` also lists rules of other protocols. `ip route` lists only protocol 77, and its lines do not say so.
      [[ ${claimed["$all $number"]-} || $all == *' rule '* && ${output["$all $number"]} != *' proto 77 '* ]] ||
        printf '%s\t%s\n' "$all" "${output["$all $number"]}"
    done
  done
  :
}
stray() { # COMMAND LINE, as `strays` prints them: a sentence about them
  local what where family
  describe "$1"
  printf '%s\n' "${what}s: $what${2% }$where is not from netc"
}
remove_stray() { # COMMAND LINE, as `strays` prints them
  local ip line
  read -ra ip <<<"${1%% show *}"
  read -ra line <<<"$2"
  [[ ${ip[-1]} != rule ]] || line=(priority "${line[0]%:}" "${line[@]:1}")
  "${ip[@]}" delete "${line[@]}" 2>/dev/null
}
is_readable() { [[ -r $1 ]] || { differs "$1 is not there"; false; }; } # FILE that a question compares with
exists() { [[ -e $1 ]] || differs "$1 is not there"; } # PATH
sysctl_is() { # PATH VALUE [NAMESPACE]: if the device is gone, another question reports the device
  local value='' lines number
  if [[ ${3-} ]]; then
    lines="ip netns exec $3 grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf"
    query "$lines"
    [[ ! ${lines_of["$lines /proc/sys/$1:$2"]-} ]] || return 0
    for ((number = 0; number < ${output["$lines"]}; number++)); do
      value=${output["$lines $number"]}
      [[ $value != " /proc/sys/$1:"* ]] || { value=${value##*:}; value=${value% }; break; }
    done
    [[ $value =~ ^-?[0-9]+$ ]] || return 0
  else
    { read -r value <"/proc/sys/$1"; } 2>/dev/null || return 0
  fi
  [[ $value == "$2" ]] || differs "sysctl ${1//\//.}${3:+ in $3} is $value, not $2"
}
sysctls_are() { # FILE of sysctl.d(5), with the same exceptions as `sysctls`
  local key value there each
  is_readable "$1" || return 0
  for each in "$1" "$advertised"; do
    [[ -e $each ]] || continue
    while IFS=' =' read -r key value; do
      [[ $key == net* ]] || continue
      [[ $key == */* ]] || key=${key//./\/}
      { read -r there <"/proc/sys/$key"; } 2>/dev/null || continue
      [[ $there == "$value" ]] || [[ $key == */accept_ra && ($there != 1 || ! -w /proc/sys/$key) ]] ||
        differs "sysctl ${key//\//.} is $there, not $value"
    done <"$each"
  done
}
in_namespace() { # NAMESPACE COMMAND…; NAMESPACE `-` is the host itself
  if [[ $1 == - ]]; then "${@:2}"; else ip netns exec "$1" "${@:2}"; fi
}
compare() { # WHAT NAMESPACE WANTED THERE: two texts, one object a line, in the same order
  local said
  [[ $3 != "$4" ]] || return 0
  said=$(diff --unchanged-line-format= --old-line-format="-$1 %L" --new-line-format="+$1 %L" \
    <(printf '%s\n' "$3") <(printf '%s\n' "$4") | first_few) || (($? == 1)) || differs "$1 cannot be checked: diff failed"
  differ "$1" "$2" "$said"
}
first_few() { sed -n -e 1,20p -e '$='; } # 20 lines, then how many there are: a long list may differ in all of them
differ() { # WHAT NAMESPACE SAID: of `first_few`, with - for what is missing and + for what is too much
  local line lines where=''
  [[ $2 == - ]] || where=" in $2"
  split_lines "$3"
  for line in "${lines[@]}"; do
    case $line in
      [-+]"$1 ") ;; # of an empty text
      -*) differs "${line#-}$where is not there" ;;
      +*) differs "${line#+}$where is not from netc" ;;
      *) ((line <= 20)) || differs "and $((line - 20)) more differ$where: $1" ;;
    esac
  done
}

# ---- locks
lock() { # FILE DESCRIPTOR [OPTION]: waits for a minute at most, and then names in `locked` who has it
  flock -w "${NETC_LOCK_SECONDS:-60}" ${3+"$3"} "$2" || { locked="$1 is locked by $(holders "$1")"; false; }
}
holders() { # FILE: the processes that have a lock on it
  local pid file words command line lines
  local -A seen=()
  line=$(grep -ls FLOCK /proc/[0-9]*/fdinfo/* 2>/dev/null) || true # processes end meanwhile
  split_lines "$line"
  for line in "${lines[@]}"; do
    IFS=/ read -r _ _ pid _ file <<<"$line"
    [[ ! ${seen[$pid]-} && /proc/$pid/fd/$file -ef $1 ]] || continue
    mapfile -d '' -t words <"/proc/$pid/cmdline" || continue
    command=${words[*]}
    seen[$pid]="process $pid (${command//[^[:print:]]/?})"
  done
  command=${seen[*]}
  printf '%s\n' "${command:-another process}"
}

# ---- how each script begins. `netc-host` sources this file with the verb `none`, to check many parts in one shell.
started_by_netc_host() { # a `netc-host` that brings up many parts is still running, and has checked this one
  local process words=()
  { read -r process </var/lib/netc/starting && mapfile -d '' -t words <"/proc/$process/cmdline"; } 2>/dev/null
  [[ ${words[1]-} == */netc-host ]]
}
begin() {
  local wrong lines
  last_of "$journal"
  case $verb in
    up) [[ $last != up ]] || ! started_by_netc_host || exit 0 ;;
    down) [[ -e $journal ]] || exit 0 ;;
  esac
  # The locks are on directories, so no lock file stays behind. Only root can open them, since the one of all parts has mode
  # 700. One is the part's own, exclusive. The other, of all parts, is shared; `netc-host` takes it exclusively while it
  # changes many parts. `down` under `up` uses the locks of `up`.
  [[ ${NETC_LOCKED-} == "$here" || $verb == check ]] ||
    { exec 7<"${here%/*}" 9<"$here" && lock "${here%/*}" 7 -s && lock "$here" 9; } || refuse "$locked"
  last_of "$journal"
  case $verb in
    up)
      if [[ $last == up ]]; then
        ! wrong=$("$here/check" 2>&1) || { say "is up"; exit 0; }
        printf 'netc: %s\n' "$wrong" >&2
        # If the kernel cannot be asked, for instance because the unit lacks a permission, the part is not known to be broken.
        split_lines "$wrong"
        [[ ! $wrong || ${lines[*]/* cannot be checked*/} == *[!\ ]* ]] || { say "is up"; exit 0; }
        say "is broken: taking it down and up again"
        take_down
      elif [[ -e $journal ]]; then
        say "was interrupted at: ${last:-the beginning}"
        take_down
      fi
      trap '[[ ! -e $journal ]] || take_down' EXIT
      ;;
    down)
      [[ -e $journal ]] || exit 0
      [[ $last == down ]] || note down
      [[ ! -e /run/netc-run/$part ]] || end_job
      ;;
    reload) [[ $last == up ]] || refuse "is not up" ;;
    check) ask_all ;;
  esac
}
[[ $verb == none ]] || begin
