# ---- the batch: many parts at once
# Parts that are only links come up and go down in a batch, under one lock. Each kind of step runs for all of them at once,
# and steps of `ip` run in one `ip -batch`. Before the first step of any part runs, each part's journal has all its steps.
# As with single scripts, no part stays half up: if one of its steps fails, or this program ends early, the part's own
# `down` runs. A part that was interrupted before, lacks something or fails here is left to its own script, which prints
# why.

declare -A script=()
read_scripts() { # VERB FOLDER PARTS…: reads each part's script into `script`, without comments
  local part commands left=0
  script=()
  for part in "${@:3}"; do
    script[$part]=''
    [[ -r $2/$part/$1 ]] || continue
    commands_in "$2/$part/$1" || left=1
    script[$part]=$commands
  done
  return "$left"
}
is_literal() { [[ $1 != *[!A-Za-z0-9_.,:/@%+=\ -]* ]]; } # LINE: it has no character that the shell would interpret

# Kinds of steps of an `up`, in the order in which they run. If a part's steps have another order, its own script runs.
step_kinds=(link wg setting address4 address6 set route4 route6)
declare -A all_steps=() steps_of=() preconditions=() coming_up=() batch_failed=() came_up=()

kind_of() { # STEP
  case $1 in
    'wireguard '* | 'ip link add dev '*) kind=0 ;;
    'wg '*) kind=1 ;;
    'setting '*) kind=2 ;;
    'ip -4 address add '*) kind=3 ;;
    'ip -6 address add '*) kind=4 ;;
    'ip link set dev '*) kind=5 ;;
    'ip -4 route add '*) kind=6 ;;
    'ip -6 route add '*) kind=7 ;;
    *) return 1 ;;
  esac
}
is_link() { # PART, whose `up` was read: it has only such steps. Sets `all_steps`, `steps_of` (by kind) and `preconditions`
  local line lines kind last=0 steps='' conditions=''
  split_lines "${script[$1]}"
  for line in "${lines[@]}"; do
    case $line in
      finish | "source /usr/lib/netc/steps.bash $1 up" | 'source /usr/lib/netc/wireguard.bash') ;;
      need_* | 'unused_link '* | 'secret '*) conditions+=$line$'\n' ;;
      'step '*)
        line=${line#step }
        is_literal "$line" && kind_of "$line" && ((kind >= last)) || return
        last=$kind steps+=$line$'\n' steps_of["$kind $1"]+=$line$'\n'
        ;;
      *) return 1 ;;
    esac
  done
  [[ $steps ]] || return
  all_steps[$1]=$steps preconditions[$1]=$conditions
}

# ---- preconditions of scripts. If one does not hold, nothing is printed here: the part's own script runs and prints it.
check_secrets() { # PARTS…: reads mode and owner of each file once; `good_secrets` has those that only root can read
  local part line lines mode owner file
  local -A files=()
  for part in "$@"; do
    split_lines "${preconditions[$part]}"
    for line in "${lines[@]}"; do [[ $line != 'secret '* ]] || files[${line#* }]=1; done
  done
  ((${#files[@]})) || return 0
  split_lines "$(stat -L -c '%a %u %n' -- "${!files[@]}" 2>/dev/null)" # those that it cannot read are not good
  for line in "${lines[@]}"; do
    read -r mode owner file <<<"$line"
    [[ $owner != 0 || $mode != *00 || ! -s $file ]] || good_secrets[$file]=1
  done
}
may_come_up() { # PART: it is down, and its preconditions hold
  local line lines
  [[ ! -e /run/netc/$1 ]] || return
  split_lines "${preconditions[$1]}"
  for line in "${lines[@]}"; do
    case $line in
      need_wireguard) [[ $has_wireguard ]] || return ;;
      need_filter) is_up firewall || return ;;
      unused_link*) [[ ! -e /sys/class/net/${line#* } ]] || return ;;
      secret*) [[ ${good_secrets[${line#* }]-} ]] || return ;;
    esac
  done
}

# ---- up
batch() { # FLAG…: runs `commands` by `ip`; `owners` has the part of each. The last line always fails, which shows that `ip` read them all.
  local said failed all=$((${#commands[@]} + 1))
  ((all > 1)) || return 0
  said=$(printf '%s\n' "${commands[@]}" 'that is all' | ip -force "$@" -batch - 2>&1 >/dev/null |
    sed -nE 's/^Command failed -:([0-9]+)$/\1/p')
  if [[ ${said##*$'\n'} != "$all" ]]; then said=$(seq "$all"); fi
  for failed in $said; do ((failed == all)) || batch_failed[${owners[failed - 1]}]=1; done
}
run_kind() { # KIND PARTS…: runs their steps of this kind
  local part words step lines commands=() owners=() flags=()
  case ${step_kinds[$1]} in *4) flags=(-4) ;; *6) flags=(-6) ;; esac
  for part in "${@:2}"; do
    split_lines "${steps_of["$1 $part"]-}"
    for step in "${lines[@]}"; do
      [[ ! ${batch_failed[$part]-} ]] && read -ra words <<<"$step" || break
      case ${words[0]} in
        wireguard) commands+=("link add dev ${words[1]} group 77 type wireguard") owners+=("$part") ;;
        ip) commands+=("${words[*]:1+${#flags[@]}}") owners+=("$part") ;;
        setting) [[ ${words[1]} == net/ipv6/* && ! -e /proc/sys/net/ipv6 ]] || { printf '%s\n' "${words[2]}" >"/proc/sys/${words[1]}"; } 2>/dev/null || batch_failed[$part]=1 ;;
        *) "${words[@]}" </dev/null 2>/dev/null || batch_failed[$part]=1 ;;
      esac
    done
  done
  batch "${flags[@]}"
}
lock_parts() { # each script of a part holds this lock shared while it runs
  exec 7<"$parts" && { lock "$parts" 7 || { report "$locked"; exec 7<&-; false; }; } && mkdir -p /run/netc
}
undo_parts() { # PARTS…: runs `down` of each, under the lock
  local part
  for part in "$@"; do NETC_LOCKED=$parts/$part "$parts/$part/down" || true; done
}

links_up_in_batch() { # PARTS…, all of them links: those that come up are in `came_up`
  local part number has_wireguard='' ready=()
  local -A good_secrets=()
  lock_parts || return
  check_secrets "$@"
  ! { command -v wg >/dev/null && { [[ -e /sys/module/wireguard ]] || modprobe -qn wireguard 2>/dev/null; }; } || has_wireguard=1
  for part in "$@"; do ! may_come_up "$part" || ready+=("$part"); done
  trap 'undo_parts "${!coming_up[@]}"' EXIT # of parts whose `up` was interrupted
  for part in "${ready[@]}"; do
    coming_up[$part]=1
    { printf '%s' "${all_steps[$part]}" >"/run/netc/$part"; } 2>/dev/null || batch_failed[$part]=1
  done
  for number in "${!step_kinds[@]}"; do run_kind "$number" "${ready[@]}"; done
  for part in "${ready[@]}"; do
    if [[ ! ${batch_failed[$part]-} ]] && { echo up >>"/run/netc/$part"; } 2>/dev/null; then
      came_up[$part]=1
    else
      undo_parts "$part"
    fi
    unset "coming_up[$part]"
  done
  trap - EXIT
  exec 7<&-
}

bring_up() { # COMMAND PARTS…, in their order: first a batch for links, then COMMAND for each group. Parts that do not come up are in `failed`
  local part group=() by=$1
  failed=()
  read_scripts up "$parts" "${@:2}"
  for part in "${@:2}" ''; do
    if [[ $part ]] && is_link "$part"; then
      group+=("$part")
      continue
    fi
    ((${#group[@]} < 2)) || links_up_in_batch "${group[@]}"
    [[ ! $part ]] || group+=("$part")
    ((!${#group[@]})) || "$by" "${group[@]}"
    group=()
  done
  ((!${#failed[@]}))
}
up_by_scripts() { # PARTS…
  local part
  for part in "$@"; do [[ ${came_up[$part]-} ]] || "$parts/$part/up" 8>&- || failed+=("$part"); done
}

# ---- down
add_down_to_batch() { # PART, whose `down` was read: if it is up, adds its interfaces to `links`, and its other commands to `lines4` and `lines6`
  local line lines words four=() six=() devices=()
  is_up "$1" || return
  split_lines "${script[$1]}"
  for line in "${lines[@]}"; do
    read -ra words <<<"$line"
    case $line in
      finish | 'source /usr/lib/netc/'*) ;;
      'undo remove_link '*) ((${#words[@]} == 3)) && devices+=("${words[2]}") || return ;;
      'undo ip -4 '*) is_literal "$line" && four+=("${words[*]:3}") || return ;;
      'undo ip -6 '*) is_literal "$line" && six+=("${words[*]:3}") || return ;;
      *) return 1 ;;
    esac
  done
  ((${#devices[@]})) || return
  lines4+=("${four[@]}") lines6+=("${six[@]}") links+=("${devices[@]}")
  links_of[$1]=${devices[*]}
}
force_batch() { # FLAG LINES…: ignores failures, since something may be gone already
  (($# < 2)) || printf '%s\n' "${@:2}" | ip -force "$1" -batch - >/dev/null 2>&1 || true
}
links_down_in_batch() { # PARTS…: removes the journals of those that went down
  local part link left name ours=' ' lines links=() lines4=() lines6=() gone=()
  local -A links_of=()
  read_lines ip -o link show group 77 && lock_parts || return # the group of netc's interfaces
  for name in "${lines[@]}"; do name=${name#*: } && name=${name%%:*} && ours+="${name%@*} "; done
  for part in "$@"; do add_down_to_batch "$part" || true; done
  for part in "${!links_of[@]}"; do echo down >>"/run/netc/$part"; done
  force_batch -4 "${lines4[@]}"
  force_batch -6 "${lines6[@]}"
  lines4=()
  for link in "${links[@]}"; do [[ $ours != *" $link "* || -e /run/wireguard/$link.sock ]] || lines4+=("link delete dev $link"); done
  force_batch -4 "${lines4[@]}"
  for part in "${!links_of[@]}"; do
    left=''
    for link in ${links_of[$part]}; do [[ $ours == *" $link "* && ! -e /sys/class/net/$link && ! -e /run/wireguard/$link.sock ]] || left=1; done
    [[ $left ]] || gone+=("/run/netc/$part")
  done
  ((!${#gone[@]})) || rm -f "${gone[@]}"
  exec 7<&-
}
take_down_parts() { # PARTS…, in this order: those that do not go down are in `failed`
  local part link group=()
  failed=()
  read_scripts down "$parts" "$@" || true # what cannot be read is left to the script itself
  for part in "$@" ''; do
    if [[ $part && ${script[$part]} == *'undo remove_link '* ]]; then
      group+=("$part")
      continue
    fi
    ((${#group[@]} < 2)) || links_down_in_batch "${group[@]}"
    [[ ! $part ]] || group+=("$part")
    for link in "${group[@]}"; do
      [[ ! -e /run/netc/$link ]] || "$parts/$link/down" 8>&- || failed+=("$link")
    done
    group=()
  done
  [[ ! -d /run/netc ]] || rmdir --ignore-fail-on-non-empty /run/netc # left by an `up` that was killed before its first step
  ((!${#failed[@]}))
}
