"""Ports, prefixes and addresses as other programs write them, and as a topology has them: the reader's own values."""

from __future__ import annotations

import re

from netaddr import AddrFormatError, IPAddress, IPNetwork, iprange_to_cidrs

SERVICES = {
    "ftp": "21/tcp",
    "ssh": "22/tcp",
    "smtp": "25/tcp",
    "dns": "53/udp",
    "domain": "53/udp",
    "ntp": "123/udp",
    "http": "80/tcp",
    "www": "80/tcp",
    "https": "443/tcp",
    "imap": "143/tcp",
    "imaps": "993/tcp",
    "mqtt": "1883/tcp",
}
"""Names of services (/etc/services), and their ports."""

EVERYWHERE = ("default", "any", "all", "everything", "everywhere", "world", "internet", "*", "0/0")
"""Words for every address."""

_PROTOCOLS = r"(?:tcp|udp)(?:[+/&, ]+(?:tcp|udp))?"
_PORT = re.compile(
    rf"(?:(?P<before>{_PROTOCOLS})\s*[/: -]\s*)?(?P<first>\d{{1,5}})(?:\s*[-:]\s*(?P<last>\d{{1,5}}))?"
    rf"(?:\s*[/: -]\s*(?P<after>{_PROTOCOLS}))?"
)
_MASKED = re.compile(r"([0-9.]+)(?:/|\s+)((?:[0-9]{1,3}\.){3}[0-9]{1,3})")
_SHORT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){0,2})\.?/([0-9]{1,2})")
_BIRD = re.compile(r"(\S+/[0-9]{1,3})(?:[+-]|\{[0-9]+\s*,\s*[0-9]+\})")
_RANGE = re.compile(r"\s*([0-9.]+|[0-9a-fA-F:]+)\s*-\s*([0-9.]+|[0-9a-fA-F:]+)\s*")


def as_ports(value: object) -> tuple[str, ...]:
    """`80,443/tcp`: `80/tcp`, `443/tcp`. Ports without a protocol are TCP's. Nothing where it is not understood."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ()
    text = str(value).strip().lower()
    if found := SERVICES.get(re.split(r"[/ ]", text)[0]):
        return (found,)
    words = [text] if _PORT.fullmatch(text) else [word.strip() for word in text.split(",") if word.strip()]
    read = [_PORT.fullmatch(word) for word in words]
    said = next((m["before"] or m["after"] for m in reversed(read) if m and (m["before"] or m["after"])), "tcp")
    ports: list[str] = []
    for match in read:
        if match is None:
            return ()
        first, last = sorted((int(match["first"]), int(match["last"] or match["first"])))
        if not 1 <= first <= last <= 65535:
            return ()
        span = str(first) if first == last else f"{first}-{last}"
        protocols = re.findall("tcp|udp", match["before"] or match["after"] or said)
        ports += [f"{span}/{protocol}" for protocol in dict.fromkeys(protocols)]
    return tuple(ports)


def has_protocol(value: object) -> bool:
    text = str(value).lower()
    return "tcp" in text or "udp" in text or text.strip() in SERVICES


def as_prefixes(text: str, keeps_host_bits: bool = False) -> tuple[str, ...]:
    """`10.0.0.0 255.0.0.0`, `10.8/16`, `10.0.0.0/8+` and `10.0.0.1-10.0.0.9` as prefixes. Nothing where it is none of
    these."""
    try:
        if found := _MASKED.fullmatch(text.strip()):
            network = IPNetwork(f"{found[1]}/{found[2]}")
        elif found := _SHORT.fullmatch(text.strip()):
            network = IPNetwork(f"{found[1]}{'.0' * (3 - found[1].count('.'))}/{found[2]}")
        elif found := _BIRD.fullmatch(text.strip()):
            network = IPNetwork(found[1])
        elif found := _RANGE.fullmatch(text):
            return tuple(map(str, iprange_to_cidrs(found[1], found[2])))
        else:
            return ()
    except (AddrFormatError, ValueError, TypeError):
        return ()
    return (str(network if keeps_host_bits else network.cidr),)


def as_address(text: str) -> IPAddress | None:
    try:
        return IPAddress(text)
    except (AddrFormatError, ValueError):
        return None


def is_domain(text: str) -> bool:
    """Whether it looks like a DNS name: `example.net`."""
    return (
        len(text) < 254
        and re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+\.?", text.strip()) is not None
    )


def is_plain(text: str) -> bool:
    """Whether a hint can show it in quotes, whole."""
    return re.fullmatch(r"[^\"\\`\x00-\x1f\x7f]{0,80}", text) is not None


def listed(values: tuple[str, ...]) -> str:
    """As TOML has it: one value in quotes, several as a list."""
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"
