# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash where the packet filter is iptables'. netc's chains are called `netc-…`, and one that is called
# as a chain of the kernel's is jumped to from there. Each table changes as a whole, and nothing else in it is touched.

need_sets() { # NAME…: of ipsets, which other parts make
  local name
  for name; do ipset list -terse "$name" >/dev/null 2>&1 || refuse "needs the ipset $name: start netc-set-${name%?}.service"; done
}

load_tables() { # iptables|ip6tables FILE [NAMESPACE]
  local place=${3--} rules other
  rules=$(saved "$1" "$place" | in_place_of_old "$2") || return
  inside "$place" "$1-restore" -w --noflush <<<"$rules" || return
  for other in $(with_other_tables "$1" "$place"); do clear_tables "$other" "$place" || return; done
}
remove_tables() { # iptables|ip6tables
  local each
  for each in "$1" $(with_other_tables "$1" -); do clear_tables "$each" - || return; done
}
clear_tables() { # PROGRAM NAMESPACE-OR--: of what is netc's
  local rules
  rules=$(saved "$1" "$2" | in_place_of_old /dev/null) || return
  [[ ! $rules ]] || inside "$2" "$1-restore" -w --noflush <<<"$rules"
}
saved() { # PROGRAM NAMESPACE-OR--: what iptables-nft says each time about the tables of others is no news
  { inside "$2" "$1-save" 2>&1 >&3 | { grep -v '^# Warning: .*-legacy tables present' >&2 || true; }; } 3>&1
}
with_other_tables() { # iptables|ip6tables NAMESPACE-OR--: the program of nft or of legacy tables, if that is not what it is, and has any
  local kind here names
  here=$(type -P "$1-save")
  for kind in nft legacy; do
    [[ $(type -P "$1-$kind-save") && ! $here -ef $(type -P "$1-$kind-save") ]] || continue
    # It makes the tables of which it is asked, but for these.
    names=$(inside "$2" cat "/proc/net/${1/tables/_tables}_names" 2>/dev/null) || true
    [[ $kind == legacy && ! $names ]] || printf '%s\n' "$1-$kind"
  done
}

in_place_of_old() { # FILE: what is there is read; what to load is said: the file, its jumps, the end of chains that it lacks
  awk '
    function settle(table, chain, i, n, chains) {
      n = split(old[table], chains)
      for (i = 1; i <= n; i++)
        for (; jumps[table, chains[i]] > 0; jumps[table, chains[i]]--) print "-D " substr(chains[i], 6) " -j " chains[i]
      for (i = 1; i <= n; i++) if (!((table, chains[i]) in wanted)) print "-F " chains[i]
      for (i = 1; i <= n; i++) if (!((table, chains[i]) in wanted)) print "-X " chains[i]
      n = split(new[table], chains)
      for (i = 1; i <= n; i++) if (chains[i] ~ /^netc-[A-Z]+$/) print "-I " substr(chains[i], 6) " -j " chains[i]
      delete old[table]
    }
    /^\*/ { table = substr($1, 2) }
    /^:netc-/ { chain = substr($1, 2) }
    there && /^:netc-/ { old[table] = old[table] " " chain }
    there && NF == 4 && $1 == "-A" && $3 == "-j" && $4 == "netc-" $2 { jumps[table, $4]++ }
    there { next }
    /^:netc-/ { wanted[table, chain]; new[table] = new[table] " " chain }
    $1 == "COMMIT" { settle(table) }
    { print }
    END { for (table in old) { print "*" table; settle(table); print "COMMIT" } }
  ' there=1 - there=0 "$1"
}

tables_are() { # iptables|ip6tables FILE [NAMESPACE]: as the kernel says them when they are loaded alone
  local wanted other
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c '
    for file in /etc/netc/sets/*.ipset; do [[ ! -e $file ]] || ipset restore -file "$file" || exit; done
    . /usr/lib/netc/iptables.bash && set -o pipefail
    in_place_of_old "$2" </dev/null | "$1-restore" -w --noflush && "$1-save"' rules "$1" "$2" 2>&1) ||
    { differs "rules of $2 cannot be asked for: ${wanted%%$'\n'*}"; return 0; }
  compare "$1 rule" "${3--}" "$(flat_tables <<<"$wanted")" "$(saved "$1" "${3--}" | flat_tables)"
  for other in $(with_other_tables "$1" "${3--}"); do
    [[ ! $(saved "$other" "${3--}" | flat_tables) ]] || differs "chains of netc's${3:+ in $3} are in the tables of $other too"
  done
}
flat_tables() { # netc's chains, and the jumps to them
  awk '
    /^\*/ { table = substr($1, 2) }
    /^:netc-/ { print table, substr($1, 2) ": it" }
    /^-A netc-/ || /^-A [A-Z]+ -j netc-/ { print table, $0 }
  ' | sort -s -k1,3
}
