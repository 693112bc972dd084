# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part `docker`. Docker drops forwarded packets that are not its own, even if netc's rules
# accept them. Docker's chain DOCKER-USER comes before its own rules and is for rules of others: netc's accept rules are
# there, with the comment "netc".

way_past_docker() { # add|remove IN OUT: accepts connections from interface IN to interface OUT, and their replies
  local filter
  for filter in iptables ip6tables; do
    in_docker_user "$1" "$filter" "forwarding from $2 to $3" -i "$2" -o "$3"
    in_docker_user "$1" "$filter" "forwarding from $3 to $2" -i "$3" -o "$2" -m conntrack --ctstate ESTABLISHED,RELATED
  done
}

past_docker() { # add|remove PROTOCOL ADDRESS PORTS TARGET: accepts a forward in both directions, with its ICMP errors
  local filter=iptables
  [[ $3 != *:* ]] || filter=ip6tables
  in_docker_user "$1" "$filter" "$3 port $4" \
    -m conntrack --ctstate DNAT --ctproto "$2" --ctorigdst "$3" --ctorigdstport "$4" --ctreplsrc "$5"
}

in_docker_user() { # add|remove PROGRAM WHAT RULE…: PROGRAM is iptables or ip6tables; WHAT is for the message
  local filter=$2 lines rule=("${@:4}" -m comment --comment netc -j ACCEPT)
  if ! command -v "$filter" >/dev/null || ! "$filter" -w -n -L DOCKER-USER >/dev/null 2>&1; then
    [[ $1 == remove ]] || say "$filter has no chain DOCKER-USER yet: the rule for $3 is added when the part docker reloads, after Docker has started"
    return 0
  fi
  case $1 in
    add) "$filter" -w -I DOCKER-USER "${rule[@]}" ;;
    remove)
      read_lines other_backend "$filter" || return
      for filter in "$filter" "${lines[@]}"; do
        while "$filter" -w -D DOCKER-USER "${rule[@]}" 2>/dev/null; do :; done
      done
      ;;
  esac
}
other_backend() { # PROGRAM: of its variants -nft and -legacy, the one that is not PROGRAM and has rules of netc in DOCKER-USER
  local kind here names
  here=$(type -P "$1")
  { read -r names <"/proc/net/${1/tables/_tables}_names"; } 2>/dev/null || names='' # listing a legacy table would create it
  for kind in nft legacy; do
    [[ $kind == nft || $names ]] && [[ $(type -P "$1-$kind") && ! $here -ef $(type -P "$1-$kind") ]] || continue
    [[ $("$1-$kind" -w -S DOCKER-USER 2>/dev/null) != *' --comment netc '* ]] || printf '%s\n' "$1-$kind"
  done
}

old=()
old_rules() { # puts commands into `old` that delete netc's present rules: they run after the new rules are there
  local filter rule lines
  for filter in iptables ip6tables; do
    read_lines "$filter" -w -S DOCKER-USER 2>/dev/null || continue # no such chain yet
    for rule in "${lines[@]}"; do [[ $rule != '-A '*' --comment netc '* ]] || old+=("$filter -w -D ${rule#-A }"); done
  done
}
drop_old_rules() {
  local rule words
  for rule in "${old[@]}"; do
    read -ra words <<<"$rule"
    "${words[@]}" || return
  done
}

docker_has_rule() { # PROGRAM RULE…: if the chain DOCKER-USER exists, it has this rule
  local command="$1 -w -S DOCKER-USER"
  query "$command"
  ((!${output["$command"]})) || expect "$command" -A DOCKER-USER "${@:2}" "-m comment --comment netc -j ACCEPT"
}
docker_accepts_interfaces() { # IN OUT
  local filter
  for filter in iptables ip6tables; do
    docker_has_rule "$filter" "-i $1 -o $2"
    docker_has_rule "$filter" "-i $2 -o $1" "-m conntrack --ctstate RELATED ESTABLISHED"
  done
}
docker_accepts_forward() { # PROTOCOL ADDRESS PORTS TARGET
  local filter=iptables ports=$3
  [[ $2 != *:* ]] || filter=ip6tables
  [[ ${3%:*} != "${3#*:}" ]] || ports=${3%:*} # iptables prints 80:80 as 80
  docker_has_rule "$filter" "-m conntrack --ctstate DNAT" "--ctproto $1" "--ctorigdst $2" "--ctorigdstport $ports" "--ctreplsrc $4"
}
