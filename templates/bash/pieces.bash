# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the scripts of a part whose nft rules name long lists. Each list is in pieces, one nft set and
# one file below /etc/netc/sets/ each, because nft needs much memory for a long set. The name of a set ends in a digest of
# what it holds, so the sets of a new list stand beside those of the old one until the rules change.

load_rules() { # FILE: loads all pieces, then replaces rules and other sets in one transaction. Until then the old rules hold
  local rules lines
  load_pieces && read_lines removals && rules=$(<"$1") || return
  printf '%s\n' 'table inet netc' "${lines[@]}" "$rules" | nft -f -
}
load_pieces() {
  local file name text lines
  read_lines sets_there || return
  for file in /etc/netc/sets/*/*.nft; do
    name_of_piece "$file" && text=$(<"$file") || return
    if [[ " ${lines[*]} " != *" $name "* ]]; then
      printf '%s\n' "$text" | nft -f - || return
    elif ! piece_is "$file" "$name"; then
      printf '%s\n' "flush set inet netc $name" "$text" | nft -f - || return
    fi
  done
}
removals() { # prints the commands that remove all of the table except the pieces of these files
  local file name wanted=' '
  for file in /etc/netc/sets/*/*.nft; do name_of_piece "$file" && wanted+="$name " || return; done
  echo 'flush table inet netc'
  own_table | awk -v wanted="$wanted" '
    depth == 1 && $1 ~ /^(chain|map|set)$/ && !index(wanted, " " $2 " ") { line[$1] = line[$1] "delete " $1 " inet netc " $2 "\n" }
    { depth += gsub(/\{/, "{") - gsub(/\}/, "}") }
    END { printf "%s", line["chain"] line["map"] line["set"] }'
}
own_table() { # prints the table without elements of named sets. For `list table`, nft 1.0.6 reads elements even with --terse
  nft --stateless --terse list ruleset inet | awk '/^table / { ours = $3 == "netc" } ours'
}
sets_there() { own_table | awk '$1 == "set" && $3 == "{" { print $2 }'; }
name_of_piece() { { read -r && read -r && read -r _ name _; } <"$1"; } # FILE: puts the name of its set into `name`
piece_is() { # FILE NAME: whether the set NAME holds what FILE says
  local wanted there
  wanted=$(sed 1d "$1" | tr -d ' \t\n') && there=$(nft list set inet netc "$2" | tr -d ' \t\n') && [[ $wanted == "$there" ]]
}

pieces_and_rules_are() { # FILE: rules are compared with FILE as loaded into a network namespace of its own, where pieces are empty
  local wanted loaded file name names=' ' lines
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c '. /usr/lib/netc/steps.bash rules none && . /usr/lib/netc/pieces.bash
    { echo "table inet netc {" && sed -n -s "3,5p; 5s/.*/\t}/p" /etc/netc/sets/*/*.nft && echo "}"; } | nft -f -
    nft -f "$1" && without_pieces' rules "$1" 2>&1) || { differs "rules of $1 cannot be checked: ${wanted%%$'\n'*}"; return 0; }
  { loaded=$(without_pieces) && read_lines sets_there; } || { differs "rules of $1 cannot be checked"; return 0; }
  [[ $loaded ]] || { differs "table inet netc is not there"; return 0; }
  compare_rulesets rule - "$wanted" "$loaded"
  for file in /etc/netc/sets/*/*.nft; do
    name_of_piece "$file" || { differs "$file cannot be read"; return 0; }
    names+="$name "
    piece_is "$file" "$name" 2>/dev/null || compare_piece "$file" "$name"
  done
  for name in "${lines[@]}"; do
    [[ ! $name =~ $piece || $names == *" $name "* ]] || differs "set $name is not from netc"
  done
}
piece='^set[46]_[^_]+_' # no name of a set has a `_`
without_pieces() { # prints the table, then those of its sets that are no pieces, with elements
  local kind name lines line
  read_lines own_table || return
  ((!${#lines[@]})) || printf '%s\n' "${lines[@]}" | awk -v piece="$piece" '$1 == "set" && $2 ~ piece { no = 1 } !no; $1 == "}" { no = 0 }' || return
  for line in "${lines[@]}"; do
    read -r kind name _ <<<"$line"
    [[ ! $kind =~ ^(map|set)$ || $name =~ $piece ]] || nft list "$kind" inet netc "$name" || return
  done
}
compare_piece() { # FILE NAME: names what differs
  local wanted loaded
  loaded=$(nft list set inet netc "$2" 2>/dev/null) || { differs "set $2 is not there"; return 0; }
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'nft -f "$1" && nft list set inet netc "$2"' rules "$1" "$2" 2>&1) ||
    { differs "set $2 cannot be checked: ${wanted%%$'\n'*}"; return 0; }
  compare_rulesets rule - "$wanted" "$loaded"
}
