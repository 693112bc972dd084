"""Communities that filters of BIRD name and POLICY.md lists: those of RFC 8326 and of DN42."""

from __future__ import annotations

from msgspec import Struct


class Community(Struct, frozen=True):
    """`define FROM_PEER = (64500, 1, 2);`: two numbers (RFC 1997) or three (RFC 8092). Filters use the name."""

    name: str
    numbers: tuple[int, ...]
    about: str
    is_shown: bool = False
    """Printed also if no filter uses it, since `birdc show route all` shows it."""


GRACEFUL_SHUTDOWN = Community("GRACEFUL_SHUTDOWN", (65535, 0), "the route is about to be withdrawn (RFC 8326)")

BLACKHOLE = Community("BLACKHOLE", (65535, 666), "drop packets to the prefix (RFC 7999)")

DN42_AS = 64511
"""Latency 1 to 9, encryption 31 to 36, bandwidth 21 to 29, region 41 to 70, country 1000 to 1999."""

CRYPTO = {
    31: "not encrypted",
    32: "unsafe encryption",
    33: "safe encryption without forward secrecy",
    34: "safe encryption with forward secrecy",
}
MILLISECONDS = ("2.7", "7.3", "20", "55", "148", "403", "1097", "2981")
"""e to the power of 1, 2 and so on."""

REGIONS = (
    "Europe",
    "eastern North America",
    "central North America",
    "western North America",
    "Central America",
    "eastern South America",
    "western South America",
    "northern Africa",
    "southern Africa",
    "South Asia",
    "Southeast Asia",
    "East Asia",
    "the Pacific",
)
"""From 41."""


def dn42(number: int) -> Community:
    """Of a link, or of the host that originates a route."""
    name, about = _dn42(number)
    return Community(f"DN42_{name}_{number}", (DN42_AS, number), about)


def _dn42(number: int) -> tuple[str, str]:
    if number < 10:
        most = f"{MILLISECONDS[number - 1]} ms at most" if number < 9 else f"more than {MILLISECONDS[-1]} ms"
        return "LATENCY", f"latency of {most}"
    if number < 30:
        rate = f"{10 ** (number - 22)}" if number > 21 else "0.1"
        return "BANDWIDTH", f"bandwidth of {rate} Mbit/s at least"
    if number < 40:
        return "CRYPTO", CRYPTO.get(number, f"encryption of class {number}")
    if number < 1000:
        known = number - 41 < len(REGIONS)
        return "REGION", f"originated in {REGIONS[number - 41] if known else f'region {number}'}"
    return "COUNTRY", f"originated in country {number - 1000:03} (ISO 3166-1)"
