# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the scripts of parts that hold ipsets. netc marks its ipsets by an unusual limit, maxelem
# 16777077. An ipset without this limit belongs to other software.

usable_sets() { # NAME…: these names are free or netc's
  local name said
  for name in "${@/%/-new}" "$@"; do
    said=$(ipset list -terse "$name" 2>&1) || [[ $said == *"does not exist"* ]] || refuse "$said"
    [[ $said == *"does not exist"* || $said == *" maxelem 16777077 "* ]] || refuse "an ipset $name exists already, and is not from netc"
  done
}
remove_sets() { # NAME…: an ipset that a rule uses stays
  local name said failed=0
  for name in "${@/%/-new}" "$@"; do
    if ! said=$(ipset list -terse "$name" 2>&1); then
      [[ $said == *"does not exist"* ]] || { say "$said"; failed=1; }
    elif [[ $said != *" maxelem 16777077 "* ]] && ! swap_back "$name"; then
      say "ipset $name now belongs to something else (its maxelem is not 16777077) and is not destroyed"
    elif ! said=$(ipset destroy "$name" 2>&1); then
      [[ $said == *"in use"* ]] || { say "$said"; failed=1; continue; }
      say "ipset $name is in use and stays for now"
    fi
  done
  return "$failed"
}

swap_back() { # NAME, with its `ipset list` in `said`: undoes an `ipset swap` by somebody else; their set is kept as NAME-old
  local other lines family=${said##*family }
  [[ $1 != *-new ]] || return
  other=$(ipset list -terse | awk '$1 == "Name:" { name = $2 } / maxelem 16777077 / { print name }') || return
  split_lines "$other"
  for other in "${lines[@]}"; do
    grep -qs "^create -exist $other " /etc/netc/sets/*.ipset || ! ipset swap "$other" "$1" 2>/dev/null || return 0
  done
  ipset create "$1-new" hash:net family "${family%% *}" maxelem 16777077 2>/dev/null || return
  ipset swap "$1-new" "$1" 2>/dev/null || { ipset destroy "$1-new"; return 1; }
  ipset destroy "$1-old" 2>/dev/null || true
  ipset rename "$1-new" "$1-old" && say "somebody had swapped another set for ipset $1; that set is now $1-old"
}

members_are() { # FILE of `ipset restore`: its sets, as made in a network namespace of its own, and their members
  local wanted there='' name lines
  is_readable "$1" || return 0
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'set -o pipefail; sed -n "/^create [^ ]* [^ ]*[46] /p" "$1" | ipset restore && ipset save' sets "$1" 2>&1) ||
    { differs "members of $1 cannot be checked: ${wanted%%$'\n'*}"; return 0; }
  { wanted=$(printf '%s\n' "$wanted" | created) && read_lines sed -n 's/^swap [^ ]* //p' "$1"; } ||
    { differs "members of $1 cannot be checked"; return 0; }
  for name in "${lines[@]}"; do there+=$(ipset save "$name" 2>/dev/null | created)$'\n' || true; done
  compare ipset - "$wanted" "$(printf '%s' "$there" | sort)"
  for name in "${lines[@]}"; do [[ $there != *"$name of "* ]] || members_of_one_are "$1" "$name"; done
}
created() { # of `ipset save`: the sets, without sizes that the kernel chooses
  awk '$1 == "create" { gsub(/ (hashsize|initval) [^ ]+/, ""); print $2, "of", substr($0, length($2) + 9) }' | sort
}
members_of_one_are() { # FILE NAME: a list may have 400,000 members, so neither is kept in a variable
  local said
  said=$(comm -3 <(sed -n "s/^add $2-new /ipset member $2 /p" "$1" | sorted) <(ipset save "$2" | members | sorted) |
    sed -e 's/^[^\t]/-&/' -e 's/^\t/+/' | first_few) || said=~
  [[ $said != *"~"* ]] || { differs "members of ipset $2 cannot be checked"; return 0; }
  differ ipset - "$said"
}
members() { awk '$1 == "add" { print "ipset member", $2, $3 (/ nomatch( |$)/ ? " nomatch" : "") }'; }
sorted() { sort -S 24M && echo '~'; } # the last line: a list that ends too early lacks it
