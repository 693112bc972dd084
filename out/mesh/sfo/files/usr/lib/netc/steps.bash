# shellcheck shell=bash
# Sourced by the scripts of a part: `source /usr/lib/netc/steps.bash PART VERB`. One script of a part runs at a time. A
# step is noted in /run/netc/PART before it runs, so that after a kill at most the last one noted is in doubt; an `up`
# that fails is taken back by `down`. /run is empty after a boot, which is the truth.
set -euo pipefail
export LC_ALL=C
part=$1 verb=$2 here=$(dirname "$(realpath "${BASH_SOURCE[1]}")")
journal=/run/netc/$part left=0

say() { printf 'netc: %s: %s\n' "$part" "$*" >&2; }
refuse() { say "$*"; exit 1; }

note() { # another part that goes down may remove the folder between two words
  for _ in {1..5}; do { [[ -d /run/netc ]] || mkdir -p /run/netc; printf '%s\n' "$*" >>"$journal"; } 2>/dev/null && return; done
  refuse "cannot write $journal"
}

# ---- asked before anything is touched
need() { command -v "$1" >/dev/null || refuse "needs $1: apt-get install $2"; }
unused_link() { [[ ! -e /sys/class/net/$1 ]] || refuse "an interface $1 exists, and is not of this part"; }
unused_namespace() { [[ ! -e /run/netns/$1 ]] || refuse "a namespace $1 exists, and is not of this part"; }
secret() { # FILE
  [[ -s $1 ]] || refuse "the secret $1 is missing or empty"
  local mode owner
  read -r mode owner < <(stat -L -c '%a %u' "$1")
  [[ $owner == 0 && $mode == *00 ]] || refuse "the secret $1 is not root's alone: chown root $1 && chmod 600 $1"
}

# ---- what a step can be besides a command
remove_link() { # NAME [NAMESPACE]: if it is netc's
  local in=() socket=/run/wireguard/$1.sock try
  [[ $# == 1 ]] || in=(-n "$2")
  ip "${in[@]}" link show dev "$1" >/dev/null || return
  if [[ -z $(ip -o "${in[@]}" link show dev "$1" group 77) && $(grep -vx down "$journal" | tail -n 1) != "wireguard $1" ]]; then
    say "$1 is someone else's by now, and stays"
    return
  fi
  ip "${in[@]}" link delete dev "$1" || return
  for try in {1..40}; do [[ -e $socket ]] || break; sleep 0.05; done
  rm -f "$socket" && rmdir --ignore-fail-on-non-empty /run/wireguard 2>/dev/null || true
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
  if [[ $verb != down ]]; then
    note up
    trap - EXIT
  elif ((left)); then
    refuse "is not all gone; run $here/down again when the cause is"
  else
    rm -f "$journal" && { rmdir --ignore-fail-on-non-empty /run/netc 2>/dev/null || [[ ! -e /run/netc ]]; } # another part may have
  fi
}

take_down() { NETC_LOCKED=$here "$here/down" || refuse "could not be taken back"; }

# The locks are folders, so nothing is left of them: the part's own, and a share of that of all parts, which `netc-host up`
# has alone while it brings up many. `up` lends them to the `down` that it calls.
[[ ${NETC_LOCKED-} == "$here" ]] || { exec 7<"${here%/*}" 9<"$here" && flock -s 7 && flock 9; }
last=$(tail -n 1 "$journal" 2>/dev/null || true)
case $verb in
  up)
    [[ $last != up ]] || { say "is up"; exit 0; }
    [[ -z $last ]] || { say "was interrupted at: $last"; take_down; }
    trap '[[ ! -e $journal ]] || take_down' EXIT
    ;;
  down)
    [[ -e $journal ]] || exit 0
    [[ $last == down ]] || note down
    ;;
  reload) [[ $last == up ]] || refuse "is not up" ;;
esac
