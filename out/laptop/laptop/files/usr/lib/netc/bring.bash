# shellcheck shell=bash disable=SC2034,SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host` for `install`, `back`, `keys` and `confirm`: a tree in a bundle, a generation that is still kept, the
# secrets of the tree that `netc-host` itself is in, installed or not yet, and the ssh connection of the admin.

# ---- trees
signers=/etc/netc/allowed_signers

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
  wrong=$(
    grep -vE "^-[rwx-]{9} 0/0 +[0-9]+ [0-9-]+ [0-9:]+ $word(/$word)*\$" "$2"
    grep -E '[ /]\.\.?(/|$)' "$2"
  )
  [[ ! $wrong ]] || { report "unsafe to unpack: $wrong"; return 1; }
  grep -q ' install$' "$2" && grep -q ' MANIFEST$' "$2"
}

back_to() ( # [GENERATION] [OPTION of install]…: by default the generation before the current one
  [[ ! -e $pending ]] || (take_lock 5 || busy change; no_change_waits) || exit
  if [[ ${1---} == --* ]]; then
    set -- "$(tac "$store/history" 2>/dev/null | awk -v now="$(current)" '$2 != now {print $2; exit}')" "$@"
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
    read -r _ file whose public next < <(grep -F "identity $2 " "$secrets") || die "$2 is not a key of this host's own"
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
  local what mode owner
  case $1 in
    identity) what="the private key for $3" ;;
    tunnel) what="the private key of $3: copy the provider's, or run netc-host keys --make $2 if the provider accepts a key of yours" ;;
    preshared) what="the preshared key of $3, the same on both peers" ;;
    password) what="the password of $3" ;;
    config) what="the configuration of the program of $3" ;;
  esac
  [[ -s $2 ]] || { report "$2 is missing: it must hold $what"; return 1; }
  read -r mode owner < <(stat -L -c '%a %u' "$2")
  [[ $owner == 0 && $mode == *00 ]] || { report "$2 must be readable only by root: chown root $2 && chmod 600 $2"; return 1; }
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
  local reload parts=()
  [[ $next ]] || die "no next key of $whose is installed here: install the tree of a topology that has it"
  require_idle
  if [[ $(wg pubkey <"$file" 2>/dev/null) != "$next" ]]; then
    check_secret identity "$file.next" "the next key of $whose" || return
    [[ $(wg pubkey <"$file.next" 2>/dev/null) == "$next" ]] || die "$file.next is not the next key that the topology has"
    { ln -fT "$file" "$file.old" && mv -T "$file.next" "$file" && sync -f "$file"; } || return
  fi
  for reload in $(grep -lF -- " $file" /etc/netc/parts/*/reload); do
    reload=${reload%/reload}
    ! is_up "${reload##*/}" || parts+=("${reload##*/}")
  done
  for reload in "${parts[@]}"; do reload_part "$reload" || return; done
  report "$file is the next key now, and $file.old is the one before"
}

# ---- the admin: over which ssh connection `install` and `confirm` run. The proof is a TCP connection that an sshd among the
# ancestors of this process has open. SSH_CONNECTION proves nothing: sudo removes it, tmux keeps that of an earlier login,
# and everybody can set it.
read_process() { # PROCESS: sets `parent`, `name`, `terminal` (its major number) and `began` (in ticks since the boot), see proc(5)
  local stat words
  IFS= read -rd '' stat 2>/dev/null <"/proc/$1/stat"
  [[ $stat ]] || return
  name=${stat#*(} name=${name%) *}
  read -ra words <<<"${stat##*) }"
  parent=${words[1]} terminal=$((words[4] >> 8 & 0xfff)) began=${words[19]}
}
is_sshd() { [[ $name == @(sshd|sshd-*|dropbear|tinysshd) && -O /proc/$1/exe ]]; } # PROCESS, which was read: the file of its program is root's
each_sshd() { # prints `PROCESS BEGAN`
  local process parent name terminal began
  for process in /proc/[0-9]*; do
    process=${process##*/}
    { read_process "$process"; } 2>/dev/null && is_sshd "$process" && echo "$process $began"
  done
}
sockets() { # STATE PROCESS…: prints `SERVER CLIENT` of TCP sockets that these have open, the lowest descriptors first
  local server client rest inode
  local -A lines=()
  while read -r _ _ server client rest; do
    [[ ! $rest =~ ino:([0-9]+) ]] || lines[${BASH_REMATCH[1]}]="$server $client"
  done < <(ss -tneOH state "$1")
  find "${@:2}" -lname 'socket:*' -printf '%f %l\n' 2>/dev/null | sort -n | while IFS='[ ]' read -r _ _ inode _; do
    [[ ! ${lines[$inode]-} ]] || echo "${lines[$inode]}"
  done
}
connection_of() { # SSHD: sets `server` and `client`, with ports. Connections of port forwarding have higher descriptors
  read -r server client < <(sockets established "/proc/$1/fd")
}
address() { # ADDRESS:PORT, as ss prints it
  local host=${1%:*}
  host=${host//[\[\]]/}
  echo "${host#::ffff:}"
}

find_connection() { # sets `server`, `port`, `client` and `since` of this process, and `entry`: ssh, or how else it was started
  local process=$$ parent name terminal began pair='' sshds=()
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
  while (($#)); do # the outermost sshd that has it open accepted it; those inside began after the login
    connection_of "$1" && [[ ! $pair || $pair == "$server $client" ]] && pair="$server $client" since=$2 entry=ssh
    shift 2
  done
  read -r server client <<<"$pair"
  port=${server##*:} server=$(address "$server") client=$(address "$client")
}

nobody_here="no ssh connection leads to this process (in tmux, screen and mosh none does)"

find_admin() { # TREE FROM: sets `connection` (SERVER PORT CLIENT DEVICE) for the trial, and `by`, how the change is made
  local server port client since entry device opened
  connection=()
  opened=$(grep -v '^#' "$1/etc/netc/sshd_port" 2>/dev/null)
  sshd_is_open "$opened" || return
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
  device=$(ip -o route get "${client%%%*}" ${server:+from "${server%%%*}"} 2>/dev/null) || [[ $client == *%* ]] || { report "there is no route to $client"; return 1; }
  [[ $server ]] || { server=${device##* src }; server=${server%% *}; }
  device=${device##* dev } device=${device%% *}
  [[ $client != *%* ]] || device=${client#*%}
  [[ $device == lo ]] || connection=("${server%%%*}" "$port" "${client%%%*}" "$device")
}

run_trial() { # TREE: this host's tools read its files, and a packet from the admin's address must reach the ssh port
  local left=0
  [[ -e $1/usr/lib/netc/trial.bash ]] || return 0
  make_folders /etc/netc /run/netc && [[ -d /run/netc ]] || return
  unshare --mount --net bash "$1/usr/local/sbin/netc-host" try "$1" "${connection[@]}" 8>&- || left=1
  remove_folders
  return "$left"
}

sshd_ports() { # prints the TCP ports at which sshd listens, or systemd for it
  local sshds=() process server
  while read -r process _; do sshds+=("/proc/$process/fd"); done < <(each_sshd)
  ! has_systemd || systemctl list-sockets --state=active --no-legend --no-pager ssh.socket sshd.socket dropbear.socket 2>/dev/null |
    sed -n 's/^[^ ]*:\([0-9]*\) .*/\1/p'
  ((!${#sshds[@]})) || sockets listening "${sshds[@]}" | while read -r server _; do echo "${server##*:}"; done
}
sshd_is_open() { # PORT that the filter opens, if it has one: sshd listens there, or there is no sshd
  local ports
  [[ $1 ]] || return 0
  ports=$(sshd_ports | sort -nu)
  [[ $ports && $'\n'$ports$'\n' != *$'\n'"$1"$'\n'* ]] || return 0
  report "sshd listens at ${ports//$'\n'/, }/tcp, and the packet filter opens $1/tcp: set \`ssh\` of this host in the topology, or the port of sshd"
  return 1
}

prove_new_connection() { # FROM: dies unless ssh was connected after the change: to this process, or from the address FROM
  local server port client since entry process began words
  read -ra words <<<"$(sed 's/.*) //' "$pending/complete")" # what proc(5) said of a process that began then
  case $1 in
    console) return ;;
    '') find_connection ;;
    *)
      while read -r process began; do
        ((began < words[19])) || ! connection_of "$process" || [[ $(address "$client") != "${1,,}" ]] || return 0
      done < <(each_sshd)
      die "sshd has no connection from $1 that is newer than the change: open one, and leave it open"
      ;;
  esac
  if [[ $entry == ssh ]]; then
    ((since >= words[19])) || die "this connection is older than the change and proves nothing: confirm over a new one"
  else
    [[ $(<"$pending/by") == @(console|container) ]] ||
      die "$nobody_here: confirm over a new one, or open one and add --from ADDRESS, yours"
  fi
}
