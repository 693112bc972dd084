# ---- what is asked for
alone() { # the one change at a time; WAIT seconds for another to end
  exec 8>"$store/lock" && flock -w "$1" 8
}

install_from() { # TREE HOST [OPTION…], by `install`
  local tree=$1 host=$2 dry='' commit='' detach='' overwrite='' right='' within=180 old new token process
  shift 2
  while (($#)); do
    case $1 in
      --dry-run) dry=1 ;;
      --commit) commit=1 ;;
      --detach) detach=1 ;;
      --overwrite) overwrite=1 ;;
      --host) right=1 ;;
      --within) [[ ${2-} =~ ^[1-9][0-9]{0,4}$ ]] || usage "--within takes seconds, from 1 to 99999"; within=$2; shift ;;
      *) usage "$1 is no option of install" ;;
    esac
    shift
  done

  # Before anything is touched.
  # Where it is said who signs, a tree comes in a bundle, whose signature was looked at.
  [[ ! -e /etc/netc/allowed_signers || ${NETC_SIGNED-} ]] || die "this host takes signed bundles alone: netc-host install FILE.tar.gz"
  { mkdir -p "$trees" && chmod 700 "$store" && exec 8>"$store/lock"; } || die "cannot write $store"
  flock -n 8 || die "another install is under way"
  [[ ! -e $pending ]] || die "a change waits: netc-host confirm TOKEN, or netc-host revert"
  [[ $right ]] || right_host "$host"
  unaltered "$tree" || die "this tree is not as it was compiled; nothing was changed"
  old=$(current) new=$(sha256sum <"$tree/MANIFEST")
  new=${new:0:16}
  stage "$tree" "$new" || die "no room in $store; nothing was changed"
  [[ $overwrite ]] || nobodys_place "$old" "$new" || { unstage "$new"; exit 1; }
  judge "$new" || { unstage "$new"; die "nothing was changed"; }
  plan_change "$old" "$new"
  tell "$host: $old -> $new"
  print_plan "$old" "$new"
  if [[ $dry ]]; then
    unstage "$new"
    exit 0
  fi
  if [[ $old == "$new" && ! $overwrite ]]; then
    tell "is installed"
    exit 0
  fi

  # By a process of its own, which outlives this connection.
  token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
  printf '%s\n' "$host" >"$store/host"
  : >"$store/log"
  setsid "$trees/$new/files/usr/local/sbin/netc-host" switch "$new" "$within" "$(sha256sum <<<"$token" | cut -c1-64)" \
    </dev/null >>"$store/log" 2>&1 &
  process=$!
  exec 8>&-
  tail -n +1 -f --pid="$process" "$store/log" >&2 &
  wait "$process" || { wait; exit 1; }
  wait

  if [[ $commit ]]; then
    SSH_CONNECTION='' exec "$trees/$new/files/usr/local/sbin/netc-host" confirm "$token"
  fi
  tell "goes back in $(($(<"$pending/until") - $(printf '%(%s)T' -1))) s unless confirmed, over a new connection:"
  echo "netc-host confirm $token"
  [[ ! $detach ]] || exit 0
  while [[ -e $pending ]]; do sleep 0.5; done
  [[ $(current) == "$new" ]] || die "$(tail -n 1 "$store/history")"
  tell "confirmed"
}

confirm() { # TOKEN
  [[ $# == 1 ]] || usage
  [[ -e $pending ]] || die "nothing waits to be confirmed; at $(current)"
  [[ $(sha256sum <<<"$1") == "$(<"$pending/wanted")  -" ]] || die "that is not the token"
  [[ ! ${SSH_CONNECTION-} || $SSH_CONNECTION != "$(<"$pending/by")" ]] ||
    die "this is the connection that was there before: it proves nothing; confirm over a new one"
  alone 10 || die "the change is still under way"
  is_complete || die "the change is not complete; it will be taken back"
  local part new order wrong
  new=$(<"$pending/new")
  order_of "$new"
  for part in "${order[@]}"; do is_up "$part" || die "$part is not up; netc-host revert takes the change back"; done
  # Others may have it meanwhile: whoever is asked may not answer, and time goes on.
  exec 8>&-
  wrong=$(check_parts "${order[@]}")
  { alone 10 && is_complete && [[ $(<"$pending/new") == "$new" ]]; } || die "the change was taken back meanwhile"
  [[ ! $wrong ]] || die "not all of it is there; netc-host up brings up anew what is broken, netc-host revert takes the change back"$'\n'"$wrong"
  disarm
  end_change "$new" confirmed
  tell "at $new, confirmed"
}

is_complete() { [[ -e $pending && $(<"$pending/phase") == complete ]]; }

revert() {
  local reason="as asked"
  case ${1-} in
    --unconfirmed) reason="nobody confirmed it in time" ;;
    --boot)
      [[ $(<"$pending/boot") != "$(</proc/sys/kernel/random/boot_id)" ]] || exit 0
      reason="the host started before it was confirmed"
      ;;
  esac
  [[ -e $pending ]] || die "nothing waits to be confirmed; at $(current)"
  if ! alone 5; then # whoever changes things has had its time
    kill -9 -- "-$(<"$pending/process")" 2>/dev/null || true
    until alone 5; do [[ $reason == nobody* ]] || die "another change is under way"; done
  fi
  [[ -e $pending ]] || die "nothing waits to be confirmed any more; at $(current)"
  revert_now "$reason" && [[ ! ${1-} ]] # asked for, it is what was wanted
}

uninstall() {
  alone 5 || die "another change is under way"
  [[ ! -e $pending ]] || die "a change waits: netc-host confirm TOKEN, or netc-host revert"
  local old part order left
  old=$(current)
  [[ $old != none ]] || die "nothing is installed"
  begin_change "$old" none - || die "cannot write $store; nothing was changed"
  go "$old" none || die "is not all gone; run netc-host uninstall again when the cause is"
  order_of "$old"
  for part in "${order[@]}"; do [[ ! -e /run/netc/$part ]] || die "$part is not gone"; done
  left=$(ip -o link show group 77; { ip -N -4 rule show; ip -N -6 rule show; } | grep ' proto 77')
  rm -rf "$store"
  [[ ! $left ]] || die "all files are gone, and these are left, since nothing in /run/netc says whose they are:"$'\n'"$left"
  tell "all of it is gone, but for /etc/netc/keys"
}

settled() { # nobody changes anything now, and no change was cut off; one that was not confirmed before a boot is taken back
  [[ $(current) != none || -e $pending ]] || die "nothing is installed"
  alone 5 || die "another change is under way"
  [[ -e $pending ]] || return 0
  [[ $(<"$pending/boot") == "$(</proc/sys/kernel/random/boot_id)" ]] || revert_now "the host started before it was confirmed"
  [[ ! -e $pending ]] || is_complete || die "a change was cut off: netc-host revert takes it back"
}
sort_out() { # of the parts in `order`, those that are not up or not whole are in `wanting`, and the latter in `torn`; of rules and routes, what is no part's is in `left`
  local part line up=()
  local -A wrong=()
  wanting=() torn=() left=() unasked=''
  for part in "${order[@]}"; do ! is_up "$part" || up+=("$part"); done
  while IFS= read -r line; do
    case $line in
      ip\ *$'\t'*) left+=("$line") ;;
      *': cannot be checked'* | *' cannot be checked: '*) unasked+=$line$'\n' ;;
      *) wrong[${line%%: *}]=1 ;;
    esac
  done < <(check_parts "${up[@]}"; strays)
  for part in "${order[@]}"; do
    if [[ ${wrong[$part]-} ]]; then torn+=("$part"); fi
    if [[ ${wrong[$part]-} || " ${up[*]} " != *" $part "* ]]; then wanting+=("$part"); fi
  done
}
up() { # all parts, and anew what is broken; what stood on that may break when it goes down, and so all is asked once more
  local order failed=() part torn wanting left unasked tried='' each
  settled
  laid
  for _ in {1..3}; do
    sort_out
    for each in "${left[@]}"; do [[ $unasked ]] || ! remove_stray "${each%%$'\t'*}" "${each#*$'\t'}" || tell "$(stray "${each%%$'\t'*}" "${each#*$'\t'}"), and is gone"; done
    [[ ! $tried || ${torn[*]} != "$tried" ]] || break # nor would it help once more
    tried=${torn[*]}
    for part in "${order[@]}"; do [[ " ${wanting[*]} " == *" $part "* ]] || tell "$part: is up"; done
    if has_systemd; then
      ((!${#torn[@]})) || by_systemd restart "${torn[@]}"
      bring_up start_units "${wanting[@]}"
    else
      bring_up each_by_script "${wanting[@]}"
    fi
    ((${#torn[@]})) || break
  done
  if [[ $tried ]]; then sort_out; else wanting=(); for part in "${order[@]}"; do is_up "$part" || wanting+=("$part"); done; fi
  [[ ! $unasked ]] || die "${unasked%$'\n'}"
  ((!${#wanting[@]})) || die "${wanting[*]}: not up, or not whole; netc-host check says what is missing"
}
down() {
  local order failed=()
  settled
  laid
  reversed order
  ! has_systemd || stop_units "${order[@]}"
  take_down_parts "${order[@]}"
}
((EUID == 0)) || die "run it as root"
# shellcheck source=/dev/null
source "$root/usr/lib/netc/steps.bash" - none || exit 1
set +e
case ${1-} in
  confirm) [[ $# != 2 || $2 != - ]] || { read -r token && set -- confirm "$token"; }; "$@" ;;
  install-from) install_from "${@:2}" ;;
  switch) (($# == 4)) || usage; switch "${@:2}" ;; # by install_from alone, which holds the lock
  try)
    # shellcheck source=/dev/null
    source "$root/usr/lib/netc/trial.bash" && trial "${@:2}"
    ;;
  install | back | keys)
    # shellcheck source=/dev/null
    source "$root/usr/lib/netc/bring.bash" || exit 1
    case $1 in
      install) (($# > 1)) || usage "install takes a FILE.tar.gz"; install_bundle "${@:2}" ;;
      back) back_to "${@:2}" ;;
      keys) "$@" ;;
    esac
    ;;
  up | down | uninstall) (($# == 1)) || usage "$1 takes no options"; "$1" ;;
  parts) (($# == 1)) || usage "$1 takes no options"; laid; printf '%s' "${order[@]/%/$'\n'}" ;;
  revert) [[ $# == 1 || $* == 'revert --'@(unconfirmed|boot) ]] || usage "revert takes no options"; "$@" ;;
  status | check) "$@" ;;
  '' | --help | -h | help) usage ;;
  *) usage "$1 is none of these" ;;
esac
