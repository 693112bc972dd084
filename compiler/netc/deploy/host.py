"""One host: copies a bundle, installs it, and confirms over a new connection. Otherwise the host rolls back."""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from netc.deploy.carrier import LOST, Carrier, Said

PATIENCE = 120
"""Seconds that the rollback of a host may take after its time is over."""
ANSWER = 60
"""Seconds that a host may take for a question, or for a confirmation."""
PAUSE = 1
"""Seconds between two attempts."""

RECEIVE = """
umask 077
folder=$(mktemp -d /var/tmp/netc-deploy.XXXXXX) || exit 1
tar --extract --directory "$folder" --no-same-owner || {
  rm -rf "$folder"
  echo "cannot write to /var/tmp" >&2
  exit 1
}
printf '%s\\n' "$folder"
basename "$(readlink /var/lib/netc/current || echo none)"
"""
RECEIVED = re.compile(r"(/var/tmp/netc-deploy\.\w+)\n([0-9a-f]{16}|none)\n")
# SETTLED sees by the lock that the install is still under way.
INSTALL = """
trap 'rm -rf "$1"' EXIT
cd "$1" && exec 9<. && flock 9 || exit 1
bash ./usr/local/sbin/netc-host install "$PWD/$2" "${@:3}" 9<&-
"""
BACK = 'exec /usr/local/sbin/netc-host back "$@"'
CONFIRM = "exec /usr/local/sbin/netc-host confirm -"
# Only the change of this token, not one that somebody else began meanwhile. It continues if the connection breaks.
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
    """`install` refused the bundle and changed nothing, or a part did not come up and the host rolled back at once."""
    ROLLED_BACK = "rolled back"
    UNREACHED = "not reached"
    UNKNOWN = "unknown"
    NOT_BEGUN = "not begun"
    REVERTED = "reverted"


FINE = (Outcome.CONFIRMED, Outcome.UNCHANGED)


class Result(Struct, frozen=True):
    """Generations are 16 hexadecimal digits, or `none`. `now` is empty if it is not known."""

    host: str
    outcome: Outcome
    before: str = ""
    now: str = ""
    why: str = ""


class Deployer(Struct, frozen=True):
    """`within`: seconds until a host rolls back unless it is confirmed. `report` gets a host and a line."""

    carrier: Carrier
    within: int
    report: Callable[[str, str], None]
    carried: Mapping[str, bytes]
    """Files that every host gets beside its bundle, by path: the program that installs it, and its libraries."""
    doubts: Callable[[str], str] | None = None
    """Why a host that has a new generation is not to be confirmed; empty if it is."""

    def install(self, host: str, generation: str, files: Mapping[str, bytes]) -> Result:
        """`files`: the bundle, `<host>.tar.gz`, and its signature if there is one."""
        self.report(host, "copy")
        given = packed({**self.carried, **files})
        received = self.carrier.run(host, RECEIVE, given=given, hear=lambda line: self.report(host, f"| {line}"))
        said = RECEIVED.fullmatch(received.out)
        if received.status != 0 or not said:
            self.report(host, f"not reached: {received.last}")
            return Result(host, Outcome.UNREACHED, why=received.last)
        folder, before = said.groups()
        self.report(host, f"install: {before} -> {generation}")
        words = (folder, f"{host}.tar.gz", "--detach", "--within", str(self.within))
        begun = self._begin(host, INSTALL, words)
        return self._end(Result(host, Outcome.UNKNOWN, before), generation, begun, folder, self.doubts)

    def back(self, host: str, generation: str, before: str) -> Result:
        """Rolls back to a generation that the host still has, or to none. REVERTED if that succeeds."""
        self.report(host, f"back: {before} -> {generation}")
        words = (generation, "--detach", "--within", str(self.within))
        begun = self._begin(host, BACK, words)
        end = self._end(Result(host, Outcome.UNKNOWN, before), generation, begun, "")
        reverted = end.now == generation
        return Result(host, Outcome.REVERTED if reverted else end.outcome, before, end.now, "" if reverted else end.why)

    def _begin(self, host: str, script: str, words: Sequence[str]) -> Said:
        """Ends when all parts are up, or when the host has rolled back: it does so after `within` seconds."""
        limit = self.within + PATIENCE
        return self.carrier.run(host, script, words, hear=lambda line: self.report(host, f"| {line}"), limit=limit)

    def _end(
        self, result: Result, wanted: str, begun: Said, folder: str, doubts: Callable[[str], str] | None = None
    ) -> Result:
        host, before = result.host, result.before
        token = re.search(r"(?m)^netc-host confirm ([0-9a-f]{16})\s*\Z", begun.out)
        why = begun.last
        if token:
            why = self._kept(host, token[1], doubts)
            if not why:
                self.report(host, "confirmed")
                return Result(host, Outcome.CONFIRMED, before, wanted)
        if not token and begun.status == 0 and before == wanted:
            self.report(host, "unchanged")
            return Result(host, Outcome.UNCHANGED, before, wanted)
        if not token and begun.status in (1, 2):
            # `install` has ended: a change that is under way now is somebody else's.
            self.report(host, f"refused: {why}")
            return Result(host, Outcome.REFUSED, before, before, why)
        self.report(host, f"not confirmed: {why}; waiting for the rollback")
        now = self._settled(host, folder)
        if now is None:
            outcome = Outcome.UNKNOWN
        elif now == wanted != before:
            # Confirmed, and the answer was lost.
            outcome, why = Outcome.CONFIRMED, ""
        else:
            outcome = Outcome.ROLLED_BACK
        self.report(host, f"{outcome}: at {now or 'an unknown generation'}")
        return Result(host, outcome, before, now or "", why)

    def _kept(self, host: str, token: str, doubts: Callable[[str], str] | None) -> str:
        """Why the change is not confirmed; empty if it is. Where the host can be asked, it rolls back at once."""
        why, is_there = "", True
        if doubts:
            self.report(host, "verify")
            why = doubts(host)
        if not why:
            self.report(host, "confirm, over a new connection")
            said = self._confirm(host, token)
            if said.status == 0:
                return ""
            why, is_there = said.last, said.status != LOST
        if is_there:
            self.report(host, f"not confirmed: {why}; asking it to roll back")
            self.carrier.run(host, REVERT, given=f"{token}\n".encode(), fresh=True, limit=ANSWER)
        return why or "the confirmation failed"

    def _confirm(self, host: str, token: str) -> Said:
        """Tries until the time is over: the route to the host may still be coming up."""
        end = time.monotonic() + self.within
        while True:
            said = self.carrier.run(host, CONFIRM, given=f"{token}\n".encode(), fresh=True, limit=ANSWER)
            if said.status != LOST or time.monotonic() > end:
                return said
            time.sleep(PAUSE)

    def _settled(self, host: str, folder: str) -> str | None:
        """The generation of the host, as soon as no change is under way."""
        end = time.monotonic() + self.within + PATIENCE
        while True:
            said = self.carrier.run(host, SETTLED, (folder,), fresh=True, limit=ANSWER)
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
