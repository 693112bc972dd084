"""Keys of hosts, made on the hosts. Only public keys are returned."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from netc.deploy.carrier import Carrier
from netc.deploy.host import packed

MAKE = """
folder=$(mktemp -d /var/tmp/netc-keys.XXXXXX) || exit 1
trap 'rm -rf "$folder"' EXIT
tar --extract --directory "$folder" --no-same-owner || exit 1
bash "$folder/usr/local/sbin/netc-host" keys
"""
SAID = re.compile(r'([\w.-]+) = "([A-Za-z0-9+/]{43}=)"')


class Made(Struct, frozen=True):
    """Public keys by the topology's key (`hosts.edge.public_key`). `why` is empty if nothing is missing."""

    host: str
    public: Mapping[str, str]
    why: str = ""


def make(
    carrier: Carrier, host: str, files: Mapping[str, bytes], wanted: frozenset[str], report: Callable[[str], None]
) -> Made:
    """`files`: `carried` of netc.emit.host, and `etc/netc/secrets`. Keys that are not in `wanted` are ignored."""
    said = carrier.run(host, MAKE, given=packed(files), hear=report)
    found = (SAID.fullmatch(line) for line in said.out.splitlines())
    public = {match[1]: match[2] for match in found if match and match[1] in wanted}
    why = said.last or f"exit status {said.status}" if said.status else ""
    if not why and public.keys() != wanted:
        why = f"the host printed no {', '.join(sorted(wanted - public.keys()))}"
    return Made(host, public, why)
