#!/usr/bin/env bash
# The same on every host: reviewed once for each release of netc. What looks after this host's parts.
#   netc-host status [--json | --metrics]   what is up, and how it does; exits 1 if something is down or broken
#   netc-host check                         what differs from what was installed; exits 1 if anything does
#   netc-host install FILE.tar.gz [OPTION…] what `netc bundle` made, with the options of `install` in it:
#     --dry-run    says what would be done
#     --commit     keeps the change without being asked, if all of it came up
#     --within N   goes back if nobody confirms within N seconds (180)
#     --detach     does not wait for that
#     --overwrite  takes places where somebody else's files are, or files that were changed by hand
#     --host       this is the right host, whatever it is called
#   netc-host confirm TOKEN                 keeps what `install` changed; over a new connection; `-`: TOKEN is on standard input
#   netc-host revert                        goes back to what was there before the last change that was not confirmed
#   netc-host back [GENERATION] [OPTION…]   installs what was there before, or a generation that is still kept
#   netc-host parts                         the parts, in the order in which they come up
#   netc-host up, down                      all of them; `up` also brings up anew what is broken
#   netc-host keys [--make FILE]            makes the host's keys that are missing, and says the public ones
#   netc-host uninstall                     takes all of it down and away
# shellcheck disable=SC1091,SC2034,SC2154,SC2329 # of what steps.bash sets, reads and calls
set -uo pipefail
umask 022 # folders that parts make are for others too
set +o posix
export LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # cron and su leave those out
root=$0
[[ $0 == /* && ! -L $0 ]] || root=$(realpath "$0")
root=${root%/usr/local/sbin/netc-host}

usage() { (($# == 0)) || printf 'netc-host: %s\n' "$*" >&2; sed -n '1,/^set /s/^#   //p' "$0" >&2; exit 2; } # [WHY]
