# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the reload of a part that is rules of routing and nothing else: what is wanted before and
# after is at no moment away. The part's journal says which rules are its own.
declare -A made wanted
while read -r rule; do made[$rule]=1; done < <(sed -n 's/^\(rule \)\?\(ip -[46] rule add .*\)/\2/p' "${journal:?}")

rule() { # ip FAMILY rule add …
  wanted[$*]=1
  [[ ${made[$*]-} ]] || "$@"
}

drop_other_rules() {
  local one words
  for one in "${!made[@]}"; do
    [[ ! ${wanted[$one]-} ]] || continue
    read -ra words <<<"$one"
    words[3]=delete
    "${words[@]}" || return
  done
  printf '%s\n' "${!wanted[@]}" >"$journal.new" && mv "$journal.new" "$journal"
}
