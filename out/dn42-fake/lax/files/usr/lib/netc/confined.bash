# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced where services run in a namespace or in the slice of a split: by `check`, and by `install` before anything changes.
# One `systemctl show` asks for the control groups and commands of all such services, another for their sockets.
# /proc says where processes are.
# A service may be the client of a daemon, such as dockerd. The daemon starts the containers elsewhere.
# A socket unit may start a service: systemd itself then listens, in the host's network.
declare -gA place_of=() masks_of=() group_of=() pid_of=() commands_of=() socket_of=()
declare -ga triggers=()

read_places() { # ROOT: of each service that its drop-ins confine, the namespace or slice, and the folders that they hide
  local path line unit
  place_of=() masks_of=()
  for path in "$1"/etc/systemd/system/*.{service,socket}.d/50-netc{,-split}.conf; do
    [[ -r $path && $path != */netc-* ]] || continue
    while read -r line; do
      unit=${path%.d/*} unit=${unit##*/}
      case $line in
        NetworkNamespacePath=* | Slice=*) line=${line#*=} && place_of[$unit]=${line##*/} ;;
        TemporaryFileSystem=* | InaccessiblePaths=*) line=${line#*=} && masks_of[$unit]+=" ${line%:ro}" ;;
      esac
    done <"$path"
  done
}
ask_services() { # those of `place_of`. Fails if systemd does not answer
  local key value name names='' group='' pid='' commands='' known=("${!place_of[@]}")
  triggers=()
  [[ -d /run/systemd/system ]] && ((${#known[@]})) || return 0
  while IFS='=' read -r -t 10 key value; do
    case $key in
      Names) names=$value ;;
      ControlGroup) group=$value ;;
      MainPID) pid=$value ;;
      TriggeredBy) for name in $value; do triggers+=("$name"); done ;;
      Exec*)
        value=${value#*argv\[\]=}
        commands+=${value%% ; ignore_errors=*}$'\n'
        ;;
      '') # the end of a unit
        for name in $names; do group_of[$name]=$group pid_of[$name]=$pid commands_of[$name]=$commands; done
        names='' group='' pid='' commands=''
        ;;
      end) ask_sockets; return ;;
    esac
  done < <(systemctl show -p Names,ControlGroup,MainPID,TriggeredBy,ExecStartPre,ExecStart,ExecStartPost -- "${known[@]/@./@*.}" 2>/dev/null && printf '\nend\n')
  kill "$!" 2>/dev/null
  return 1
}
ask_sockets() { # sets `socket_of`: for a service, the unit by which systemd listens for it, if that is in the host's network
  local key value name listens='' active='' enabled='' services='' units=()
  socket_of=()
  for name in "${!place_of[@]}" "${triggers[@]}"; do
    case $name in # an instance is the service of its own socket, or of a connection that its template accepted
      *.socket) units+=("$name") ;;
      *@.service) units+=("${name%@*}.socket" "${name%.*}*.socket") ;;
      *@*.service) units+=("${name%%@*}.socket" "${name%.*}.socket") ;;
      *.service) units+=("${name%.*}.socket") ;;
    esac
  done
  ((${#units[@]})) || return 0
  name=''
  while IFS='=' read -r -t 10 key value; do
    case $key in
      Id) name=$value ;;
      Triggers) services=$value ;;
      Listen) [[ ! $value =~ :[0-9]+\ \( ]] || listens=1 ;; # not a path
      ActiveState) active=$value ;;
      UnitFileState) enabled=$value ;;
      '')
        if [[ $listens && ($active == active || $enabled == enabled*) && ! ${place_of[$name]-}${place_of[${name/@*./@.}]-} ]]; then
          for value in ${services:-"${name%.socket}@.service"}; do socket_of[$value]="$name $active" socket_of[${value/@*./@.}]="$name $active"; done
        fi
        name='' listens='' active='' enabled='' services=''
        ;;
      end) return 0 ;;
    esac
  done < <(systemctl show --all -p Id,Triggers,Listen,ActiveState,UnitFileState -- "${units[@]}" 2>/dev/null && printf '\nend\n')
  kill "$!" 2>/dev/null
  return 1
}
instances_of() { # SERVICE: puts its name into `instances`, or those of the instances of a template
  local name
  instances=("$1")
  [[ $1 == *@.service ]] || return 0
  instances=()
  for name in "${!group_of[@]}"; do [[ $name != "${1%.service}"?*.service ]] || instances+=("$name"); done
}

starts_elsewhere() { # PLACE WORDS…: these start a container or unit that is not in PLACE, by `client` and `word`
  local before='' wrapped='' all=" ${*:2} "
  client=''
  for word in "${@:2}"; do
    word=${word//[\"\']/}
    case ${word##*/} in
      docker | docker-compose | nerdctl | ctr | crictl | lxc | incus | machinectl | virsh | podman | podman-remote | systemd-nspawn | systemd-run)
        case $before in # only as a command: an argument of another program may have the same name
          '' | -*c | *=* | *';' | '&&' | '||' | '|' | do | then) client=${word##*/} ;;
          *) [[ ! $wrapped ]] || client=${word##*/} ;;
        esac
        [[ $client != systemd-* ]] || { word=''; break; }
        ;;
      env | exec | sudo | doas | nice | ionice | chrt | taskset | timeout | nohup | setsid | setpriv | stdbuf | flock | time | chroot | unshare)
        [[ ! $client || ${word##*/} != exec ]] || break
        wrapped=1 # what it runs comes after words of its own
        ;;
      run | runp | start | restart | up | play | launch | shell | login | deploy | service) [[ ! $client ]] || break ;;
      ps | pull | stop | rm | rmi | kill | logs | inspect | wait | down | create | image | network | volume | build | info) client='' ;;
    esac
    before=$word
  done
  [[ $client && ($word =~ ^(run|runp|start|restart|up|exec|play|launch|shell|login|deploy|service)?$) ]] || return
  [[ ! $all =~ ' '--net(work)?[=\ ]none' ' ]] || return
  case $1:$client in # some start the program themselves
    *.slice:systemd-run) [[ $all != *' --scope '* || $all != *" --slice=$1 "* ]] ;;
    *.slice:systemd-nspawn) [[ $all != *' --keep-unit '* || $all == *' --network-'* || $all == *' --private-network '* ]] ;;
    *.slice:*) # packets of a container with a network of its own are forwarded, and no rule matches their control group
      [[ $client != @(docker|nerdctl|podman) || ! $all =~ ' '--net(work)?[=\ ]host' ' ]] ||
        [[ $all != *" --cgroup-parent=$1 "* && ($client != podman || ! $all =~ ' '--cgroups=(split|disabled)' ') ]]
      ;;
    *:systemd-run) [[ $all != *' --scope '* ]] ;;
    *:systemd-nspawn) return 1 ;;
    *:podman) [[ $all =~ ' compose '|' -r '|' --remote '|' --'(url|connection)[=\ ]|' CONTAINER_HOST=' ]] ;;
  esac
}
has_command_elsewhere() { # SERVICE PLACE
  local words line lines
  split_lines "${commands_of[$1]-}"
  for line in "${lines[@]}"; do
    read -ra words <<<"$line"
    ! starts_elsewhere "$2" "${words[@]}" || return 0
  done
  return 1
}
services_stay_inside() { # ROOT: before its drop-ins are in place, as far as the commands of the services show it
  local service instances one client word left=0
  read_places "$1"
  ask_services || { report "systemctl show does not answer"; return 1; }
  for service in "${!place_of[@]}"; do
    [[ ! ${socket_of[$service]-} ]] ||
      { report "${socket_of[$service]% *} listens for $service, in the host's network and not in ${place_of[$service]}: systemctl disable --now ${socket_of[$service]% *}$(may_list "$service")"; left=1; }
    instances_of "$service"
    for one in "${instances[@]}"; do
      ! has_command_elsewhere "$one" "${place_of[$service]}" ||
        { report "$one runs \`$client${word:+ $word}\`, whose programs are not in ${place_of[$service]}: let podman start them, or take the service out of the topology"; left=1; }
    done
  done
  return "$left"
}

may_list() { [[ ${place_of[$1]} == *.slice ]] || echo ", or list it in \`services\` of the namespace"; } # SERVICE

# ---- questions of `check`
know_services() {
  [[ ! ${queried[services]-} ]] || return 0
  queried[services]=1
  read_places ''
  ask_services || differs "cannot be checked: \`systemctl show\` does not answer"
}
read_group() { # DIRECTORY: adds the processes of a control group and of those inside it to `processes`
  local inner
  { mapfile -t -O "${#processes[@]}" processes <"$1/cgroup.procs"; } 2>/dev/null
  for inner in "$1"/*/; do [[ ! -d $inner ]] || read_group "${inner%/}"; done
}
runs_inside() { # PLACE SERVICE QUESTION: asks QUESTION for each of its instances that runs, as `one`, with its `processes`
  local instances one known client='' word='' root=/sys/fs/cgroup process words
  know_services
  [[ ${socket_of[$2]-} != *' active' ]] || differs "${socket_of[$2]% *} listens for service $2 in the host's network: systemctl disable --now ${socket_of[$2]% *}"
  [[ -e $root/cgroup.controllers ]] || root=$root/unified
  instances_of "$2"
  for one in "${instances[@]}"; do
    local processes=()
    [[ ! ${group_of[$one]-} ]] || read_group "$root${group_of[$one]}"
    known=${#differences[@]}
    ((!${#processes[@]})) || { "$3" "$1"; ((${#differences[@]} > known)) || folders_stay_hidden "$2"; }
    if has_command_elsewhere "$one" "$1"; then
      differs "service $one runs \`$client${word:+ $word}\`, whose programs are not in $1"
      continue
    fi
    for process in "${processes[@]}"; do # a script may run such a client
      { mapfile -d '' -t words <"/proc/$process/cmdline"; } 2>/dev/null || continue
      ! starts_elsewhere "$1" "${words[@]}" || { differs "service $one runs \`$client${word:+ $word}\` (process $process), whose programs are not in $1"; break; }
    done
  done
}
folders_stay_hidden() { # SERVICE: of `one`. If somebody deletes a folder, for instance with a package, the mount over it goes with it
  local folder mounts process=${pid_of[$one]:-0}
  ((process)) || process=${processes[0]}
  { mounts=$(<"/proc/$process/mountinfo"); } 2>/dev/null || return 0
  for folder in ${masks_of[$1]-}; do
    [[ $mounts == *" $folder "* ]] || differs "$folder was deleted, and is no longer hidden from service $one: systemctl restart $one"
  done
}
is_in_namespace() { # NAMESPACE
  local process
  for process in "${processes[@]}"; do
    [[ -e /proc/$process/ns/net ]] || continue
    if [[ /proc/$process/ns/net -ef /proc/self/ns/net ]] || [[ $process == "${pid_of[$one]}" && ! /proc/$process/ns/net -ef /run/netns/$1 ]]; then
      differs "service $one does not run in namespace $1 (process $process): systemctl restart $one"
      return
    fi
  done
}
is_in_slice() { # SLICE
  local line
  [[ ${group_of[$one]} == */"$1"/* ]] || { differs "service $one does not run in $1: systemctl restart $one"; return; }
  while read -r line; do
    [[ $line != 0::* || $line == */"$1"/* ]] || differs "service $one runs in $1, and its process ${pid_of[$one]} does not"
  done 2>/dev/null <"/proc/${pid_of[$one]}/cgroup"
}
services_run_in_namespace() { # NAMESPACE SERVICE…
  local service
  for service in "${@:2}"; do runs_inside "$1" "$service" is_in_namespace; done
}
services_run_in_slice() { # SLICE SERVICE…
  local service
  for service in "${@:2}"; do runs_inside "$1" "$service" is_in_slice; done
}
