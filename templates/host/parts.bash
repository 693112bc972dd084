# ---- many parts at once
# Parts that are links and nothing else come up, and go down, in one pass, under one lock: a kind of step runs for all of
# them at once, and what is `ip` by one `ip -batch`. All steps of a part are noted in its journal before the first of any
# part runs. What every script promises holds: a part with a step that fails, and all that are half up when this ends, are
# taken back by their own `down`. Parts that were interrupted, lack something or fail here are left to their own script,
# which says why.

declare -A script=()
read_scripts() { # VERB FOLDER PARTS…: the commands of each, a line a command, are in `script`: the only text that is read so
  local part commands
  script=()
  for part in "${@:3}"; do
    script[$part]=''
    [[ -r $2/$part/$1 ]] || continue
    commands_in "$2/$part/$1"
    script[$part]=$commands
  done
}
is_plain() { [[ $1 != *[!A-Za-z0-9_.,:/@%+=\ -]* ]]; } # LINE: nothing in it is read by the shell in another way than it is written

# Kinds of steps of an `up`, in the order in which they run. A part of which the steps do not come in this order has its own way.
kinds_of_steps=(link wg setting address4 address6 set route4 route6)
declare -A steps_noted=() steps_of=() asked_first=() under_way=() spoiled=() came_up=()

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
is_link() { # PART, whose `up` was read: steps of these kinds are in `steps_noted`, and in `steps_of` by kind; what it asks in `asked_first`
  local line kind last=0 steps='' asks=''
  while IFS= read -r line; do
    case $line in
      '' | finish | "source /usr/lib/netc/steps.bash $1 up" | 'source /usr/lib/netc/wireguard.bash') ;;
      need_wireguard | 'unused_link '* | 'secret '*) asks+=$line$'\n' ;;
      'step '*)
        line=${line#step }
        is_plain "$line" && kind_of "$line" && ((kind >= last)) || return
        last=$kind steps+=$line$'\n' steps_of["$kind $1"]+=$line$'\n'
        ;;
      *) return 1 ;;
    esac
  done <<<"${script[$1]}"
  [[ $steps ]] || return
  steps_noted[$1]=$steps asked_first[$1]=$asks
}

# ---- what must hold before, as the scripts ask it, and without a word: a part for which it does not hold goes its own way
look_at_secrets() { # PARTS…: each file once
  local part word file mode owner files=()
  local -A seen=()
  for part in "$@"; do
    while read -r word file; do
      [[ $word != secret || ${seen[$file]-} ]] || { seen[$file]=1 files+=("$file"); }
    done <<<"${asked_first[$part]}"
  done
  ((${#files[@]})) || return 0
  while read -r mode owner file; do
    [[ $owner != 0 || $mode != *00 || ! -s $file ]] || good[$file]=1
  done < <(stat -L -c '%a %u %n' -- "${files[@]}" 2>/dev/null)
}
may_come_up() { # PART
  local word what
  [[ ! -e /run/netc/$1 ]] || return
  while read -r word what; do
    case $word in
      need_wireguard) [[ $has_wireguard ]] || return ;;
      unused_link) [[ ! -e /sys/class/net/$what ]] || return ;;
      secret) [[ ${good[$what]-} ]] || return ;;
    esac
  done <<<"${asked_first[$1]}"
}

# ---- up
batch() { # FLAG… of `ip`; the lines and whose they are in `lines` and `owners`. The last line cannot but fail, and says so.
  local said failed all=$((${#lines[@]} + 1))
  ((all > 1)) || return 0
  said=$(printf '%s\n' "${lines[@]}" 'that is all' | ip -force "$@" -batch - 2>&1 >/dev/null |
    sed -nE 's/^Command failed -:([0-9]+)$/\1/p')
  if [[ ${said##*$'\n'} != "$all" ]]; then said=$(seq "$all"); fi
  for failed in $said; do ((failed == all)) || spoiled[${owners[failed - 1]}]=1; done
}
run_kind() { # KIND PARTS…
  local part words lines=() owners=() flags=()
  case ${kinds_of_steps[$1]} in *4) flags=(-4) ;; *6) flags=(-6) ;; esac
  for part in "${@:2}"; do
    [[ ${steps_of["$1 $part"]-} ]] || continue
    while [[ ! ${spoiled[$part]-} ]] && read -ra words; do
      case ${words[0]} in
        wireguard) lines+=("link add dev ${words[1]} group 77 type wireguard") owners+=("$part") ;;
        ip) lines+=("${words[*]:1+${#flags[@]}}") owners+=("$part") ;;
        setting) { printf '%s\n' "${words[2]}" >"/proc/sys/${words[1]}"; } 2>/dev/null || spoiled[$part]=1 ;;
        *) "${words[@]}" </dev/null 2>/dev/null || spoiled[$part]=1 ;;
      esac
    done <<<"${steps_of["$1 $part"]%$'\n'}"
  done
  batch "${flags[@]}"
}
alone_with_parts() { exec 7<"$parts" && flock 7 && mkdir -p /run/netc; } # scripts of parts have a share of this lock while they run
take_back() { # PARTS…, under the lock
  local part
  for part in "$@"; do NETC_LOCKED=$parts/$part "$parts/$part/down" || true; done
}
take_back_all() { take_back "${!under_way[@]}"; }

links_up_together() { # PARTS…: those that are links; who came up is in `came_up`
  local part number has_wireguard='' now=()
  local -A good=()
  alone_with_parts || return
  look_at_secrets "$@"
  ! { command -v wg >/dev/null && { [[ -e /sys/module/wireguard ]] || modprobe -qn wireguard 2>/dev/null; }; } || has_wireguard=1
  for part in "$@"; do ! may_come_up "$part" || now+=("$part"); done
  trap take_back_all EXIT
  for part in "${now[@]}"; do
    under_way[$part]=1
    { printf '%s' "${steps_noted[$part]}" >"/run/netc/$part"; } 2>/dev/null || spoiled[$part]=1
  done
  for number in "${!kinds_of_steps[@]}"; do run_kind "$number" "${now[@]}"; done
  for part in "${now[@]}"; do
    if [[ ! ${spoiled[$part]-} ]] && { echo up >>"/run/netc/$part"; } 2>/dev/null; then
      came_up[$part]=1
    else
      take_back "$part"
    fi
    unset "under_way[$part]"
  done
  trap - EXIT
  exec 7<&-
}

bring_up() { # COMMAND PARTS…, in their order; those that do not come up are in `failed`; COMMAND takes parts that are left
  local part group=() by=$1
  failed=()
  read_scripts up "$parts" "${@:2}"
  for part in "${@:2}" ''; do
    if [[ $part ]] && is_link "$part"; then
      group+=("$part")
      continue
    fi
    ((${#group[@]} < 2)) || links_up_together "${group[@]}"
    [[ ! $part ]] || group+=("$part")
    ((!${#group[@]})) || "$by" "${group[@]}"
    group=()
  done
  ((!${#failed[@]}))
}
each_by_script() { # PARTS…
  local part
  for part in "$@"; do [[ ${came_up[$part]-} ]] || "$parts/$part/up" 8>&- || failed+=("$part"); done
}

# ---- down
goes_by_batch() { # PART, whose `down` was read, and which is up: its links are in `links`, its other commands in `lines4` and `lines6`
  local line words four=() six=() devices=()
  is_up "$1" || return
  while IFS= read -r line; do
    read -ra words <<<"$line"
    case $line in
      '' | finish | 'source /usr/lib/netc/'*) ;;
      'undo remove_link '*) ((${#words[@]} == 3)) && devices+=("${words[2]}") || return ;;
      'undo ip -4 '*) is_plain "$line" && four+=("${words[*]:3}") || return ;;
      'undo ip -6 '*) is_plain "$line" && six+=("${words[*]:3}") || return ;;
      *) return 1 ;;
    esac
  done <<<"${script[$1]}"
  ((${#devices[@]})) || return
  lines4+=("${four[@]}") lines6+=("${six[@]}") links+=("${devices[@]}")
  links_of[$1]=${devices[*]}
}
forced() { # FLAG LINES…: what is gone already is no failure
  (($# < 2)) || printf '%s\n' "${@:2}" | ip -force "$1" -batch - >/dev/null 2>&1 || true
}
links_down_together() { # PARTS…: those that went down are no more in /run/netc
  local part link line name ours=' ' links=() lines4=() lines6=() gone=()
  local -A links_of=()
  alone_with_parts || return
  for part in "$@"; do goes_by_batch "$part" || true; done
  while read -r _ name _; do name=${name%:} && ours+="${name%@*} "; done < <(ip -o link show group 77)
  for part in "${!links_of[@]}"; do echo down >>"/run/netc/$part"; done
  forced -4 "${lines4[@]}"
  forced -6 "${lines6[@]}"
  lines4=()
  for link in "${links[@]}"; do [[ $ours != *" $link "* || -e /run/wireguard/$link.sock ]] || lines4+=("link delete dev $link"); done
  forced -4 "${lines4[@]}"
  for part in "${!links_of[@]}"; do
    line=''
    for link in ${links_of[$part]}; do [[ $ours == *" $link "* && ! -e /sys/class/net/$link && ! -e /run/wireguard/$link.sock ]] || line=1; done
    [[ $line ]] || gone+=("/run/netc/$part")
  done
  ((!${#gone[@]})) || rm -f "${gone[@]}"
  exec 7<&-
}
take_down_parts() { # PARTS…, in this order; those that do not go down are in `failed`
  local part link group=()
  failed=()
  read_scripts down "$parts" "$@"
  for part in "$@" ''; do
    if [[ $part && ${script[$part]} == *'undo remove_link '* ]]; then
      group+=("$part")
      continue
    fi
    ((${#group[@]} < 2)) || links_down_together "${group[@]}"
    [[ ! $part ]] || group+=("$part")
    for link in "${group[@]}"; do
      [[ ! -e /run/netc/$link ]] || "$parts/$link/down" 8>&- || failed+=("$link")
    done
    group=()
  done
  [[ ! -d /run/netc ]] || rmdir --ignore-fail-on-non-empty /run/netc # of an `up` that was killed before it noted anything
  ((!${#failed[@]}))
}
