# shellcheck shell=bash
# The same on every host: reviewed once for each release of netc.
# Sourced after steps.bash by the part that writes the metrics of this host to a file, and by what writes them.
put_metrics() ( # FILE: becomes what standard input has, at once, so that nobody reads half of it
  # Another user may own the folder: nothing that stands there is followed or written to.
  umask 022
  mkdir -p "${1%/*}" && rm -f "$1.new" && set -C && cat >"$1.new" && mv -fT "$1.new" "$1"
)
begin_metrics() { put_metrics "$1" </dev/null; } # FILE
remove_metrics() { rm -f "$1" "$1.new"; } # FILE
metrics_are_there() { [[ -f $1 && ! -L $1 ]] || differs "$1 is not there"; } # FILE
metrics_are_written() { # without systemd, `check` asks for `netc-host run`
  [[ ! -d /run/systemd/system ]] || systemctl is-active --quiet netc-write-metrics.timer || differs "netc-write-metrics.timer does not run"
}

write_metrics() { # FILE: `status` exits 1 also where something is not well, which is what metrics are for
  local said code=0
  said=$(/usr/local/sbin/netc-host status --metrics) || code=$?
  ((code < 2)) && [[ $said ]] || { echo "netc-host status --metrics exits with $code" >&2; return 1; }
  printf '%s\n' "$said" | put_metrics "$1"
}
