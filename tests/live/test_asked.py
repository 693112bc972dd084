"""What the topology says of the host is compared with the host before anything is touched, and by `status` and `check`
later. Each row of the table in both directions: what differs is said, and what does not is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from live.compiled import compiled
from live.delivered import INSTALL, as_if_run, at_rest, deliver, forge, install, netc_host
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.sshd import serving
from live.state import difference

pytestmark = pytest.mark.live

TOPOLOGY = """
version = 1
network.name = "asked"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:1::10/64"]
bridges.br0 = { addresses = "10.0.3.1/24", masquerade = true }

[hosts.edge.uplinks.second]
interface = "eth1"
prefixes = ["203.0.113.5/28", "2001:db8:2::5/64"]
gateway = ["203.0.113.1", "fe80::1"]
"""
RIGHT = {
    "eth0": ["198.51.100.10/24", "2001:db8:1::10/64", "2001:db8:1::11/64"],
    "eth1": ["203.0.113.5/28", "2001:db8:2::5/64"],
}
GATEWAYS = ["-4 default via 203.0.113.1 dev eth1 metric 9", "-6 default via fe80::1 dev eth1 metric 9"]
OTHERS = ["-4 default via 203.0.113.2 dev eth1", "-6 default via fe80::2 dev eth1"]

ASKED = "files/usr/lib/netc/asked.bash"
PUBLIC = {name: public_key(private_key(name)) for name in ("edge", "node", "other")}

SAYS = """#!/bin/sh
case "$*" in
  "link add dev asked type {0}"*) {1} ;;
esac
exec /usr/sbin/ip "$@"
"""
HAS, LACKS = "exit 0", 'echo "Error: Unknown device type." >&2; exit 2'
"""An `ip` that has its own opinion of a type of link."""

Row = tuple[str, str, str, str]


def table(said: str) -> list[Row]:
    """The rows that `install` prints."""
    rows: list[Row] = []
    for line in said.partition("the topology and this host differ:\n")[2].splitlines():
        if not line.startswith("  "):
            break
        what, topology, host, then = re.split(r" {2,}", line.strip())
        rows.append((what, topology, host, then))
    return rows[1:]


def wired(lab: Lab, nets: dict[str, list[str]], routes: list[str] = []) -> Host:  # noqa: B006
    edge, world = lab.host("edge"), lab.host("world")
    for device, addresses in nets.items():
        lab.wire(edge, device, world, device, a_addresses=addresses)
    for line in routes:
        family, *words = line.split()
        edge.run(["ip", family, "route", "add", *words])
    return edge


def rows_of(lab: Lab, edge: Host, topology: str, folder: Path, *, refused: bool = False) -> list[Row]:
    deliver(lab, edge, compiled(topology, folder)["edge"])
    return rows_again(edge, refused=refused)


def rows_again(edge: Host, *, refused: bool = False) -> list[Row]:
    said = install(edge, "--dry-run", check=False)
    assert said.returncode == int(refused), said.stderr
    found = table(said.stderr)
    assert any(then.startswith("refused: ") for *_, then in found) == refused
    assert ("this host is not as the topology says; nothing was changed" in said.stderr) == refused
    return found


def image(lab: Lab, folder: Path, nets: dict[str, list[str]], gateways: list[str]) -> Host:
    edge = wired(lab, nets, gateways)
    deliver(lab, edge, compiled(TOPOLOGY, folder)["edge"])
    return edge


# ---- addresses and routers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "addresses", "gateways", "row"),
    [
        ("eth0", ["198.51.100.11/24"], GATEWAYS, ("address of eth0", "198.51.100.10", "198.51.100.11")),
        ("eth0", ["2001:db8:1::9/64"], GATEWAYS, ("address of eth0", "2001:db8:1::10", "2001:db8:1::9")),
        ("eth1", ["203.0.113.6/28"], [], ("address of eth1", "203.0.113.5", "203.0.113.6")),
        ("eth1", RIGHT["eth1"], [OTHERS[0]], ("router of eth1", "203.0.113.1", "203.0.113.2")),
        ("eth1", RIGHT["eth1"], [OTHERS[1]], ("router of eth1", "fe80::1", "fe80::2")),
    ],
)
def test_an_image_that_is_not_as_written_is_refused_before_anything_is_touched(
    lab: Lab, tmp_path: Path, device: str, addresses: list[str], gateways: list[str], row: tuple[str, str, str]
) -> None:
    edge = image(lab, tmp_path, RIGHT | {device: addresses}, gateways)
    before = at_rest(edge, r"^$")
    refused = install(edge, "--commit", check=False)

    assert refused.returncode == 1
    assert [found[:3] for found in table(refused.stderr) if found[3].startswith("refused: write it into ")] == [row]
    assert "nothing was changed" in refused.stderr
    after = at_rest(edge, r"^$")
    assert difference(before[0], after[0]) == ""
    assert before[1] == after[1]


@pytest.mark.parametrize(
    ("nets", "gateways", "odd"),
    [
        (RIGHT, GATEWAYS, 0),
        ({"eth0": [], "eth1": RIGHT["eth1"]}, [], 2),
        (RIGHT, ["-6 default via 2001:db8:2::ff dev eth1", "-4 default via 198.51.100.1 dev eth0"], 0),
    ],
    ids=["as written", "no address yet", "another address of the router, and another interface's"],
)
def test_an_image_as_written_or_not_configured_yet_is_accepted(
    lab: Lab, tmp_path: Path, nets: dict[str, list[str]], gateways: list[str], odd: int
) -> None:
    edge = image(lab, tmp_path, nets, gateways)
    as_if_run(edge)
    said = install(edge, "--commit")
    assert [row[::2] for row in table(said.stderr)] == [("address of eth0", "none")] * odd
    found = netc_host(edge, "check")
    assert (found.stdout, found.stderr.count("10 by the topology, here none")) == ("", odd)

    edge.run(["ip", "address", "flush", "dev", "eth1", "scope", "global"])
    edge.run(["ip", "address", "add", "203.0.113.7/28", "dev", "eth1"])
    lines = netc_host(edge, "check", check=False).stdout.splitlines()
    assert [line for line in lines if line.startswith("address of eth1: 203.0.113.5 by the topology, here 203.0.113.7")]


def test_status_and_check_say_later_what_install_would_refuse(lab: Lab, tmp_path: Path) -> None:
    edge = image(lab, tmp_path, RIGHT, GATEWAYS)
    as_if_run(edge)
    install(edge, "--commit")
    assert json.loads(netc_host(edge, "status", "--json").stdout)["host"] == []
    assert "netc_host_differs" not in netc_host(edge, "status", "--metrics").stdout

    edge.run(["ip", "link", "set", "dev", "eth0", "mtu", "1400"])  # odd: nothing of it breaks
    row = {"what": "MTU of eth0", "topology": "1500", "host": "1400", "then": "odd: write hosts.edge.mtu = 1400"}
    assert json.loads(netc_host(edge, "status", "--json").stdout)["host"] == [row]
    assert re.search(r"(?m)^host +MTU of eth0 +1400, topology 1500 \(odd: .*\)$", netc_host(edge, "status").stdout)
    assert 'netc_host_differs{what="MTU of eth0"} 0' in netc_host(edge, "status", "--metrics").stdout
    found = netc_host(edge, "check")
    assert (found.stdout, "MTU of eth0: 1500 by the topology, here 1400" in found.stderr) == ("", True)

    edge.run(["ip", "address", "delete", "198.51.100.10/24", "dev", "eth0"])
    edge.run(["ip", "address", "add", "198.51.100.9/24", "dev", "eth0"])
    said = netc_host(edge, "status", "--metrics", check=False)
    assert (said.returncode, 'netc_host_differs{what="address of eth0"} 1' in said.stdout) == (1, True)
    found = netc_host(edge, "check", check=False)
    assert found.returncode == 1
    assert "address of eth0: 198.51.100.10 by the topology, here 198.51.100.9" in found.stdout


def test_addresses_that_the_topology_does_not_name_beside_its_own_are_told(lab: Lab, tmp_path: Path) -> None:
    edge = image(lab, tmp_path, RIGHT, GATEWAYS)
    assert rows_again(edge) == []  # 2001:db8:1::11 is there for good

    slaac = ["valid_lft", "9000", "preferred_lft", "9000"]
    edge.run(["ip", "address", "add", "2001:db8:1::abc/64", "dev", "eth0", *slaac])
    edge.run(["bash", "-c", "echo 2 >/proc/sys/net/ipv6/conf/eth1/use_tempaddr"])
    edge.run(["ip", "address", "add", "2001:db8:2::def/64", "dev", "eth1", "mngtmpaddr", *slaac])
    (first, second) = rows_again(edge)
    assert first[:3] == ("addresses of eth0", "2001:db8:1::10", "also 2001:db8:1::abc (dynamic)")
    assert second[0] == "addresses of eth1"
    assert "2001:db8:2::def (dynamic)" in second[2]
    assert "(temporary)" in second[2]


# ---- interfaces, MTU, default routes -------------------------------------------------------------------------

PLAIN = """
version = 1
network.name = "asked"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.10/24", "2001:db8:1::10/64"]

[hosts.node]
id = 2
wan = "eth0"
addresses = ["198.51.100.20/24", "2001:db8:1::20/64"]
"""
HERE = ["198.51.100.10/24", "2001:db8:1::10/64"]
LINK = """
[links.one]
kind = "{}"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"
"""


def test_a_wan_that_has_another_name_is_refused(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"ens3": HERE})
    rows = rows_of(lab, edge, PLAIN, tmp_path / "a", refused=True)
    assert rows == [
        ("interface eth0", "eth0", "missing, and ens3 has its address", 'refused: write hosts.edge.wan = "ens3"')
    ]
    edge.run(["ip", "link", "property", "add", "dev", "ens3", "altname", "eth0"])
    assert [row[1:3] for row in rows_again(edge, refused=True)] == [("eth0", "an altname of ens3")]
    assert rows_of(lab, edge, PLAIN.replace('"eth0"', '"ens3"'), tmp_path / "b") == []


def test_a_wan_that_is_a_port_of_another_interface_is_refused(lab: Lab, tmp_path: Path) -> None:
    """Packets come in by the other one, which no rule names."""
    edge = wired(lab, {"eth0": HERE})
    edge.run(["ip", "link", "add", "upper", "type", "bridge"])
    edge.run(["ip", "link", "set", "dev", "eth0", "master", "upper"])
    row = ("interface eth0", "an uplink", "a port of upper", 'refused: write hosts.edge.wan = "upper"')
    assert rows_of(lab, edge, PLAIN, tmp_path, refused=True) == [row]
    edge.run(["ip", "link", "add", "on", "type", "bridge"])  # as Open vSwitch has it
    edge.run(["ip", "address", "add", "198.51.100.10/24", "dev", "on"])
    assert rows_again(edge, refused=True) == [(*row[:3], 'refused: write hosts.edge.wan = "on"')]
    edge.write("/run/uevent", "DEVTYPE=vrf\nINTERFACE=upper\n")  # not every kernel has VRFs
    edge.run(["mount", "--bind", "/run/uevent", "/sys/class/net/upper/uevent"])
    (row,) = rows_again(edge, refused=True)
    assert row[3] == "refused: netc knows no VRF: take eth0 out of upper"
    edge.run(["ip", "link", "set", "dev", "eth0", "nomaster"])
    assert rows_again(edge) == []


def test_an_alias_says_nothing_of_an_interface(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    edge.run(["ip", "link", "set", "dev", "eth0", "alias", "x mtu 100 master br9 group 77 "])
    edge.run(["ip", "route", "add", "default", "via", "198.51.100.1"])
    assert rows_of(lab, edge, PLAIN.replace('"eth0"', '"eth1"'), tmp_path, refused=True)[0][2] == (
        "missing, and eth0 has its address"
    )


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_a_wan_that_is_missing_is_refused_if_the_default_route_leaves_elsewhere(
    lab: Lab, tmp_path: Path, family: str
) -> None:
    edge = wired(lab, {"ens4": ["192.0.2.5/24", "2001:db8:9::5/64"]})
    (row,) = rows_of(lab, edge, PLAIN, tmp_path)
    assert row == ("interface eth0", "eth0", "missing; there is ens4", "odd: nothing passes by it until it is there")
    router = "192.0.2.1" if family == "-4" else "2001:db8:9::1"
    edge.run(["ip", family, "route", "add", "default", "via", router, "dev", "ens4"])
    (row,) = rows_again(edge, refused=True)
    assert row[2:] == ("missing, and ens4 has the default route", 'refused: write hosts.edge.wan = "ens4"')


@pytest.mark.parametrize(
    ("mtu", "topology", "then"),
    [
        (1500, PLAIN + LINK.format("vxlan"), ""),
        (
            1450,
            PLAIN + LINK.format("vxlan"),
            "refused: tunnels send packets of 1500 bytes by it: write hosts.edge.mtu = 1450",
        ),
        (
            1460,
            PLAIN + LINK.format("gre"),
            "refused: tunnels send packets of 1500 bytes by it: write hosts.edge.mtu = 1460",
        ),
        (1460, PLAIN + LINK.format("vxlan") + "mtu = 1400\n", "odd: write hosts.edge.mtu = 1460"),
        (1450, PLAIN, "odd: write hosts.edge.mtu = 1450"),
        (9001, PLAIN + LINK.format("vxlan"), ""),
        (1500, PLAIN.replace('"eth0"', '"eth0"\nmtu = 1450'), "odd: write hosts.edge.mtu = 1500"),
        (1450, (PLAIN + LINK.format("vxlan")).replace('"eth0"', '"eth0"\nmtu = 1450'), ""),
    ],
)
def test_an_mtu_that_is_too_small_for_tunnels_is_refused(
    lab: Lab, tmp_path: Path, mtu: int, topology: str, then: str
) -> None:
    edge = wired(lab, {"eth0": HERE})
    edge.write("/usr/local/sbin/ip", SAYS.format("gre", HAS), 0o755)
    edge.run(["ip", "link", "set", "dev", "eth0", "mtu", str(mtu)])
    rows = rows_of(lab, edge, topology, tmp_path, refused=then.startswith("refused"))
    written = "1450" if "mtu = 1450" in topology else "1500"
    assert rows == ([("MTU of eth0", written, str(mtu), then)] if then else [])


def test_a_default_route_by_another_interface_is_told(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE, "eth1": ["192.0.2.5/24", "2001:db8:9::5/64"]})
    routes = {
        "-4": ("via 192.0.2.1 dev eth1 metric 50", "via 198.51.100.1 dev eth0 metric 10"),
        "-6": ("via 2001:db8:9::1 dev eth1 metric 50", "via 2001:db8:1::1 dev eth0 metric 10"),
    }
    found = rows_of(lab, edge, PLAIN, tmp_path)
    for family, (wrong, right) in routes.items():
        edge.run(["ip", family, "route", "add", "default", *wrong.split()])
        found = rows_again(edge)
        assert [row[:3] for row in found] == [(f"default route, IPv{family[1]}", "eth0", "eth1")]
        edge.run(["ip", family, "route", "add", "default", *right.split()])  # it is the best one
        assert rows_again(edge) == []
    edge.run(["ip", "-4", "route", "delete", "default", "dev", "eth0"])
    edge.run(["ip", "-4", "route", "change", "default", "dev", "eth1", "metric", "50", "proto", "bird"])
    edge.run(["ip", "-4", "route", "delete", "default", "proto", "boot"], check=False)
    assert rows_again(edge) == []  # BIRD's


VPN = ["link add up0 type bridge", "link set dev up0 up", "address add 10.66.0.2/24 dev up0"]
VPN.append("-6 address add fd66::2/64 dev up0 nodad")
BOTH = ("-4", "-6")
HIDDEN = {
    "wg-quick": ("up0", [f"{n} rule add not fwmark 7 pref 99 table 200" for n in BOTH], "default dev up0 table 200"),
    "OpenVPN": ("up0", [], "{half} dev up0"),
    "unreachable": ("unreachable", [], "unreachable default metric 1"),
    "prohibit": ("unreachable", [f"{n} rule add pref 99 prohibit" for n in BOTH], ""),
    "one prefix": ("", [], "{one} dev up0"),
    "of netc": ("", [f"{n} rule add pref 99 table 200" for n in BOTH], "default dev up0 table 200 proto 77"),
}
PREFIXES = {"-4": ("0.0.0.0/1", "9.9.9.0/24"), "-6": ("2000::/3", "2620:fe::/32")}


@pytest.mark.parametrize("what", HIDDEN)
def test_a_default_route_that_another_one_hides_is_told(lab: Lab, tmp_path: Path, what: str) -> None:
    edge = wired(lab, {"eth0": HERE})
    for command in (*VPN, "-4 route add default via 198.51.100.1 metric 9", "-6 route add default via 2001:db8:1::1"):
        edge.run(["ip", *command.split()])
    assert rows_of(lab, edge, PLAIN, tmp_path) == []
    by, rules, route = HIDDEN[what]
    commands = [*rules]
    for family, (half, one) in PREFIXES.items():
        commands += [f"{family} route add {route.format(half=half, one=one)}"] if route else []
    for command in commands:
        edge.run(["ip", *command.split()])
    assert [row[:3] for row in rows_again(edge)] == [(f"default route, IPv{n}", "eth0", by) for n in (4, 6) if by]


FORWARD = """
[forwards.web]
at = "node"
ports = "80/tcp"
to = "edge:172.17.0.2"
via = "one"
"""


def test_a_server_that_is_not_behind_this_host_is_told(lab: Lab, tmp_path: Path) -> None:
    """Such as one behind another router of the LAN, or in a container whose bridge is not up."""
    edge = wired(lab, {"eth0": HERE, "docker0": ["172.17.0.1/16"]}, ["-4 default via 198.51.100.1 dev eth0"])
    assert rows_of(lab, edge, PLAIN + LINK.format("vxlan") + FORWARD, tmp_path) == []
    edge.run(["ip", "link", "set", "dev", "docker0", "down"])
    row = ("server 172.17.0.2", "behind this host", "eth0", "odd: visitors of forwards.web do not reach it by eth0")
    assert rows_again(edge) == [row]
    edge.run(["ip", "route", "delete", "default"])
    assert rows_again(edge) == []


# ---- sshd, keys, forwarding, IPv6 ----------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "filters"), [("0.0.0.0", True), ("::", True), ("0.0.0.0", False)])
def test_an_sshd_at_another_port_is_refused_if_a_filter_would_close_it(
    lab: Lab, tmp_path: Path, address: str, filters: bool
) -> None:
    edge = wired(lab, {"eth0": HERE})
    topology = PLAIN.replace("id = 1", "id = 1\nssh = 2222" + '\nfirewall.input = "drop"' * filters)
    assert rows_of(lab, edge, topology, tmp_path) == []  # no sshd at all
    edge.start(serving(edge, ["true"], address)).wait_for("listening")
    (row,) = rows_again(edge, refused=filters)
    assert row[:3] == ("port of sshd", "2222", "22")
    assert "hosts.edge.ssh = 22" in row[3]
    edge.start(serving(edge, ["true"], address, port=2222)).wait_for("listening")
    assert rows_again(edge) == []


@pytest.mark.parametrize(
    ("there", "host"),
    [
        (("127.0.0.1", "0.0.0.0"), "2222 (22 at 127.0.0.1)"),
        (("::1", "::"), "2222 (22 at ::1)"),
        (("10.9.0.1", "198.51.100.10"), "2222 (22 at 10.9.0.1)"),
        (("10.9.0.1", "2001:db8:1::10"), "2222 (22 at 10.9.0.1)"),
        (("198.51.100.10", "127.0.0.1"), ""),
        (("10.9.0.1", "127.0.0.1"), ""),
        (("198.51.100.10", "0.0.0.0"), ""),
    ],
)
def test_an_sshd_that_few_reach_at_this_port_counts_for_nothing(
    lab: Lab, tmp_path: Path, there: tuple[str, str], host: str
) -> None:
    """Of port 22 and of 2222: where they listen."""
    routes = ["-4 default via 198.51.100.1 dev eth0", "-6 default via 2001:db8:1::1 dev eth0"]
    edge = wired(lab, {"eth0": HERE, "eth1": ["10.9.0.1/24"]}, routes)
    for address, port in zip(there, (22, 2222), strict=True):
        edge.start(serving(edge, ["true"], address, port=port)).wait_for("listening")
    topology = PLAIN.replace("id = 1", 'id = 1\nfirewall.input = "drop"')
    rows = rows_of(lab, edge, topology, tmp_path, refused=bool(host))
    assert [row[2] for row in rows] == [host] * bool(host)
    assert all("write hosts.edge.ssh = 2222," in row[3] for row in rows)


def test_a_key_that_the_topology_does_not_have_is_refused(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    topology = PLAIN + LINK.format("wireguard")
    for name in ("edge", "node"):
        topology = topology.replace(f"[hosts.{name}]", f'[hosts.{name}]\npublic_key = "{PUBLIC[name]}"')
    edge.write("/etc/netc/keys/host.key", private_key("other") + "\n", 0o600)
    (row,) = rows_of(lab, edge, topology, tmp_path, refused=True)
    assert row[:3] == ("hosts.edge.public_key", PUBLIC["edge"], PUBLIC["other"])
    assert private_key("other") not in str(row)
    edge.write("/etc/netc/keys/host.key", private_key("edge") + "\n", 0o600)
    assert rows_again(edge) == []
    edge.write("/etc/netc/keys/host.key", "no key\n", 0o600)
    assert [row[2] for row in rows_again(edge, refused=True)] == ["/etc/netc/keys/host.key is not a key"]


READ_ONLY = ("sysctls, net.*", "writable", "read-only")
"""For those of the interfaces that netc makes."""


@pytest.mark.parametrize(
    ("file", "what"), [("ipv4/ip_forward", "IPv4"), ("ipv6/conf/all/forwarding", "IPv6")], ids=["IPv4", "IPv6"]
)
def test_forwarding_that_is_off_and_cannot_be_turned_on_is_refused(
    lab: Lab, tmp_path: Path, file: str, what: str
) -> None:
    edge = wired(lab, {"eth0": HERE})
    network = "10.0.3.1/24" if what == "IPv4" else "2001:db8:3::1/64"
    topology = PLAIN.replace("id = 1", f'id = 1\nbridges.br0 = {{ addresses = "{network}" }}')
    edge.run(["bash", "-c", f"echo 0 >/proc/sys/net/{file}"])
    assert rows_of(lab, edge, topology, tmp_path) == []  # netc turns it on
    edge.run(["mount", "--bind", "/proc/sys", "/proc/sys"])
    edge.run(["mount", "-o", "remount,bind,ro", "/proc/sys"])
    found = [row[:3] for row in rows_again(edge, refused=True)]
    assert found == [(f"forwarding, {what}", "on", "off, and not allowed here"), READ_ONLY]
    edge.run(["umount", "/proc/sys"])
    edge.run(["bash", "-c", f"echo 1 >/proc/sys/net/{file}"])
    edge.run(["mount", "--bind", "/proc/sys", "/proc/sys"])
    edge.run(["mount", "-o", "remount,bind,ro", "/proc/sys"])
    assert [row[:3] for row in rows_again(edge, refused=True)] == [READ_ONLY]  # it is on


def test_ipv6_that_is_turned_off_is_refused_if_parts_use_it(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE[:1]})
    topology = PLAIN.replace(', "2001:db8:1::10/64"', "").replace(', "2001:db8:1::20/64"', "") + LINK.format("vxlan")
    both = topology.replace('"10.77.1.0/31"', '["10.77.1.0/31", "2001:db8:7::/127"]')
    both = both.replace('"10.77.1.1/31"', '["10.77.1.1/31", "2001:db8:7::1/127"]')
    assert rows_of(lab, edge, both, tmp_path / "a") == []
    edge.run(["bash", "-c", "echo 1 | tee /proc/sys/net/ipv6/conf/{all,default}/disable_ipv6"])
    assert [row[0] for row in rows_again(edge, refused=True)] == ["IPv6"]
    assert rows_of(lab, edge, topology, tmp_path / "b") == []


# ---- kernel, memory, disk, clock -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["vxlan", "gre", "ipip", "sit", "wireguard"])
def test_a_kernel_without_a_type_of_link_is_refused(lab: Lab, tmp_path: Path, kind: str) -> None:
    edge = wired(lab, {"eth0": HERE})
    topology = PLAIN + LINK.format(kind)
    if kind == "sit":
        topology = topology.replace("10.77.1.0/31", "2001:db8:7::/127").replace("10.77.1.1/31", "2001:db8:7::1/127")
    if kind == "wireguard":
        for name in ("edge", "node"):
            topology = topology.replace(f"[hosts.{name}]", f'[hosts.{name}]\npublic_key = "{PUBLIC[name]}"')
        edge.write("/etc/netc/keys/host.key", private_key("edge") + "\n", 0o600)
    edge.run(["mount", "-t", "tmpfs", "none", "/sys/module"])
    edge.write("/usr/local/sbin/modprobe", "#!/bin/sh\nexit 1\n", 0o755)
    edge.write("/usr/local/sbin/ip", SAYS.format(kind, HAS), 0o755)
    assert rows_of(lab, edge, topology, tmp_path) == []  # built in, or of the machine that runs this container
    edge.write("/usr/local/sbin/ip", SAYS.format(kind, LACKS), 0o755)
    library = edge.read(f"/tmp/tree/{ASKED}")  # this machine may have wireguard-go
    forge(edge, ASKED, library.replace("wireguard-go boringtun-cli boringtun;", "boringtun;"))
    (row,) = rows_again(edge, refused=True)
    assert row[:3] == (f"kernel: {kind}", "needed", "missing")
    edge.write("/usr/local/sbin/modprobe", "#!/bin/sh\nexit 0\n", 0o755)
    assert rows_again(edge) == []  # a module that is not loaded yet
    edge.write("/usr/local/sbin/modprobe", "#!/bin/sh\nexit 1\n", 0o755)
    edge.run(["mkdir", "-p", f"/sys/module/{'ip_gre' if kind == 'gre' else kind}"])
    assert rows_again(edge) == []  # one that is
    if kind == "wireguard":
        edge.run(["rmdir", "/sys/module/wireguard"])
        edge.write("/usr/local/bin/boringtun", "#!/bin/sh\n", 0o755)
        assert rows_again(edge) == []  # a program does it
    edge.write("/usr/local/sbin/unshare", "#!/bin/sh\nexit 1\n", 0o755)
    edge.run(["bash", "-c", "rmdir /sys/module/* || :"])
    (row,) = rows_again(edge)
    assert row[:3] == ("kernel", kind, "not known")


def test_a_kernel_without_bbr_is_told(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    edge.write("/usr/local/sbin/modprobe", "#!/bin/sh\nexit 1\n", 0o755)
    topology = PLAIN.replace("id = 1", 'id = 1\ntcp_congestion = "bbr"')
    has = "bbr" in edge.read("/proc/sys/net/ipv4/tcp_available_congestion_control")
    assert [row[0] for row in rows_of(lab, edge, topology, tmp_path)] == [] if has else ["kernel: bbr"]
    edge.run(["mkdir", "-p", "/run/module/tcp_bbr"])
    edge.run(["mount", "--bind", "/run/module", "/sys/module"])
    assert rows_again(edge) == []


@pytest.mark.parametrize(("tool", "said"), [("nft", "Protocol not supported"), ("ipset", "Kernel error received: x")])
def test_a_kernel_that_loads_no_rules_is_refused(lab: Lab, tmp_path: Path, tool: str, said: str) -> None:
    edge = wired(lab, {"eth0": HERE})
    topology = PLAIN.replace("id = 1", 'id = 1\nfirewall = { input = "drop", deny = "some" }')
    topology += '\n[sets.some]\nprefixes = ["192.0.2.0/24", "2001:db8:aa::/48"]\n'
    if tool == "ipset":
        topology = topology.replace("[hosts.edge]", '[hosts.edge]\nnetfilter = "iptables"')
    rows = rows_of(lab, edge, topology, tmp_path)
    assert rows == []
    edge.run(["mount", "-t", "tmpfs", "none", "/sys/module"])
    edge.write("/usr/local/sbin/modprobe", "#!/bin/sh\nexit 1\n", 0o755)
    assert rows_again(edge) == []
    edge.write(f"/usr/local/sbin/{tool}", f"#!/bin/sh\necho '{said}' >&2\nexit 1\n", 0o755)
    assert [row[0] for row in rows_again(edge, refused=True)] == [f"kernel: {tool}"]


def long_list() -> str:
    lines = (f"198.{18 + (n >> 15)}.{n >> 7 & 255}.{(n & 127) * 2}/32" for n in range(12_000))
    listed = ", ".join(f'"{line}"' for line in lines)
    topology = PLAIN.replace("id = 1", 'id = 1\nfirewall = { input = "drop", deny = "many" }')
    return topology + f"\n[sets.many]\nprefixes = [{listed}]\n"


def test_memory_that_is_too_small_for_the_sets_is_refused(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    assert rows_of(lab, edge, long_list(), tmp_path) == []
    edge.write("/run/meminfo", "MemTotal: 65536 kB\nMemAvailable: 30000 kB\nSwapFree: 0 kB\n")
    edge.run(["mount", "--bind", "/run/meminfo", "/proc/meminfo"])
    (row,) = rows_again(edge, refused=True)
    assert row[:3] == ("memory", "66 MiB for sets of 12000 ranges", "29 MiB free")
    edge.write("/run/meminfo", "MemAvailable: 30000 kB\nSwapFree: 99000 kB\n")
    assert rows_again(edge) == []
    edge.run(["rm", "-rf", "/tmp/tree"])
    edge.write("/run/meminfo", "MemAvailable: 300 kB\n")
    assert rows_of(lab, edge, PLAIN, tmp_path / "b") == []  # no list


def test_a_disk_that_is_full_or_read_only_is_refused(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    assert rows_of(lab, edge, PLAIN, tmp_path) == []
    edge.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", "/var/lib"])
    (row,) = rows_again(edge, refused=True)
    assert (row[0], row[3]) == ("disk: /var/lib", "refused: free some")
    edge.run(["umount", "/var/lib"])
    edge.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=100", "none", "/var/lib"])
    assert [row[:2] for row in rows_again(edge, refused=True)] == [("disk: /var/lib", "1000 inodes")]
    edge.run(["umount", "/var/lib"])
    for place in ("/var/lib/netc", "/usr/local/sbin"):  # each a file system of its own
        edge.run(["mkdir", "-p", place])
        edge.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "none", place])
        (row,) = rows_again(edge, refused=True)
        assert (row[0], row[3]) == (f"disk: {place}", "refused: free some")
        edge.run(["umount", place])
    edge.run(["mount", "--bind", "-o", "ro", "/usr/local/sbin", "/usr/local/sbin"])
    edge.run(["mount", "-o", "remount,bind,ro", "/usr/local/sbin"])
    assert [row[:3] for row in rows_again(edge, refused=True)] == [("disk: /usr/local/sbin", "writable", "read-only")]
    edge.run(["umount", "/usr/local/sbin"])
    assert rows_again(edge) == []


def test_a_clock_that_is_wrong_is_told_or_refused(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    assert rows_of(lab, edge, PLAIN, tmp_path) == []
    edge.write("/usr/local/sbin/timedatectl", "#!/bin/sh\necho no\n", 0o755)
    assert rows_again(edge) == []  # without systemd nobody says it
    edge.run(["mkdir", "-p", "/run/systemd/system"])
    assert [row[:3] for row in rows_again(edge)] == [("clock", "synchronised", "not synchronised")]
    edge.write("/usr/local/sbin/timedatectl", "#!/bin/sh\necho yes\n", 0o755)
    assert rows_again(edge) == []
    edge.write("/var/lib/netc/history", "2025-01-01T00:00:00Z none x\n")
    assert rows_again(edge) == []
    edge.write("/var/lib/netc/history", "2099-01-01T00:00:00Z none x\n")
    assert [row[1] for row in rows_again(edge)] == ["after the last change, 2099-01-01T00:00:00Z"]
    library = edge.read(f"/tmp/tree/{ASKED}")
    forge(edge, ASKED, library.replace("1767225600", "9999999999"))
    assert [row[1] for row in rows_again(edge, refused=True)] == ["2026 or later"]


# ---- what a host says is never trusted -----------------------------------------------------------------------


def test_names_of_a_host_cannot_change_a_terminal(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    edge.run(["ip", "link", "add", "name", "e\x1b[31mred", "type", "veth"])
    edge.run(["ip", "link", "set", "dev", "e\x1b[31mred", "up"])
    edge.run(["ip", "route", "add", "default", "dev", "e\x1b[31mred"])
    said = rows_of(lab, edge, PLAIN, tmp_path)
    assert said == [("default route, IPv4", "eth0", "e?[31mred", "odd: packets to the internet leave by e?[31mred")]


def test_a_host_that_does_not_answer_is_refused(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": HERE})
    deliver(lab, edge, compiled(PLAIN, tmp_path)["edge"])
    edge.write("/usr/local/sbin/ip", "#!/bin/sh\nexit 1\n", 0o755)
    said = edge.run(["bash", INSTALL, "--dry-run"], check=False)
    assert (said.returncode, table(said.stderr)[0][2]) == (1, "ip does not answer")


# ---- what only systemd does

SYSTEMS = """
version = 1
network.name = "asked"
[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.10/24"
[hosts.edge.tunnels.office]
kind = "wireguard"
address = "10.66.0.2/24"
dns = "10.66.0.1"
private_key = {key}
peer = {{ public_key = "{far}", endpoint = "192.0.2.77:51820", allowed_ips = "0.0.0.0/0" }}
"""
INSIDE = '[hosts.edge.namespaces.vpn]\ntunnel = "office"\nservices = ["app.service", "web@one.service", "app.socket"]\n'
PLACED = "odd: only systemd puts it there: "
TAKEN_OUT = f"{PLACED}start it by ip netns exec vpn"
SPLIT = f"{PLACED}let the split match a `group` or `user`"


@pytest.mark.parametrize(
    ("more", "key", "rows"),
    [
        (
            INSIDE,
            '{ file = "/etc/netc/keys/office.key" }',
            [(unit, "in namespace vpn", TAKEN_OUT) for unit in ("app.service", "app.socket", "web@one.service")],
        ),
        (
            '[hosts.edge.splits.one]\ntunnel = "office"\nservice = "app.service"\n'
            '[hosts.edge.splits.two]\ntunnel = "office"\nslice = "media.slice"\n',
            '{ file = "/etc/netc/keys/office.key" }',
            [("app.service", "in a split", SPLIT), ("media.slice", "in a split", SPLIT)],
        ),
        (
            "",
            '{ credential = "office" }',
            [
                (
                    "secret office",
                    "a credential",
                    'refused: only systemd loads credentials: write { file = "/etc/netc/keys/office.key" }',
                )
            ],
        ),
    ],
    ids=["services", "splits", "credential"],
)
def test_without_systemd_what_it_alone_does_is_told_and_a_credential_is_refused(
    lab: Lab, tmp_path: Path, more: str, key: str, rows: list[tuple[str, str, str]]
) -> None:
    edge = wired(lab, {"eth0": ["198.51.100.10/24"]})
    text = SYSTEMS.format(key=key, far=PUBLIC["other"]) + more
    deliver(lab, edge, compiled(text, tmp_path)["edge"])
    edge.write("/etc/netc/keys/office.key", private_key("office") + "\n", 0o600)
    before = at_rest(edge, r"^$", r"^$")
    refused = any(then.startswith("refused") for *_, then in rows)
    for option in ("--dry-run", "--commit") if refused else ("--dry-run",):
        said = install(edge, option, check=False)
        assert said.returncode == refused
        found = sorted((what, topology, then) for what, topology, host, then in table(said.stderr) if "systemd" in host)
        assert found == rows
        left = at_rest(edge, r"^$", r"^$")
        assert difference(before[0], left[0]) == ""
        assert left[1] == before[1]
    # Where systemd runs, none of it is a row.
    edge.run(["mkdir", "-p", "/run/systemd/system"])
    assert "only systemd" not in install(edge, "--dry-run", check=False).stderr
    edge.run(["rmdir", "/run/systemd/system"])


def test_status_and_check_name_a_service_that_only_systemd_would_confine(lab: Lab, tmp_path: Path) -> None:
    edge = wired(lab, {"eth0": ["198.51.100.10/24"]})
    text = SYSTEMS.format(key='{ file = "/etc/netc/keys/office.key" }', far=PUBLIC["other"])
    edge.write("/etc/netc/keys/office.key", private_key("office") + "\n", 0o600)
    deliver(lab, edge, compiled(text, tmp_path / "a")["edge"])
    install(edge, "--commit")
    # Of an earlier release, which installed it.
    edge.write("/etc/systemd/system/app.service.d/50-netc.conf", "[Service]\nNetworkNamespacePath=/run/netns/vpn\n")
    found = netc_host(edge, "check", check=False).stderr
    assert "app.service: in namespace vpn by the topology, here no systemd" in found
    said = netc_host(edge, "status", check=False)
    assert "app.service" in said.stdout + said.stderr


BEHIND = """
version = 1
network.name = "asked"

[bgp]
asn = 213000
prefixes = ["45.10.0.0/23", "2a10:10::/32"]
profile = "internet"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["46.0.0.1/32", "2a46::1/128"]
loopback = ["45.10.0.1/32", "2a10:10::1/128"]

[hosts.edge.bgp.peers.up4]
asn = 20473
role = "upstream"
address = "47.0.0.2"
local = "46.0.0.1"
multihop = 2

[hosts.edge.bgp.peers.up6]
asn = 20473
role = "upstream"
address = "2a47::2"
local = "2a46::1"
multihop = 2
"""
BY_UPLINK = """
[hosts.edge.uplinks.main]
interface = "eth0"
prefixes = ["46.0.0.1/32", "2a46::1/128"]
gateway = ["172.31.1.1", "2a47:ff::1"]
"""


@pytest.mark.parametrize("form", ["link", "onlink", "subnet", "peer", "uplink"])
def test_a_router_in_no_subnet_that_bird_does_not_take(lab: Lab, tmp_path: Path, form: str) -> None:
    """As DHCP clients make the default route of an address of /32; `onlink` is what netplan and others say."""
    routers = {4: "172.31.1.1", 6: "2a47:ff::1"}
    nets = ["46.0.0.1/32", "2a46::1/128", *(("172.31.1.9/24", "2a47:ff::9/64") if form == "subnet" else ())]
    routes = [f"-{family} {router} dev eth0" for family, router in routers.items() if form in ("link", "uplink")]
    more = " onlink" if form == "onlink" else ""
    routes += [f"-{family} default via {router} dev eth0{more}" for family, router in routers.items()]
    edge = wired(lab, {"eth0": nets}, [] if form == "peer" else routes)
    if form == "peer":
        for family, own in ((4, "46.0.0.1"), (6, "2a46::1")):
            edge.run(["ip", "address", "del", f"{own}/{32 if family == 4 else 128}", "dev", "eth0"])
            edge.run(["ip", "address", "add", own, "peer", routers[family], "dev", "eth0"])
            edge.run(["ip", f"-{family}", "route", "add", "default", "via", routers[family], "dev", "eth0"])
    rows = rows_of(lab, edge, BEHIND + (BY_UPLINK if form == "uplink" else ""), tmp_path)
    odd = [(what, then) for what, _, _, then in rows if what.startswith("route to ")]
    assert [what for what, _ in odd] == (
        [f"route to {router}, IPv{family}" for family, router in routers.items()] if form == "link" else []
    )
    assert all(then.startswith("odd: BIRD resolves no next hops by eth0 for hosts.edge.bgp.peers.") for _, then in odd)
