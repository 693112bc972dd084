# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the guard of splits. A table with `flags owner` belongs to the process that made it (nft(8)):
# nobody else can flush or change it, and it ends with that process. Here the process is `nft -i`, which reads commands
# from a pipe. A shell starts it again if it ends. Both have NETC_TUNNEL="netc:guard" in their environment, which is the
# name of no interface.
pipe=/run/netc/${part:?}.pipe

can_hold() { [[ $(type -P nft) && ! $(echo 'add table inet netc_probe { flags owner; }' | HOME=/dev/null nft -i 2>&1 >/dev/null) ]]; }

hold_guard() { # FILE CONTROL-GROUP…
  if ! can_hold; then
    say "no table outlives a flush here, which needs kernel 5.12 and nft: if something flushes the packet filter, programs of splits use the host's own routes until it is loaded again"
    : >"$journal.unheld"
    return
  fi
  rm -f "$pipe" "$journal.said" && mkfifo -m 600 "$pipe" && make_groups_of_guard "${@:2}" || return
  # nft writes its history to $HOME. The child keeps the part's locks (7, 9) until NETC_TUNNEL is in its environment.
  # shellcheck disable=SC2016 # for the shell in there
  exec_detached env NETC_TUNNEL=netc:guard HOME=/dev/null setsid bash -c 'exec 3<>"$1" 7>&- 9>&-
    while :; do printf "include \"%s\"\n" "$2" >&3; nft -i <&3 2>"$3" >/dev/null; sleep 0.1; done' guard "$pipe" "$1" "$journal.said" &
  is_loaded_after ''
}

renew_guard() { # FILE CONTROL-GROUP…: loads the rules, and nft looks up the numbers of control groups again
  local before
  [[ ! -e $journal.unheld ]] || return 0
  before=$(handle_of_guard)
  make_groups_of_guard "${@:2}" && : >"$journal.said" && printf 'include "%s"\n' "$1" 1<>"$pipe" && is_loaded_after "$before"
}
make_groups_of_guard() { # CONTROL-GROUP…
  local path
  for path; do mkdir -p "/sys/fs/cgroup/$path" || return; done
}
handle_of_guard() { nft -a list table inet netc_guard 2>/dev/null | sed -n '1s/.*# handle \([0-9]*\).*/\1/p'; } # each load changes it
is_loaded_after() { # HANDLE: waits, and prints what nft says
  for _ in {1..200}; do
    [[ ! -s $journal.said ]] || break
    [[ $(handle_of_guard) == "$1" ]] || return 0
    sleep 0.05
  done
  cat "$journal.said" >&2
  return 1
}

end_guard() {
  local lines
  for _ in {1..20}; do
    read_lines pids_of_tunnel netc:guard || return
    ((${#lines[@]})) || break
    kill -KILL "${lines[@]}" 2>/dev/null || true
    sleep 0.05
  done
  rm -f "$pipe" "$journal.said" "$journal.unheld"
  ((!${#lines[@]}))
}

guard_is() { # FILE
  local wanted loaded
  if [[ -e $journal.unheld ]]; then # nftables itself drops what has a mark of a program's own
    [[ -e /etc/netc/nftables.nft ]] ||
      differs "no guard is there, so programs of splits that set marks use the host's own routes: it takes nft (apt-get install nftables) and kernel 5.12, then netc-host up"
    return 0
  fi
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'sed "/^\tflags owner$/d" "$1" | nft -f - && nft -s list table inet netc_guard' rules "$1" 2>&1) ||
    { differs "rules of $1 cannot be checked: ${wanted%%$'\n'*}"; return 0; }
  loaded=$(nft -s list table inet netc_guard 2>/dev/null | sed -e '1s/ # .*//' -e '2{/^\tflags owner$/{N;d}}')
  [[ $loaded ]] || { differs "table inet netc_guard is not there"; return 0; }
  wanted=$(printf '%s\n' "$wanted" | one_rule_a_line) && loaded=$(printf '%s\n' "$loaded" | one_rule_a_line) || return
  compare rule - "$wanted" "$loaded"
}
