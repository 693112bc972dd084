# ---- a tree that comes as one file, and one that was here before
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
