# ---- what is installed, what is to be, and what has to be done between the two
# A generation is a tree as it was compiled, kept whole, and named by the SHA-256 of its MANIFEST. `none` is no tree.
store=/var/lib/netc pending=/var/lib/netc/pending trees=/var/lib/netc/generations parts=/etc/netc/parts

tell() { printf 'netc: %s\n' "$*" >&2; }
die() { tell "$*"; exit 1; }
quietly() { "$@" >/dev/null 2>&1; }
has_systemd() { [[ -d /run/systemd/system ]]; }

manifest_of() { [[ $1 == none ]] || cat "$trees/$1/MANIFEST"; }
current() {
  local found
  found=$(readlink "$store/current") || { echo none; return; }
  echo "${found##*/}"
}
order_in() { # FILE: the parts in the order in which they come up are in `order`
  local line
  order=()
  [[ ! -f $1 ]] || while read -r line; do [[ $line == '#'* ]] || order+=("$line"); done <"$1"
}
order_of() { order_in "$trees/$1/files/etc/netc/order"; }
laid() { order_in /etc/netc/order; } # the parts of the files that are in place, confirmed or not
reversed() { # NAME of an array
  local -n list=$1
  local one turned=()
  for one in "${list[@]}"; do turned=("$one" "${turned[@]}"); done
  list=("${turned[@]}")
}
is_up() { # PART, as its journal says: nobody took it down, and no `up` or `down` was cut off
  last_of "/run/netc/$1"
  [[ $last == up ]]
}

differing() { # OLD NEW: lines of either MANIFEST alone: `SHA-256  mode  path  takings`
  comm -3 <(manifest_of "$1" | sort) <(manifest_of "$2" | sort) | tr -d '\t'
}

commands_in() { # FILE: without comments, in `commands`
  local line
  commands=''
  while IFS= read -r line; do [[ $line =~ ^\ *# ]] || commands+=$line$'\n'; done <"$1"
}
without_words() { grep -vE '^[[:blank:]]*#|^Description=' "$1"; } # FILE: also without the description of a unit
differs_in_words_alone() { # OLD NEW PATH: a file whose comments are others does what it did
  local old=$trees/$1/$3 new=$trees/$2/$3 commands
  [[ -f $old && -f $new ]] || return
  if [[ $3 != files/etc/netc/parts/* ]]; then
    cmp -s <(without_words "$old") <(without_words "$new")
    return
  fi
  commands_in "$old"
  old=$commands
  commands_in "$new"
  [[ $old == "$commands" ]]
}
declare -A fate=() changed_units=()
plan_change() { # OLD NEW: `fate` of each part (leave, keep, reload, restart, start), and units that have to restart
  local part path takings taking order
  fate=() changed_units=() differing=$(differing "$1" "$2")
  order_of "$1"
  for part in "${order[@]}"; do fate[$part]=leave; done
  order_of "$2"
  for part in "${order[@]}"; do
    if [[ ${fate[$part]-} ]]; then fate[$part]=keep; else fate[$part]=start; fi
  done
  while read -r _ _ path takings; do
    if [[ ! $takings ]] || differs_in_words_alone "$1" "$2" "$path"; then continue; fi
    for taking in ${takings//,/ }; do
      part=${taking#*:}
      case $taking:${fate[$part]-} in
        unit:*) changed_units[$part]=1 ;;
        restart:*:keep | restart:*:reload) fate[$part]=restart ;;
        reload:*:keep | retire:*:keep) fate[$part]=reload ;;
      esac
    done
  done <<<"$differing"
  bind_fates "$1"
}

bind_fates() { # OLD: what is bound to a part that goes down goes down with it, and comes up again
  local part unit words other order
  local -A bound=()
  while IFS=: read -r unit words; do
    unit=${unit##*/netc-} unit=${unit%.service}
    bound[$unit]+=" ${words#*=}"
  done < <(grep -HE '^(BindsTo|PartOf)=' "$trees/$1"/files/etc/systemd/system/netc-*.service 2>/dev/null)
  order_of "$1"
  for part in "${order[@]}"; do
    [[ ${fate[$part]} == keep || ${fate[$part]} == reload ]] || continue
    for other in ${bound[$part]-}; do
      other=${other#netc-} other=${other%.service}
      [[ ${fate[$other]-} != @(leave|restart) ]] || fate[$part]=restart
    done
  done
}

print_plan() { # OLD NEW
  local what part order old=()
  local -A told=()
  order_of "$1"
  old=("${order[@]}")
  order_of "$2"
  for what in leave restart reload start; do
    for part in "${old[@]}" "${order[@]}"; do
      [[ ${fate[$part]} != "$what" || ${told[$part]-} ]] || printf '%-8s %s\n' "$what" "$part"
      [[ ${fate[$part]} != "$what" ]] || told[$part]=1
    done
  done
  for part in $(printf '%s\n' "${!changed_units[@]}" | sort); do printf '%-8s %s\n' unit "$part"; done
  printf '%-8s %s\n' files "$(awk '$3 ~ /^files\// {print $3}' <<<"$differing" | sort -u | wc -l) differ"
}

keep_those() { # FATE…: of `order`, the parts with one of these
  local part kept=()
  for part in "${order[@]}"; do [[ " $* " != *" ${fate[$part]-} "* ]] || kept+=("$part"); done
  order=("${kept[@]}")
}
