"""What every kind of step did is taken away behind netc's back, is named by `netc-host check` and `status`, and is
made anew by `netc-host up`: whether something is there is asked of the kernel."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from msgspec import Struct

from examples import EXAMPLES
from live.compiled import compiled, give_key, parts, script
from live.delivered import as_if_run, deliver, install, netc_host
from live.example_host import TUNSAFE, TUNSAFE_CONFIG, example
from live.keys import private_key, public_key
from live.lab import Host, Lab
from live.needs import has_gre
from netc.pipeline import plan, understand
from netc.plan.step import Step
from netc.plan.steps import steps
from topologies import FULL, document

pytestmark = pytest.mark.live

TUNNELS_OF_A_STOCK_KERNEL = ("ip link add gre", "ip link add ip6gre", "ip link add ipip", "ip link add sit")
GROUPS = ("make_control_groups", "remember_control_groups")
"""A lab has none; tests/machine/test_splits.py has."""


class Made(Struct, frozen=True):
    """A step of a host, and the part that it is of."""

    part: str
    step: Step

    @property
    def up(self) -> tuple[str, ...]:
        return tuple(map(str, self.step.up))

    @property
    def shown(self) -> tuple[str, str]:
        """The `ip` that its effect is in, and of what."""
        words = next(words for words in self.step.holds if "expect" in words)
        words = words[words.index("expect") :]
        return f"ip -n {str(words[1]).split()[2]} " if " -n " in str(words[1]) else "ip ", str(words[2])


def word(step: Step) -> str:
    """What kind of step it is: its command, and of `ip`, `wg` and what enters a namespace also what is done by it."""
    match tuple(map(str, step.up)):
        case ("ip", "netns", "exec", _, program, *_):
            return f"ip netns exec {program}"
        case ("ip", "-n", _, *words) | ("ip", *words):
            words = [each for each in words if each not in ("-4", "-6")]
            if words[:2] == ["link", "add"]:
                return f"ip link add {words[words.index('type') + 1]}"
            more = next((each for each in ("master", "netns", "unreachable") if each in words[2:]), "")
            return " ".join([*words[:2], more]).strip() if words[0] != "link" else f"ip link set {more or 'up'}"
        case ("wg", *words):
            return f"wg {words[0]} {words[-2] if words[0] == 'set' else ''}".strip()
        case (first, *_):
            return first


def removal(made: Made) -> str:
    """Shell that takes its effect away."""
    ip, of = made.shown if any("expect" in words for words in made.step.holds) else ("ip ", "")
    up = made.up
    match word(made.step).split():
        case ["address", _]:
            at = up.index("dev")
            return f"{ip}address delete {up[at - 1]} dev {up[at + 1]}"
        case ["foreign"]:
            return "pkill -9 -f '[t]unsafe start'; ip link delete dev tun0 2>/dev/null; true"
        case ["wireguard"] | ["ip", "link", "add", _] | ["ip", "link", "set", "netns"]:
            return f"{ip}link delete dev {of}"
        case ["ip", "link", "set", "master"]:
            return f"{ip}link set dev {of} nomaster"
        case ["ip", "link", "set", "up"]:
            return f"{ip}link set dev {of} down"
        case ["netns", "add"]:
            return f"ip netns delete {up[3]}"
        case ["route" | "rule", "add", *_]:
            return shlex.join(["delete" if each == "add" else each for each in up])
        case ["keep"] | ["instead"]:
            return shlex.join(["ip", up[1], "route", "delete", *up[2:]])
        case ["hold_guard"]:  # both processes, or the shell starts nft again
            return "source /usr/lib/netc/steps.bash guard none; kill -9 $(pids_of_tunnel netc:guard)"
        case ["nft"] | ["load_rules"]:
            return "nft delete table inet netc"
        case ["ip", "netns", "exec", "nft"]:
            return f"ip netns exec {up[3]} nft delete table inet netc"
        case ["load_tables"]:
            flush = f"{up[1]}-save -t mangle | sed -n 's/^:\\(netc-[^ ]*\\) .*/-F \\1/p'"
            return f"{{ echo '*mangle'; {flush}; echo COMMIT; }} | {up[1]}-restore --noflush"
        case ["ipset"]:
            return f"ipset flush {Path(up[3]).stem}4"
        case ["sysctls"]:
            return "echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding"
        case ["setting"]:
            enter = f"ip netns exec {up[3]} " if len(up) > 3 else ""
            return f"echo {0 if up[2] != '0' else 1} | {enter}tee /proc/sys/{up[1]}"
        case ["wg", "addconf"]:
            return f"wg set {up[2]} peer $(sed -n 's/^PublicKey = //p' {up[3]} | head -n 1) remove"
        case ["wg", "set", "private-key"]:
            return f"wg genkey >/run/other && wg set {up[2]} private-key /run/other"
        case ["wg", "set", "preshared-key"]:
            return f"wg set {up[2]} peer {up[4]} remove"
        case ["begin_metrics"]:
            return f"rm {up[1]}"
        case ["congestion"]:
            return "echo reno >/proc/sys/net/ipv4/tcp_congestion_control"
        case ["make_groups"]:
            return f"sed -n 's/^g \\([^ ]*\\) .*/\\1/p' {up[1]} | head -n 1 | xargs groupdel"
        case ["make_hidden_folders"]:
            return f"rmdir {up[-1]}"
        case ["remember_ports"]:
            return "rm /run/netc/*.forwarded"
        case ["start_bird"]:
            return "kill -9 $(cat /run/netc/bird-keeper.pid) $(cat /run/netc/bird.pid)"
        case ["switches"]:
            return "rm /run/netc/bird.switches/*"
        case ["bird_password"]:
            return f"rm /run/netc/bird.passwords/{up[1]}"
        case ["loosen"]:
            return f"echo 1 >/proc/sys/net/ipv4/conf/{up[1]}/rp_filter"
        case ["past_docker" | "way_past_docker"]:
            return "iptables -F DOCKER-USER"
        case ["offload"]:
            return "nft delete table inet netc_offload"
        case _:
            raise LookupError(f"nobody has said how to take away what `{' '.join(up)}` did")


def steps_of(text: str, beside: Callable[[str], str], host: str) -> Iterator[Made]:
    network = understand(text, "topology.toml", beside).network
    found = next(name for name in network.topology.hosts if name == host)
    for part in plan(found, network).parts:
        yield from (Made(str(part.name), step) for step in steps(part))


@cache
def of_examples() -> dict[str, dict[str, Made]]:
    """By host of an example, as `dn42/fra`: the first step of each kind that no host before it has."""
    wanted: dict[str, dict[str, Made]] = {}
    seen: set[str] = set()
    for path in sorted(EXAMPLES, key=lambda path: path.stem != "dn42"):
        topology = understand(path.read_text(), path.name, lambda name, path=path: (path.parent / name).read_text())
        for host in topology.network.topology.hosts:
            for part in plan(host, topology.network).parts:
                for step in steps(part):
                    if word(step) not in seen:
                        seen.add(word(step))
                        wanted.setdefault(f"{path.stem}/{host}", {})[word(step)] = Made(str(part.name), step)
    return wanted


def differences(host: Host) -> list[str]:
    said = netc_host(host, "check", check=False)
    # The kernel of a machine may lack a type of link: the part that needs it is down, too. Or it cannot be asked. And
    # a lab has no systemd.
    odd = ("netc: kernel: ", ", here no systemd (")
    assert [line for line in said.stderr.splitlines() if not any(word in line for word in odd)] == []
    return [line for line in said.stdout.splitlines() if not line.startswith("kernel: ")]


def try_each(host: Host, kinds: dict[str, Made], known: list[str]) -> None:
    """Takes away what each step did, sees it named, has it made anew, and sees that nothing is left to say."""
    assert differences(host) == known
    for kind, made in kinds.items():
        host.run(["bash", "-c", removal(made)])
        found = [line for line in differences(host) if line not in known]
        assert any(line.startswith((f"{made.part}: ", "rules: ")) for line in found), (kind, found)
        if any(line.startswith(f"{made.part}: ") for line in found):  # so does the part's own script
            alone = host.run(script(made.part, "check"), check=False)
            assert (alone.returncode, alone.stderr) == (1, ""), (kind, alone)
            assert set(alone.stdout.splitlines()) == {line for line in found if line.startswith(f"{made.part}: ")}, kind
        status = netc_host(host, "status", check=False)
        assert status.returncode == 1
        assert re.search(rf"(?m)^part +{made.part} +broken$", status.stdout), (kind, status.stdout)
        assert re.search(rf"(?m)^broken +{made.part} ", status.stdout), (kind, status.stdout)
        metrics = netc_host(host, "status", "--metrics", check=False).stdout
        assert f'netc_part_up{{part="{made.part}"}} 0' in metrics, kind
        said = netc_host(host, "up", check=False)
        assert f"netc: {made.part}: is broken: taking it down and up again\n" in said.stderr, (kind, said.stderr)
        assert differences(host) == known, (kind, said.stderr)


@pytest.mark.parametrize("which", of_examples())
def test_check_reports_each_undone_step_and_up_repairs_it(lab: Lab, which: str, tmp_path: Path) -> None:
    lacking = () if has_gre() else TUNNELS_OF_A_STOCK_KERNEL
    kinds = {kind: made for kind, made in of_examples()[which].items() if kind not in (*lacking, *GROUPS)}
    host, failed = example(lab, which, tmp_path)
    assert not {made.part for made in kinds.values()} & set(failed)
    try_each(host, kinds, [f"part {part} is down" for part in failed])


MORE = """
version = 1
network.name = "lab"

[hosts.edge]
id = 1
wan = "eth0"
addresses = ["198.51.100.7/24"]
public_key = "KEY-OF-EDGE"
metrics = "/var/lib/prometheus/node-exporter/netc.prom"
offload = true
docker = true

[hosts.node]
id = 2
wan = "eth0"
addresses = ["198.51.100.20/24"]
public_key = "KEY-OF-NODE"

[links.one]
kind = "wireguard"
between = ["edge", "node"]
ends.edge = { address = "10.77.1.0/31", preshared_key = { file = "/etc/netc/keys/one.psk" } }
ends.node = { address = "10.77.1.1/31", preshared_key = { file = "/etc/netc/keys/one.psk" } }

[forwards.web]
at = "edge"
ports = ["80/tcp"]
to = "node"
via = "one"
""".replace("KEY-OF-EDGE", public_key(private_key("edge"))).replace("KEY-OF-NODE", public_key(private_key("node")))


ODD = """
version = 1
network.name = "lab"

[bgp]
asn = 4242422547
prefixes = "172.22.99.0/24"
profile = "dn42"
internal = "mesh"
[igp]
kind = "ospf"
over = ["inside"]

[links.inside]
kind = "vxlan"
between = ["edge", "node"]
ends.edge.address = "10.77.1.0/31"
ends.node.address = "10.77.1.1/31"

[hosts.node]
id = 2
wan = "eth0"
addresses = "198.51.100.20/24"
loopback = "172.22.99.2/32"
bgp = {}

[hosts.edge]
id = 1
wan = "eth0"
addresses = "198.51.100.7/24"
docker = true
loopback = "172.22.99.1/32"

[hosts.edge.bgp]
table = "own"
[hosts.edge.bgp.peers.up]
asn = 4242420001
role = "upstream"
address = "198.51.100.20"

[hosts.edge.bridges.br0]
addresses = "10.11.0.1/24"
masquerade = true
publish = [{ port = "81/tcp", to = "box:80", allow = "192.0.2.0/24" }]

[hosts.edge.namespaces.box]
bridge = "br0"
address = "10.11.0.2/24"
dns = "9.9.9.9"
services = "box.service"

[hosts.edge.tunnels.safe]
kind = "tunsafe"
interface = "tun0"
config = "/etc/tunsafe/safe.conf"
address = "10.66.0.2/24"
routes = "10.67.0.0/16"
"""


def of(text: str) -> dict[str, Made]:
    """The first step of each kind that the host `edge` has."""
    return {word(made.step): made for made in reversed([*steps_of(text, lambda name: name, "edge")])}


def test_check_and_up_cover_steps_that_no_example_has(lab: Lab, tmp_path: Path) -> None:
    edge = lab.host("edge", compiled(MORE, tmp_path)["edge"])
    lab.wire(edge, "eth0", lab.host("node"), "eth0", a_addresses=["198.51.100.7/24"])
    give_key(edge, "host", "edge")
    edge.write("/etc/netc/keys/one.psk", edge.run(["wg", "genpsk"]).stdout, 0o600)
    install_beside_docker(lab, edge, compiled(MORE, tmp_path / "again")["edge"])
    as_if_run(edge)
    kinds = of(MORE)
    has_flowtables = edge.run(["nft", "list", "table", "inet", "netc_offload"], check=False).returncode == 0
    new = {"past_docker", "wg set preshared-key", "begin_metrics", *(["offload"] if has_flowtables else [])}
    try_each(edge, {kind: kinds[kind] for kind in sorted(new)}, [])


def test_check_and_up_cover_unusual_steps(lab: Lab, tmp_path: Path) -> None:
    edge = lab.host("edge", compiled(ODD, tmp_path)["edge"])
    lab.wire(edge, "eth0", lab.host("node"), "eth0", a_addresses=["198.51.100.7/24"])
    edge.write("/etc/tunsafe/safe.conf", TUNSAFE_CONFIG.replace("192.168.1.2", "198.51.100.7"), 0o600)
    edge.write("/usr/local/bin/tunsafe", TUNSAFE.read_text(), 0o755)
    install_beside_docker(lab, edge, compiled(ODD, tmp_path / "again")["edge"])
    kinds = of(ODD)
    new = ("instead", "ip link set master", "rule add unreachable", "way_past_docker")
    try_each(edge, {kind: kinds[kind] for kind in new}, [])


def install_beside_docker(lab: Lab, host: Host, tree: Path) -> None:
    host.run(["bash", "-c", "for each in iptables ip6tables; do $each -N DOCKER-USER; done"])
    deliver(lab, host, tree)
    install(host, "--commit", "--overwrite")


def test_every_kind_of_step_is_tested() -> None:
    tried = {kind for kinds in (*of_examples().values(), of(MORE), of(ODD)) for kind in kinds}
    every = {word(made.step) for host in FULL["hosts"] for made in steps_of(document(FULL), lambda name: name, host)}
    assert every - set(TUNNELS_OF_A_STOCK_KERNEL) <= tried


ASKS = {
    "ip": ("expect",),
    "wg": ("peers_are",),
    "nft": ("rules_are", "pieces_and_rules_are"),
    "unshare": ("rules_are", "pieces_and_rules_are", "tables_are", "members_are"),
    "iptables-save": ("tables_are",),
    "ipset": ("members_are",),
    "birdc": ("bird_runs",),
    "getent": ("groups_are",),
}
"""By program: the questions that cannot be answered without it."""


@pytest.mark.parametrize("which", ["dn42/fra", "laptop/laptop", "laptop-iptables/laptop"])
def test_a_question_that_cannot_be_asked_counts_as_drift(lab: Lab, which: str, tmp_path: Path) -> None:
    """Told by the part's own script as by `netc-host`."""
    host, failed = example(lab, which, tmp_path)
    asking = {part: host.read(script(part, "check")[1]) for part in parts(host) if part not in failed}
    known = differences(host)
    for program, questions in ASKS.items():
        lacking = f"mount --bind /bin/false $(readlink -f $(command -v {program}))"
        host.run(["bash", "-c", lacking])
        together = [line for line in differences(host) if line not in known]
        for part, text in asking.items():
            if not any(re.search(rf"(?m)^{question} ", text) for question in questions):
                continue
            alone = host.run(script(part, "check"), check=False)
            assert (alone.returncode, alone.stderr) == (1, ""), (program, part, alone)
            assert all(line.startswith(f"{part}: ") for line in alone.stdout.splitlines()), alone
            assert any(line.startswith(f"{part}: ") for line in together), (program, part, together)
        host.run(["bash", "-c", lacking.replace("mount --bind /bin/false", "umount")])
        assert differences(host) == known


@pytest.mark.parametrize("line", ["exit 0", ': "$nothing_of_that_name"', "no_such_question"])
def test_a_question_that_aborts_a_check_is_reported(lab: Lab, tmp_path: Path, line: str) -> None:
    host, _ = example(lab, "start/server", tmp_path)
    part = parts(host)[0]
    host.run(["sed", "-i", f"s/^finish$/{line}\\nfinish/", script(part, "check")[1]])
    said = "has an unknown question: .*" if line == "no_such_question" else "could not be checked to the end"
    alone = host.run(script(part, "check"), check=False)
    assert alone.returncode == 1
    assert re.search(rf"(?m)^{part}: {said}$", alone.stdout)
    together = netc_host(host, "check", check=False)
    assert together.returncode == 1
    assert re.search(rf"(?m)^{part}: {said}$", together.stdout)
    status = netc_host(host, "status", check=False)
    assert status.returncode == 1
