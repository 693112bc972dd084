"""What a deploy would do, from each host's own `install --dry-run`. The bundle is on the host for that long."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from msgspec import Struct

from netc.deploy.carrier import LOST, Carrier, plain
from netc.deploy.host import packed

DRY = """
umask 077
folder=$(mktemp -d /var/tmp/netc-diff.XXXXXX) || exit 1
trap 'rm -rf "$folder"' EXIT
tar --extract --directory "$folder" --no-same-owner || { echo "cannot write to /var/tmp" >&2; exit 1; }
cd "$folder" && bash ./usr/local/sbin/netc-host install "$PWD/$1" --dry-run 2>&1 && echo end
"""
AT_ONCE = 8
GENERATIONS = re.compile(r".*: ([0-9a-f]{16}|none) -> ([0-9a-f]{16})")


class Would(StrEnum):
    NOTHING = "unchanged"
    CHANGE = "would change"
    REFUSE = "would refuse"
    UNREACHED = "not reached"


class Planned(Struct, frozen=True):
    """`lines`: what the host prints of it. Generations are 16 hexadecimal digits, or `none`."""

    host: str
    would: Would
    before: str = ""
    after: str = ""
    lines: tuple[str, ...] = ()


def dry_runs(
    carrier: Carrier,
    bundles: Mapping[str, Mapping[str, bytes]],
    carried: Mapping[str, bytes],
    hosts: Collection[str],
) -> list[Planned]:
    """In the order of `hosts`. `carried`: what every host gets beside its bundle."""
    with ThreadPoolExecutor(min(AT_ONCE, len(hosts) or 1)) as pool:
        return list(pool.map(lambda host: _planned(carrier, host, {**carried, **bundles[host]}), hosts))


def _planned(carrier: Carrier, host: str, files: Mapping[str, bytes]) -> Planned:
    said = carrier.run(host, DRY, (f"{host}.tar.gz",), packed(files))
    lines = tuple(plain(line.encode()) for line in said.out.splitlines())
    if said.status == LOST or not lines:
        return Planned(host, Would.UNREACHED, lines=(said.last or f"exit status {said.status}",))
    if said.status != 0 or lines[-1] != "end":
        return Planned(host, Would.REFUSE, lines=lines)
    found = next((match for line in lines if (match := GENERATIONS.fullmatch(line))), None)
    before, after = found.groups() if found else ("", "")
    kept = tuple(line for line in lines[:-1] if not GENERATIONS.fullmatch(line))
    return Planned(host, Would.NOTHING if found and before == after else Would.CHANGE, before, after, kept)
