"""Keys of hosts, made on the hosts. Only public keys are returned."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from secrets import token_bytes

from msgspec import Struct

from netc.deploy.carrier import Carrier
from netc.deploy.host import packed

UNPACK = """
folder=$(mktemp -d /var/tmp/netc-keys.XXXXXX) || exit 1
trap 'rm -rf "$folder"' EXIT
tar --extract --directory "$folder" --no-same-owner || exit 1
"""
MAKE = f'{UNPACK}bash "$folder/usr/local/sbin/netc-host" keys "$@"'
SWITCH = 'exec /usr/local/sbin/netc-host keys --switch "$1"'
KNOWS = """
for key; do grep -rqxF -- "PublicKey = $key" /etc/netc/wireguard || { echo "it does not know $key" >&2; exit 1; }; done
"""
# The key is on standard input: an argument would be seen in the list of processes.
SHARE = """
umask 077
(umask 022 && mkdir -p /etc/netc) && mkdir -p "${1%/*}" && new=$(mktemp "${1%/*}/.netc-XXXXXX") || exit
trap 'rm -f "$new"' EXIT
cat >"$new" && sync "$new" && ln -T "$new" "$1"
"""
HAS = "[[ ! -e $1 && ! -L $1 ]] || echo yes"
FORGET = '[[ $(sha256sum) != "$(sha256sum <"$1")" ]] || rm -f -- "$1"'
SAID = re.compile(r'([\w.-]+) = "([A-Za-z0-9+/]{43}=)"')


class Made(Struct, frozen=True):
    """Public keys by the topology's key (`hosts.edge.public_key`). `why` is empty if nothing is missing."""

    host: str
    public: Mapping[str, str]
    why: str = ""


def make(
    carrier: Carrier,
    host: str,
    files: Mapping[str, bytes],
    wanted: frozenset[str],
    report: Callable[[str], object],
    options: Sequence[str] = (),
) -> Made:
    """`files`: `carried` of netc.emit.host, and `etc/netc/secrets`. `options`: of `netc-host keys`. Keys not in
    `wanted` are ignored."""
    said = carrier.run(host, MAKE, options, packed(files), hear=report)
    found = (SAID.fullmatch(line) for line in said.out.splitlines())
    public = {match[1]: match[2] for match in found if match and match[1] in wanted}
    why = said.last or f"exit status {said.status}" if said.status else ""
    if not why and public.keys() != wanted:
        why = f"the host printed no {', '.join(sorted(wanted - public.keys()))}"
    return Made(host, public, why)


def switch(carrier: Carrier, host: str, file: str, report: Callable[[str], object]) -> str:
    """The host uses the next key of `file` from now on. Returns why not, or an empty string."""
    return _why(carrier, host, SWITCH, (file,), report)


def knows(carrier: Carrier, host: str, keys: Sequence[str], report: Callable[[str], object]) -> str:
    """Asks a peer for the public keys of its installed tree. Returns which is missing, or an empty string."""
    return _why(carrier, host, KNOWS, keys, report)


def new_preshared_key() -> str:
    """32 random bytes in base64, as `wg genpsk` makes them."""
    return b64encode(token_bytes(32)).decode()


def share(carrier: Carrier, ends: Sequence[tuple[str, str]], key: str) -> str:
    """Writes `key` into a file of each end (host, file), or into none. Returns why not, or an empty string."""
    having = []
    for host, file in ends:
        said = carrier.run(host, HAS, (file,))
        if said.status:
            return f"{host}: {said.last or f'exit status {said.status}'}"
        if said.out:
            having.append(f"{file} of {host}")
    if len(having) == len(ends):
        return ""
    if having:
        return f"only {having[0]} is there: copy it to the other end, or remove it, and netc makes both"
    given = f"{key}\n".encode()
    for number, (host, file) in enumerate(ends):
        said = carrier.run(host, SHARE, (file,), given)
        if said.status:
            for earlier, its_file in ends[:number]:
                carrier.run(earlier, FORGET, (its_file,), given)
            return f"{host}: {said.last or f'exit status {said.status}'}"
    return ""


def _why(carrier: Carrier, host: str, script: str, words: Sequence[str], report: Callable[[str], object]) -> str:
    said = carrier.run(host, script, words, hear=report)
    return said.last or f"exit status {said.status}" if said.status else ""
