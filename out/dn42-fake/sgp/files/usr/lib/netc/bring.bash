# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host` for what an operator brings by hand: a tree that comes as one file, one that was here before, and
# the secrets of the tree that it is of, installed or not yet.

# ---- trees
signers=/etc/netc/allowed_signers

install_bundle() ( # FILE.tar.gz [OPTION of install]…
  umask 077
  folder=$(mktemp -d /var/tmp/netc-bundle.XXXXXX) || die "no room in /var/tmp"
  trap 'rm -rf "$folder"' EXIT
  [[ ! -d $1 ]] || die "$1 is a folder: bash $1/install"
  # What is judged is what is unpacked, whoever can write to FILE.
  cp -- "$1" "$folder/bundle" || die "cannot read $1"
  is_signed "$folder/bundle" "$1.sig" || die "$1 is not signed by any of $signers; nothing was changed"
  holds_plain_files "$folder/bundle" "$folder/list" || die "$1 is no bundle of netc; nothing was changed"
  mkdir "$folder/tree"
  tar --extract --gzip --file "$folder/bundle" --directory "$folder/tree" --no-same-owner ||
    die "$1 cannot be unpacked; nothing was changed"
  NETC_SIGNED=1 bash "$folder/tree/install" "${@:2}"
)

is_signed() { # FILE SIGNATURE: by one of those whom this host believes, if it says whom
  [[ -e $signers || -L $signers ]] || return 0
  [[ -f $2 ]] || { tell "$2 is missing"; return 1; }
  ssh-keygen -Y verify -f "$signers" -I netc -n netc -s "$2" <"$1" >&2
}
holds_plain_files() { # ARCHIVE LIST: no links, no devices, nothing that would lie outside
  local word='[A-Za-z0-9_@+:,=.-]+' wrong
  TZ=UTC tar --list --verbose --numeric-owner --quoting-style=escape --gzip --file "$1" >"$2" || return
  wrong=$(
    grep -vE "^-[rwx-]{9} 0/0 +[0-9]+ [0-9-]+ [0-9:]+ $word(/$word)*\$" "$2"
    grep -E '[ /]\.\.?(/|$)' "$2"
  )
  [[ ! $wrong ]] || { tell "not to be unpacked: $wrong"; return 1; }
  grep -q ' install$' "$2" && grep -q ' MANIFEST$' "$2"
}

back_to() ( # [GENERATION] [OPTION of install]…: one that was here, by default the last one before this
  [[ ! -e $pending ]] || die "a change waits: netc-host confirm TOKEN, or netc-host revert"
  if [[ ${1---} == --* ]]; then
    set -- "$(tac "$store/history" 2>/dev/null | awk -v now="$(current)" '$2 != now {print $2; exit}')" "$@"
    [[ $1 != none ]] || die "nothing was installed before this; netc-host uninstall takes all of it away"
  fi
  wanted=$1
  if [[ $wanted == none ]]; then
    [[ " $* " != *' --dry-run '* ]] || usage "--dry-run does not go with none"
    uninstall
    exit
  fi
  [[ $wanted =~ ^[0-9a-f]{16}$ && -d $trees/$wanted ]] ||
    die "no generation ${wanted:-before this} is kept here; these are: $(find "$trees" -mindepth 1 -maxdepth 1 -printf '%f ' 2>/dev/null)"
  umask 077
  folder=$(mktemp -d /var/tmp/netc-bundle.XXXXXX) || die "no room in /var/tmp"
  trap 'rm -rf "$folder"' EXIT
  # A copy: `install` may take a tree away that it refuses.
  cp -a "$trees/$wanted" "$folder/tree" || die "no room in /var/tmp"
  NETC_SIGNED=1 bash "$folder/tree/install" "${@:2}"
)

# ---- secrets. Keys of the host itself are made if they are missing, and no key that is there is ever touched. What is said
# holds public halves alone.
keys() { # [--make FILE]…: also the key of a tunnel, where the far end wants to be told the public half
  local kind file whose public left=0 make=' ' secrets=$root/etc/netc/secrets
  [[ -e $secrets ]] || die "nothing is secret here"
  while (($#)); do
    [[ $1 == --make && ${2-} == /* ]] || usage "keys takes --make FILE alone"
    awk -v file="$2" '$1 == "tunnel" && $2 == file {found = 1} END {exit !found}' "$secrets" || die "$2 is no key of a tunnel here"
    make+="$2 "
    shift 2
  done
  while read -r kind file whose public; do
    case $kind in
      '#') continue ;;
      identity) own_key "$file" ;;
      tunnel) [[ $make != *" $file "* ]] || own_key "$file" ;;
    esac || { left=1; continue; }
    wanted_secret "$kind" "$file" "$whose" || { left=1; continue; }
    case $kind in
      identity) say_public "$file" "$whose = \"%s\"\n" "$public" ;;
      tunnel) say_public "$file" "# $whose, to be told to the far end: %s\n" ;;
    esac || left=1
  done <"$secrets"
  return "$left"
}

own_key() { # FILE: whole or not at all, and never in the place of another
  local folder=${1%/*} new
  [[ ! -e $1 && ! -L $1 ]] || return 0
  command -v wg >/dev/null || { tell "needs wg: apt-get install wireguard-tools"; return 1; }
  (umask 022 && mkdir -p "${folder%/*}") && { [[ -d $folder ]] || mkdir -m 700 "$folder"; } || return
  new=$(umask 077 && mktemp "$folder/.netc-XXXXXX") || return
  if wg genkey >"$new" && [[ -s $new ]] && chmod 600 "$new" && sync "$new" && ln -T "$new" "$1"; then
    tell "made $1"
    rm -f "$new"
  else
    rm -f "$new"
    return 1
  fi
}

wanted_secret() { # KIND FILE WHOSE
  local what mode owner
  case $1 in
    identity) what="the private key behind $3" ;;
    tunnel) what="the private key of $3: the provider's, or netc-host keys --make $2, if the far end takes one of yours" ;;
    preshared) what="the preshared key of $3, the same at both ends" ;;
    password) what="the password of $3" ;;
    config) what="what the program of $3 reads" ;;
  esac
  [[ -s $2 ]] || { tell "bring $2: $what"; return 1; }
  read -r mode owner < <(stat -L -c '%a %u' "$2")
  [[ $owner == 0 && $mode == *00 ]] || { tell "$2 is not root's alone: chown root $2 && chmod 600 $2"; return 1; }
}

say_public() { # FILE FORMAT [WHAT THE TOPOLOGY HAS]
  local public
  public=$(wg pubkey <"$1" 2>/dev/null) || { tell "$1 holds no key of WireGuard"; return 1; }
  # shellcheck disable=SC2059 # made of checked names, above
  printf "$2" "$public"
  [[ ! ${3-} || $3 == "$public" ]] || tell "$1 is another key than the topology knows: put the line into it and build again"
}
