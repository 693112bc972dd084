"""Each way in which something leaks, as far as a plan can show it, breaks a promise before a host has the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from netaddr import IPNetwork

from netc.checks.expect import judge
from netc.pipeline import plan, understand
from netc.plan.facts import Forwarding, Route, Rule, Ruleset
from netc.plan.host_plan import HostPlan, Part
from topologies import key

Change = Callable[[Part], Part]


def without(kind: type, which: Callable[[Any], bool] = lambda _: True) -> Change:
    """Plans without some facts of a kind."""

    def change(part: Part) -> Part:
        kept = (fact for fact in part.facts if not (isinstance(fact, kind) and which(fact)))
        return replace(part, facts=tuple(kept))

    return change


def of_rules(which: Callable[[Ruleset], bool] = lambda _: True, **changed: Any) -> Change:
    """Rulesets with other rules of some kind."""

    def change(part: Part) -> Part:
        facts = [replace(one, **changed) if isinstance(one, Ruleset) and which(one) else one for one in part.facts]
        return replace(part, facts=tuple(facts))

    return change


def anybody_may_publish(part: Part) -> Part:
    """A list of clients that is read as everyone when it is empty."""
    facts = [
        replace(one, nats=tuple(replace(nat, sources=()) for nat in one.nats)) if isinstance(one, Ruleset) else one
        for one in part.facts
    ]
    return replace(part, facts=tuple(facts))


def default_by_the_pair(part: Part) -> Part:
    facts = [
        replace(one, device="access") if isinstance(one, Route) and one.namespace and one.device else one
        for one in part.facts
    ]
    return replace(part, facts=tuple(facts))


def foreign_default(part: Part) -> Part:
    """The program of a tunnel makes default routes of its own, which nobody takes away."""
    if part.name != "tunnel-escape":
        return part
    halves = (Route(IPNetwork(half), "tun0") for half in ("0.0.0.0/1", "128.0.0.0/1"))
    return replace(part, facts=(*part.facts, *halves))


HEAD = f"""
version = 1
network.name = "n"

[hosts.h]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24", "2001:db8:7::7/64"]
public_key = "{key("h")}"
"""
TUNNEL = f"""
[hosts.h.tunnels.azire]
kind = "wireguard"
address = ["10.66.0.2/24", "fd66::2/64"]
private_key = {{ file = "/etc/netc/keys/azire.key" }}
peer = {{ public_key = "{key("azire")}", endpoint = "192.0.2.54:51820", allowed_ips = ["0.0.0.0/0", "::/0"] }}
"""
INNER = f"""
[hosts.h.tunnels.inner]
kind = "wireguard"
address = "10.67.0.2/24"
private_key = {{ file = "/etc/netc/keys/inner.key" }}
peer = {{ public_key = "{key("inner")}", endpoint = "10.66.0.99:51820", allowed_ips = "10.67.0.0/24" }}
"""
SPACE = """
[hosts.h.namespaces.vpn]
tunnel = "azire"
access = ["10.200.0.0/31", "fd20::/127"]
publish = [{ port = "9091/tcp", on = "198.51.100.7", allow = "203.0.113.0/24" }]
"""
NODE = f"""
[hosts.node]
id = 2
wan = "eth0"
endpoint = false
public_key = "{key("node")}"

[links.l]
kind = "wireguard"
between = ["h", "node"]
ends.h.address = ["10.77.0.0/31", "fd77::/127"]
ends.node.address = ["10.77.0.1/31", "fd77::1/127"]

[forwards.web]
at = "h"
ports = "443/tcp"
to = "node"
via = "l"
"""
BRIDGES = """
[hosts.h.bridges.one]
addresses = "10.0.3.1/24"
[hosts.h.bridges.two]
addresses = "10.0.4.1/24"
[hosts.h.firewall]
pass = [{ from = "one", to = "two" }]
"""
SPLIT = """
[hosts.h.tunnels.escape]
kind = "external"
interface = "tun0"
address = "10.68.0.2/24"
mtu = 1420
start = ["/usr/local/bin/escape", "up"]
stop = ["/usr/local/bin/escape", "down"]
[hosts.h.splits.s]
tunnel = "escape"
group = "g"
ipv6 = "block"
"""

FAILING = {
    "a namespace's tunnel side lets strangers in": (
        f"{TUNNEL}{SPACE}",
        'from = "h/vpn:10.66.0.9"\nto = "h/vpn:10.66.0.2:9091/tcp"\narrives = false',
        of_rules(lambda one: one.namespace is not None, strangers=()),
    ),
    "a namespace's default route is by its veth pair": (
        f"{TUNNEL}{SPACE}",
        'from = "h/vpn"\nto = "internet"\nleaves_by = "azire"\nnever_by = "eth0"',
        default_by_the_pair,
    ),
    "what DNAT changed leaves without its link": (
        NODE,
        'from = "internet"\nto = "h:443/tcp"\nleaves_by = "l"\nnever_by = "eth0"',
        of_rules(leaves_by=()),
    ),
    "a tunnel in a tunnel leaves by the uplink": (
        f"{TUNNEL}{INNER}",
        'from = { host = "h", tunnel = "inner" }\nto = "10.66.0.99:51820/udp"\nleaves_by = "azire"\nnever_by = "eth0"',
        without(Rule),
    ),
    "an open list is everyone": (
        f"{TUNNEL}{SPACE}[hosts.h.firewall]\n",
        'from = "192.0.2.0/24"\nto = "h:9091/tcp"\narrives = false',
        anybody_may_publish,
    ),
    "`pass` without forwarding": (
        BRIDGES,
        'from = "h:10.0.3.20"\nto = "h:10.0.4.20:80/tcp"\narrives = "h:10.0.4.20"\nsource = "kept"',
        without(Forwarding),
    ),
    "a foreign default takes other programs": (
        SPLIT,
        'from = "h"\nto = "internet"\nleaves_by = "eth0"\nnever_by = "escape"',
        foreign_default,
    ),
}


def changed(plans: list[HostPlan], change: Change) -> list[HostPlan]:
    return [replace(one, parts=tuple(map(change, one.parts))) for one in plans]


@pytest.mark.parametrize("way", FAILING)
def test_what_leaks_breaks_a_promise(way: str) -> None:
    """The promise holds, and the plan that leaks breaks it."""
    text, promise, change = FAILING[way]
    network = understand(f"{HEAD}{text}\n[[expect]]\n{promise}\n", "t", str).network
    plans = [plan(host, network) for host in sorted(network.topology.hosts)]

    assert list(judge(plans, network)) == []
    worse = changed(plans, change)
    assert worse != plans
    assert {found.code for found in judge(worse, network)} == {"NC3001"}
