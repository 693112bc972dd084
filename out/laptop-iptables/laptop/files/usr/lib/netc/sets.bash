# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the scripts of parts that hold ipsets. netc's are told by a limit that no other would have.

usable_sets() { # NAME…
  local name said
  for name in "${@/%/-new}" "$@"; do
    said=$(ipset list -terse "$name" 2>&1) || [[ $said == *"does not exist"* ]] || refuse "$said"
    [[ $said == *"does not exist"* || $said == *" maxelem 16777077 "* ]] || refuse "an ipset $name exists, and is not netc's"
  done
}
remove_sets() { # NAME…: what rules of others use stays as it is
  local name said failed=0
  for name in "${@/%/-new}" "$@"; do
    if ! said=$(ipset list -terse "$name" 2>&1); then
      [[ $said == *"does not exist"* ]] || { say "$said"; failed=1; }
    elif [[ $said != *" maxelem 16777077 "* ]] && ! exchange_back "$name"; then
      say "the ipset $name is someone else's by now, and stays"
    elif ! said=$(ipset destroy "$name" 2>&1); then
      [[ $said == *"in use"* ]] || { say "$said"; failed=1; continue; }
      say "the ipset $name is in use, and stays for now"
    fi
  done
  return "$failed"
}

exchange_back() { # NAME, whose `ipset list` is in `said`: for one of the same type, what `ipset swap` had put there; nothing is lost
  local other family=${said##*family }
  [[ $1 != *-new ]] || return
  while read -r other; do
    grep -qs "^create -exist $other " /etc/netc/sets/*.ipset || ! ipset swap "$other" "$1" 2>/dev/null || return 0
  done < <(ipset list -terse | awk '$1 == "Name:" { name = $2 } / maxelem 16777077 / { print name }')
  ipset create "$1-new" hash:net family "${family%% *}" maxelem 16777077 2>/dev/null || return
  ipset swap "$1-new" "$1" 2>/dev/null || { ipset destroy "$1-new"; return 1; }
  ipset destroy "$1-old" 2>/dev/null || true
  ipset rename "$1-new" "$1-old" && say "what somebody swapped for the ipset $1 is $1-old now"
}

members_are() { # FILE of `ipset restore`: what it makes, but for what the kernel chooses as it goes
  local wanted there
  can_be_read "$1" || return 0
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'ipset restore -file "$1" && ipset save' sets "$1" 2>&1) ||
    { differs "members of $1 cannot be asked for: ${wanted%%$'\n'*}"; return 0; }
  there=$(ipset save 2>/dev/null | sets_and_members "$1") || true
  compare ipset - "$(sets_and_members "$1" <<<"$wanted")" "$there"
}
sets_and_members() { # FILE: of those that it makes, from what `ipset save` says
  awk '
    FILENAME != "-" { if ($1 == "create" && $3 !~ /-new$/) ours[$3]; next }
    !($2 in ours) { next }
    $1 == "create" { gsub(/ (hashsize|initval) [^ ]+/, ""); print $2, "of", substr($0, length($2) + 9) }
    $1 == "add" { print "member", $2, $3 (/ nomatch( |$)/ ? " nomatch" : "") }' "$1" - | sort
}
