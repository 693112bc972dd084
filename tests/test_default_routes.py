"""What counts as a default route is one thing: for the topology's `routes` and for those that a program adds."""

from __future__ import annotations

import random
import subprocess

import pytest
from netaddr import IPAddress, IPNetwork, IPSet

from examples import ROOT
from netc.language.values import Family
from netc.network.derive import apart, default_routes, to_everywhere

LEFT_OUT = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.51.100.7/32"]


def without(everything: str, *others: str) -> list[str]:
    left = IPSet([everything])
    for other in others:
        left.remove(other)
    return [str(net) for net in left.iter_cidrs()]


ROUTES = {
    "none": ([], []),
    "few": (["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"], []),
    "one": (["0.0.0.0/0", "192.0.2.0/24"], ["0.0.0.0/0"]),
    "halves": (["0.0.0.0/1", "128.0.0.0/1", "192.0.2.0/24"], ["0.0.0.0/1", "128.0.0.0/1"]),
    "both": (["::/0", "2000::/3", "fd09::/64", "2001:db8::/32"], ["::/0", "2000::/3"]),
    "private": (["128.0.0.0/3", "10.8.0.0/16", "100.64.0.0/10"], ["128.0.0.0/3"]),
    "less": (["224.0.0.0/4", "16.0.0.0/5"], []),
    "list": (without("0.0.0.0/0", *LEFT_OUT), without("0.0.0.0/0", *LEFT_OUT)),
    "list-6": (without("2000::/3", "2001:db8::7/128"), without("2000::/3", "2001:db8::7/128")),
}


def by_shell(family: Family, routes: list[str]) -> set[str]:
    """As a host's `up` and `check` count."""
    said = [route.replace("0.0.0.0/0", "default") if family == 4 else route for route in routes]
    source = "source templates/bash/steps.bash - none; source templates/bash/foreign.bash; declare -A parts=()"
    show = 'find_parts "$@"; printf "%s\\n" "${!parts[@]}"'
    done = subprocess.run(
        ["bash", "-euc", f"{source}; {show}", "bash", f"-{family}", *said],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.split()[1].replace("default", "0.0.0.0/0") for line in done.stdout.splitlines() if line}


def of(family: Family, routes: list[str]) -> list[str]:
    return [route for route in routes if (":" in route) == (family == 6)]


@pytest.mark.parametrize("case", ROUTES)
def test_what_leads_everywhere_in_whatever_parts_is_a_default_route(case: str) -> None:
    routes, wanted = ROUTES[case]
    nets = [IPNetwork(route) for route in routes]

    assert {str(net) for family in (4, 6) for net in default_routes(nets, family)} == set(wanted)
    assert [str(net) for net in apart(nets)] == [route for route in routes if route not in wanted]
    assert bool(to_everywhere(nets)) == bool(wanted)
    for family in (4, 6):
        assert by_shell(family, of(family, routes)) == set(of(family, wanted))


@pytest.mark.parametrize("family", [4, 6])
def test_a_host_counts_as_the_compiler_does(family: Family) -> None:
    dice = random.Random(7)
    bits, longest = (32, 32) if family == 4 else (128, 62)
    for _ in range(12):
        lengths = [dice.choice((dice.randint(1, 6), dice.randint(1, longest))) for _ in range(dice.randint(1, 40))]
        nets = {net(dice.getrandbits(bits - 1), length, family) for length in lengths}
        found = {str(one) for one in default_routes(nets, family)}
        assert by_shell(family, [str(one) for one in nets]) == found


def net(number: int, length: int, family: Family) -> IPNetwork:
    return IPNetwork(f"{IPAddress(number, family)}/{length}").cidr
