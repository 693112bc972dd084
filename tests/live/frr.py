"""FRR of Debian as somebody else's router. It is in a root of its own, and the machine has none.

Tests say what a far end does once, in BIRD's words; here these few are said in FRR's, and any other is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from live import routers
from live.lab import Host, Lab
from machine.root import debian_root
from netc.lab.process import Process
from netc.lab.waiting import wait

RUN = "/run/netc/frr"
SEE = 'mount -n --rbind "$0/usr" /usr && exec "$@"'

# ---- BIRD's words, and those of FRR ------------------------------------------------------------------------------

ROUTE = re.compile(r"\s*route (\S+) unreachable(?: \{(.*?)\})?;\s*")
OPTIONS = {
    r"bfd on": r"bfd",
    r"direct": r"disable-connected-check",
    r"graceful restart aware": r"coalesce-time 0",
    r"hold time (\d+)": r"timers 3 \1",
    r"local role rs_server": r"local-role rs-server",
    r"local role (\w+)": r"local-role \1",
    r"ttl security on": r"ttl-security hops 1",
    r"rs client": r"route-server-client",
    r"multihop (\d+)": r"ebgp-multihop \1",
    r'password "(.+)"': r"password \1",
}
"""Of a session."""

OF_ROUTER, OF_FAMILY = ("coalesce-time 0",), ("route-server-client",)
"""Options that FRR has once for all neighbours, and once a family."""

ATTRIBUTES = {
    r"bgp_path\.prepend\((\d+)\)": r"set as-path prepend \1",
    r"bgp_community\.add\(\((\d+), (\d+)\)\)": r"set community \1:\2",
    r"bgp_large_community\.add\(\((\d+), (\d+), (\d+)\)\)": r"set large-community \1:\2:\3",
    r"bgp_next_hop = ([0-9.]+)": r"set ip next-hop \1",
    r"bgp_next_hop = ([0-9a-f:]+)": r"set ipv6 next-hop global \1",
}
"""Of a route."""

PATHS = "add paths rx;"
"""Of a family of a session. FRR does it unless it is told not to."""

HOPS = "next hop self on;", "next hop keep on;"
"""FRR does both by itself: it keeps a next hop that the neighbour reaches on the same network, and is it otherwise."""

NAMED = {"graceful-shutdown": "65535:0", "blackhole": "65535:666", "no-export": "65535:65281"}
"""Communities that FRR prints so."""

BGPD = """
hostname x
{maps}
router bgp {asn}
 bgp router-id {id}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
{sessions}
 address-family ipv4 unicast
{four}
 exit-address-family
 address-family ipv6 unicast
{six}
 exit-address-family
"""


def in_frr(said: str, words: dict[str, str]) -> list[str]:
    """Statements of BIRD, in order."""
    lines = []
    for one in filter(None, (part.strip() for part in said.split(";"))):
        known = [(bird, frr) for bird, frr in words.items() if re.fullmatch(bird, one)]
        if not known:
            raise ValueError(f"FRR is not told this: {one}")
        lines.append(re.sub(*known[0], one))
    return lines


def sets_of(said: str) -> list[str]:
    """Those lines of a route map."""
    lines: dict[str, list[str]] = {}
    for line in in_frr(said, ATTRIBUTES):
        what, _, value = line.rpartition(" ")
        lines.setdefault(what, []).append(value)
    for what, values in lines.items():  # of two lines that set the same, FRR keeps one
        if "as-path" in what:
            values.reverse()  # the last that BIRD puts in front is the first on the path
        elif "community" in what:
            values.append("additive")
    return [f"{what} {' '.join(values)}" for what, values in lines.items()]


@dataclass
class Neighbour(routers.Neighbour):
    """That of `routers`, which FRR is."""

    lines: list[str] = field(default_factory=list)
    """Of its sessions."""
    of: dict[int, list[str]] = field(default_factory=lambda: {4: [], 6: []})
    """What is said of each family: networks and sessions."""
    maps: list[str] = field(default_factory=list)
    bgpd: tuple[str, ...] = ()
    daemons: list[Process] = field(default_factory=list)

    def announce(self, routes: str) -> None:
        if rest := ROUTE.sub("", routes):
            raise ValueError(f"FRR is not told this: {rest}")
        for net, said in ROUTE.findall(routes):
            family = 6 if ":" in net else 4
            self.of[family].append(f"network {net}")
            if sets := sets_of(said):
                name = f"only{len(self.maps)}"
                ip = "ipv6" if family == 6 else "ip"
                self.maps.append(f"{ip} prefix-list {name} permit {net}")
                self._say(family, [f"match {ip} address prefix-list {name}", *sets])

    def _say(self, family: int, lines: list[str]) -> None:
        """How routes are announced: by the first of these that matches."""
        self.maps.append("\n ".join([f"route-map out{family} permit {len(self.maps) + 1}", *lines]))

    def session(
        self,
        device: str,
        local: str,
        remote: str,
        remote_asn: int,
        export: str = "all",
        more: str = "",
        hop: str = HOPS[0],
        families: tuple[int, ...] = (4, 6),
        channel: str = "",
    ) -> None:
        if channel not in ("", PATHS):
            raise ValueError(f"FRR is not told this: {channel}")
        filtered = re.fullmatch(r"filter \{(.*) accept; \}", export)
        if not (filtered or export == "all") or hop not in HOPS:
            raise ValueError(f"FRR is not told this: {export} {hop}")
        options = in_frr(more, OPTIONS)
        of_family = ["activate", *(one for one in options if one in OF_FAMILY)]
        if channel != PATHS:
            of_family.append("disable-addpath-rx")
        for family in families:
            self._say(family, sets_of(filtered[1]) if filtered else [])
        self.sessions += 1
        said = [
            f"remote-as {remote_asn}",
            *(one for one in options if one not in OF_ROUTER + OF_FAMILY),
            "timers connect 1",
        ]
        said.append(f"interface {device}" if remote.startswith("fe80:") else f"update-source {local}")
        if ":" in remote and 4 in families:
            said.append("capability extended-nexthop")
        self.lines += [one for one in options if one in OF_ROUTER]
        self.lines += [f"neighbor {remote} {one}" for one in said]
        for family in families:
            self.of[family] += [f"neighbor {remote} {one}" for one in (*of_family, f"route-map out{family} out")]

    def routes_nothing(self) -> None:
        self.bgpd = ("--no_kernel",)

    def start(self) -> None:
        text = BGPD.format(
            asn=self.asn,
            id=routers.router_id(self.asn),
            maps="\n".join(self.maps),
            sessions="\n".join(f" {line}" for line in self.lines),
            four="\n".join(f"  {line}" for line in self.of[4]),
            six="\n".join(f"  {line}" for line in self.of[6]),
        )
        self.host.run(["bash", "-c", f"mkdir -p {RUN}; getent group frrvty >/dev/null || echo {GROUP} >>/etc/group"])
        self.host.write("/etc/frr/vtysh.conf", "username root nopassword\n")
        self._daemon("zebra", "hostname x\n")
        if " bfd\n" in text:
            self._daemon("bfdd", "hostname x\n", "--bfdctl", f"{RUN}/bfdd.sock")
        self.process = self._daemon("bgpd", text, *self.bgpd)
        wait(lambda: "as" in asked(self.host, "show bgp summary").get("ipv4Unicast", {}))

    def _daemon(self, name: str, text: str, *more: str) -> Process:
        self.host.write(f"{RUN}/{name}.conf", text)
        files = ["-f", f"{RUN}/{name}.conf", "-i", f"{RUN}/{name}.pid", "--vty_socket", RUN, "-z", f"{RUN}/zserv.api"]
        argv = [f"/usr/lib/frr/{name}", *files, "-u", "root", "-g", "root", "--log", "stdout", *more]
        self.daemons.append(self.host.start(_seen(*argv)))
        return self.daemons[-1]

    def stop(self) -> None:
        while self.daemons:
            self.daemons.pop().stop()

    def settled(self) -> None:
        wait(self._is_settled)

    def _is_settled(self) -> bool:
        said = asked(self.host, "show bgp summary")
        states = [peer["state"] for family in said.values() for peer in family.get("peers", {}).values()]
        sessions = [line for lines in self.of.values() for line in lines if line.endswith(" activate")]
        return len(states) == len(sessions) and set(states) == {"Established"}

    def _best(self, prefix: str) -> dict[str, Any]:
        """The route that it uses: FRR has no best route with a next hop that it does not reach."""
        paths = asked(self.host, of(prefix)).get("paths", [])
        return next((one for one in paths if one.get("bestpath", {}).get("overall")), {})

    def path(self, prefix: str) -> str | None:
        best = self._best(prefix)
        return str(best["aspath"]["string"]).replace("Local", "") if best else None

    def attributes(self, prefix: str) -> dict[str, str]:
        """As BIRD prints them: its communities, MED, and the mark of RFC 9234."""
        best = self._best(prefix)
        mark = re.search(r", otc (\d+)", told(self.host, of(prefix)))  # JSON has no such member
        said = {"otc": mark[1]} if mark else {}
        said |= {"med": str(best["metric"])} if "metric" in best else {}
        return said | {
            name: " ".join(f"({NAMED.get(one, one).replace(':', ',')})" for one in best[key]["string"].split())
            for name, key in (("community", "community"), ("large_community", "largeCommunity"))
            if key in best
        }

    def paths(self, prefix: str) -> list[str]:
        found = [one["aspath"]["string"] for one in asked(self.host, of(prefix)).get("paths", [])]
        return [path for path in found if path != "Local"]

    def heard(self) -> set[str]:
        said = [asked(self.host, f"show bgp {family} unicast") for family in ("ipv4", "ipv6")]
        nets = {net: paths for one in said for net, paths in one.get("routes", {}).items()}
        return {net for net, paths in nets.items() if any(path["peerId"] != "(unspec)" for path in paths)}

    def withdraw(self, prefix: str) -> None:
        family = f"address-family ipv{6 if ':' in prefix else 4} unicast"
        told(self.host, "configure", f"router bgp {self.asn}", family, f"no network {prefix}")


GROUP = "frrvty:x:998:root"


def neighbour(lab: Lab, name: str, asn: int, four: str, six: str, more4: str = "", more6: str = "") -> Neighbour:
    """As that of `routers`."""
    addresses = routers.first(four), routers.first(six)
    made = Neighbour(routers.forwarder(lab, name, *addresses), asn, *addresses)
    made.announce(f"route {four} unreachable; route {six} unreachable; {more4} {more6}")
    return made


FarEnd = Callable[..., routers.Neighbour]
far_ends = pytest.mark.parametrize(
    "far_end", [pytest.param(routers.neighbour, id="bird"), pytest.param(neighbour, id="frr")]
)
"""A test with the one as its far end, and once more with the other."""

# ---- the programs ------------------------------------------------------------------------------------------------


def _seen(*argv: str) -> list[str]:
    """With the programs and libraries of the other root, and all else of the host."""
    root = debian_root(("frr",), "bookworm")
    return ["unshare", "--mount", "--propagation=private", "bash", "-c", SEE, str(root), *argv]


def of(prefix: str) -> str:
    return f"show bgp {'ipv6' if ':' in prefix else 'ipv4'} unicast {prefix}"


def told(host: Host, *commands: str) -> str:
    """What bgpd says to them."""
    said = (word for command in commands for word in ("-c", command))
    return host.run(_seen("vtysh", "--vty_socket", RUN, "-d", "bgpd", *said), check=False).stdout


def asked(host: Host, question: str) -> Any:
    """The same in JSON."""
    return json.loads(told(host, f"{question} json") or "{}")
