# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host` for `install`, `back` and `keys`: the plan of a tree, a tree in a bundle, a generation that is still
# kept, and the secrets of the tree that `netc-host` itself is in, installed or not yet.

# ---- trees
signers=/etc/netc/allowed_signers

print_plan() { # OLD NEW
  local what part order old=()
  local -A printed=()
  order_of "$1"
  old=("${order[@]}")
  order_of "$2"
  for what in leave restart reload start; do
    for part in "${old[@]}" "${order[@]}"; do
      [[ ${action[$part]} != "$what" || ${printed[$part]-} ]] || printf '%-8s %s\n' "$what" "$part"
      [[ ${action[$part]} != "$what" ]] || printed[$part]=1
    done
  done
  for part in $(printf '%s\n' "${!changed_units[@]}" | sort); do printf '%-8s %s\n' unit "$part"; done
  printf '%-8s %s\n' files "$(awk '$3 ~ /^files\// {print $3}' <<<"$differing" | sort -u | wc -l) differ"
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
  wrong=$(
    grep -vE "^-[rwx-]{9} 0/0 +[0-9]+ [0-9-]+ [0-9:]+ $word(/$word)*\$" "$2"
    grep -E '[ /]\.\.?(/|$)' "$2"
  )
  [[ ! $wrong ]] || { report "unsafe to unpack: $wrong"; return 1; }
  grep -q ' install$' "$2" && grep -q ' MANIFEST$' "$2"
}

back_to() ( # [GENERATION] [OPTION of install]…: by default the generation before the current one
  [[ ! -e $pending ]] || die "a change waits for its confirmation: netc-host confirm TOKEN, or netc-host revert"
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
keys() { # [--make FILE]…: also the key of a tunnel, if its peer accepts a public key of yours
  local kind file whose public left=0 make=' ' secrets=$root/etc/netc/secrets
  [[ -e $secrets ]] || die "this tree has no secrets"
  while (($#)); do
    [[ $1 == --make && ${2-} == /* ]] || usage "keys takes only --make FILE"
    awk -v file="$2" '$1 == "tunnel" && $2 == file {found = 1} END {exit !found}' "$secrets" || die "$2 is not the key of a tunnel of this host"
    make+="$2 "
    shift 2
  done
  while read -r kind file whose public; do
    case $kind in
      '#') continue ;;
      identity) make_key "$file" ;;
      tunnel) [[ $make != *" $file "* ]] || make_key "$file" ;;
    esac || { left=1; continue; }
    check_secret "$kind" "$file" "$whose" || { left=1; continue; }
    case $kind in
      identity) print_public "$file" "$whose = \"%s\"\n" "$public" ;;
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

print_public() { # FILE FORMAT [WHAT THE TOPOLOGY HAS]
  local public
  public=$(wg pubkey <"$1" 2>/dev/null) || { report "$1 is not a WireGuard key"; return 1; }
  # shellcheck disable=SC2059 # the format is made of checked names, above
  printf "$2" "$public"
  [[ ! ${3-} || $3 == "$public" ]] || report "$1 is not the key that the topology has: put the printed line into the topology and build again"
}
