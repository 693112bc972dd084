# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the `check` of a part that loads nft rules. nft lists rules in another form than a file has.
# So `check` loads the file into a temporary network namespace and compares the two listings.

rules_are() { # FILE [NAMESPACE]
  local wanted loaded
  # shellcheck disable=SC2016 # for the shell in there
  wanted=$(unshare --net bash -c 'nft -f "$1" && nft -s list table inet netc' rules "$1" 2>&1) ||
    { differs "rules of $1 cannot be checked: ${wanted%%$'\n'*}"; return 0; }
  loaded=$(in_namespace "${2--}" nft -s list table inet netc 2>/dev/null) ||
    { differs "table inet netc${2:+ in $2} is not there"; return 0; }
  compare_rulesets rule "${2--}" "$wanted" "$loaded"
}
compare_rulesets() { # WHAT NAMESPACE WANTED LOADED: two listings of nft
  local wanted loaded
  [[ $3 != "$4" ]] || return 0
  { wanted=$(printf '%s\n' "$3" | one_rule_a_line) && loaded=$(printf '%s\n' "$4" | one_rule_a_line); } ||
    { differs "$1s cannot be checked"; return 0; }
  compare "$1" "$2" "$wanted" "$loaded"
}

one_rule_a_line() { # of `nft list table`: each rule with its chain, then the elements of sets, sorted
  awk '
    function path(i, said) { for (i = 2; i <= depth; i++) said = said stack[i] ": "; return said }
    function element(text) { gsub(/^[ \t]+|[ \t,}]+$/, "", text); if (text != "") print "2\t" path() "element " text }
    { sub(/^[ \t]+/, ""); sub(/[ \t]+$/, "") }
    $0 == "" { next }
    in_elements || /^elements = \{/ {
      ends = /\}$/; sub(/^elements = \{/, ""); sub(/\}$/, "")
      n = split($0, parts, /,( |$)/); for (i = 1; i <= n; i++) element(parts[i])
      in_elements = !ends
      next
    }
    /\{$/ { sub(/ \{$/, ""); stack[++depth] = $0; if (depth > 1) print "1\t" path() "it"; next }
    $0 == "}" { depth--; next }
    { print "1\t" path() $0 }
  ' | sort -s -k1,1 | awk -F '\t' '$1 == 1 { print $2; next } { print $2 | "sort" }'
}
