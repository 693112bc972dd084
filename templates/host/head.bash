#!/usr/bin/env bash
# The same on every host: reviewed once for each release of netc. Installs this host's tree and brings its parts up and down.
#   netc-host status [--json | --metrics]   prints the state of parts, peers and sessions; exits 1 if something is down or broken
#   netc-host check                         prints each difference from what was installed; exits 1 if there is one
#   netc-host install FILE.tar.gz [OPTION…] installs a bundle of `netc bundle`; `install` in a tree and `back` have the same options:
#     --dry-run    prints the plan and changes nothing
#     --commit     keeps the change without a confirmation, if every part came up
#     --within N   rolls back if nobody confirms within N seconds (180)
#     --detach     does not wait for the confirmation
#     --overwrite  replaces files that netc did not install, at paths that it needs, and files that were changed by hand
#     --host       accepts the tree although this host has another name
#     --from A     tests the ssh port for the address A, where no ssh connection leads to this command; `console`: you need no ssh
#   netc-host confirm TOKEN [--from A]      keeps the change of `install`, over a new connection; `-` reads TOKEN from standard input
#   netc-host revert                        rolls back the change that is not confirmed or was interrupted
#   netc-host back [GENERATION] [OPTION…]   installs the generation before the current one, or one that is still kept
#   netc-host parts                         prints the parts in the order in which they come up
#   netc-host up, down                      all parts; `up` also repairs what is broken
#   netc-host run                           without systemd: brings all parts up, does what netc's units do, and at SIGTERM takes them down
#   netc-host keys [--make FILE]            makes missing keys of this host and prints the public ones
#   netc-host uninstall                     takes all parts down and removes all files, except /etc/netc/keys
# shellcheck disable=SC1090,SC1091,SC2015,SC2016,SC2034,SC2046,SC2154,SC2181,SC2329 # steps.bash sets, reads and calls these; awk has $1
shopt -u expand_aliases
IFS=$' \t\n'
! compgen -A function >/dev/null || unset -f $(compgen -A function) # the caller's; steps.bash takes the rest of its environment away
set -uo pipefail +ko posix # `keyword` changes what the lines below mean
export LC_ALL=C PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin # cron and su leave some out
root=$0
[[ $0 == /* && ! -L $0 ]] || root=$(realpath "$0")
root=${root%/usr/local/sbin/netc-host}

usage() { (($# == 0)) || printf 'netc-host: %s\n' "$*" >&2; sed -n '1,/^set /s/^#   //p' "$0" >&2; exit 2; } # [MESSAGE]
