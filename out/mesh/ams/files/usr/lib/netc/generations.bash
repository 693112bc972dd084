# shellcheck shell=bash
# Sourced by `install` and `netc-host`: what is installed, what is to be, and what has to be done between the two.
# A generation is a tree as it was compiled, kept whole, and named by the SHA-256 of its MANIFEST. `none` is no tree.
store=/var/lib/netc pending=/var/lib/netc/pending
export LC_ALL=C

tell() { printf 'netc: %s\n' "$*" >&2; }
die() { tell "$*"; exit 1; }
quietly() { "$@" >/dev/null 2>&1; }
has_systemd() { [[ -d /run/systemd/system ]]; }

tree_of() { printf '%s/generations/%s' "$store" "$1"; }
manifest_of() { [[ $1 == none ]] || cat "$(tree_of "$1")/MANIFEST"; }
order_of() { [[ $1 == none ]] || sed '/^#/d' "$(tree_of "$1")/files/etc/netc/order"; }
current() {
  local found
  found=$(readlink "$store/current") || { echo none; return; }
  echo "${found##*/}"
}
is_up() { [[ $(tail -n 1 "/run/netc/$1" 2>/dev/null) == up ]]; }

# ---- what a change asks for: from two MANIFESTs, a line of which is `SHA-256  mode  path  takings`

differing() { # OLD NEW
  comm -3 <(manifest_of "$1" | sort) <(manifest_of "$2" | sort) | tr -d '\t'
}

differs_in_words_alone() { # OLD NEW PATH: a script whose comments are others does what it did
  local old new
  [[ $3 == files/etc/netc/parts/* ]] || return
  old=$(tree_of "$1")/$3 new=$(tree_of "$2")/$3
  [[ -f $old && -f $new ]] && cmp -s <(sed '/^ *#/d' "$old") <(sed '/^ *#/d' "$new")
}

declare -A fate=() changed_units=()
plan_change() { # OLD NEW: `fate` of each part (leave, keep, reload, restart, start), and units that have to restart
  local part path takings taking
  fate=() changed_units=()
  for part in $(order_of "$1"); do fate[$part]=leave; done
  for part in $(order_of "$2"); do
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
  done < <(differing "$1" "$2")
  bind_fates "$1"
}

bind_fates() { # OLD: what is bound to a part that goes down goes down with it, and comes up again
  local part unit other
  for part in $(order_of "$1"); do
    [[ ${fate[$part]} == keep || ${fate[$part]} == reload ]] || continue
    unit=$(tree_of "$1")/files/etc/systemd/system/netc-$part.service
    while read -r other; do
      [[ ${fate[$other]-} != @(leave|restart) ]] || fate[$part]=restart
    done < <(sed -nE 's/^(BindsTo|PartOf)=//p' "$unit" | grep -oE 'netc-[^ ]+\.service' | sed -E 's/^netc-(.*)\.service$/\1/')
  done
}

print_plan() { # OLD NEW
  local what part
  for what in leave restart reload start; do
    for part in $(order_of "$1") $(order_of "$2"); do
      [[ ${fate[$part]} != "$what" ]] || printf '%-8s %s\n' "$what" "$part"
    done | awk '!seen[$0]++'
  done
  for part in $(printf '%s\n' "${!changed_units[@]}" | sort); do printf '%-8s %s\n' unit "$part"; done
  printf '%-8s %s\n' files "$(differing "$1" "$2" | awk '$3 ~ /^files\// {print $3}' | sort -u | wc -l) differ"
}

parts_that() { # FATE… of the parts that come up in the order on standard input
  local part
  while read -r part; do
    [[ " $* " != *" ${fate[$part]-} "* ]] || echo "$part"
  done
}
