"""One host: a bundle is carried there, installed, and confirmed over a new connection, or the host goes back."""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from netc.deploy.carrier import LOST, Carrier, Said

PATIENCE = 120
"""Seconds that a host may take to go back, once its time is over."""
PAUSE = 1
"""Seconds between two tries."""

RECEIVE = """
umask 077
folder=$(mktemp -d /var/tmp/netc-deploy.XXXXXX) || exit 1
tar --extract --directory "$folder" --no-same-owner || {
  rm -rf "$folder"
  echo "nothing can be put into /var/tmp" >&2
  exit 1
}
printf '%s\\n' "$folder"
basename "$(readlink /var/lib/netc/current || echo none)"
"""
RECEIVED = re.compile(r"(/var/tmp/netc-deploy\.\w+)\n([0-9a-f]{16}|none)\n")
# Who comes later knows by the lock that this is still under way.
INSTALL = """
trap 'rm -rf "$1"' EXIT
cd "$1" && exec 9<. && flock 9 || exit 1
bash ./usr/local/sbin/netc-host install "$PWD/$2" "${@:3}" 9<&-
"""
BACK = 'exec /usr/local/sbin/netc-host back "$@"'
CONFIRM = "exec /usr/local/sbin/netc-host confirm -"
# Only the change that was to be confirmed, and not what somebody else began meanwhile. It goes on when we are cut off.
REVERT = """
read -r token && cd /var/lib/netc && [[ $(sha256sum <<<"$token") == "$(<pending/wanted)  -" ]] &&
  setsid -f "$(readlink pending/netc-host)" revert </dev/null >>log 2>&1
"""
STILL_UNDER_WAY = 75
SETTLED = f"""
exec 2>/dev/null
[[ ! -d $1 ]] || flock -n "$1" true || exit {STILL_UNDER_WAY}
[[ ! -e /var/lib/netc/lock ]] || flock -n /var/lib/netc/lock true || exit {STILL_UNDER_WAY}
[[ ! -e /var/lib/netc/pending ]] || exit {STILL_UNDER_WAY}
basename "$(readlink /var/lib/netc/current || echo none)"
"""


class Outcome(StrEnum):
    CONFIRMED = "confirmed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """The host would not have it; nothing was changed, or it was taken back at once."""
    WENT_BACK = "went back"
    UNREACHED = "not reached"
    UNKNOWN = "unknown"
    NOT_BEGUN = "not begun"
    REVERTED = "reverted"


FINE = (Outcome.CONFIRMED, Outcome.UNCHANGED)


class Result(Struct, frozen=True):
    """Generations are 16 hexadecimal digits, or `none`; `now` is empty where nobody knows."""

    host: str
    outcome: Outcome
    before: str = ""
    now: str = ""
    why: str = ""


class Deployer(Struct, frozen=True):
    """`within`: seconds after which a host goes back unless it is confirmed. `tell` gets a host and a line."""

    carrier: Carrier
    within: int
    tell: Callable[[str, str], None]
    carried: Mapping[str, bytes]
    """Files that every host gets beside its bundle, by their place: what installs it there."""

    def install(self, host: str, generation: str, files: Mapping[str, bytes]) -> Result:
        """`files`: the bundle, `<host>.tar.gz`, and its signature if there is one."""
        self.tell(host, "copy")
        given = packed({**self.carried, **files})
        received = self.carrier.run(host, RECEIVE, given=given, hear=lambda line: self.tell(host, f"| {line}"))
        said = RECEIVED.fullmatch(received.out)
        if received.status != 0 or not said:
            self.tell(host, f"not reached: {received.last}")
            return Result(host, Outcome.UNREACHED, why=received.last)
        folder, before = said.groups()
        self.tell(host, f"install: {before} -> {generation}")
        words = (folder, f"{host}.tar.gz", "--detach", "--within", str(self.within))
        begun = self.carrier.run(host, INSTALL, words, hear=lambda line: self.tell(host, f"| {line}"))
        return self._end(Result(host, Outcome.UNKNOWN, before), generation, begun, folder)

    def back(self, host: str, generation: str, before: str) -> Result:
        """To a generation that the host keeps, or to none: REVERTED, or how it ended."""
        self.tell(host, f"back: {before} -> {generation}")
        words = (generation, "--detach", "--within", str(self.within))
        begun = self.carrier.run(host, BACK, words, hear=lambda line: self.tell(host, f"| {line}"))
        end = self._end(Result(host, Outcome.UNKNOWN, before), generation, begun, "")
        reverted = end.now == generation
        return Result(host, Outcome.REVERTED if reverted else end.outcome, before, end.now, "" if reverted else end.why)

    def _end(self, result: Result, wanted: str, begun: Said, folder: str) -> Result:
        host, before = result.host, result.before
        token = re.search(r"(?m)^netc-host confirm ([0-9a-f]{16})\s*\Z", begun.out)
        why = begun.last
        if token:
            self.tell(host, "confirm, over a new connection")
            confirmed = self._confirm(host, token[1])
            if confirmed.status == 0:
                self.tell(host, "confirmed")
                return Result(host, Outcome.CONFIRMED, before, wanted)
            why = confirmed.last
            if confirmed.status != LOST:
                self.tell(host, f"not confirmed: {why}; asking it to go back")
                self.carrier.run(host, REVERT, given=f"{token[1]}\n".encode(), fresh=True)
        if not token and begun.status == 0 and before == wanted:
            self.tell(host, "unchanged")
            return Result(host, Outcome.UNCHANGED, before, wanted)
        if not token and begun.status in (1, 2):
            # `install` has ended by itself: what may be under way is somebody else's.
            self.tell(host, f"refused: {why}")
            return Result(host, Outcome.REFUSED, before, before, why)
        self.tell(host, f"not confirmed: {why}; waiting until it has gone back")
        now = self._settled(host, folder)
        if now is None:
            outcome = Outcome.UNKNOWN
        elif now == wanted != before:
            # Confirmed, and the answer was lost.
            outcome, why = Outcome.CONFIRMED, ""
        else:
            outcome = Outcome.WENT_BACK
        self.tell(host, f"{outcome}: at {now or 'nobody knows what'}")
        return Result(host, outcome, before, now or "", why)

    def _confirm(self, host: str, token: str) -> Said:
        """As long as there is time: the way there may only now come up."""
        end = time.monotonic() + self.within
        while True:
            said = self.carrier.run(host, CONFIRM, given=f"{token}\n".encode(), fresh=True)
            if said.status != LOST or time.monotonic() > end:
                return said
            time.sleep(PAUSE)

    def _settled(self, host: str, folder: str) -> str | None:
        """The generation there, as soon as nothing is under way any more."""
        end = time.monotonic() + self.within + PATIENCE
        while True:
            said = self.carrier.run(host, SETTLED, (folder,), fresh=True)
            if said.status == 0 and re.fullmatch(r"([0-9a-f]{16}|none)\n", said.out):
                return said.out.strip()
            if time.monotonic() > end:
                return None
            time.sleep(PAUSE)


def packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
