"""A topology as its own lab: all hosts, brought up, and everybody whom they can talk to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from netaddr import IPAddress

from netc.emit import emit
from netc.lab.birds import protocols
from netc.lab.containers import Containers
from netc.lab.internet import Internet
from netc.lab.machine import Host, Lab, ids
from netc.lab.neighbours import PASSWORD, Neighbours
from netc.lab.stand_ins import AS_ROOT, PROGRAMS, Staged, private_key
from netc.lab.strangers import CREDENTIALS, Strangers, secret_path
from netc.lab.waiting import within
from netc.language.names import DnsName
from netc.plan.facts import Checker, Fact, PlainTunnel, Router, Ruleset, Wireguard
from netc.plan.facts.fact import Secret
from netc.plan.host_plan import HostPlan
from netc.walk import wires
from netc.walk.journey import Neighbour, Process, Start
from netc.walk.kernel import Walk
from netc.walk.outer import carried, peer_for
from netc.walk.packet import Packet
from netc.walk.world import World, dialled, far_of, is_strange

FIRST_NUMBER = 901
"""Of the groups and users that a host has for its splits."""
NUMBERS = 1000
"""Of packets: each has a source port of its own, and the agent knows so many."""
TREE = "/var/tmp/netc"
"""Where a host gets its tree before it installs it."""
NETC_HOST = "/usr/local/sbin/netc-host"
RUNS = """
until [[ -s /run/netc-run/pid ]]; do sleep 0.05; done
sleep 0.2
while grep -qsz '^up$' /proc/[0-9]*/cmdline; do sleep 0.1; done
"""
"""Until `netc-host run` has asked all parts whether they are up."""


class Down(RuntimeError):
    """Hosts that did not come up, and why."""


class Scene:
    """`paper` is made of the plans of `staged`, and the hosts' files are too. `speaking`: neighbours in other ASes
    announce something."""

    def __init__(self, lab: Lab, staged: Staged, paper: World, folder: Path, *, speaking: bool = False) -> None:
        self.lab, self.staged, self.paper, self.folder = lab, staged, paper, folder
        self.hosts: dict[str, Host] = {}
        self.internet = Internet(lab, paper)
        self.strangers = Strangers(paper, self.internet, self.hosts, staged.private)
        self.containers = Containers(paper, self.hosts)
        self.neighbours = Neighbours(paper, self.internet, self.strangers) if speaking else None
        self.late: list[str] = []
        self.made_from: dict[str, str] = {}
        """Keys that this lab made, and what each is made from."""
        self.numbers = {name: FIRST_NUMBER + n for n, name in enumerate(_owners(staged.plans))}
        """Of groups and users."""
        self.used = 0

    def build(self) -> None:
        """Raises Down."""
        self.prepare()
        with ThreadPoolExecutor(3) as several:
            flushed = several.submit(self.internet.flush)
            list(several.map(lambda name: self._up(name, self.hosts[name]), self.hosts))
        flushed.result()
        if self.late:
            raise Down("\n".join(self.late))
        self._routers()
        self.containers.build()
        self.shake()

    def prepare(self) -> None:
        """Everything but the hosts' own installs. What the internet does is not done yet."""
        for of, plan in self.paper.plans.items():
            for file in emit(plan):
                path = self.folder / str(of) / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.text, encoding="utf-8")
                path.chmod(file.mode)
        names = [str(name) for name in self.paper.plans]
        with ThreadPoolExecutor(3) as several:
            self.hosts.update(zip(names, several.map(self.lab.host, names), strict=True))
        for name in self.hosts:
            self.internet.wire(self.hosts[name])
            self._prepare(name)
        for stack, device in list(self.paper.devices()):
            if isinstance(device.made, Wireguard | PlainTunnel) and is_strange(self.paper, stack, device):
                self.strangers.join(stack, device)
        if self.neighbours:
            self.neighbours.join()

    def _prepare(self, name: str) -> None:
        """What a host has before netc comes."""
        host = self.hosts[name]
        lines = ["sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0"]
        # With br_netfilter, a packet to its sender's own published port would have to leave by the bridge port that it
        # came in by, which a bridge does only in hairpin mode.
        lines += ["sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null"]
        for one, number in self.numbers.items():
            lines += [f"groupadd -f -g {number} {one}; useradd -M -u {number} -g {one} {one} 2>/dev/null || true"]
        host.run(["bash", "-c", "\n".join(lines)])
        for path, text in PROGRAMS.items():
            host.write(path, text, 0o755)
        if ids() == 1:
            host.write("/usr/local/sbin/setpriv", AS_ROOT, 0o755)
        roas = self.neighbours.roas(name) if self.neighbours else {}
        for config in (self.folder / name).glob("files/etc/netc/bird.conf"):
            for included in re.findall(r'include "(/etc/bird/[^"]+)"', config.read_text(encoding="utf-8")):
                host.write(included, roas.get(included, ""), 0o644)
        self._secrets(name, host)
        self._shared_secrets(name, host)
        self._names(host, name)
        if any(stack.place[0] == name and stack.docker for stack in self.paper.stacks.values()):
            docker = ("$each -N DOCKER-USER", "$each -A FORWARD -j DOCKER-USER", "$each -P FORWARD DROP")
            host.run(["bash", "-ec", f"for each in iptables ip6tables; do {'; '.join(docker)}; done"])

    def _secrets(self, name: str, host: Host) -> None:
        """Private keys that fit; of the others nobody asks. Credentials are where systemd would have them."""
        plan = next(plan for plan in self.paper.plans.values() if plan.host == name)
        for fact in _facts(plan):
            for secret in fact.secrets():
                host.write(secret_path(str(secret.key)), f"{self._secret(secret)}\n", 0o600)

    def _secret(self, secret: Secret) -> str:
        match secret.kind:
            case "password":
                return PASSWORD
            case "identity" if secret.public:
                return self.staged.private[secret.public]
            case _:
                return self._key(f"in {secret.key}")

    def _key(self, name: str) -> str:
        made = private_key(name)
        self.made_from[made] = name
        return made

    def _shared_secrets(self, name: str, host: Host) -> None:
        """Both ends of a link have the same preshared key, whatever they call the file."""
        for stack, device in self.paper.devices():
            fact = device.made
            for peer in fact.peers if isinstance(fact, Wireguard) and stack.place[0] == name else ():
                far = far_of(self.paper, fact, peer) if isinstance(fact, Wireguard) else None
                if peer.preshared_key and far:
                    ends = sorted(((str(stack.place), device.name), (str(far[0].place), far[1].name)))
                    host.write(secret_path(str(peer.preshared_key)), f"{self._key(str(ends))}\n", 0o600)

    def _up(self, name: str, host: Host) -> None:
        """As an operator does it on a host without systemd."""
        host.deliver(self.folder / name, TREE)
        env = {"CREDENTIALS_DIRECTORY": CREDENTIALS}
        came = host.run(["bash", f"{TREE}/install", "--commit", "--overwrite"], check=False, env=env)
        if came.returncode:
            self.late.append(f"{name}: {came.stdout}{came.stderr}")
            return
        host.start([NETC_HOST, "run"], env=env)
        host.run(["bash", "-c", RUNS])

    def _routers(self) -> None:
        """Until every anycast service is announced, and no kernel's routes change any more."""
        routers = [self.hosts[plan.host] for plan in self.paper.plans.values() if _has(plan, Router)]
        if routers:
            within(25, lambda: all(map(_is_joined, routers)))
            checks = (one for plan in self.paper.plans.values() for part in plan.parts for one in part.every(Checker))
            rising = max((one.rise * one.interval for one in checks), default=0) // 1000
            within(60 + rising, lambda: all(map(self._is_announced, self.paper.plans.values())))
            settled: list[str] = []
            within(30, lambda: _is_still(routers, settled))

    def _is_announced(self, plan: HostPlan) -> bool:
        files = [f"/run/netc/anycast-{one.service}.state" for part in plan.parts for one in part.every(Checker)]
        return not files or set(self.hosts[plan.host].run(["cat", *files], check=False).stdout.split()) == {"up"}

    def _names(self, host: Host, name: str) -> None:
        lines = ["127.0.0.1 localhost"]
        for stack, device in self.paper.devices():
            if stack.place[0] == name and isinstance(device.made, Wireguard):
                for peer in device.made.peers:
                    if peer.endpoint and isinstance(peer.endpoint.host, DnsName):
                        own = self.paper.born(stack)
                        at = dialled(self.paper, own, peer, far_of(self.paper, device.made, peer))
                        if at:
                            lines.append(f"{IPAddress(at[1], at[0])} {peer.endpoint.host}")
        host.write("/etc/hosts", "\n".join(dict.fromkeys(lines)) + "\n")

    def shake(self) -> None:
        """Every tunnel sends something to each peer that it dials: with a keepalive, which is then as it was."""
        for stack, device in self.paper.devices():
            if isinstance(device.made, Wireguard):
                host = self.hosts[str(stack.place[0])]
                own = device.made.keepalive
                lines = [
                    f"wg set {device.name} peer {peer.public_key} persistent-keepalive {seconds}"
                    for peer in device.made.peers
                    for seconds in (0, 1, own)
                    if peer.endpoint
                ]
                if lines:
                    host.run(
                        ["bash", "-c", "\n".join(lines)], namespace=str(stack.place[1]) if stack.place[1] else None
                    )

    def warm(self) -> None:
        """Until tunnels have shaken hands, as far as paper says that they can."""
        waiting: list[tuple[Host, str | None, str, str]] = []
        for stack, device in self.paper.devices():
            for peer in device.made.peers if isinstance(device.made, Wireguard) else ():
                if carried(Walk(self.paper, wires), stack, device, peer) is None:
                    space = str(stack.place[1]) if stack.place[1] else None
                    waiting.append((self.hosts[str(stack.place[0])], space, device.name, str(peer.public_key)))
        within(8, lambda: all(map(_met, waiting)))

    def numbered(self, count: int) -> int:
        """The first of so many numbers of packets that no host knows a connection of: what was let in once is judged
        again. When all are used, every host forgets every connection."""
        if self.used + count > NUMBERS:
            self.used = 0
            for _, host, space, _ in self.places():
                host.start_beside(["conntrack", "-F"], space).wait()
            self.shake()
        first, self.used = self.used, self.used + count
        return first

    def places(self) -> Iterator[tuple[str, Host, str | None, bool]]:
        """Name, host, namespace, and whether it answers for every address."""
        yield "internet", self.internet.host, None, True
        for name in sorted(set().union(*self.strangers.ends.values())):
            yield name, self.internet.host, name, True
        for place in self.paper.stacks:
            yield self.paper.stacks[place].name, self.hosts[str(place[0])], str(place[1]) if place[1] else None, False
        for host, name, _ in self.containers.by_device.values():
            yield f"{host.name} {name}", host, name, False

    def called(self, place: str) -> str:
        """A place as people write it."""
        for (at, device), names in self.strangers.ends.items():
            if place in names:
                return f"the other end of {device} of {self.paper.stacks[at].name}"
        for host, name, own in self.containers.by_device.values():
            if place == f"{host.name} {name}":
                return f"{host.name}:{next(iter(own.values()), name)}"
        return place

    def place_of(self, start: Start, packet: Packet) -> str:
        match start:
            case Process():
                return self.paper.stacks[start.place].name
            case Neighbour():
                fact = self.paper.stacks[start.place].devices[start.device].made
                peer = peer_for(fact, packet.family, packet.source) if isinstance(fact, Wireguard) else None
                if peer and (start.place, start.device, str(peer.public_key)) in self.strangers.by_peer:
                    return self.strangers.by_peer[start.place, start.device, str(peer.public_key)]
                if (start.place, start.device) in self.strangers.first:
                    return self.strangers.first[start.place, start.device]
                host, name, _ = self.containers.by_device[start.place, start.device]
                return f"{host.name} {name}"
            case _:
                return "internet"


def _owners(plans: Iterable[HostPlan]) -> list[str]:
    """Groups and users that splits name."""
    rulesets = (fact for plan in plans for part in plan.parts for fact in part.every(Ruleset))
    splits = (split for ruleset in rulesets for split in ruleset.splits)
    return list(dict.fromkeys(str(one) for split in splits for one in (split.group, split.user) if one))


def _facts(plan: HostPlan) -> Iterator[Fact]:
    for part in plan.parts:
        yield from part.facts


def _has(plan: HostPlan, kind: type[Router]) -> bool:
    return any(True for part in plan.parts for _ in part.every(kind))


def _is_joined(host: Host) -> bool:
    """Whether its sessions inside the AS are established. Nobody speaks for other ASes here."""
    inner = {name: state for name, state in protocols(host).items() if name.startswith("int-")}
    return set(inner.values()) <= {"Established"}


def _is_still(hosts: list[Host], seen: list[str]) -> bool:
    """Whether the kernels' routes are what they were three seconds ago, twice."""
    show = "ip -4 route show table all proto bird; ip -6 route show table all proto bird"
    seen.append("".join(host.run(["bash", "-c", show]).stdout for host in hosts))
    time.sleep(3)
    return len(seen) > 2 and len(set(seen[-3:])) == 1


def _met(one: tuple[Host, str | None, str, str]) -> bool:
    host, space, device, peer = one
    said = host.run(["wg", "show", device, "latest-handshakes"], namespace=space).stdout.split()
    return dict(zip(said[::2], said[1::2], strict=True)).get(peer, "0") != "0"
