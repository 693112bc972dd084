# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash if the packet filter is iptables. netc's chains have names that begin with `netc-`. A chain such
# as netc-INPUT gets a jump from the built-in chain INPUT. Each table changes in one transaction (iptables-restore), and
# rules of others stay as they are.

need_sets() { # NAME…: ipsets, which other parts create
  local name
  for name; do ipset list -terse "$name" >/dev/null 2>&1 || refuse "needs the ipset $name: netc-host up loads it"; done
}

load_tables() { # iptables|ip6tables FILE [NAMESPACE]
  local place=${3--} rules other lines
  rules=$(saved "$1" "$place" | replacing_old "$2") || return
  printf '%s\n' "$rules" | in_namespace "$place" "$1-restore" -w --noflush || return
  read_lines other_backends "$1" "$place" || return
  for other in "${lines[@]}"; do clear_tables "$other" "$place" || return; done
}
remove_tables() { # iptables|ip6tables
  local each lines
  read_lines other_backends "$1" - || return
  for each in "$1" "${lines[@]}"; do clear_tables "$each" - || return; done
}
clear_tables() { # PROGRAM NAMESPACE: removes netc's chains and the jumps to them
  local rules
  rules=$(saved "$1" "$2" | replacing_old /dev/null) || return
  [[ ! $rules ]] || printf '%s\n' "$rules" | in_namespace "$2" "$1-restore" -w --noflush
}
saved() { # PROGRAM NAMESPACE: runs PROGRAM-save, without its warning about legacy tables; NAMESPACE `-` is the host
  { in_namespace "$2" "$1-save" 2>&1 >&3 | { grep -v '^# Warning: .*-legacy tables present' >&2 || true; }; } 3>&1
}
other_backends() { # iptables|ip6tables NAMESPACE: of the variants -nft and -legacy, those that are not the program itself
  local kind here names
  here=$(type -P "$1-save")
  for kind in nft legacy; do
    [[ $(type -P "$1-$kind-save") && ! $here -ef $(type -P "$1-$kind-save") ]] || continue
    # Asking for a legacy table would create it, so only those that exist count.
    names=$(in_namespace "$2" cat "/proc/net/${1/tables/_tables}_names" 2>/dev/null) || true
    [[ $kind == legacy && ! $names ]] || printf '%s\n' "$1-$kind"
  done
}

replacing_old() { # FILE: reads the present rules (iptables-save) and prints FILE with jumps and with the removal of netc's other chains
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

tables_are() { # iptables|ip6tables FILE [NAMESPACE]: compares with FILE as loaded into a network namespace of its own, where ipsets are empty
  local wanted loaded other lines
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c '
    . /usr/lib/netc/iptables.bash && set -o pipefail
    for file in /etc/netc/sets/*.ipset; do [[ ! -e $file ]] || sed -n "/^create /p" "$file" | ipset restore || exit; done
    replacing_old "$2" </dev/null | "$1-restore" -w --noflush && "$1-save"' rules "$1" "$2" 2>&1) ||
    { differs "rules of $2 cannot be checked: ${wanted%%$'\n'*}"; return 0; }
  { wanted=$(printf '%s\n' "$wanted" | one_a_line) && loaded=$(saved "$1" "${3--}" | one_a_line) &&
    read_lines other_backends "$1" "${3--}"; } || { differs "rules of $2 cannot be checked"; return 0; }
  compare "$1 rule" "${3--}" "$wanted" "$loaded"
  for other in "${lines[@]}"; do
    loaded=$(saved "$other" "${3--}" | one_a_line) && [[ ! $loaded ]] || differs "netc's chains${3:+ in $3} are also in the tables of $other"
  done
}
one_a_line() { # of iptables-save: netc's chains, their rules and the jumps to them
  awk '
    /^\*/ { table = substr($1, 2) }
    /^:netc-/ { print table, substr($1, 2) ": it" }
    /^-A netc-/ || /^-A [A-Z]+ -j netc-/ { print table, $0 }
  ' | sort -s -k1,3
}
