"""A provider's wg-quick file, read as it came (wg-quick(8), wg(8) CONFIGURATION FILE FORMAT).

    [Interface]                      Address, DNS and AllowedIPs may be lists and may be repeated;
    PrivateKey = …                   keys are compared without case; `#` begins a comment anywhere.
    Address = 10.5.0.2/32, fd7d::2
    [Peer]
    …

Of a PrivateKey or PresharedKey only its presence is kept; `secrets_of` alone gives them away.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from msgspec import Struct
from netaddr import IPAddress, IPNetwork

from netc.language.names import PublicKey, Wrong, quoted
from netc.language.placed import dialled, held, resolver
from netc.language.special import check
from netc.language.values import Endpoint, with_length

HOOKS = ("preup", "postup", "predown", "postdown")
IGNORED = (*HOOKS, "saveconfig", "table", "fwmark")
"""Keys by which wg-quick changes the whole host. netc does the same by other means, or not at all."""


@dataclass(slots=True)
class QuickPeer:
    line: int
    public_key: PublicKey | None = None
    endpoint: Endpoint | None = None
    allowed_ips: list[IPNetwork] = field(default_factory=list)
    keepalive: int | None = None
    has_preshared_key: bool = False


@dataclass(slots=True)
class Quick:
    """What a wg-quick file says; `ignored` are (line, key) of lines that netc does not act upon."""

    addresses: list[IPNetwork] = field(default_factory=list)
    dns: list[IPAddress] = field(default_factory=list)
    mtu: int | None = None
    port: int | None = None
    lines: dict[str, int] = field(default_factory=dict)
    """Where keys of `[Interface]` stand, by their names in small letters."""
    amnezia: str = ""
    """The first key of AmneziaWG. netc does not report the others."""
    has_private_key: bool = False
    peers: list[QuickPeer] = field(default_factory=list)
    ignored: list[tuple[int, str]] = field(default_factory=list)


AMNEZIA = re.compile(r"jc|jmin|jmax|s[1-4]|h[1-4]|i[1-5]|j[1-3]|itime", re.IGNORECASE)
"""Keys of AmneziaWG, which hides WireGuard from packet inspection (amneziawg-tools)."""


class BadLine(Struct, frozen=True):
    """`line` counts from 1; `column` and `end` frame the value, counted from 1, `end` exclusive."""

    line: int
    column: int
    end: int
    error: Wrong


def read_quick(text: str) -> tuple[Quick, tuple[BadLine, ...]]:
    """All of a file, and everything in it that is wrong."""
    quick, bad = Quick(), []
    section = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].rstrip()
        start, key = len(line) - len(line.lstrip()), None
        try:
            if header := re.fullmatch(r"\s*\[(\w+)\]", line):
                section = header[1].lower()
                _open(header[1], quick, number)
            elif pair := re.fullmatch(r"\s*(\w+)\s*=\s*(.*)", line):
                start = pair.start(2)
                key = pair.span(1)
                _take(section, pair[1], pair[2], quick, number)
            elif line.strip():
                raise Wrong(
                    "NC0121", "this line is not `Key = value`", "compare it with the file that the provider sent"
                )
        except Wrong as wrong:
            first, end = key if key and wrong.code == "NC0121" else (start, max(len(line), start + 1))
            bad.append(BadLine(number, first + 1, end + 1, wrong))
    return quick, tuple(bad)


def _open(section: str, quick: Quick, line: int) -> None:
    if section.lower() == "peer":
        quick.peers.append(QuickPeer(line))
    elif section.lower() != "interface":
        raise Wrong(
            "NC0121", f"wg-quick has no section {quoted(f'[{section}]')}", "it has only `[Interface]` and `[Peer]`"
        )


def _take(section: str, key: str, value: str, quick: Quick, line: int) -> None:
    name = key.lower()
    if section == "interface" and name in IGNORED:
        quick.ignored.append((line, key))
    elif section == "interface" and name in INTERFACE:
        INTERFACE[name](quick, value)
        quick.lines[name] = line
    elif section in SECTIONS and AMNEZIA.fullmatch(name):
        if not quick.amnezia:
            quick.amnezia = key
            what = f"{quoted(key)} is a key of AmneziaWG: this tunnel is not plain WireGuard, and netc cannot make it"
            raise Wrong("NC0121", what, BY_AWG_QUICK)
    elif section == "peer" and name in PEER:
        PEER[name](quick.peers[-1], value)
    elif section in SECTIONS:
        raise Wrong("NC0121", f"{quoted(key)} is not a key of `[{section.capitalize()}]`", _known(name, section))
    elif not section:
        raise Wrong(
            "NC0121", f"{quoted(key)} is written before `[Interface]`", "import the whole file as the provider sent it"
        )


BY_AWG_QUICK = (
    "let awg-quick make it, with `Table = off` in its file, and write "
    '`kind = "external"`, `start = ["/usr/bin/awg-quick", "up", "NAME"]`, `interface = "NAME"` in place of `import`'
)


def _known(name: str, section: str) -> str:
    other = "peer" if section == "interface" else "interface"
    if name in map(str.lower, SECTIONS[other]):
        return f"move it to `[{other.capitalize()}]`"
    known = {each.lower(): each for each in SECTIONS[section]}
    close = get_close_matches(name, sorted(known), n=1)
    return f"did you mean `{known[close[0]]}`?" if close else "remove the line: wg-quick(8) has no such key"


def _items(value: str) -> Iterator[str]:
    return (item for item in re.split(r"[\s,]+", value) if item)


def _whole(text: str) -> str:
    """wg-quick takes an address without a length as one alone."""
    return text if "/" in text else f"{text}/{128 if ':' in text else 32}"


def _number(value: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
        raise Wrong(
            "NC0105", f"{quoted(value)} is not a number from {low} to {high}", f"write a number from {low} to {high}"
        )
    return int(value)


def _dns(quick: Quick, value: str) -> None:
    """Search domains may stand among the addresses; a namespace has no use for them."""
    quick.dns += [resolver(item) for item in _items(value) if re.fullmatch(r"[0-9.]+|.*:.*", item)]


def _address(quick: Quick, value: str) -> None:
    quick.addresses += [held(_whole(item)) for item in _items(value)]


def _mtu(quick: Quick, value: str) -> None:
    quick.mtu = _number(value, 576, 65535)


def _port(quick: Quick, value: str) -> None:
    quick.port = _number(value, 0, 65535) or None


def _private_key(quick: Quick, value: str) -> None:
    quick.has_private_key = bool(value)


def _public_key(peer: QuickPeer, value: str) -> None:
    peer.public_key = PublicKey(value)


def _preshared_key(peer: QuickPeer, value: str) -> None:
    peer.has_preshared_key = bool(value)


def _endpoint(peer: QuickPeer, value: str) -> None:
    peer.endpoint = found = dialled(value)
    if found.port is None:
        raise Wrong(
            "NC0111",
            f"endpoint {quoted(value)} has no port",
            f"write `{Endpoint(found.host, 51820)}`, with the port of the peer",
        )


def _allowed_ips(peer: QuickPeer, value: str) -> None:
    for item in _items(value):
        found = with_length(_whole(item)).cidr
        check(found, "carried")
        peer.allowed_ips.append(found)


def _keepalive(peer: QuickPeer, value: str) -> None:
    peer.keepalive = 0 if value == "off" else _number(value, 0, 65535)


INTERFACE: dict[str, Callable[[Quick, str], None]] = {
    "address": _address,
    "dns": _dns,
    "listenport": _port,
    "mtu": _mtu,
    "privatekey": _private_key,
}
PEER: dict[str, Callable[[QuickPeer, str], None]] = {
    "allowedips": _allowed_ips,
    "endpoint": _endpoint,
    "persistentkeepalive": _keepalive,
    "presharedkey": _preshared_key,
    "publickey": _public_key,
}
SECTIONS: dict[str, tuple[str, ...]] = {
    "interface": (
        *("Address", "DNS", "FwMark", "ListenPort", "MTU", "PostDown", "PostUp", "PreDown", "PreUp", "PrivateKey"),
        *("SaveConfig", "Table"),
    ),
    "peer": ("AllowedIPs", "Endpoint", "PersistentKeepalive", "PresharedKey", "PublicKey"),
}
"""As wg-quick(8) and wg(8) write them."""


def is_key(text: str) -> bool:
    """Whether a text is 32 bytes in base64, as `wg genkey` prints them."""
    return re.fullmatch(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=", text) is not None


def secrets_of(text: str) -> tuple[str, tuple[str, ...]]:
    """The private key, and the preshared key of every peer, empty if there is none. Only `netc import`, which writes
    them to key files, calls this."""
    private, shared = "", list[str]()
    for raw in text.splitlines():
        line = raw.split("#", 1)[0]
        if re.fullmatch(r"\s*\[peer\]\s*", line, re.IGNORECASE):
            shared.append("")
        elif found := re.fullmatch(r"\s*(private|preshared)key\s*=\s*(\S+)\s*", line, re.IGNORECASE):
            if found[1].lower() == "private":
                private = found[2]
            elif shared:
                shared[-1] = found[2]
    return private, tuple(shared)
