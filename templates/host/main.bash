# ---- verbs
take_lock() { exec 8>"$store/lock" && flock -w "$1" 8; } # SECONDS to wait: only one change runs at a time
busy() { die "another $1 is under way: $(holders "$store/lock")"; } # WHAT

install_from() { # TREE HOST [OPTION…], called by `install` in TREE
  local tree=$1 host=$2 dry='' commit='' detach='' overwrite='' any_host='' within=180 from='' made='' old new token process by connection
  shift 2
  while (($#)); do
    case $1 in
      --dry-run) dry=1 ;;
      --commit) commit=1 ;;
      --detach) detach=1 ;;
      --overwrite) overwrite=1 ;;
      --host) any_host=1 ;;
      --within) [[ ${2-} =~ ^[1-9][0-9]{0,4}$ ]] || usage "--within takes seconds, from 1 to 99999"; within=$2; shift ;;
      --from) is_place "${2-}"; from=$2; shift ;;
      *) usage "install has no option $1" ;;
    esac
    shift
  done

  # Before anything changes.
  use bring && has_real_programs && belong_to_root "$store" /etc/netc /usr/lib/netc /run/netc || exit 1
  # A host that has a list of signers takes trees only from bundles, whose signature `install_bundle` verified.
  [[ ! -e /etc/netc/allowed_signers || ${NETC_SIGNED-} ]] || die "this host accepts only signed bundles: netc-host install FILE.tar.gz"
  { { [[ -e $store ]] || made=1; } && mkdir -p "$trees" && chmod 700 "$store" && exec 8>"$store/lock"; } || die "cannot write $store"
  { flock -n 8 || busy install; } && [[ ! $made ]] || trap 'rm -rf "$store"' EXIT # a host that had nothing has nothing again
  no_change_waits
  [[ $any_host ]] || require_right_host "$host"
  matches_manifest "$tree" || die "this tree is not as it was compiled; nothing was changed"
  use asked && host_agrees "$tree/files" || die "this host is not as the topology says; nothing was changed"
  old=$(current)
  new=$(sha256sum <"$tree/MANIFEST") || die "cannot read $tree/MANIFEST"
  new=${new:0:16}
  stage "$tree" "$new" || die "no room in $store; nothing was changed"
  [[ $overwrite ]] || paths_are_free "$old" "$new" || { unstage "$new"; exit 1; }
  preflight "$new" || { unstage "$new"; die "nothing was changed"; }
  plan_change "$old" "$new" || { unstage "$new"; die "cannot compare $old and $new; nothing was changed"; }
  report "$host: $old -> $new"
  print_plan "$old" "$new"
  [[ ! $dry ]] || { unstage "$new"; exit 0; }
  [[ $old != "$new" || $overwrite ]] || { report "$new is installed already"; exit 0; }

  # A process of its own makes the change, since it must outlive this connection.
  token=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ') && printf '%s\n' "$host" >"$store/host" && : >"$store/log" && trap - EXIT ||
    die "cannot write $store; nothing was changed"
  NETC_BY=$by setsid "$trees/$new/files/usr/local/sbin/netc-host" switch "$new" "$within" "$(sha256sum <<<"$token" | cut -c1-64)" \
    </dev/null >>"$store/log" 2>&1 &
  process=$!
  exec 8>&-
  tail -n +1 -f --pid="$process" "$store/log" >&2 &
  wait "$process" || { wait; exit 1; }
  wait

  [[ ! $commit ]] || exec "$trees/$new/files/usr/local/sbin/netc-host" confirm "$token" --from console
  report "rolls back in $(($(reverts_at) - $(printf '%(%s)T' -1))) s unless it is confirmed over a new connection:"
  echo "netc-host confirm $token"
  [[ ! $detach ]] || exit 0
  while [[ -e $pending ]]; do sleep 0.5; done
  [[ $(current) == "$new" ]] || die "$(tail -n 1 "$store/history")"
  report "confirmed"
}

confirm() { # TOKEN [--from ADDRESS|console]
  [[ $# == 1 || $# == 3 && $2 == --from ]] || usage
  (($# == 1)) || is_place "$3"
  [[ -e $pending ]] || die "no change waits for a confirmation: the generation is $(current)"
  [[ $(sha256sum <<<"$1") == "$(<"$pending/wanted")  -" ]] || die "that is not the token"
  take_lock 10 || die "the change is still under way: $(holders "$store/lock")"
  is_complete || die "the change is not complete; it will be rolled back"
  use bring || exit 1
  prove_new_connection "${3-}"
  local part new order wrong
  new=$(<"$pending/new")
  order_of "$new"
  for part in "${order[@]}"; do is_up "$part" || die "$part is not up; netc-host revert rolls back"; done
  # Release the lock meanwhile: a program that `check` asks may hang, and a rollback must not wait for it. Without namespaces no rules are compared.
  exec 8>&-
  wrong=$(check_parts "${order[@]}" | sed '/ cannot be checked: unshare: /d')
  (($? == 0)) || wrong+=$'\n'"the check did not finish"
  { take_lock 10 && is_complete && [[ $(<"$pending/new") == "$new" ]]; } || die "the change was rolled back meanwhile"
  [[ ! $wrong ]] || die "something is missing; netc-host up repairs it, netc-host revert rolls back"$'\n'"$wrong"
  end_change "$new" confirmed || die "the change is not confirmed, and is rolled back"
  disarm_rollback
  report "$new is confirmed"
}

is_place() { [[ $1 =~ ^(console|[0-9A-Fa-f.:]+(%[A-Za-z0-9_.-]+)?)$ ]] || usage "--from takes an IP address, or \`console\`"; }
is_complete() { [[ -e $pending && $(<"$pending/phase") == complete ]]; }

revert() {
  local reason="by netc-host revert" process
  case ${1-} in
    --unconfirmed) reason="nobody confirmed it in time" ;;
    --boot) [[ $(<"$pending/boot") != "$(</proc/sys/kernel/random/boot_id)" ]] || exit 0; reason="the host started before it was confirmed"
      [[ ! -e /run/netc ]] || ! has_systemd || { arm_rollback 1; exit; } ;; # it was killed, and parts started; none would start while it runs
  esac
  [[ -e $pending ]] || die "no change waits for a confirmation: the generation is $(current)"
  if ! take_lock 5; then # the change still runs: end its process
    process=$(<"$pending/process") # by now perhaps the number of another one
    [[ $(<"$pending/boot") != "$(</proc/sys/kernel/random/boot_id)" || -e /proc/$process && $(tr '\0' ' ' <"/proc/$process/cmdline") != *' switch '* ]] ||
      kill -9 -- "-$process" 2>/dev/null || true
    until take_lock 5; do [[ $reason == nobody* ]] || busy change; done
  fi
  [[ -e $pending ]] || die "no change waits for a confirmation any more: the generation is $(current)"
  roll_back "$reason" && [[ ! ${1-} ]] # only a rollback that the user asked for is a success
}

no_change_waits() { # or this dies; the lock is held, so no change is under way
  local netc_host=netc-host
  [[ -e $pending ]] || return 0
  ! is_complete || die "a change waits for its confirmation: netc-host confirm TOKEN, or netc-host revert"
  [[ -e /usr/local/sbin/netc-host ]] || netc_host=$trees/$(<"$pending/new")/files/usr/local/sbin/netc-host # not in place yet
  die "a change was interrupted: $netc_host revert rolls it back$([[ $(<"$pending/new") != none ]] || echo ', netc-host uninstall completes it')"
}
require_idle() { # takes the lock; no change may be running or interrupted. Rolls back a change that was not confirmed before a boot
  [[ $(current) != none || -e $pending ]] || die "nothing is installed"
  take_lock 5 || busy change
  [[ -e $pending ]] || return 0
  [[ $(<"$pending/boot") == "$(</proc/sys/kernel/random/boot_id)" ]] || roll_back "the host started before it was confirmed"
  [[ ! -e $pending ]] || is_complete || no_change_waits
}
find_broken() { # sets `not_up` (parts that are down or broken), `broken_parts`, `left` (rules and routes of no part) and `unasked`
  local part line lines up=()
  local -A wrong=()
  not_up=() broken_parts=() left=() unasked=''
  for part in "${order[@]}"; do ! is_up "$part" || up+=("$part"); done
  line=$(check_parts "${up[@]}"; strays)
  (($? == 0)) || [[ $line ]] || unasked="the check did not finish"$'\n'
  split_lines "$line"
  for line in "${lines[@]}"; do
    case $line in
      ip\ *$'\t'*) left+=("$line") ;;
      *': cannot be checked'* | *' cannot be checked: '*) unasked+=$line$'\n' ;;
      *) wrong[${line%%: *}]=1 ;;
    esac
  done
  for part in "${order[@]}"; do
    if [[ ${wrong[$part]-} ]]; then broken_parts+=("$part"); fi
    if [[ ${wrong[$part]-} || " ${up[*]} " != *" $part "* ]]; then not_up+=("$part"); fi
  done
}
up() { # repeats, since parts that depend on a broken one may break when that goes down
  local order failed=() part broken_parts not_up left unasked tried='' each
  require_idle
  installed_order
  for _ in {1..3}; do
    find_broken
    for each in "${left[@]}"; do [[ $unasked ]] || ! remove_stray "${each%%$'\t'*}" "${each#*$'\t'}" || report "$(stray "${each%%$'\t'*}" "${each#*$'\t'}"), and was removed"; done
    [[ ! $tried || ${broken_parts[*]} != "$tried" ]] || break # the same parts are broken as before: to repeat does not help
    tried=${broken_parts[*]}
    for part in "${order[@]}"; do [[ " ${not_up[*]} " == *" $part "* ]] || report "$part: is up"; done
    if has_systemd; then
      ((!${#broken_parts[@]})) || by_systemd restart "${broken_parts[@]}"
      bring_up start_units "${not_up[@]}"
    else
      bring_up up_by_scripts "${not_up[@]}"
    fi
    ((${#broken_parts[@]})) || break
  done
  if [[ $tried ]]; then find_broken; else not_up=(); for part in "${order[@]}"; do is_up "$part" || not_up+=("$part"); done; fi
  [[ ! $unasked ]] || die "${unasked%$'\n'}"
  ((!${#not_up[@]})) || die "${not_up[*]}: not up or broken; netc-host check prints what is missing"
}
down() {
  local order failed=() part
  require_idle
  installed_order
  reversed order
  ! has_systemd || stop_units "${order[@]}"
  take_down_parts "${order[@]}"
  for part in "${order[@]}"; do [[ $part != split-* || -e /run/netc/$part ]] || report "${part/-/ } is down: what it chose now leaves by the host's own routes"; done
  ((!${#failed[@]}))
}
# shellcheck source=/dev/null
libraries=$root/usr/lib/netc
for of in old new; do # a change that was cut off leaves this netc-host beside libraries of another one
  [[ ! $root && -e $pending/new ]] && of=$trees/$(<"$pending/$of")/files && cmp -s "$0" "$of/usr/local/sbin/netc-host" && libraries=$of/usr/lib/netc
done
ask() { [[ ! -e $libraries/asked.bash ]] || { use asked && use bring && "$1"; }; } # FUNCTION of asked.bash
use() { source "$libraries/$1.bash"; } # LIBRARY that not every verb needs
((EUID == 0)) || die "run netc-host as root"
[[ $root$* != uninstall || (-e /usr/lib/netc/steps.bash && -e /usr/lib/netc/bring.bash) ]] || exec rm -rf /usr/lib/netc "$0" # it was interrupted at its very end
source "$libraries/steps.bash" - none || exit 1
set +e; [[ ${1-} == install ]] || cd / # the caller's directory may be gone
case ${1-} in
  confirm) [[ ${2-} != - ]] || { read -r token && set -- confirm "$token" "${@:3}"; }; "$@" ;;
  install-from) install_from "${@:2}" ;;
  switch) (($# == 4)) || usage; switch "${@:2}" ;; # only install_from calls it, which holds the lock
  try | tried) use trial && "$@" ;;
  install | back | keys | run | uninstall) use bring && bring "$@" ;;
  up | down) (($# == 1)) || usage "$1 takes no options"; "$1" ;;
  parts) (($# == 1)) || usage "$1 takes no options"; installed_order; printf '%s' "${order[@]/%/$'\n'}" ;;
  revert) [[ $# == 1 || $* == 'revert --'@(unconfirmed|boot) ]] || usage "revert takes no options"; "$@" ;;
  status | check) "$@" ;;
  '' | --help | -h | help) usage ;;
  *) usage "there is no verb $1" ;;
esac
