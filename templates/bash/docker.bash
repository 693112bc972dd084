# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part `docker`. Docker drops all that is forwarded and not its own, and a packet has to
# pass every table. DOCKER-USER is the chain that Docker asks first and leaves to others.

way_past_docker() { # add|remove ENTERING LEAVING: what containers of netc's own bridges begin, and the replies
  local filter
  for filter in iptables ip6tables; do
    in_docker_user "$1" "$filter" "the way from $2 to $3" -i "$2" -o "$3"
    in_docker_user "$1" "$filter" "the way from $3 to $2" -i "$3" -o "$2" -m conntrack --ctstate ESTABLISHED,RELATED
  done
}

past_docker() { # add|remove PROTOCOL ADDRESS PORTS TARGET: a forward of netc's, both ways and with its ICMP errors
  local filter=iptables
  [[ $3 != *:* ]] || filter=ip6tables
  in_docker_user "$1" "$filter" "$3 port $4" \
    -m conntrack --ctstate DNAT --ctproto "$2" --ctorigdst "$3" --ctorigdstport "$4" --ctreplsrc "$5"
}

in_docker_user() { # add|remove IPTABLES WHAT RULE…
  local filter=$2 rule=("${@:4}" -m comment --comment netc -j ACCEPT)
  if ! command -v "$filter" >/dev/null || ! "$filter" -w -n -L DOCKER-USER >/dev/null 2>&1; then
    [[ $1 == remove ]] || say "Docker has no $filter chain DOCKER-USER now: $3 is left to what it does later"
    return 0
  fi
  case $1 in
    add) "$filter" -w -I DOCKER-USER "${rule[@]}" ;;
    remove)
      for filter in "$filter" $(other_docker_user "$filter"); do
        while "$filter" -w -D DOCKER-USER "${rule[@]}" 2>/dev/null; do :; done
      done
      ;;
  esac
}
other_docker_user() { # FILTER: the program of nft or of legacy tables, where it has Docker's chain with rules of netc's too
  local kind here names
  here=$(type -P "$1")
  { read -r names <"/proc/net/${1/tables/_tables}_names"; } 2>/dev/null || names='' # others are made by who asks of them
  for kind in nft legacy; do
    [[ $kind == nft || $names ]] && [[ $(type -P "$1-$kind") && ! $here -ef $(type -P "$1-$kind") ]] || continue
    [[ $("$1-$kind" -w -S DOCKER-USER 2>/dev/null) != *' --comment netc '* ]] || printf '%s\n' "$1-$kind"
  done
}

old=()
old_rules() { # of netc's, whatever they are about: they go when the new ones stand
  local filter
  for filter in iptables ip6tables; do
    mapfile -t -O "${#old[@]}" old < <("$filter" -w -S DOCKER-USER 2>/dev/null |
      sed -n "s/^-A \(.* --comment netc .*\)/$filter -w -D \1/p")
  done
}
drop_old_rules() {
  local rule words
  for rule in "${old[@]}"; do
    read -ra words <<<"$rule"
    "${words[@]}" || return
  done
}

docker_user() { # FILTER RULE…: Docker's chain, if it is there, has it
  local says="$1 -w -S DOCKER-USER"
  listen "$says"
  ((!${said["$says"]})) || shows "$says" -A DOCKER-USER "${@:2}" "-m comment --comment netc -j ACCEPT"
}
docker_lets_way() { # ENTERING LEAVING
  local filter
  for filter in iptables ip6tables; do
    docker_user "$filter" "-i $1 -o $2"
    docker_user "$filter" "-i $2 -o $1" "-m conntrack --ctstate RELATED ESTABLISHED"
  done
}
docker_lets() { # PROTOCOL ADDRESS PORTS TARGET
  local filter=iptables ports=$3
  [[ $2 != *:* ]] || filter=ip6tables
  [[ ${3%:*} != "${3#*:}" ]] || ports=${3%:*} # as it is said
  docker_user "$filter" "-m conntrack --ctstate DNAT" "--ctproto $1" "--ctorigdst $2" "--ctorigdstport $ports" "--ctreplsrc $4"
}
