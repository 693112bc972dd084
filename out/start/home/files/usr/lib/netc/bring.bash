# shellcheck shell=bash disable=SC2034,SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host` for `install`, `back`, `keys`, `confirm`, `uninstall` and `run`: what a tree would replace and its plan, a
# tree in a bundle, a generation that is still kept, the secrets of the tree that `netc-host` itself is in, installed or not
# yet, the ssh connection of the admin, and what stands in for systemd.

bring() { # VERB [OPTION…]
  case $1 in
    install) (($# > 1)) || usage "install takes a FILE.tar.gz"; install_bundle "${@:2}" ;;
    back) back_to "${@:2}" ;;
    keys) "$@" ;;
    *) (($# == 1)) || usage "$1 takes no options"; "$1" ;;
  esac
}

has_real_programs() { # busybox has programs of these names that cannot do what netc needs. Of its others, what the tests run works
  local word name dirs dir lacking=''
  IFS=: read -ra dirs <<<"$PATH"
  for word in find:findutils flock:util-linux ip:iproute2 nsenter:util-linux setsid:util-linux sha256sum:coreutils tail:coreutils tar:tar xargs:findutils; do
    name=${word%:*}
    for dir in "${dirs[@]}"; do
      [[ -x $dir/$name ]] || continue
      ! is_busybox "$dir/$name" || lacking+=" $name (apt-get install ${word#*:})"
      break
    done
  done
  [[ ! $lacking ]] || die "this host has these programs of busybox, which lack what netc needs:$lacking"
}
is_busybox() { # PROGRAM: a link to it, symbolic or hard
  local dir
  for dir in "${dirs[@]}"; do [[ ! $1 -ef $dir/busybox ]] || return 0; done
  return 1
}

belong_to_root() { # FOLDER…: with all inside, where they exist. Else somebody could change what root runs
  local lines folder above there=()
  for folder; do
    [[ -e $folder ]] || continue
    there+=("$folder")
    [[ $(realpath "$folder") != "$folder" ]] || continue
    above=$(realpath "$folder") # a link leads there: somebody may rename one of the folders above it
    while [[ ${above%/*} ]]; do above=${above%/*} there+=("$above/."); done
  done
  ((${#there[@]})) || return 0
  read_lines changeable "${there[@]}" || return
  for folder in "${lines[@]}"; do report "other users than root can change $folder: chown root:root $folder && chmod go-w $folder"; done
  ((!${#lines[@]}))
}
changeable() { # FOLDER… `/.` at the end: without what is inside, and if many may write there, only what is their own
  local folder
  for folder; do
    case $folder in
      */.) find -H "${folder%/.}" -maxdepth 0 \( ! -uid 0 -o ! -perm -1000 \( -perm -002 -o -perm -020 ! -gid 0 \) \) ;;
      *) find -H "$folder" -type d \( ! -uid 0 -o -perm -002 -o -perm -020 ! -gid 0 \) -prune ;;
    esac || return
  done
}

# ---- trees
signers=/etc/netc/allowed_signers

require_right_host() { # HOST of the tree: the name that this host remembers, or at first its hostname
  local known
  if [[ -e $store/host ]]; then
    known=$(<"$store/host")
    [[ $known == "$1" ]] || die "this host is $known, and this tree is for $1: to install it nevertheless, add --host"
  else
    known=$(uname -n)
    [[ ${known%%.*} == "$1" ]] || die "this host is called $known, and this tree is for $1: if this is the right host, add --host"
  fi
}

print_plan() { # OLD NEW
  local what part order before=()
  local -A printed=()
  order_of "$1"
  before=("${order[@]}")
  order_of "$2"
  for what in leave restart reload start; do
    for part in "${before[@]}" "${order[@]}"; do
      [[ ${action[$part]} != "$what" || ${printed[$part]-} ]] || { printf '%-8s %s\n' "$what" "$part"; printed[$part]=1; }
    done
  done
  ! has_systemd || ((!${#changed_units[@]})) || printf 'unit     %s\n' "${!changed_units[@]}" | sort
  printf '%s\n' "$differing" | awk '$3 ~ /^files\// && !seen[$3]++ {n++} END {printf "files    %d differ\n", n}'
}

has_file() { manifest_of "$1" | awk -v path="$2" '$3 == path {found = 1} END {exit !found}'; } # GENERATION PATH

occupied_paths() { # OLD NEW: prints paths with files of others: OLD did not have them, and they differ from NEW
  local line lines path
  not_in_place "$2" || return
  for line in "${lines[@]}"; do
    read -r _ _ path _ <<<"$line"
    [[ ! -e /${path#files/} && ! -L /${path#files/} ]] || has_file "$1" "$path" || echo "/${path#files/}"
  done
}

paths_are_free() { # OLD NEW: no file of others would be replaced, and nobody changed a file of OLD
  local found='' changed='' line lines path
  [[ $1 == "$2" ]] || found=$(occupied_paths "$1" "$2") || return
  not_in_place "$1" || return
  for line in "${lines[@]}"; do read -r _ _ path _ <<<"$line" && changed+=${changed:+$'\n'}/${path#files/}; done
  [[ ! $found ]] || report "not installed by netc, at paths that it needs (--overwrite replaces them): $found"
  [[ ! $changed ]] || report "changed by hand since the install (--overwrite replaces them): $changed"
  [[ ! $found$changed ]]
}

version_of() { # TOOL: prints what it says of its version
  case $1 in
    nft | ipset) "$1" --version ;;
    iproute2) ip -V ;;
    systemd) systemctl --version ;;
    bird) bird --version 2>&1 ;;
    bash) echo "$BASH_VERSION" ;;
  esac 2>/dev/null
}
is_older() { # VERSION THAN: 2.17.6 is not older than 2.17
  local one two i
  IFS=. read -ra one <<<"$1"
  IFS=. read -ra two <<<"$2"
  for i in "${!two[@]}"; do
    ((${one[i]:-0} == two[i])) || { ((${one[i]:-0} < two[i])); return; }
  done
  false
}
tools_suffice() { # FILE: no tool of this host is older than FILE says. What else differs is reported if FILE is for one target
  local tool wanted there said target='' left=0
  [[ -e $1 ]] || return 0
  while read -r tool wanted; do
    case $tool in
      '#') continue ;;
      target) target=$wanted; continue ;;
      systemd) has_systemd || continue ;;
    esac
    said=$(version_of "$tool")
    said=${said##*iproute2-}
    [[ $said =~ [0-9]+(\.[0-9]+)* ]] || { report "cannot read the version of $tool here: ${said:-it prints nothing}"; continue; }
    there=${BASH_REMATCH[0]}
    if is_older "$there" "$wanted"; then
      report "$tool is $there here, and this tree needs $wanted or later${target:+, as on $target}"
      left=1
    elif [[ $target && $there. != "$wanted".* ]]; then
      report "$tool is $there here, and $wanted on $target: set \`target\` to what this host runs"
    fi
  done <"$1"
  return "$left"
}

install_bundle() ( # FILE.tar.gz [OPTION of install]…
  umask 077
  folder=$(mktemp -d /var/tmp/netc-bundle.XXXXXX) || die "no room in /var/tmp"
  trap 'rm -rf "$folder"' EXIT
  [[ ! -d $1 ]] || die "$1 is a directory: run bash $1/install"
  # Check and unpack a copy: somebody may write to FILE between the two.
  cp -- "$1" "$folder/bundle" || die "cannot read $1"
  is_signed "$folder/bundle" "$1.sig" || die "$1 is not signed by anyone in $signers; nothing was changed"
  holds_only_plain_files "$folder/bundle" "$folder/list" || die "$1 is not a bundle of netc; nothing was changed"
  mkdir "$folder/tree"
  tar --extract --gzip --file "$folder/bundle" --directory "$folder/tree" --no-same-owner ||
    die "$1 cannot be unpacked; nothing was changed"
  NETC_SIGNED=1 bash "$folder/tree/install" "${@:2}"
)

is_signed() { # FILE SIGNATURE: by a key in $signers, if this host has that file
  [[ -e $signers || -L $signers ]] || return 0
  [[ -f $2 ]] || { report "$2 is missing"; return 1; }
  ssh-keygen -Y verify -f "$signers" -I netc -n netc -s "$2" <"$1" >&2
}
holds_only_plain_files() { # ARCHIVE LIST: no links, no devices, no path that leads out of the tree
  local word='[A-Za-z0-9_@+:,=.-]+' wrong
  TZ=UTC tar --list --verbose --numeric-owner --quoting-style=escape --gzip --file "$1" >"$2" || return
  wrong=$(grep -vE "^-[rwx-]{9} 0/0 +[0-9]+ [0-9-]+ [0-9:]+ $word(/$word)*\$" "$2") || (($? == 1)) || return
  wrong+=$(grep -E '[ /]\.\.?(/|$)' "$2") || (($? == 1)) || return
  [[ ! $wrong ]] || { report "unsafe to unpack: $wrong"; return 1; }
  grep -q ' install$' "$2" && grep -q ' MANIFEST$' "$2"
}

back_to() ( # [GENERATION] [OPTION of install]…: by default the generation before the current one
  [[ ! -e $pending ]] || (take_lock 5 || busy change; no_change_waits) || exit
  if [[ ${1---} == --* ]]; then
    wanted=$(awk -v now="$(current)" '$2 != now {last = $2} END {print last}' "$store/history" 2>/dev/null) || wanted=none
    set -- "$wanted" "$@"
    [[ $(current) != none ]] || die "nothing is installed"
    [[ ${1:-none} != none ]] || die "this is the first generation; netc-host uninstall removes it"
  fi
  wanted=$1
  if [[ $wanted == none ]]; then
    [[ " $* " != *' --dry-run '* ]] || usage "back none has no --dry-run"
    uninstall
    exit
  fi
  [[ $wanted =~ ^[0-9a-f]{16}$ && -d $trees/$wanted ]] ||
    die "generation $wanted is not kept on this host; kept are: $(find "$trees" -mindepth 1 -maxdepth 1 -printf '%f ' 2>/dev/null)"
  umask 077
  folder=$(mktemp -d /var/tmp/netc-bundle.XXXXXX) || die "no room in /var/tmp"
  trap 'rm -rf "$folder"' EXIT
  # A copy: `install` may remove a tree that it refuses.
  cp -a "$trees/$wanted" "$folder/tree" || die "no room in /var/tmp"
  NETC_SIGNED=1 bash "$folder/tree/install" "${@:2}"
)

# ---- secrets. Keys of the host itself are made if they are missing. A key that exists is never changed, and only public
# keys are printed.
keys() { # [--make FILE]…: also the key of a tunnel, if its peer accepts a public key of yours. --next FILE, --switch FILE: below
  local kind file whose public next left=0 make=' ' secrets=$root/etc/netc/secrets
  [[ -e $secrets ]] || die "this tree has no secrets"
  if [[ ${1-} == --@(next|switch) ]]; then
    (($# == 2)) || usage "keys $1 takes a FILE"
    public=$(grep -F "identity $2 " "$secrets") || die "$2 is not a key of this host's own"
    read -r _ file whose public next <<<"$public"
    "${1#--}_key"
    return
  fi
  while (($#)); do
    [[ $1 == --make && ${2-} == /* ]] || usage "keys takes only --make FILE"
    awk -v file="$2" '$1 == "tunnel" && $2 == file {found = 1} END {exit !found}' "$secrets" || die "$2 is not the key of a tunnel of this host"
    make+="$2 "
    shift 2
  done
  while read -r kind file whose public next; do
    case $kind in
      '#') continue ;;
      identity) make_key "$file" ;;
      tunnel) [[ $make != *" $file "* ]] || make_key "$file" ;;
    esac || { left=1; continue; }
    check_secret "$kind" "$file" "$whose" || { left=1; continue; }
    case $kind in
      identity) print_public "$file" "$whose = \"%s\"\n" "$public" "$next" ;;
      tunnel) print_public "$file" "# $whose, public key for the peer: %s\n" ;;
    esac || left=1
  done <"$secrets"
  return "$left"
}

make_key() { # FILE: makes it whole or not at all, and replaces no file
  local folder=${1%/*} new
  [[ ! -e $1 && ! -L $1 ]] || return 0
  command -v wg >/dev/null || { report "needs wg: apt-get install wireguard-tools"; return 1; }
  (umask 022 && mkdir -p "${folder%/*}") && { [[ -d $folder ]] || mkdir -m 700 "$folder"; } || return
  new=$(umask 077 && mktemp "$folder/.netc-XXXXXX") || return
  if wg genkey >"$new" && [[ -s $new ]] && chmod 600 "$new" && sync "$new" && ln -T "$new" "$1"; then
    report "made $1"
    rm -f "$new"
  else
    rm -f "$new"
    return 1
  fi
}

check_secret() { # KIND FILE WHOSE
  local what
  case $1 in
    identity) what="the private key for $3" ;;
    tunnel) what="the private key of $3: copy the provider's, or run netc-host keys --make $2 if the provider accepts a key of yours" ;;
    preshared) what="the preshared key of $3, the same on both peers" ;;
    password) what="the password of $3" ;;
    config) what="the configuration of the program of $3" ;;
  esac
  [[ -s $2 ]] || { report "$2 is missing: it must hold $what"; return 1; }
  [[ $(stat -L -c '%a %u' "$2") == *'00 0' ]] || { report "$2 must be readable only by root: chown root $2 && chmod 600 $2"; return 1; }
}

print_public() { # FILE FORMAT [WHAT THE TOPOLOGY HAS [THE NEXT KEY THERE]]
  local public
  public=$(wg pubkey <"$1" 2>/dev/null) || { report "$1 is not a WireGuard key"; return 1; }
  # shellcheck disable=SC2059 # the format is made of checked names, above
  printf "$2" "$public"
  [[ ! ${3-} || $3 == "$public" || ${4-} == "$public" ]] || report "$1 is not the key that the topology has: put the printed line into the topology and build again"
}

# ---- a key is replaced in two phases. FILE.next is made, and all peers learn its public half. Then this host uses it: its
# peers notice the handshake (`follow_key` in wireguard.bash). FILE.old is the key before.
next_key() { # of `file`
  [[ $file != /etc/credstore/* ]] || die "$file is a credential: netc replaces only keys in files"
  make_key "$file.next" && check_secret identity "$file.next" "the next key of $whose" || return
  print_public "$file.next" "${whose%public_key}next_public_key = \"%s\"\n"
}

switch_key() { # of `file`, to the one with the public half `next`. If it was interrupted, the next call completes it
  local reload part using=()
  [[ $next ]] || die "no next key of $whose is installed here: install the tree of a topology that has it"
  require_idle
  if [[ $(wg pubkey <"$file" 2>/dev/null) != "$next" ]]; then
    check_secret identity "$file.next" "the next key of $whose" || return
    [[ $(wg pubkey <"$file.next" 2>/dev/null) == "$next" ]] || die "$file.next is not the next key that the topology has"
    { ln -fT "$file" "$file.old" && mv -T "$file.next" "$file" && sync -f "$file"; } || return
  fi
  for reload in /etc/netc/parts/*/reload; do
    part=${reload%/reload} part=${part##*/}
    ! grep -qsF -- " $file" "$reload" || ! is_up "$part" || using+=("$part")
  done
  for part in "${using[@]}"; do reload_part "$part" || return; done
  report "$file is the next key now, and $file.old is the one before"
}

# ---- the admin: over which ssh connection `install` and `confirm` run. The proof is a TCP connection that an sshd among the
# ancestors of this process has open. SSH_CONNECTION proves nothing: sudo removes it, tmux keeps that of an earlier login,
# and everybody can set it.
read_process() { # PROCESS: sets `parent`, `name`, `terminal` (its major number) and `began` (in ticks since the boot), see proc(5)
  local stat='' words # a process that has ended leaves it empty
  IFS= read -rd '' stat 2>/dev/null <"/proc/$1/stat"
  [[ $stat ]] || return
  name=${stat#*(} name=${name%) *}
  read -ra words <<<"${stat##*) }"
  parent=${words[1]} terminal=$((words[4] >> 8 & 0xfff)) began=${words[19]}
}
is_sshd() { # PROCESS, which was read: it is root's, and so is the file of its program, which has that name
  local program status
  # Everybody can choose `name`: that of a script is the script's. The owner of /proc/PROCESS is root also if it hides its memory.
  [[ $name == @(sshd|sshd-*|dropbear|tinysshd) && -O /proc/$1/exe ]] && program=$(readlink "/proc/$1/exe") &&
    program=${program% (deleted)} && [[ ${program##*/} == @(sshd|sshd-session|sshd-auth|dropbear|tinysshd) ]] &&
    status=$(<"/proc/$1/status") && [[ $status == *$'\nUid:\t0\t'* ]]
}
each_sshd() { # prints `PROCESS BEGAN`
  local process parent name terminal began
  for process in /proc/[0-9]*; do
    process=${process##*/}
    { read_process "$process"; } 2>/dev/null && is_sshd "$process" && echo "$process $began"
  done
  true
}
sockets() { # STATE PROCESS…: prints `SERVER CLIENT` of TCP sockets that these have open, the lowest descriptors first
  local line lines words found
  local -A ends=()
  read_lines ss -tneOH state "$1" || return
  for line in "${lines[@]}"; do
    read -ra words <<<"$line"
    [[ ! $line =~ ino:([0-9]+) ]] || ends[${BASH_REMATCH[1]}]="${words[2]} ${words[3]}"
  done
  found=$(find "${@:2}" -lname 'socket:*' -printf '%f %l\n' 2>/dev/null) || true # a process may end meanwhile
  found=$(printf '%s\n' "$found" | sort -n) || return
  split_lines "$found"
  for line in "${lines[@]}"; do
    line=${line#*[} line=${line%]}
    [[ ! ${ends[$line]-} ]] || echo "${ends[$line]}"
  done
}
connection_of() { # SSHD: sets `server` and `client`, with ports. Connections of port forwarding have higher descriptors
  local lines device
  read_lines sockets established "/proc/$1/fd" && ((${#lines[@]})) && read -r server client <<<"${lines[0]}" || return
  # ss prints the interface of a link-local connection only at the address of this end.
  [[ $server != *%* || $client != '[fe'[89ab]?:*']:'* ]] || { device=${server#*%}; client=${client%:*}%${device%:*}:${client##*:}; }
  [[ ! $ports || $'\n'$ports$'\n' == *$'\n'"${server##*:}"$'\n'* ]] # those at which sshd listens; inetd may listen for it
}
address() { # ADDRESS:PORT, as ss prints it
  local host=${1%:*}
  host=${host//[\[\]]/}
  echo "${host#::ffff:}"
}

find_route() { # ADDRESS [SERVER]: sets `client`, as ss prints it, and `route`; fails if it is an address of this host
  local device=''
  [[ $1 != *%* ]] || device=${1#*%}
  client=${1%%%*} client=${client#::[fF][fF][fF][fF]:}
  route=$(ip -o route get "$client" ${2:+from "${2%%%*}"} ${device:+oif "$device"} 2>/dev/null) || { report "there is no route to $1"; return 1; }
  if [[ $route == 'local '* || $route == *' dev lo '* ]]; then
    report "$1 is an address of this host, and ssh from there proves nothing: add --from ADDRESS, that of another machine that you come from, or --from console if you need no ssh"
    return 1
  fi
  client=${route%% *}${device:+%$device}
}

find_connection() { # sets `server`, `port`, `client` and `since` of this process, and `entry`: ssh, or how else it was started
  local process=$$ parent name terminal began pair='' ports='' sshds=()
  entry='' since=''
  while read_process "$process"; do
    ! is_sshd "$process" || sshds+=("$process" "$began")
    # The terminal of a login at the machine is not a pty (major numbers 136 to 143).
    ((terminal == 0 || terminal >= 136 && terminal <= 143)) || entry=console
    ((parent)) || break
    process=$parent
  done
  ((process == 1)) || entry=container # it was started by the machine that runs this container
  set -- "${sshds[@]}"
  (($# == 0)) || ports=$(sshd_ports) || die "ss does not say where sshd listens"
  while (($#)); do # the outermost sshd that has it open accepted it; those inside began after the login
    connection_of "$1" && [[ ! $pair || $pair == "$server $client" ]] && pair="$server $client" since=$2 entry=ssh
    shift 2
  done
  read -r server client <<<"$pair"
  port=${server##*:} server=$(address "$server") client=$(address "$client")
}

nobody_here="no ssh connection leads to this process (in tmux, screen and mosh none does)"

find_admin() { # TREE FROM: sets `connection` (SERVER PORT CLIENT DEVICE) for the trial, and `by`, how the change is made
  local server port client since entry device opened route
  connection=()
  opened=$(sed -n 's/^ssh \([0-9]*\) .*/\1/p' "$1/etc/netc/expected")
  find_connection
  by=$entry
  [[ ! $2 ]] || by=$2
  [[ -e $1/etc/netc/nftables.nft || -e $1/etc/netc/iptables.rules ]] || return 0
  case $by in
    '') report "$nobody_here, and the rules must not close ssh to you: add --from ADDRESS, yours, or --from console if you need no ssh"; return 1 ;;
    console | container) report "the ssh port is not tested: you are here by a console, or by the machine that runs this container"; return 0 ;;
    ssh) ;;
    *) client=$by server='' port=${opened:-22} ;;
  esac
  find_route "$client" "$server" || return
  [[ $server ]] || { server=${route##* src }; server=${server%% *}; }
  device=${route##* dev } device=${device%% *}
  connection=("${server%%%*}" "$port" "${client%%%*}" "$device")
}

run_trial() { # TREE: this host's tools read its files, and a packet from the admin's address must reach the ssh port
  local left=0
  [[ -e $1/usr/lib/netc/trial.bash ]] || return 0
  if ! unshare --mount --net true 2>/dev/null; then
    report "this host allows no namespaces: rules and configurations are not tried, nor whether they close ssh to you or other packet filters drop packets; and \`check\` cannot compare rules"
    return 0
  fi
  make_folders /etc/netc /run/netc && [[ -d /run/netc ]] || return
  unshare --mount bash "$1/usr/local/sbin/netc-host" try "$1" "${connection[@]}" 8>&- || left=1
  remove_folders
  return "$left"
}

sshd_sockets() { # prints `ADDRESS:PORT` of the TCP sockets at which sshd listens, or systemd for it
  local sshds=() line lines
  read_lines each_sshd || return
  for line in "${lines[@]}"; do sshds+=("/proc/${line% *}/fd"); done
  ! has_systemd || systemctl list-sockets --state=active --no-legend --no-pager ssh.socket sshd.socket dropbear.socket tinysshd.socket 2>/dev/null |
    sed -n 's/^\([^ ]*:[0-9]*\) .*/\1/p'
  ((!${#sshds[@]})) || read_lines sockets listening "${sshds[@]}" || return
  ((!${#sshds[@]})) || for line in "${lines[@]}"; do echo "${line% *}"; done
}
sshd_ports() {
  local line lines
  read_lines sshd_sockets || return
  for line in "${lines[@]}"; do echo "${line##*:}"; done
}

prove_new_connection() { # FROM: dies unless ssh was connected after the change: to this process, or from the address FROM
  local server port client since entry line lines words route from ports pair
  local -A oldest=()
  read -ra words <<<"$(sed 's/.*) //' "$pending/complete")" # what proc(5) said of a process that began then
  case $1 in
    console) return ;;
    '') find_connection ;;
    *)
      find_route "$1" || exit
      from=$client
      ports=$(sshd_ports) || die "ss does not say where sshd listens"
      read_lines each_sshd || die "cannot read /proc"
      for line in "${lines[@]}"; do # the oldest that has it open accepted it; others begin at the login
        connection_of "${line% *}" && [[ $(address "$client") == "$from" ]] || continue
        pair="$server $client" since=${line#* }
        if [[ ! ${oldest[$pair]-} ]] || ((since < ${oldest[$pair]})); then oldest[$pair]=$since; fi
      done
      for since in "${oldest[@]}"; do ((since < words[19])) || return 0; done
      die "sshd has no connection from $1 that is newer than the change: open one, and leave it open"
      ;;
  esac
  if [[ $entry == ssh ]]; then
    find_route "$client" "$server" || exit
    ((since >= words[19])) || die "this connection is older than the change and proves nothing: confirm over a new one"
  else
    [[ $(<"$pending/by") == @(console|container) ]] ||
      die "$nobody_here: confirm over a new one, or open one and add --from ADDRESS, yours"
  fi
}

# ---- the end
uninstall() { # also completes one that was interrupted
  local old part order left=''
  [[ ! -e $store ]] || take_lock 5 || busy change
  old=$(current)
  if [[ -e $pending && $(<"$pending/new") == none ]]; then old=$(<"$pending/old"); else no_change_waits; fi
  [[ $old != none || -e /usr/local/sbin/netc-host ]] || die "nothing is installed"
  if [[ $old != none ]]; then
    [[ -e $pending ]] || begin_change "$old" none - || die "cannot write $store; nothing was changed"
    run_phases "$old" none || die "something is left: remove the cause, then run netc-host uninstall again"
    order_of "$old"
    for part in "${order[@]}"; do [[ ! -e /run/netc/$part ]] || die "$part is not down"; done
    for part in "${order[@]}"; do [[ $part != split-* ]] || report "${part/-/ } is gone: what it chose now leaves by the host's own routes"; done
    left=$(ip -o link show group 77 && { ip -N -4 rule show && ip -N -6 rule show; } | awk '/ proto 77/') || left+="(the kernel did not answer)" # netc's group and protocol
    end_change none uninstalled || exit
  fi
  quietly discard "$trees"
  rm -rf "$store" "$advertised" && remove_own_files || exit
  [[ ! $left ]] || die "all files are gone, but these are left, since no journal in /run/netc names them:"$'\n'"$left"
  report "all parts are down and all files are gone, except /etc/netc/keys"
}

# ---- `run`: on a host without systemd, one process does what netc's units do. Its jobs are scripts of parts. While a part is
# up, `watch` and `health` run all the time, `endpoints` every 75 seconds, `metrics` every 60, `hold` every 30. If this process is killed, its jobs
# go on, and the next one finds them: /run/netc-run/PART has the process id, the seconds that it may take to end, the seconds
# between two signs of life, and the script.
jobs=/run/netc-run
declare -gA pid_of=() due=() ends_at=() # also where a function sources this

run() {
  local now runner='' up='' back='' ended='' job
  ! has_systemd || die "systemd runs on this host, and its units do what \`netc-host run\` does: systemctl start netc.target"
  [[ -e $store/current || -e $pending ]] || die "nothing is installed"
  [[ -d $jobs ]] || mkdir -m 700 "$jobs" || exit 1
  if ! runs || [[ $runner != "$$" ]]; then # else another version of this program was here, in the same process
    ! runs || die "netc-host run runs already, in process $runner"
    printf '%s\n' "$$" >"$jobs/pid" || exit 1
    [[ ! -x $pending/netc-host ]] || "$pending/netc-host" revert --boot
    setsid "$0" up </dev/null &
    up=$!
  fi
  trap 'ended=1' TERM INT
  find_jobs
  exec 6<> <(:) # where nothing is ever written: `read` waits without a process
  while [[ ! $ended && (-e $store/current || -e $pending) ]]; do
    read -r now _ </proc/uptime
    now=${now%.*}
    for job in "$parts"/*/{watch,health,endpoints,hold,metrics} "$parts/bird/up" "${!pid_of[@]}"; do
      [[ ! -e $job && ! ${pid_of[$job]-} ]] || keep_job "$job"
    done
    ((now < ${due[back]-0})) || take_back
    become_present_version
    read -r -t 1 -u 6
  done
  end_run
}

find_jobs() { # those that an earlier process has started and that run the scripts that are installed now
  local record pid script words
  for record in "$jobs"/*; do
    { read -r pid _ _ script <"$record" && [[ $script ]] && mapfile -d '' -t words <"/proc/$pid/cmdline"; } 2>/dev/null || continue
    [[ ${words[1]-} != "$script" ]] || pid_of[$script]=$pid
  done
}

take_back() { # an unconfirmed change whose own rollback was killed: nobody else would. It may also have been killed half-way
  local until verb=--unconfirmed
  due[back]=$((now + 2))
  [[ -x $pending/netc-host ]] && { read -r until <"$pending/due"; } 2>/dev/null || return 0
  if [[ $(<"$pending/boot") != "$(</proc/sys/kernel/random/boot_id)" ]]; then verb=--boot; else ((now >= until + 10)) || return 0; fi
  # Who has the lock takes it back already, or confirms it.
  [[ ! $back ]] || ! kill -0 "$back" 2>/dev/null || return 0
  (take_lock 0) || return 0
  due[back]=$((now + 30))
  report "nobody has taken back the change that was not confirmed: it is taken back now"
  setsid "$pending/netc-host" revert "$verb" </dev/null 6>&- &
  back=$!
}

keep_job() { # SCRIPT: starts it, leaves it or ends it
  local kind=${1##*/} part=${1%/*} pid=${pid_of[$1]-}
  part=${part##*/}
  if [[ $pid ]] && kill -0 "$pid" 2>/dev/null; then
    [[ $kind != @(watch|health) ]] || look_after "$1" # the others end by themselves
  elif [[ $pid ]]; then
    kill -KILL -- "-$pid" 2>/dev/null # what it has left behind
    if [[ $kind == @(watch|health) ]]; then
      [[ ${ends_at[$1]-} ]] || ! is_up "$part" || report "$kind of $part has ended, and is started again"
      due[$1]=$((now + 1))
    elif [[ $kind == endpoints ]]; then
      due[$1]=$((now + 75))
    elif [[ $kind == metrics ]]; then
      due[$1]=$((now + 60))
    else
      due[$1]=$((now + 30))
    fi
    # Also after a checker that was killed: without a checker, the service is not announced.
    [[ $kind != health || ! -x ${1%/*}/withdraw ]] || timeout -k 1 30 "${1%/*}/withdraw" 6>&-
    [[ $kind != @(watch|health) ]] || rm -f "$jobs/$part" "$jobs/$part.alive"
    unset "pid_of[$1]" "ends_at[$1]"
  elif ((now >= ${due[$1]-0})) && [[ -x $1 ]] && is_up "$part" && { [[ $kind != up ]] || keeper_is_gone && no_change_runs; }; then
    # Under the part's lock: a `down` that begins now waits, and then ends the job. One that runs already comes first.
    exec 9<"$parts/$part" && flock -n -s 9 && is_up "$part" && start_job "$1"
    exec 9<&-
  fi
}
no_change_runs() { [[ ! -e $pending ]] || is_complete; } # or `up` could bring up the part of the old generation between its `down` and its `up`

start_job() { # SCRIPT
  local kind=${1##*/} part=${1%/*} command=("$1") stop=10 watchdog=0 key value words
  part=${part##*/}
  case $kind in
    health)
      while IFS='=' read -r key value; do
        case $key in TimeoutStopSec) stop=$value ;; WatchdogSec) watchdog=$value ;; esac
      done <"/etc/systemd/system/netc-check-$part.service"
      printf '%s\n' "${now}000" >"$jobs/$part.alive"
      command=(env NETC_ALIVE="$jobs/$part.alive" "$1")
      ;;
    endpoints | hold | metrics) command=(timeout -k 5 90 "$1") ;;
    up) command=(timeout -k 5 90 flock -n -o -E 0 "$store/lock" "$1") ;; # `netc-host` has this lock while it changes parts
  esac
  setsid "${command[@]}" </dev/null 6>&- 9<&- &
  pid_of[$1]=$!
  [[ $kind == @(watch|health) ]] || return 0
  printf '%s\n' "$! $stop $watchdog $1" >"$jobs/$part"
  for _ in {1..100}; do # `down` knows it by its command
    { mapfile -d '' -t words <"/proc/$!/cmdline"; } 2>/dev/null || break
    [[ ${words[1]-} != "$1" ]] || break
    read -r -t 0.02 -u 6
  done
}

look_after() { # SCRIPT, which runs: ends it if its part goes down, if it was replaced, or if it gives no sign of life
  local part=${1%/*} pid stop watchdog alive last
  part=${part##*/}
  { read -r pid stop watchdog _ <"$jobs/$part"; } 2>/dev/null || { kill "${pid_of[$1]}"; return; }
  last_of "/run/netc/$part"
  if [[ ${ends_at[$1]-} || ! $last || $last == down ]] || is_replaced "$1" "$jobs/$part"; then
    [[ ${ends_at[$1]-} ]] || { kill "$pid"; ends_at[$1]=$((now + stop)); }
    ((now < ${ends_at[$1]})) || kill -KILL -- "-$pid" 2>/dev/null
  elif ((watchdog)) && read -r alive <"$jobs/$part.alive" && ((now - alive / 1000 > watchdog)); then
    report "${1##*/} of $part has given no sign of life for $watchdog s"
    kill -KILL -- "-$pid" 2>/dev/null
  fi
}
is_replaced() { # SCRIPT RECORD: by one that does something else
  local commands running
  [[ $1 -nt $2 ]] || return
  mapfile -t running <"/proc/${pid_of[$1]}/fd/255" && commands_in "$1" || return
  [[ $(printf '%s\n' "${running[@]}" | grep -vE '^[[:blank:]]*#') == "${commands%$'\n'}" ]] || return 0
  touch "$2"
  false
}
keeper_is_gone() { # BIRD's keeper gives up if BIRD does not run for a minute. Then `up` takes the part down and up again
  local pid words=()
  { read -r pid </run/netc/bird-keeper.pid && mapfile -d '' -t words <"/proc/$pid/cmdline"; } 2>/dev/null
  [[ ${words[*]} != *bird-keeper* ]]
}

become_present_version() { # if a change that is complete has replaced this program
  [[ $0 -nt $jobs/pid || $root/usr/lib/netc/bring.bash -nt $jobs/pid ]] || return 0
  [[ ! -e $pending ]] || is_complete || return 0
  [[ ! $up ]] || ! kill -0 "$up" 2>/dev/null || return 0
  touch "$jobs/pid"
  ! grep -q 'netc-host run' "$0" || exec "$0" run
}

end_run() { # as netc.target does when it stops: the jobs end, checkers of anycast services drain, then all parts go down
  local job left=0
  trap : TERM INT # not ignored: that would pass on to programs
  [[ ! $up ]] || { kill -- "-$up" && wait "$up"; } 2>/dev/null
  for job in "${!pid_of[@]}"; do kill "${pid_of[$job]}" 2>/dev/null; done
  [[ ! -e $store/current ]] || (down) || left=1
  for job in "${!pid_of[@]}"; do kill -KILL -- "-${pid_of[$job]}" 2>/dev/null; done
  rm -rf "$jobs"
  exit "$left"
}
