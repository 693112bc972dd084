"""Routers of the lab: netc's own, and neighbours of somebody else's, whose configuration is written by hand."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from live.compiled import parts, script
from live.lab import Host, Lab
from netc.lab.birds import SOCKET, birdc, protocol_rows, protocols
from netc.lab.process import Process
from netc.lab.waiting import wait

ASN = 4242422547
"""What the world sees of the routers that netc writes for."""

# ---- what a topology of routers says ---------------------------------------------------------------------------

HERE, THERE = "fe80::ff", "fe80::1"
"""Our end of a session with somebody else's router, and his."""

NETWORK = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
prefixes = ["172.20.16.0/27", "fd42:1::/48"]
profile = "dn42"
"""
"""It goes on with how the AS is made."""

HOST = """
[hosts.{name}]
id = {id}
wan = "eth0"
addresses = "198.51.100.{id}/24"
loopback = ["172.20.16.{id}/32", "fd42:1::{id}/128"]
firewall = {{}}
[hosts.{name}.bgp]
{more}
"""
PEER = """
[hosts.{at}.bgp.peers.{name}]
asn = {asn}
role = "{role}"
interface = "{device}"
local = "{HERE}"
address = "{THERE}"
{more}
"""
LINK = """
[links.{one}{other}]
kind = "vxlan"
between = ["{one}", "{other}"]
{more}
"""


def router(name: str, id: int, *more: str) -> str:
    """The tables of a host that is a router of ours; `more` is of its table `bgp`."""
    return HOST.format(name=name, id=id, more="\n".join(more))


def peer(at: str, name: str, asn: int, role: str, *more: str, device: str = "ext0") -> str:
    """The table of a neighbour outside that `meet` wires to this router."""
    said = "\n".join(more)
    return PEER.format(at=at, name=name, asn=asn, role=role, device=device, HERE=HERE, THERE=THERE, more=said)


def link(one: str, other: str, *more: str) -> str:
    """A way between two of our routers, over the switch that all hosts are on."""
    return LINK.format(one=one, other=other, more="\n".join(more))


# ---- routers of somebody else's ----------------------------------------------------------------------------------

NEIGHBOUR = """
log stderr all;
router id {id};
protocol device {{ scan time 1; }}
protocol kernel {{ ipv4 {{ export filter {{ krt_prefsrc = {four}; accept; }}; }}; }}
protocol kernel {{ ipv6 {{ export filter {{ krt_prefsrc = {six}; accept; }}; }}; }}
protocol static own4 {{ ipv4; {routes4} }}
protocol static own6 {{ ipv6; {routes6} }}
"""
SESSION = """
protocol bgp s{number} {{
    local {local} as {asn};
    neighbor {remote} as {remote_asn};
    {device}
    connect delay time 1;
    error wait time 1, 2;
    {more}
    {channels}
}}
"""
CHANNEL = "ipv{family} {{ import {learned}; export {export}; {extended} {hop} }};"


@dataclass
class Neighbour:
    """Somebody else's router, with a prefix of each family, and an address in it."""

    host: Host
    asn: int
    four: str
    six: str
    config: str = ""
    learned: tuple[str, str] = ("all", "all")
    """What it takes, of each family."""
    sessions: int = 0
    process: Process | None = None

    def session(
        self,
        device: str,
        local: str,
        remote: str,
        remote_asn: int,
        export: str = "all",
        more: str = "",
        hop: str = "next hop self on;",
        families: tuple[int, ...] = (4, 6),
        channel: str = "",
    ) -> None:
        """By no device in particular if `device` is empty; `channel` is said of each family."""
        self.sessions += 1
        channels = [
            CHANNEL.format(
                family=family,
                learned=self.learned[family == 6],
                export=export,
                extended="extended next hop on;" if family == 4 and ":" in remote else "",
                hop=f"{hop} {channel}",
            )
            for family in families
        ]
        self.config += SESSION.format(
            number=self.sessions,
            local=local,
            asn=self.asn,
            remote=remote,
            remote_asn=remote_asn,
            device=f'interface "{device}";' if device else "",
            more=more,
            channels="\n    ".join(channels),
        )

    def routes_nothing(self) -> None:
        """What it learns is not for its own packets."""
        self.config = re.sub(r"protocol kernel .*", "", self.config)

    def judge(self, roas4: str, roas6: str) -> None:
        """From now on it takes nothing that these ROAs do not allow."""
        for family, roas in ((4, roas4), (6, roas6)):
            self.config += f"roa{family} table roas{family};\n"
            self.config += f"protocol static judge{family} {{ roa{family} {{ table roas{family}; }}; {roas} }}\n"
        self.learned = ("where roa_check(roas4) = ROA_VALID", "where roa_check(roas6) = ROA_VALID")

    def start(self) -> None:
        self.host.write("/run/netc/neighbour.conf", self.config)
        argv = ["bird", "-f", "-c", "/run/netc/neighbour.conf", "-s", SOCKET, "-P", "/run/netc/bird.pid"]
        self.process = self.host.start(argv)
        wait(lambda: "up and running" in birdc(self.host, "show status"))

    def stop(self) -> None:
        birdc(self.host, "down")

    def settled(self) -> None:
        settled(self.host)

    def path(self, prefix: str) -> str | None:
        return path(self.host, prefix)

    def attributes(self, prefix: str) -> dict[str, str]:
        return attributes(self.host, prefix)

    def paths(self, prefix: str) -> list[str]:
        """Of all its routes to the prefix, those of others."""
        said = birdc(self.host, f"show route {prefix} all")
        return [path.strip() for path in re.findall(r"(?:BGP\.as_path|bgp_path):(.*)", said)]

    def heard(self) -> set[str]:
        """All prefixes that others told it of."""
        return set(re.findall(r"(?m)^(\S+/\d+) .*\[s\d+ ", birdc(self.host, "show route")))

    def announce(self, routes: str) -> None:
        """From the start. Those of one family."""
        family = 6 if ":" in routes else 4
        self.config += f"protocol static {{ ipv{family}; {routes} }}\n"

    def withdraw(self, prefix: str) -> None:
        self.config = self.config.replace(f"route {prefix} unreachable;", "")
        self.host.write("/run/netc/neighbour.conf", self.config)
        birdc(self.host, "configure")


def neighbour(lab: Lab, name: str, asn: int, four: str, six: str, more4: str = "", more6: str = "") -> Neighbour:
    """`four` and `six` are prefixes of its own; it holds the first address of each."""
    addresses = first(four), first(six)
    host = forwarder(lab, name, *addresses)
    config = NEIGHBOUR.format(
        id=router_id(asn),
        four=addresses[0],
        six=addresses[1],
        routes4=f"route {four} unreachable; {more4}",
        routes6=f"route {six} unreachable; {more6}",
    )
    return Neighbour(host, asn, addresses[0], addresses[1], config)


def forwarder(lab: Lab, name: str, *addresses: str) -> Host:
    host = lab.host(name)
    for address in addresses:
        host.run(["ip", "address", "add", address, "dev", "lo"])
    host.run(["bash", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"])
    return host


def router_id(asn: int) -> str:
    return f"192.0.2.{asn % 250 + 1}"


def first(prefix: str) -> str:
    """`172.20.8.0/24`: 172.20.8.1; `fd00:8::/48`: fd00:8::1"""
    net = prefix.partition("/")[0]
    return f"{net}1" if ":" in net else f"{net.rpartition('.')[0]}.{int(net.rpartition('.')[2]) + 1}"


def meet(
    lab: Lab,
    near: Host,
    far: Neighbour,
    device: str = "ext0",
    *,
    asn: int = ASN,
    export: str = "all",
    more: str = "",
    hop: str = "next hop self on;",
) -> None:
    """Wires the neighbour to one of our routers, and has it speak with that."""
    own = f"ext{far.sessions}"
    lab.wire(near, device, far.host, own, a_addresses=[f"{HERE}/64"], b_addresses=[f"{THERE}/64"])
    far.session(own, THERE, HERE, asn, export, more, hop)


# ---- what routers do and know --------------------------------------------------------------------------------------


def start_bird(host: Host) -> Process:
    """The part `bird` comes up; the process hears what BIRD logs."""
    host.run(script("bird", "up"))
    return host.start(["tail", "-n", "+1", "-f", "/run/netc/bird.log"])


def begin(*hosts: Host) -> dict[str, Process]:
    """All parts of our routers come up; by name what hears their logs."""
    for host in hosts:
        for part in parts(host):
            if part != "bird":
                host.run(script(part, "up"))
    return {host.name: start_bird(host) for host in hosts}


def best(host: Host, prefix: str) -> str:
    """What BIRD prints of the best route: of the longest prefix that covers it, since BIRD 3 prints all of these."""
    said = birdc(host, f"show route all primary for {prefix}")
    routes = re.findall(r"(?m)^\S+/(\d+)( .*\n(?:[ \t].*\n?)*)", said)
    return str(max(routes, key=lambda route: int(route[0]), default=("", ""))[1])


def path(host: Host, prefix: str) -> str | None:
    """The AS path of the best route, as BIRD prints it; None when there is no route."""
    said = best(host, prefix)
    if not said or "unreachable [own" in said:
        return None
    found = re.search(r"(?:BGP\.as_path|bgp_path):(.*)", said)
    return found[1].strip() if found else ""


def attributes(host: Host, prefix: str) -> dict[str, str]:
    """Of the best route: `local_pref`, `med`, `community`, …"""
    return {name: value.strip() for name, value in re.findall(r"(?:BGP\.|bgp_)(\w+):(.*)", best(host, prefix))}


def reached(host: Host, source: str, address: str) -> bool:
    return host.run(["ping", "-c", "1", "-W", "2", "-I", source, address], check=False).returncode == 0


def monitor(host: Host) -> Process:
    """What becomes of the kernel's routes from now on."""
    process = host.start(["ip", "-o", "monitor", "route"])
    probe = ["unreachable", "198.18.255.255/32", "metric", "9999"]

    def hears() -> bool:
        for verb in ("add", "delete"):
            host.run(["ip", "route", verb, *probe])
        return process.said() != ""

    wait(hears)
    return process


def missing(ping: Process) -> int:
    """Requests without a reply, up to the last that had one; it ends here."""
    ping.stop()
    replies = {int(line.partition("seq=")[2].split()[0]) for line in ping.said().splitlines() if "bytes from" in line}
    return max(replies) - len(replies)


def kernel_route(host: Host, prefix: str) -> dict[str, Any]:
    """As ip-route(8) has it in JSON; empty when the kernel has none, or one to nowhere."""
    family = "-6" if ":" in prefix else "-4"
    found = json.loads(host.run(["ip", family, "-json", "route", "show", prefix]).stdout or "[]")
    return found[0] if found and found[0].get("type", "unicast") == "unicast" else {}


def leaves_by(host: Host, prefix: str) -> str | None:
    """The device of the kernel's route."""
    device = kernel_route(host, prefix).get("dev")
    return str(device) if device else None


def established(host: Host) -> dict[str, str]:
    """The established BGP sessions, each with the moment since when: one that was lost in between has another."""
    rows = protocol_rows(host)
    return {row[0]: row[4] for row in rows if row[1:2] == ["BGP"] and row[-1] == "Established"}


def settled(*hosts: Host) -> None:
    """Until every session of these is established, and BFD watches over it."""
    for host in hosts:
        wait(lambda host=host: is_settled(host))  # type: ignore[misc]


def is_settled(host: Host) -> bool:
    sessions = set(protocols(host).values())
    watched = set(re.findall(r"(?m)^[0-9a-f]\S+ +\S+ +(\w+) ", birdc(host, "show bfd sessions")))
    return sessions == {"Established"} and watched <= {"Up"}


def faults(said: str) -> list[str]:
    """What BIRD's log says that should make somebody look: errors, and what a filter could not work out."""
    bad = re.compile(r"<(ERR|FATAL|BUG)>|filters, line|Invalid|Malformed|Netlink")
    return [line for line in said.splitlines() if bad.search(line) and "Shutdown completed" not in line]
