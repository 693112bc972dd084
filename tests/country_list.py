"""A list as long as that of a large country, and shaped like one: examples/china-ip-list.txt, always the same.

python tests/country_list.py >examples/china-ip-list.txt
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from netaddr import IPNetwork

HEADER = """\
# A stand-in with the shape of a real list: 7,456 prefixes, most of them /22 to /24, within ranges of APNIC (IANA, IPv4
# address space registry). Which ones is made up, by tests/country_list.py. The real list is published by the project
# 17mon/china_ip_list on GitHub, and those of other countries by chr0mag/geoipsets; they go here as they are.
"""
PREFIXES = 7456
BLOCKS = (
    *(1, 14, 27, 36, 39, 42, 43, 49, *range(58, 62), 101, 103, 106, *range(110, 126), 139, 140, 144, 150, 153, 157),
    *(163, 171, 175, 180, 182, 183, 202, 203, 210, 211, *range(218, 223)),
)
"""The first bytes of addresses that APNIC gives out, and of older ones that it has taken over."""

WHOLE = 61
"""A block that is all in it; no real list has a /8, and a set should bear one."""

LENGTHS = dict(zip(range(24, 10, -1), (300, 130, 240, 80, 75, 55, 45, 28, 30, 10, 5, 3, 1, 1), strict=True))
"""How often a prefix has this length, of a thousand or so."""

RESERVED = IPNetwork("203.0.113.0/24")
"""For documentation (RFC 5737), and the only such range in these blocks."""


def country() -> list[IPNetwork]:
    """Sorted; nothing in it overlaps, and no two make a larger one."""
    random = Random(7456)
    found: list[IPNetwork] = []
    for number, block in enumerate(BLOCKS):
        left = (PREFIXES - len(found)) // (len(BLOCKS) - number)
        found += [IPNetwork(f"{block}.0.0.0/8")] if block == WHOLE else _block(block, left, random)
    return sorted(found)


def _block(block: int, wanted: int, random: Random) -> Iterator[IPNetwork]:
    """As many prefixes of a /8, each at a place of its size that leaves its sibling free."""
    lengths = sorted(random.choices([*LENGTHS], [*LENGTHS.values()], k=wanted))
    taken: list[IPNetwork] = [RESERVED]
    for length in lengths:
        while True:
            net = IPNetwork(((block << 24) + (random.getrandbits(length - 8) << 32 - length), length))
            sibling_and_itself = net.supernet(length - 1)[0]
            if not any(sibling_and_itself in other or other in sibling_and_itself for other in taken):
                break
        taken.append(net)
        yield net


if __name__ == "__main__":
    print(HEADER + "\n".join(map(str, country())))
