# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced by the scripts of a part: `source /usr/lib/netc/steps.bash PART VERB`. One script of a part runs at a time. A
# step is noted in /run/netc/PART before it runs, so that after a kill at most the last one noted is in doubt; an `up`
# that fails is taken back by `down`. /run is empty after a boot, which is the truth. Whether what was done is still
# there is never believed, but asked of the kernel: by `check`, which an `up` of a part that is up begins with.
set -euo pipefail
umask 022 # daemons look into /run/netc
export LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # cron and su leave those out
part=$1 verb=$2 here=/etc/netc/parts/$1
journal=/run/netc/$part left=0 asking=''

say() { printf 'netc: %s: %s\n' "$part" "$*" >&2; }
refuse() { say "$*"; exit 1; }

last_of() { # JOURNAL: its last line is in `last`
  local lines=()
  { mapfile -t lines <"$1"; } 2>/dev/null || true
  last=''
  ((!${#lines[@]})) || last=${lines[-1]}
}
note() { # another part that goes down may remove the folder between two words
  for _ in {1..5}; do { [[ -d /run/netc ]] || mkdir -p /run/netc; printf '%s\n' "$*" >>"$journal"; } 2>/dev/null && return; done
  refuse "cannot write $journal"
}

# ---- asked before anything is touched
need() { command -v "$1" >/dev/null || refuse "needs $1: apt-get install $2"; }
unused_link() {
  [[ -e /sys/class/net/$1 ]] || return 0
  [[ -z $(ip -o link show dev "$1" group 77 2>/dev/null) ]] || refuse "an interface $1 is left of a netc that is not remembered: ip link delete dev $1"
  refuse "an interface $1 exists, and is not of this part"
}
unused_namespace() { [[ ! -e /run/netns/$1 ]] || refuse "a namespace $1 exists, and is not of this part"; }
secret() { # FILE
  [[ -s $1 ]] || refuse "the secret $1 is missing or empty"
  local mode owner
  read -r mode owner < <(stat -L -c '%a %u' "$1")
  [[ $owner == 0 && $mode == *00 ]] || refuse "the secret $1 is not root's alone: chown root $1 && chmod 600 $1"
}

# ---- what a step can be besides a command
running() { # INTERFACE: processes of its program; a container's tunnel of the same name is not of this network
  local pid
  while IFS=/ read -r _ _ pid _; do
    [[ ! /proc/$pid/ns/net -ef /proc/self/ns/net ]] || printf '%s\n' "$pid"
  done < <(grep -lszxF "NETC_TUNNEL=$1" /proc/[0-9]*/environ)
}
end_userspace() { # NAME: of which the device is gone, or not found, since it was renamed, say; one that hangs does not see that
  local socket=/run/wireguard/$1.sock pids signal
  for _ in {1..40}; do [[ -S $socket ]] || break; sleep 0.05; done
  if [[ -S $socket ]]; then
    for signal in TERM KILL; do
      mapfile -t pids < <(running "$1")
      ((${#pids[@]})) || break
      kill -s "$signal" "${pids[@]}" 2>/dev/null || true
      for _ in {1..40}; do [[ -e /proc/${pids[0]} ]] || break; sleep 0.05; done
    done
    grep -qF " $socket" /proc/net/unix || rm -f "$socket"
  fi
  rmdir --ignore-fail-on-non-empty /run/wireguard 2>/dev/null || true
}
end_strays() { # [NAMESPACE]: links of netc's that no part knows, since somebody renamed them
  local in=() name
  [[ $# == 0 ]] || in=(-n "$1")
  while read -r _ name _; do
    name=${name%:} name=${name%@*}
    grep -qsE -e " $name( |\$)" /etc/netc/parts/*/up || ip "${in[@]}" link delete dev "$name" || true
  done < <(ip "${in[@]}" -o link show group 77 2>/dev/null)
}
remove_link() { # NAME [NAMESPACE]: if it is netc's
  local in=()
  [[ $# == 1 ]] || in=(-n "$2")
  if ! ip "${in[@]}" link show dev "$1" >/dev/null; then
    [[ $# == 2 ]] || end_userspace "$1"
    end_strays "${@:2}"
    return 1
  fi
  if [[ -z $(ip -o "${in[@]}" link show dev "$1" group 77) && $(grep -vx down "$journal" | tail -n 1) != "wireguard $1" ]]; then
    say "$1 is someone else's by now, and stays"
    return
  fi
  ip "${in[@]}" link delete dev "$1" || return
  [[ ! -d /run/wireguard ]] || end_userspace "$1"
}
setting() { # PATH VALUE [NAMESPACE]
  local in=()
  [[ $# == 2 ]] || in=(ip netns exec "$3")
  "${in[@]}" tee "/proc/sys/$1" <<<"$2" >/dev/null
}
sysctls() { # FILE: written only where different, since /proc/sys may be read-only
  local key value file
  while IFS=' =' read -r key value; do
    [[ $key == net* ]] || continue
    [[ $key == */* ]] || key=${key//./\/}
    file=/proc/sys/$key
    [[ $key != */accept_ra || (-e $file && $(<"$file") == 1) ]] || continue # 0 is somebody's wish
    [[ $(<"$file") == "$value" ]] || printf '%s\n' "$value" >"$file" || return
  done <"$1"
}
keep_sysctls() { say "what $1 sets stays on, since others may rely on it by now"; }

# ---- what goes on running when its script is over
outlives() { # COMMAND…: in the place of this shell, and with nothing open that somebody may wait for the end of
  if [[ ${JOURNAL_STREAM-} == "$(stat -L -c %d:%i /proc/self/fd/2)" ]]; then
    exec "$@" </dev/null >&2
  else
    exec "$@" </dev/null >"$journal.log" 2>&1
  fi
}
last_words() { [[ ! -s $journal.log ]] || tail -n 5 "$journal.log" >&2; }

# ---- steps
step() { note "$*"; "$@" || refuse "failed: $*"; }

undo() { # what is gone already, or was never made, is no failure
  local said
  said=$("$@" 2>&1) && { [[ -z $said ]] || printf '%s\n' "$said" >&2; return; }
  case $said in
    *"Cannot find device"* | *"No such"* | *"does not exist"*) ;;
    *) say "cannot take back: $*: $said"; left=1 ;;
  esac
}

finish() {
  case $verb in
    check)
      trap - EXIT
      ((!${#differences[@]})) || { printf '%s\n' "${differences[@]}"; exit 1; }
      ;;
    down)
      ((!left)) || refuse "is not all gone; run $here/down again when the cause is"
      rm -f "$journal" "$journal.log" && { rmdir --ignore-fail-on-non-empty /run/netc 2>/dev/null || [[ ! -e /run/netc ]]; } # another part may have
      ;;
    *)
      note up
      trap - EXIT
      ;;
  esac
}

take_down() { NETC_LOCKED=$here "$here/down" || refuse "could not be taken back"; }

# ---- what `check` asks. What a program says is read once, for all questions of all parts that are asked together.
declare -a differences=()
declare -A said=() lines_of=() asked=() silent=()
differs() { differences+=("$part: $*"); }
ask_all() { # one question that fails ends none of the others; and what ends them all nevertheless is told of
  set +e -E
  trap '(($? != 127)) || differs "has a question that is not known: $BASH_COMMAND"' ERR
  trap 'part=${asking:-$part}; differs "could not be asked to the end"; printf "%s\n" "${differences[@]}"; exit 1' EXIT
}

listen() { # COMMAND, in one word: a line of what it says is in `said`, and found by its first and its second word
  [[ ! ${asked[$1]-} ]] || return 0
  read -ra words <<<"$1"
  hear "$1" "${words[@]}"
  [[ ! ${silent[$1]-} ]] || differs "cannot be asked for: \`$1\` does not answer"
}
hear() { # COMMAND, and in words what is run for it; one that does not answer in ten seconds is in `silent`
  local words line number=0 first second
  asked[$1]=1
  while read -t 10 -ra words || { (($? > 128)) && silent[$1]=1 && kill "$!" && false; }; do
    ((${#words[@]})) || continue
    first=${words[0]} second=${words[1]-}
    if [[ $first =~ ^[0-9]+:$ ]]; then # `4: wg-home@eth0: <UP>` is of wg-home
      first=${first%:} second=${second%:} second=${second%@*}
    fi
    line=" ${words[*]} " line=${line//[<,>]/ } line=${line//ipproto-/}
    case $1 in # what `ip -N` says by number, depending on who made it (rtnetlink(7))
      *' route show '*) line=${line/# 1 / } line=${line/# unicast / } line=${line/# 7 / unreachable } ;;
      *' rule show '*) line=${line/% 7 proto 77 / unreachable proto 77 } ;;
    esac
    said["$1 $number"]=$line
    lines_of["$1 $first"]+=" $number"
    [[ $second == "$first" ]] || lines_of["$1 $second"]+=" $number"
    number=$((number + 1))
  done < <([[ $2 != each_device ]] || { "${@:2}"; exit; }; exec "${@:2}" 2>/dev/null)
  said["$1"]=$number
}
about() { # COMMAND: what it shows, and where
  local words
  read -ra words <<<"$1"
  if [[ ${words[0]} != ip ]]; then what=$1 where=''; return; fi
  where='' words=("${words[@]:1}")
  [[ ${words[0]} != -n ]] || { where=" in ${words[1]}"; words=("${words[@]:2}"); }
  while [[ ${words[0]} == -* ]]; do words=("${words[@]:1}"); done
  what=${words[0]}
}

shows() { # COMMAND KEY WORDS…: it says a line of which KEY is the first or second word, with each of WORDS somewhere in it
  local found line words has what where number lacks=''
  listen "$1"
  read -ra found <<<"${lines_of["$1 $2"]-}"
  for number in "${found[@]}"; do
    line=${said["$1 $number"]} lacks=''
    for words in "${@:3}"; do
      [[ $line != *" $words "* ]] || continue
      lacks+=${lacks:+, }$words has=${line#*" ${words% *} "}
      [[ $has == "$line" ]] || lacks+=" (it has ${has%% *})"
    done
    if [[ ! $lacks ]] && says_no_more "$1" "$line" "${@:2}"; then
      asked["$1 $number"]=1
      return 0
    fi
  done
  about "$1"
  if ((${#found[@]} == 1)) && [[ $what == link ]]; then
    differs "$what $2$where is without: $lacks"
  else
    differs "$what $2${3+ (${*:3})}$where is not there"
  fi
}
says_no_more() { # COMMAND LINE KEY WORDS…: but for what the kernel adds by itself
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
strays() { # by netc's own protocol, and of no part that was asked: the question and the line, with a tab between
  local all number
  for all in "${!asked[@]}"; do
    [[ $all == 'ip '*' protocol 77' ]] || continue
    for ((number = 0; number < ${said["$all"]-0}; number++)); do
      # `ip rule` shows all others too; of routes, `ip` chooses, and does not say once more of which protocol.
      [[ ${asked["$all $number"]-} || $all == *' rule '* && ${said["$all $number"]} != *' proto 77 '* ]] ||
        printf '%s\t%s\n' "$all" "${said["$all $number"]}"
    done
  done
}
stray() { # COMMAND LINE, as `strays` says them: in words
  local what where
  about "$1"
  printf '%s\n' "${what}s: $what${2% }$where is not from netc"
}
remove_stray() { # COMMAND LINE
  local ip line
  read -ra ip <<<"${1%% show *}"
  read -ra line <<<"$2"
  [[ ${ip[-1]} != rule ]] || line=(priority "${line[0]%:}" "${line[@]:1}")
  "${ip[@]}" delete "${line[@]}" 2>/dev/null
}
can_be_read() { [[ -r $1 ]] || { differs "$1 is not there"; false; }; } # FILE that says what is asked
exists() { [[ -e $1 ]] || differs "$1 is not there"; } # PATH
is_set() { # PATH VALUE [NAMESPACE]; what is gone with its device is told of with it
  local value='' lines number
  if [[ ${3-} ]]; then
    lines="ip netns exec $3 grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf"
    listen "$lines"
    [[ ! ${lines_of["$lines /proc/sys/$1:$2"]-} ]] || return 0
    for ((number = 0; number < ${said["$lines"]}; number++)); do
      value=${said["$lines $number"]}
      [[ $value != " /proc/sys/$1:"* ]] || { value=${value##*:}; value=${value% }; break; }
    done
    [[ $value =~ ^-?[0-9]+$ ]] || return 0
  else
    { read -r value <"/proc/sys/$1"; } 2>/dev/null || return 0
  fi
  [[ $value == "$2" ]] || differs "sysctl ${1//\//.}${3:+ in $3} is $value, not $2"
}
are_set() { # FILE of sysctl.d(5), by the rules of `sysctls`
  local key value there
  can_be_read "$1" || return 0
  while IFS=' =' read -r key value; do
    [[ $key == net* ]] || continue
    [[ $key == */* ]] || key=${key//./\/}
    { read -r there <"/proc/sys/$key"; } 2>/dev/null || continue
    [[ $there == "$value" ]] || [[ $key == */accept_ra && $there != 1 ]] ||
      differs "sysctl ${key//\//.} is $there, not $value"
  done <"$1"
}
inside() { # NAMESPACE COMMAND…; `-` is the host's own
  if [[ $1 == - ]]; then "${@:2}"; else ip netns exec "$1" "${@:2}"; fi
}
compare() { # WHAT NAMESPACE WANTED THERE, a line a thing, in the same order
  local line where=''
  [[ $2 == - ]] || where=" in $2"
  [[ $3 != "$4" ]] || return 0
  while IFS= read -r line; do
    case $line in
      -*) differs "${line#-}$where is not there" ;;
      +*) differs "${line#+}$where is not from netc" ;;
    esac
  done < <(diff --unchanged-line-format= --old-line-format="-$1 %L" --new-line-format="+$1 %L" \
    <(sed '/^$/d' <<<"$3") <(sed '/^$/d' <<<"$4"))
}

# ---- how each script begins. Whoever reads the scripts of many parts at once (`netc-host`) has no verb of his own.
brought_up_with_others() { # by a `netc-host` that is still at it, and has asked
  local process words=()
  { read -r process </var/lib/netc/starting && mapfile -d '' -t words <"/proc/$process/cmdline"; } 2>/dev/null
  [[ ${words[1]-} == */netc-host ]]
}
begin() {
  local wrong
  last_of "$journal"
  case $verb in
    up) [[ $last != up ]] || ! brought_up_with_others || exit 0 ;;
    down) [[ -e $journal ]] || exit 0 ;;
  esac
  # The locks are folders, so nothing is left of them: the part's own, and a share of that of all parts, which `netc-host`
  # has alone while it brings many up or takes them down. `up` lends them to the `down` that it calls.
  [[ ${NETC_LOCKED-} == "$here" || $verb == check ]] || { exec 7<"${here%/*}" 9<"$here" && flock -s 7 && flock 9; }
  last_of "$journal"
  case $verb in
    up)
      if [[ $last == up ]]; then
        ! wrong=$("$here/check" 2>&1) || { say "is up"; exit 0; }
        printf 'netc: %s\n' "$wrong" >&2
        # Where a unit may not ask, nothing is known to be broken.
        grep -qv ' cannot be asked' <<<"$wrong" || { say "is up"; exit 0; }
        say "is broken, and comes up anew"
        take_down
      elif [[ -e $journal ]]; then
        say "was interrupted at: ${last:-its beginning}"
        take_down
      fi
      trap '[[ ! -e $journal ]] || take_down' EXIT
      ;;
    down)
      [[ -e $journal ]] || exit 0
      [[ $last == down ]] || note down
      ;;
    reload) [[ $last == up ]] || refuse "is not up" ;;
    check) ask_all ;;
  esac
}
[[ $verb == none ]] || begin
