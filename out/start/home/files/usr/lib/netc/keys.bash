# shellcheck shell=bash disable=SC2154
# The same on every host: reviewed once for each release of netc.
# Sourced by `netc-host`: the secrets of the tree that it is of, installed or not yet. Keys of the host itself are made if
# they are missing, and no key that is there is ever touched. What is said holds public halves alone.

keys() { # [--make FILE]…: also the key of a tunnel, where the far end wants to be told the public half
  local kind file whose public left=0 make=' ' secrets=$root/etc/netc/secrets
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
