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
    elif [[ $said != *" maxelem 16777077 "* ]]; then
      say "the ipset $name is someone else's by now, and stays"
    elif ! said=$(ipset destroy "$name" 2>&1); then
      [[ $said == *"in use"* ]] || { say "$said"; failed=1; continue; }
      say "the ipset $name is in use, and stays for now"
    fi
  done
  return "$failed"
}

members_are() { # FILE of `ipset restore`
  local wanted there
  is_there "$1" || return 0
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'ipset restore -file "$1" && ipset save' sets "$1" 2>&1) ||
    { differs "members of $1 cannot be asked for: ${wanted%%$'\n'*}"; return 0; }
  there=$(ipset save 2>/dev/null | awk '
    FILENAME != "-" { if ($1 == "create" && $3 !~ /-new$/) ours[$3]; next }
    $1 == "create" && ($2 in ours) { found[$2] }
    $1 == "add" && ($2 in ours) { print $2, $3 }
    END { for (name in ours) if (!(name in found)) print name " itself is missing" }' "$1" - | sort) || true
  compare "ipset member" - "$(sed -n 's/^add //p' <<<"$wanted" | sort)" "$there"
}
