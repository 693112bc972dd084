"""A host that exists in thought: it understands the commands that a Step can be, and no other.

Everything that a command adds is a Thing, which may stand on others and goes with them. What a kernel would refuse is
refused: something added twice, an address on a missing device, a route over a device that is down, two tunnels that
could not be told apart.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from netaddr import IPNetwork

GROUP = 77
PLAIN = {
    "gre": {"local", "remote", "ttl", "key"},
    "ip6gre": {"local", "remote", "ttl", "key", "encaplimit"},
    "ipip": {"local", "remote", "ttl"},
    "sit": {"local", "remote", "ttl"},
    "vxlan": {"local", "remote", "ttl", "id", "dstport"},
}
"""Kinds of devices and their options (ip-link(8))."""

INNER = {"ipip": (4,), "sit": (6,)}
OUTER = {"gre": 4, "ipip": 4, "sit": 4, "ip6gre": 6}
"""Families that a kind carries, or is carried by, where that is one alone."""


class Refused(Exception):
    """The host says no."""


class Missing(Refused):
    """`Cannot find device`, `No such file`: what is to be taken back is gone, which an undo forgives."""


class NotLast(Exception):
    """Something was taken away before what was built after it."""


@dataclass(eq=False, slots=True)
class Thing:
    kind: str
    place: str | None
    """The namespace that it is in."""
    name: str
    on: tuple[Thing, ...]
    state: dict[str, Any] = field(default_factory=dict)
    is_taken_back: bool = False
    """By a command of its own, and not by the fall of what it stands on."""

    def __str__(self) -> str:
        said = " ".join(f"{key}={value}" for key, value in sorted(self.state.items()))
        return f"{self.kind} {self.name} in {self.place or 'the host'} {said}".rstrip()


@dataclass
class Host:
    """`files` are those that netc wrote for it, by their path on the host."""

    files: dict[str, str]
    things: list[Thing] = field(default_factory=list)
    sysctls: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    is_strict: bool = False
    """Everything goes in the reverse of the order in which it came."""

    def look(self) -> list[str]:
        return [str(thing) for thing in self.things]

    def run(self, command: tuple[Any, ...], place: str | None = None) -> list[Thing]:
        """What the host gained."""
        before = len(self.things)
        self._run(tuple(map(str, command)), place)
        return self.things[before:]

    def undo(self, command: tuple[Any, ...]) -> None:
        with suppress(Missing):
            self._run(tuple(map(str, command)), None)

    # ---- commands ----------------------------------------------------------------------------------------

    def _run(self, command: tuple[str, ...], place: str | None) -> None:
        match command:
            case ("ip", "-n", inside, *words) if place is None and words[0] != "netns":
                self.find("namespace", None, inside)
                self._ip(tuple(words), inside)
            case ("ip", "netns", "exec", inside, *words) if place is None:
                self.find("namespace", None, inside)
                self._run(tuple(words), inside)
            case ("ip", *words):
                self._ip(tuple(words), place)
            case ("rule", "ip", "-4" | "-6" as flag, "rule", "add", *words):
                if not self._seek("rule", place, rule_name(int(flag[1]), rule_options(words))):
                    self._rule(int(flag[1]), rule_options(words), place)
            case ("old_rules",) | ("drop_old_rules",) | ("drop_other_rules",):
                pass
            case ("remember_ports",):
                self._read("/etc/netc/forwarded")
                self._gain("ports", None, "forwarded")
            case ("forget_ports",):
                self._lose(self.find("ports", None, "forwarded"))
            case ("forget_changed_ports",):
                self._read("/etc/netc/forwarded")
            case ("nft", "-f", path):
                self._load(path, place)
            case ("load_rules", path) if place is None:
                self._load(path, place)
            case ("load_tables", "iptables" | "ip6tables" as program, path, *inside) if len(inside) < 2:
                self._load_tables(program, path, *inside)
            case ("remove_tables", "iptables" | "ip6tables" as program):
                self._lose(self.find("table", None, program))
            case ("nft", "delete", "table", "inet", "netc" | "netc_offload" as name):
                self._lose(self.find("table", place, name))
            case ("offload", path, *devices) if place is None and devices:
                self._read(path)
                if not self._seek("table", None, "netc_offload"):
                    self._gain("table", None, "netc_offload", path=path)
            case ("way_past_docker", "add", entering, leaving):
                if not self._seek("accept", None, f"{entering} {leaving}"):
                    self._gain("accept", None, f"{entering} {leaving}")
            case ("way_past_docker", "remove", *way):
                self._lose(self.find("accept", None, " ".join(way)))
            case ("past_docker", "add", protocol, on, ports, to) if protocol in ("6", "17") and ":" in ports:
                if not self._seek("accept", None, f"{protocol} {on} {ports} {to}"):
                    self._gain("accept", None, f"{protocol} {on} {ports} {to}")
            case ("past_docker", "remove", *flow):
                self._lose(self.find("accept", None, " ".join(flow)))
            case ("ipset", "restore", "-file", path) if place is None:
                self._restore(path)
            case ("remove_sets", *names):
                for name in reversed(names):
                    self._lose(self.find("ipset", None, name))
            case ("wg", *words):
                self._wg(tuple(words), place)
            case ("wireguard", name):
                self._new_link(name, "wireguard", {})
            case ("sync_wireguard", name, _):
                self._configure(name, None)
            case ("sync_wireguard", name, _, inside):
                self._configure(name, inside)
            case ("remove_link", name):
                self._lose(self.find("link", None, name))
            case ("remove_link", name, inside):
                self._lose(self.find("link", inside, name))
            case ("setting", path, value, *inside) if len(inside) < 2:
                self._setting(path, value, inside[0] if inside else None)
            case ("sysctls", path):
                self.sysctls |= {line for line in self._read(path).splitlines() if line[:1] != "#"}
            case ("keep", "-4" | "-6" as flag, "default", *words):
                self._keep(int(flag[1]), tuple(words))
            case ("loosen", name):
                self._gain("loose", None, name)
            case ("tighten", name):
                self._lose(self.find("loose", None, name))
            case ("foreign", name, seconds, program, *_) if int(seconds) > 0 and program:
                self._new_link(name, "foreign", {})
            case ("end_foreign", name, inside, *_):
                self._lose(self._seek("link", inside, name) or self.find("link", None, name))
            case ("instead", "-4" | "-6" as flag, to, "dev", name, "protocol", "77"):
                self._route(int(flag[1]), to, {"dev": name, "protocol": "77"}, place)
            case ("start_bird", path) if place is None:
                self._read(path)
                self._gain("daemon", None, "bird")
            case ("bird_password", name, path, *_) if path:
                if not self._seek("password", None, name):
                    self._gain("password", None, name)
            case ("remove_address", net):
                self._lose(self.find("address", None, f"{net} lo"))
            case ("no_bird_password", name):
                self._lose(self.find("password", None, name))
            case ("switches", "off" | "keep" as how, *names) if names:
                if not self._seek("switches", None, "of bird"):
                    assert how == "off"
                    self._gain("switches", None, "of bird")
            case ("no_switches",):
                self._lose(self.find("switches", None, "of bird"))
            case ("end_bird",):
                self._lose(self.find("daemon", None, "bird"))
            case ("reload_bird", path):
                self._read(path)
                self.find("daemon", None, "bird")
            case ("congestion", control, queue):
                self._gain("congestion", None, f"{control} {queue}")
            case ("congestion_before", control, queue):
                self._lose(self.find("congestion", None, f"{control} {queue}"))
            case ("begin_metrics", path):
                self._gain("metrics", None, path)
            case ("remove_metrics", path):
                self._lose(self.find("metrics", None, path))
            case ("keep_sysctls", path):
                self._read(path)
            case ("make_groups", path):
                self.groups |= {line.split()[1] for line in self._read(path).splitlines() if line[:1] == "g"}
            case ("make_control_groups", *paths) if paths:
                for path in paths:
                    if not self._seek("control group", None, path):
                        self._gain("control group", None, path)
            case ("need_control_groups" | "need_levels",):
                pass
            case ("remove_control_groups", *paths):
                for path in reversed(paths):
                    self._lose(self.find("control group", None, path))
            case ("remember_control_groups",):
                if not self._seek("numbers", None, "of control groups"):
                    self._gain("numbers", None, "of control groups")
            case ("forget_control_groups",):
                self._lose(self.find("numbers", None, "of control groups"))
            case ("make_hidden_folders", *paths) if paths and all(path.startswith("/run/") for path in paths):
                pass  # in memory, and they stay
            case ("hold_guard", path, *_):
                self._read(path)
                self._gain("table", None, "netc_guard", path=path)
            case ("renew_guard", path, *_):
                self._read(path)
                self.find("table", None, "netc_guard").state["path"] = path
            case ("end_guard",):
                self._lose(self.find("table", None, "netc_guard"))
            case ("keep_groups", path):
                self._read(path)
            case _:
                raise Refused(f"unexpected command: {' '.join(command)}")

    def _ip(self, words: tuple[str, ...], place: str | None) -> None:
        match words:
            case ("netns", "add", name) if place is None:
                self._gain("namespace", None, name)
                self._gain("link", name, "lo", (self.find("namespace", None, name),), type="loopback", up=False)
            case ("netns", "delete", name) if place is None:
                self._lose(self.find("namespace", None, name))
            case ("link", "add", "dev", name, "group", "77", "type", "veth", "peer", "name", inner, "netns", inside):
                self._pair(name, inner, inside)
            case ("link", "add", "dev", name, "group", "77", "address", mac, "type", "bridge", *options):
                self._bridge(name, mac, pairs(tuple(options), {"stp_state", "forward_delay"}))
            case ("link", "set", "dev", name, "master", bridge) if place is None:
                self._enslave(self.find("link", None, name), self.find("link", None, bridge))
            case ("link", "add", "dev", name, "group", "77", "address", _, "type", "vxlan", *options):
                self._new_link(name, "vxlan", pairs(tuple(options), PLAIN["vxlan"]))
            case ("link", "add", "dev", name, "group", "77", "type", kind, *options) if kind in PLAIN:
                self._new_link(name, kind, pairs(tuple(options), PLAIN[kind]))
            case ("link", "set", "dev", name, "netns", inside) if place is None:
                self._move(name, inside)
            case ("link", "set", "dev", name, "mtu", size, "up"):
                self._up(self.find("link", place, name), int(size))
            case ("link", "set", "dev", name, "up"):
                self._up(self.find("link", place, name), None)
            case ("-4" | "-6" as flag, "address", "add" | "replace", net, "dev", name):
                self._address(int(flag[1]), net, name, place)
            case ("-4" | "-6" as flag, "address", "add" | "replace", net, "peer", far, "dev", name, *_) if (
                IPNetwork(net).size == IPNetwork(far).size == 1
            ):
                self._address(int(flag[1]), net, name, place)
            case ("-6", "address", "add", net, "dev", name, "nodad"):
                self._address(6, net, name, place)
            case ("-4" | "-6" as flag, "route", "add", "unreachable", to, *options):
                name = refusal_name(int(flag[1]), to, pairs(tuple(options), REFUSAL))
                self._gain("route", place, name, self._in(place))
            case ("-4" | "-6" as flag, "route", "delete", to, *options):
                self._lose(self.find("route", place, refusal_name(int(flag[1]), to, pairs(tuple(options), REFUSAL))))
            case ("-4", "route", "add", to, "via", "inet6", router, *options) if ":" in router:
                self._route(4, to, pairs(("via", router, *options), ROUTE), place)
            case ("-4" | "-6" as flag, "route", "add", to, *options):
                self._route(int(flag[1]), to, pairs(tuple(options), ROUTE), place)
            case ("-4" | "-6" as flag, "route", "flush", "table", table, "dev", name, "protocol", "77"):
                self._lose(self.find("kept", None, f"-{flag[1]} table {table} dev {name}"))
            case ("-4" | "-6" as flag, "rule", "add", *options):
                self._rule(int(flag[1]), rule_options(options), place)
            case ("-4" | "-6" as flag, "rule", "delete", *options):
                name = rule_name(int(flag[1]), rule_options(options))
                self._lose(self.find("rule", place, name))
            case _:
                raise Refused(f"unexpected command: ip {' '.join(words)}")

    def _wg(self, words: tuple[str, ...], place: str | None) -> None:
        match words:
            case ("addconf", name, path) if path == f"/etc/netc/wireguard/{name}.conf":
                self._configure(name, place)
                self._gain("peers", place, name, (self.find("link", place, name),))
            case ("set", name, "private-key", path) if path:
                link = self._wireguard(name, place)
                self._gain("key", place, name, (link,), path=path)
            case ("set", name, "peer", public, "preshared-key", path) if path:
                link = self._wireguard(name, place)
                if f"PublicKey = {public}\n" not in self._read(f"/etc/netc/wireguard/{name}.conf"):
                    raise Refused(f"{name} has no peer {public}")
                self._gain("shared key", place, f"{name} {public}", (link,), path=path)
            case _:
                raise Refused(f"unexpected command: wg {' '.join(words)}")

    # ---- what they do ------------------------------------------------------------------------------------

    def _configure(self, name: str, place: str | None) -> None:
        self._wireguard(name, place)
        self._read(f"/etc/netc/wireguard/{name}.conf")

    def _wireguard(self, name: str, place: str | None) -> Thing:
        link = self.find("link", place, name)
        if link.state["type"] != "wireguard":
            raise Refused(f"{name} is no WireGuard device")
        return link

    def _new_link(self, name: str, kind: str, options: dict[str, str]) -> None:
        if len(name) > 15:
            raise Refused(f"{name} is too long")
        told = distinguished_by(kind, options)
        for link in self.things:
            if told and link.state.get("told") == told:
                raise Refused(f"{name} could not be told from {link.name}: {told}")
        self._gain("link", None, name, type=kind, up=False, told=told)

    def _bridge(self, name: str, mac: str, options: dict[str, str]) -> None:
        if not re.fullmatch(r"02(:[0-9a-f]{2}){5}", mac):
            raise Refused(f"{mac} is no address that netc may give")
        if options != {"stp_state": "0", "forward_delay": "0"}:
            raise Refused(f"{name} would keep new ports waiting")
        self._new_link(name, "bridge", {})

    def _enslave(self, link: Thing, bridge: Thing) -> None:
        if bridge.state["type"] != "bridge" or "master" in link.state:
            raise Refused(f"{link.name} cannot be a port of {bridge.name}")
        link.state["master"] = bridge.name

    def _pair(self, name: str, inner: str, inside: str) -> None:
        space = self.find("namespace", None, inside)
        self._gain("link", None, name, type="veth", up=False)
        self._gain("link", inside, inner, (space, self.find("link", None, name)), type="veth", up=False)

    def _move(self, name: str, inside: str) -> None:
        link, space = self.find("link", None, name), self.find("namespace", None, inside)
        if any(link in thing.on and thing.kind in ("address", "route") for thing in self.things) or link.state["up"]:
            raise Refused(f"{name} would lose its addresses and routes on the way to {inside}")
        if self._seek("link", inside, name):
            raise Refused(f"{inside} has a {name}")
        link.place, link.on = inside, (*link.on, space)
        for thing in self.things:
            if link in thing.on:
                thing.place = inside

    def _up(self, link: Thing, size: int | None) -> None:
        if link.state["up"]:
            raise Refused(f"{link.name} is up")
        six = any(thing.kind == "address" and link in thing.on and ":" in thing.name for thing in self.things)
        if size is not None and size < (1280 if six else 68):
            raise Refused(f"an mtu of {size} is too small for {link.name}")
        link.state |= {"up": True, "mtu": size}

    def _setting(self, path: str, value: str, place: str | None) -> None:
        match path.split("/"):
            case ["net", "ipv6", "conf", name, "accept_dad" | "accept_ra" | "addr_gen_mode"]:
                self._gain("setting", place, path, (self.find("link", place, name),), value=value)
            case ["net", "ipv4", "conf", name, "rp_filter" | "route_localnet"]:
                self._gain("setting", place, path, (self.find("link", place, name),), value=value)
            case _:
                raise Refused(f"no such setting: {path}")

    def _address(self, family: int, net: str, name: str, place: str | None) -> None:
        link = self.find("link", place, name)
        if IPNetwork(net).version != family or family not in INNER.get(link.state["type"], (4, 6)):
            raise Refused(f"{net} on {name}, a {link.state['type']}, by way of -{family}")
        self._gain("address", place, f"{net} {name}", (link,))

    def _route(self, family: int, to: str, options: dict[str, str], place: str | None) -> None:
        link = self.find("link", place, options["dev"])
        if not link.state["up"]:
            raise Refused(f"{link.name} is down")
        if to != "default" and IPNetwork(to).version != family:
            raise Refused(f"{to} by way of -{family}")
        table = options.get("table", "main")
        connected = [
            IPNetwork(thing.name.split()[0])
            for thing in self.things
            if thing.kind == "address" and thing.place == place and link in thing.on
        ]
        if family == 4 and table == "main" and to in [str(net.cidr) for net in connected]:
            raise Refused(f"{to} is connected to {link.name}")
        if "via" in options and not any(options["via"] in net for net in connected):
            raise Refused(f"{options['via']} is not reached by {link.name}")
        if "src" in options and options["src"] not in [str(net.ip) for net in connected]:
            raise Refused(f"{options['src']} is no address of {link.name}")
        self._gain("route", place, f"-{family} {to} table {table}", (link,), **options)

    def _keep(self, family: int, words: tuple[str, ...]) -> None:
        """An uplink may be somebody else's, and away."""
        options = pairs(tuple(word for word in words if word != "onlink"), ROUTE)
        if any(IPNetwork(options[key]).version != family for key in ("via", "src") if key in options):
            raise Refused(f"{' '.join(words)} by way of -{family}")
        self._gain("kept", None, f"-{family} table {options['table']} dev {options['dev']}", **options)

    def _rule(self, family: int, options: dict[str, str], place: str | None) -> None:
        self._gain("rule", place, rule_name(family, options), self._in(place))

    def _load(self, path: str, place: str | None) -> None:
        if unknown := set(re.findall(r'skgid (?:!= )?"([^"]+)"', self._read(path))) - self.groups:
            raise Refused(f"Group does not exist: {', '.join(sorted(unknown))}")
        for path_ in re.findall(r'socket cgroupv2 level \d+ (?:!= )?"([^"]+)"', self._read(path)):
            self.find("control group", None, path_)
        there = self._seek("table", place, "netc")
        if there and there.state["path"] != path:
            raise Refused(f"{path} would replace {there.state['path']}")
        if not there:
            self._gain("table", place, "netc", self._in(place), path=path)

    def _load_tables(self, program: str, path: str, place: str | None = None) -> None:
        text = self._read(path)
        if unknown := set(re.findall(r"--gid-owner (\S+)", text)) - self.groups:
            raise Refused(f"unknown group: {', '.join(sorted(unknown))}")
        for name in re.findall(r"--match-set (\S+)", text):
            self.find("ipset", place, name)
        if not self._seek("table", place, program):
            self._gain("table", place, program, self._in(place), path=path)

    def _restore(self, path: str) -> None:
        """Sets that are built beside others and take their place leave one of each."""
        for words in (line.split() for line in self._read(path).splitlines()):
            match words:
                case ["create", "-exist", name, *_]:
                    if not self._seek("ipset", None, name):
                        self._gain("ipset", None, name)
                case ["flush" | "add", name, *_]:
                    self.find("ipset", None, name)
                case ["swap", one, other]:
                    self.find("ipset", None, one), self.find("ipset", None, other)
                case ["destroy", name]:
                    self._lose(self.find("ipset", None, name))
                case ["#", *_]:
                    pass
                case _:
                    raise Refused(f"no line of ipset: {words}")

    def _in(self, place: str | None) -> tuple[Thing, ...]:
        """What falls with a namespace that it is in."""
        return (self.find("namespace", None, place),) if place else ()

    def _read(self, path: str) -> str:
        if path not in self.files:
            raise Refused(f"{path} is not among the files of the host")
        return self.files[path]

    # ---- things ------------------------------------------------------------------------------------------

    def find(self, kind: str, place: str | None, name: str) -> Thing:
        found = self._seek(kind, place, name)
        if found is None:
            raise Missing(f"there is no {kind} {name} in {place or 'the host'}")
        return found

    def _seek(self, kind: str, place: str | None, name: str) -> Thing | None:
        wanted = (kind, place, name)
        return next((thing for thing in self.things if (thing.kind, thing.place, thing.name) == wanted), None)

    def _gain(self, kind: str, place: str | None, name: str, on: tuple[Thing, ...] = (), **state: Any) -> None:
        if there := self._seek(kind, place, name):
            if kind == "shared key" and there.state == state:
                return
            raise Refused(f"there is a {kind} {name} in {place or 'the host'} already")
        self.things.append(Thing(kind, place, name, on, state))

    def _lose(self, thing: Thing) -> None:
        """The thing and all that stands on it; what was built later and does not fall must be gone."""
        lost = {thing}
        for other in self.things:
            if lost & set(other.on):
                lost.add(other)
        if any(link.kind == "link" and link.state["type"] not in ("veth", "loopback") for link in lost - {thing}):
            raise Refused(f"{thing.name} would take a device with it that is to be removed first")
        first = min(self.things.index(each) for each in lost)
        late = [each for each in self.things[first:] if each.is_taken_back and each not in lost]
        self.things = [each for each in self.things if each not in lost]
        if late and self.is_strict:
            raise NotLast(f"{thing} went before {late[-1]}")


ROUTE = {"via", "dev", "src", "table", "protocol"}
REFUSAL = {"metric", "table", "protocol"}
RULE = {"priority", "from", "to", "iif", "fwmark", "ipproto", "sport", "lookup", "suppress_prefixlength", "protocol"}


def pairs(words: tuple[str, ...], known: set[str]) -> dict[str, str]:
    found = dict(zip(words[::2], words[1::2], strict=True))
    if found.keys() - known or len(found) * 2 != len(words):
        raise Refused(f"unexpected options: {' '.join(words)}")
    return found


def rule_options(words: list[str]) -> dict[str, str]:
    """The options of a rule; what refuses has no table."""
    return pairs(tuple(" ".join(words).replace(" unreachable ", " lookup nothing ").split()), RULE)


def distinguished_by(kind: str, options: dict[str, str]) -> str:
    """What the kernel tells tunnels of a kind apart by."""
    if kind in ("wireguard", "bridge", "foreign"):
        return ""
    if missing := {"local", "remote", "ttl"} & PLAIN[kind] - options.keys():
        raise Refused(f"a {kind} needs {', '.join(sorted(missing))}")
    outer = [options[end] for end in ("local", "remote") if options.get(end, "any") != "any"]
    families = {6 if ":" in address else 4 for address in outer}
    if len(families) > 1:
        raise Refused(f"{' and '.join(outer)} are of two families")
    if families != {OUTER.get(kind, *families)}:
        raise Refused(f"{' and '.join(outer)} cannot be outer addresses of {kind}")
    if "id" in options:
        return f"{kind} {options['id']} {options['dstport']} {families}"
    return f"{kind} {options['local']} {options['remote']} {options.get('key')}"


def rule_name(family: int, options: dict[str, str]) -> str:
    if {"priority", "from", "lookup", "protocol"} - options.keys():
        raise Refused(f"a rule of too few words: {options}")
    if "fwmark" in options:
        mark, mask = (int(number, 16) for number in options["fwmark"].split("/"))
        if not mark or mark & ~mask:
            raise Refused(f"no packet carries the mark {options['fwmark']}")
    return f"-{family} " + " ".join(f"{key} {options[key]}" for key in sorted(options))


def refusal_name(family: int, to: str, options: dict[str, str]) -> str:
    """Of a route that leads nowhere. It stands on no device, so nothing takes it away but its own command."""
    if (REFUSAL if to == "default" else REFUSAL - {"table"}) - options.keys():
        raise Refused(f"it would refuse more than is meant: {options}")
    return f"-{family} unreachable {to} " + " ".join(f"{key} {options[key]}" for key in sorted(options))
