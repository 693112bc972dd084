"""What `make bench` compares says the same to netc and to its peers. Nothing is timed here."""

from __future__ import annotations

import re
from ipaddress import ip_network

from bench import edge, links, nat, ring
from netc.pipeline import compile_hosts, understand


def files(topology: str) -> dict[str, dict[str, str]]:
    """Text by path by host."""
    checked = understand(topology, "topology.toml", lambda name: name)
    assert checked.notes == ()
    return {str(host): {file.path: file.text for file in found} for host, found in compile_hosts(checked.network)}


def test_the_ring_has_the_same_links_and_sessions() -> None:
    hosts = files(ring.for_netc(5))
    nodes, ways = (re.search(rf"^{word}: \[(.*)\]$", ring.for_netlab(5), re.MULTILINE) for word in ("nodes", "links"))
    assert nodes
    assert ways

    assert list(hosts) == nodes[1].split(", ")
    for way in ways[1].split(", "):
        a, b = way.split("-")
        assert f'interface "gre-{b}"' in hosts[a]["files/etc/netc/bird.conf"]
        assert f'interface "gre-{a}"' in hosts[b]["files/etc/netc/bird.conf"]
    assert len(ways[1].split(", ")) == 5
    assert all(host["files/etc/netc/bird.conf"].count("protocol bgp ") == 4 for host in hosts.values())


def test_shorewall_and_firehol_get_the_same_rules_as_netc() -> None:
    rules = files(nat.TOPOLOGY)["gate"]["files/etc/netc/nftables.nft"]
    shorewall = "".join(nat.SHOREWALL.values())
    for text in (shorewall, nat.FIREHOL):
        for server in re.findall(r"dnat ip to (\S+)", rules):
            assert server in text
        for port in re.findall(r"198\.51\.100\.1 tcp dport (\d+) dnat", rules):
            assert re.search(rf"\b{port}\b", text)
        assert "masquerade" in text.lower()
        assert {"eth0", "br-lan"} <= set(re.findall(r"[\w-]+", text))
    assert rules.count("dnat ip to") == 2


def test_wg_quick_gets_the_same_links_as_netc() -> None:
    hub = files(links.topology(3, links.MORE))["hub"]
    for n in range(1, 4):
        conf = links.wg_quick(3, links.MORE)[f"wg{n}.conf"]
        mine = hub[f"files/etc/netc/wireguard/wg-s{n}.conf"] + hub[f"files/etc/netc/parts/link-l{n}/up"]
        for key in ("PublicKey", "AllowedIPs", "Endpoint", "ListenPort"):
            assert re.findall(rf"^{key} = .*$", mine, re.MULTILINE) == re.findall(rf"^{key} = .*$", conf, re.MULTILINE)
        for address in re.findall(r"^Address = (.*)$", conf, re.MULTILINE):
            assert f"address add {address} dev" in mine
        for routed in re.findall(r"^AllowedIPs = (.*)$", conf, re.MULTILINE)[0].split(", "):
            assert f"route add {routed} dev" in mine or ip_network(routed).prefixlen == 32
        assert f"mtu {re.findall('MTU = (.*)', conf)[0]} up" in mine


def test_the_edge_by_hand_forwards_to_the_same_server_as_the_compiled_one() -> None:
    rules = files(edge.TOPOLOGY)["edge"]["files/etc/netc/nftables.nft"]

    assert f'"eth0" . {edge.EDGE} . tcp . {edge.PORT} : {edge.SERVER}' in rules
    assert rules.count("maxseg size set rt mtu") == edge.NFTABLES.count("maxseg size set rt mtu") == 1
    assert rules.count("maxseg size set 1410") == edge.NFTABLES.count("maxseg size set 1410") == 1
    for text in (edge.NFTABLES, edge.IPTABLES, edge.HAPROXY):
        assert {edge.EDGE, str(edge.PORT), edge.SERVER} <= set(re.findall(r"[\d.]+", text))
