"""The list of the laptop's example has the shape of a real one, and nothing that could not be in one."""

from __future__ import annotations

from netaddr import IPNetwork, IPSet, cidr_merge

from country_list import HEADER, PREFIXES, country
from examples import ROOT

SPECIAL = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    "224.0.0.0/3",
)
"""What nobody has (IANA, IPv4 special-purpose address registry)."""


def test_the_list_is_what_its_generator_writes() -> None:
    made = HEADER + "".join(f"{net}\n" for net in country())

    assert (ROOT / "examples" / "china-ip-list.txt").read_text() == made


def test_the_list_has_the_stated_length_and_no_overlaps() -> None:
    nets = country()

    assert len(nets) == PREFIXES == 7456
    assert cidr_merge(nets) == nets
    assert {net.prefixlen for net in nets} >= {8, *range(11, 25)}
    assert not IPSet(nets) & IPSet(map(IPNetwork, SPECIAL))
