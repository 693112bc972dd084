# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the `reload` of a part that consists of policy rules (ip-rule(8)). It adds new rules, then
# deletes rules that are no longer wanted. Rules that stay are never deleted. The journal lists the rules that netc added.
declare -A made wanted
read_lines sed -n 's/^\(rule \)\?\(ip -[46] rule add .*\)/\2/p' "${journal:?}" || refuse "cannot read $journal"
for rule in "${lines[@]}"; do made[$rule]=1; done

rule() { # ip FAMILY rule add …: adds the rule if it is new
  wanted[$*]=1
  [[ ${made[$*]-} ]] || "$@"
}

drop_other_rules() { # deletes rules that this reload did not name
  local one words
  for one in "${!made[@]}"; do
    [[ ! ${wanted[$one]-} ]] || continue
    read -ra words <<<"$one"
    words[3]=delete
    "${words[@]}" || return
  done
  printf '%s\n' "${!wanted[@]}" >"$journal.new" && mv "$journal.new" "$journal"
}
