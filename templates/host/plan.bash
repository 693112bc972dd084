# ---- the plan: what changes from the current generation to a new one
# A generation is a tree as it was compiled, named by the first 16 digits of the SHA-256 of its MANIFEST. `none` is no tree.
store=/var/lib/netc pending=/var/lib/netc/pending trees=/var/lib/netc/generations parts=/etc/netc/parts

report() { printf 'netc: %s\n' "$*" >&2; }
die() { report "$*"; exit 1; }
quietly() { "$@" >/dev/null 2>&1; }
has_systemd() { [[ -d /run/systemd/system ]]; }

manifest_of() { [[ $1 == none ]] || cat "$trees/$1/MANIFEST"; }
current() {
  local found
  found=$(readlink "$store/current") || { echo none; return; }
  echo "${found##*/}"
}
order_in() { # FILE: reads the parts into `order`, in the order in which they come up
  local line
  order=()
  [[ ! -f $1 ]] || while read -r line; do [[ $line == '#'* ]] || order+=("$line"); done <"$1"
}
order_of() { order_in "$trees/$1/files/etc/netc/order"; }
installed_order() { order_in /etc/netc/order; } # of the files that are in place, confirmed or not
reversed() { # NAME of an array: reverses it
  local -n list=$1
  local one turned=()
  for one in "${list[@]}"; do turned=("$one" "${turned[@]}"); done
  list=("${turned[@]}")
}
is_up() { # PART: its journal says that nobody took it down, and that no `up` or `down` was interrupted
  last_of "/run/netc/$1"
  [[ $last == up ]]
}

differing() { # OLD NEW: prints the lines that only one MANIFEST has: `SHA-256  mode  path  effects`
  { manifest_of "$1" && manifest_of "$2"; } | sort | uniq -u
}

commands_in() { # FILE: reads its lines without comments, and of a unit without its description, into `commands`
  local line lines words='^[[:blank:]]*#|^Description='
  mapfile -t lines <"$1" || return
  commands=''
  for line in "${lines[@]}"; do [[ $line =~ $words ]] || commands+=$line$'\n'; done
}
differs_in_comments_only() { # OLD NEW PATH: a file that does the same as before
  local old=$trees/$1/$3 new=$trees/$2/$3 commands
  [[ -f $old && -f $new ]] && commands_in "$old" || return
  old=$commands
  commands_in "$new" && [[ $old == "$commands" ]]
}
declare -A action=() changed_units=()
plan_change() { # OLD NEW: sets `action` of each part (leave, keep, reload, restart, start), and `changed_units`, which restart
  local part path effects effect order line lines
  action=() changed_units=()
  differing=$(differing "$1" "$2") || return
  order_of "$1"
  for part in "${order[@]}"; do action[$part]=leave; done
  order_of "$2"
  for part in "${order[@]}"; do
    if [[ ${action[$part]-} ]]; then action[$part]=keep; else action[$part]=start; fi
  done
  split_lines "$differing"
  for line in "${lines[@]}"; do
    read -r _ _ path effects <<<"$line"
    if [[ ! $effects ]] || differs_in_comments_only "$1" "$2" "$path"; then continue; fi
    for effect in ${effects//,/ }; do
      part=${effect#*:}
      case $effect:${action[$part]-} in
        unit:*) changed_units[$part]=1 ;;
        restart:*:keep | restart:*:reload) action[$part]=restart ;;
        reload:*:keep | retire:*:keep) action[$part]=reload ;;
      esac
    done
  done
  restart_bound_parts "$1"
}

restart_bound_parts() { # OLD: a part that is bound to a part that goes down restarts with it
  local part unit other order lines
  local -A bound=()
  [[ $1 != none ]] || return 0
  read_lines awk '/^(BindsTo|PartOf)=/ {print FILENAME ":" $0}' "$trees/$1"/files/etc/systemd/system/netc-*.service || return
  for unit in "${lines[@]}"; do
    part=${unit##*/netc-} part=${part%%.service:*}
    bound[$part]+=" ${unit#*=}"
  done
  order_of "$1"
  for part in "${order[@]}"; do
    [[ ${action[$part]} == keep || ${action[$part]} == reload ]] || continue
    for other in ${bound[$part]-}; do
      other=${other#netc-} other=${other%.service}
      [[ ${action[$other]-} != @(leave|restart) ]] || action[$part]=restart
    done
  done
}

select_by_action() { # ACTION…: keeps in `order` the parts with one of these
  local part kept=()
  for part in "${order[@]}"; do [[ " $* " != *" ${action[$part]-} "* ]] || kept+=("$part"); done
  order=("${kept[@]}")
}
