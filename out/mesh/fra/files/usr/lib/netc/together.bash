# shellcheck shell=bash
# Sourced by `netc-host up`: parts that are links and nothing else come up together, in one pass, under one lock. Their `up`
# scripts are read, not run. All steps of a part are noted in its journal before the first of any part runs; then a kind of
# step runs for all parts at once, and what is `ip` by one `ip -batch`. What every `up` promises holds: a part with a step
# that fails, and all that are half up when this ends, are taken back by their own `down`. Parts that are up, were
# interrupted, lack something or fail here are left to their own `up`, which says why.
parts=/etc/netc/parts

# Kinds of steps, in the order in which they run. A part of which the steps do not come in this order has its own way.
kinds=(link wg setting address4 address6 set route4 route6)
declare -A wanted=() steps_of=() asked=() under_way=() broken=() came_up=()

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

is_link() { # PART: its `up` is steps of these kinds: they are in `wanted`, and in `steps_of` by kind; what it asks is in `asked`
  local lines line kind last=0 steps='' asks=''
  mapfile -t lines 2>/dev/null <"$parts/$1/up"
  for line in "${lines[@]}"; do
    case $line in
      '' | '#'* | finish | "source /usr/lib/netc/steps.bash $1 up" | 'source /usr/lib/netc/wireguard.bash') ;;
      need_wireguard | 'unused_link '* | 'secret '*) asks+=$line$'\n' ;;
      'step '*)
        line=${line#step }
        # Nothing in it is read by the shell in another way than it is written.
        [[ $line != *[!A-Za-z0-9_.,:/@%+=\ -]* ]] && kind_of "$line" && ((kind >= last)) || return
        last=$kind steps+=$line$'\n' steps_of["$kind $1"]+=$line$'\n'
        ;;
      *) return 1 ;;
    esac
  done
  [[ $steps ]] || return
  wanted[$1]=$steps asked[$1]=$asks
}

# ---- what must hold before, as the scripts ask it, and without a word: who does not hold goes its own way

look_at_secrets() { # PARTS…: each file once
  local part word file mode owner files=()
  local -A seen=()
  for part in "$@"; do
    while read -r word file; do
      [[ $word != secret || ${seen[$file]-} ]] || { seen[$file]=1 files+=("$file"); }
    done <<<"${asked[$part]}"
  done
  ((${#files[@]})) || return 0
  while read -r mode owner file; do
    [[ $owner != 0 || $mode != *00 || ! -s $file ]] || good[$file]=1
  done < <(stat -L -c '%a %u %n' -- "${files[@]}" 2>/dev/null)
}
kernel_has_wireguard() { command -v wg >/dev/null && { [[ -e /sys/module/wireguard ]] || modprobe -qn wireguard 2>/dev/null; }; }
holds() { # PART
  local word what
  [[ ! -e /run/netc/$1 ]] || return
  while read -r word what; do
    case $word in
      need_wireguard) [[ $has_wireguard ]] || return ;;
      unused_link) [[ ! -e /sys/class/net/$what ]] || return ;;
      secret) [[ ${good[$what]-} ]] || return ;;
    esac
  done <<<"${asked[$1]}"
}

# ---- the pass

batch() { # FLAG… of `ip`; the lines and whose they are in `lines` and `owners`. The last line cannot but fail, and says so.
  local said failed all=$((${#lines[@]} + 1))
  ((all > 1)) || return 0
  said=$(printf '%s\n' "${lines[@]}" 'that is all' | ip -force "$@" -batch - 2>&1 >/dev/null |
    sed -nE 's/^Command failed -:([0-9]+)$/\1/p')
  if [[ ${said##*$'\n'} != "$all" ]]; then said=$(seq "$all"); fi
  for failed in $said; do ((failed == all)) || broken[${owners[failed - 1]}]=1; done
}
run_kind() { # KIND PARTS…
  local part words lines=() owners=() flags=()
  case ${kinds[$1]} in *4) flags=(-4) ;; *6) flags=(-6) ;; esac
  for part in "${@:2}"; do
    [[ ${steps_of["$1 $part"]-} ]] || continue
    while [[ ! ${broken[$part]-} ]] && read -ra words; do
      case ${words[0]} in
        wireguard) lines+=("link add dev ${words[1]} group 77 type wireguard") owners+=("$part") ;;
        ip) lines+=("${words[*]:1+${#flags[@]}}") owners+=("$part") ;;
        setting) { printf '%s\n' "${words[2]}" >"/proc/sys/${words[1]}"; } 2>/dev/null || broken[$part]=1 ;;
        *) "${words[@]}" </dev/null 2>/dev/null || broken[$part]=1 ;;
      esac
    done <<<"${steps_of["$1 $part"]%$'\n'}"
  done
  batch "${flags[@]}"
}

take_back() { # PARTS…, under the lock
  local part
  for part in "$@"; do NETC_LOCKED=$parts/$part "$parts/$part/down" || true; done
}
take_back_all() { take_back "${!under_way[@]}"; }

together() { # PARTS…: those that are links; who came up is in `came_up`
  local part number has_wireguard='' now=()
  local -A good=()
  exec 7<"$parts" && flock 7 && mkdir -p /run/netc || return # scripts of parts have a share of this lock while they run
  look_at_secrets "$@"
  ! kernel_has_wireguard || has_wireguard=1
  for part in "$@"; do ! holds "$part" || now+=("$part"); done
  trap take_back_all EXIT
  for part in "${now[@]}"; do
    under_way[$part]=1
    { printf '%s' "${wanted[$part]}" >"/run/netc/$part"; } 2>/dev/null || broken[$part]=1
  done
  for number in "${!kinds[@]}"; do run_kind "$number" "${now[@]}"; done
  for part in "${now[@]}"; do
    if [[ ! ${broken[$part]-} ]] && { echo up >>"/run/netc/$part"; } 2>/dev/null; then
      came_up[$part]=1
    else
      take_back "$part"
    fi
    unset "under_way[$part]"
  done
  trap - EXIT
  exec 7<&-
}

bring_up() { # PARTS…, in their order
  local part group=() left=0
  for part in "$@" ''; do
    if [[ $part ]] && is_link "$part"; then
      group+=("$part")
      continue
    fi
    links_up "${group[@]}" || left=1
    group=()
    [[ ! $part ]] || "$parts/$part/up" || left=1
  done
  return "$left"
}
links_up() { # PARTS…: together, and those that could not each by itself
  local part left=0
  (($# < 2)) || together "$@"
  for part in "$@"; do
    [[ ${came_up[$part]-} ]] || "$parts/$part/up" || left=1
  done
  return "$left"
}
