"""Topologies in which one table grows, for each that one can hold many of: all that netc does with `n` of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from bench.inputs import hub, key, outer

HEAD = 'version = 1\nnetwork.name = "grown"\n'
HOST = '[hosts.h]\nid = 1\nwan = "eth0"\naddresses = ["198.18.0.1/24", "2001:db8::1/64"]\n'
SIMPLE = HEAD + HOST
WIREGUARD = """kind = "wireguard"
peer = {{ public_key = "{key}", endpoint = "192.0.2.66:{port}", allowed_ips = "{to}" }}
"""
SPLIT = '[hosts.h.splits.s{m}]\ntunnel = "t{m}"\ngroup = "g{m}"\nipv6 = "block"\ndns = "9.9.9.9"\n'
UPLINK = '[hosts.h.uplinks.u{m}]\ninterface = "eth{m}"\nprefixes = "10.64.{m}.2/24"\ngateway = "10.64.{m}.1"\n'
FORWARD = '[forwards.f{m}]\nat = "{at}"\nports = "{port}/{protocol}"\nto = "{to}"\nvia = "{via}"\n'


def _quad(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def inner(n: int) -> str:
    """The first address of the nth /31 of 10.64.0.0/10."""
    return _quad((10 << 24) + (64 << 16) + n * 2)


def prefix(n: int) -> str:
    """No two of them touch."""
    return f"{_quad((100 << 24) + n * 512)}/24"


def quoted(words: Iterable[str]) -> str:
    return json.dumps([*words])


def lines_of(words: Iterable[str]) -> str:
    """A list with a line for each: a long line is cut where it is shown."""
    return "[\n" + "".join(f"  {json.dumps(word)},\n" for word in words) + "]\n"


def each(n: int, lines: Callable[[int], str], head: str = SIMPLE) -> str:
    return head + "\n".join(map(lines, range(n))) + "\n"


def pair(more: str = "") -> str:
    """Two hosts and a link; each says `more`."""
    text = HEAD
    for n, name in enumerate(("h", "g"), 1):
        text += f'[hosts.{name}]\nid = {n}\nwan = "eth0"\naddresses = "{outer(n)}/24"\npublic_key = "{key(n)}"\n'
        text += more.format(n=n, name=name)
    text += '[links.way]\nkind = "wireguard"\nbetween = ["h", "g"]\n'
    return text + 'ends.h.address = "10.1.0.0/31"\nends.g.address = "10.1.0.1/31"\n'


def system(prefixes: Iterable[str] = ("10.0.0.0/8",)) -> str:
    """The two are routers."""
    text = f'[bgp]\nasn = 65000\ninternal = "mesh"\nprefixes = {quoted(prefixes)}\nprofile = "private"\n'
    return pair('loopback = "10.0.0.{n}/32"\n[hosts.{name}.bgp]\n') + text + '[igp]\nkind = "ospf"\nover = ["way"]\n'


def tunnel(n: int, to: str = "0.0.0.0/0", more: str = "") -> str:
    wireguard = WIREGUARD.format(key=key(n), to=to, port=1 + n % 65535)
    return f'[hosts.h.tunnels.t{n}]\n{wireguard}address = "{inner(n)}/32"\n{more}'


def uplink(m: int) -> str:
    return UPLINK.format(m=m + 1) + f"mark = {m + 1}\ntable = {20000 + m}\n"


def split(m: int) -> str:
    return tunnel(m) + SPLIT.format(m=m) + f"mark = {m + 1}\ntable = {20000 + m}\n"


def denied(n: int) -> str:
    """Sets that are named beside each other, and prefixes."""
    text = (
        SIMPLE
        + f"firewall.deny = {quoted(['private', *(f's{m}' for m in range(n)), *(prefix(n + m) for m in range(n))])}\n"
    )
    return each(n, lambda m: f'[sets.s{m}]\nprefixes = "{prefix(m)}"\n', text)


def acknowledged(n: int) -> str:
    """Sets of which `minus` takes nothing away, each as it is meant."""
    one = '[sets.s{n}]\nprefixes = "{prefix}"\nminus = "192.0.2.0/24"\n'
    ack = '[[acknowledge]]\ncode = "NC1606"\nat = "sets.s{n}.minus"\nreason = "later"\n'
    sets = each(n, lambda number: one.format(n=number, prefix=prefix(number)))
    return each(n, lambda number: ack.format(n=number), sets)


def chained(n: int) -> str:
    """Sets that lie in each other."""
    return each(
        n,
        lambda number: (
            f'[sets.s{number}]\nprefixes = "{prefix(number)}"\n' + (f'sets = "s{number - 1}"\n' if number % 8 else "")
        ),
    )


def forwards(n: int, protocol: str = "tcp", more: str = "") -> str:
    def one(m: int) -> str:
        return FORWARD.format(m=m, at="h", port=20000 + m, protocol=protocol, to="g", via="way") + more

    return each(n, one, pair())


def forwards_to_many(n: int) -> str:
    """Each by a link of its own, to a host of its own."""
    text = HEAD
    for number in range(n + 1):
        text += f'[hosts.h{number}]\nid = {number + 1}\nwan = "eth0"\naddresses = "{outer(number + 1)}/24"\n'
        text += f'public_key = "{key(number)}"\n'
    for number in range(1, n + 1):
        text += f'[links.l{number}]\nkind = "wireguard"\nbetween = ["h0", "h{number}"]\n'
        text += f'ends.h0.address = "10.1.{number // 100}.{number % 100 * 2}/31"\n'
        text += f'ends.h{number}.address = "10.1.{number // 100}.{number % 100 * 2 + 1}/31"\n'
        port, to, via = 20000 + number, f"h{number}", f"l{number}"
        text += FORWARD.format(m=number, at="h0", port=port, protocol="tcp", to=to, via=via)
    return text


def ring(n: int) -> str:
    """Routers, each with its neighbours."""
    text = HEAD + '[bgp]\nasn = 65000\ninternal = "fake-confederation"\nmembers = { base = 4200000000 }\n'
    text += f'prefixes = "10.0.0.0/8"\nprofile = "private"\nover = {quoted(f"w{number}" for number in range(n))}\n'
    for number in range(n):
        text += f'[hosts.r{number}]\nid = {number + 1}\nwan = "eth0"\naddresses = "{outer(number + 1)}/24"\n'
        text += f'loopback = "10.0.{number // 200}.{number % 200}/32"\nbgp = {{}}\n'
        text += f'[links.w{number}]\nkind = "gre"\nbetween = ["r{number}", "r{(number + 1) % n}"]\n'
        text += f'ends.r{number}.address = "10.1.{number // 100}.{number % 100 * 2}/31"\n'
        text += f'ends.r{(number + 1) % n}.address = "10.1.{number // 100}.{number % 100 * 2 + 1}/31"\n'
    return text


def neighbours(n: int) -> str:
    return each(
        n,
        lambda number: (
            f'[hosts.h.bgp.peers.p{number}]\nasn = {65001 + number % 400}\nrole = "peer"\n'
            f'address = "fe80::{number + 1:x}"\nlocal = "fe80::ffff"\ninterface = "ix{number}"\n'
        ),
        system(),
    )


def anycast(n: int) -> str:
    return each(
        n,
        lambda number: (
            f'[anycast.a{number}]\naddresses = "10.9.{number // 200}.{number % 200}/32"\nhosts = ["h"]\n'
            f'check = {{ command = ["/bin/true"] }}\nservices = "a{number}.service"\n'
        ),
        system(),
    )


def bridged(n: int) -> str:
    """Namespaces on a bridge."""
    text = SIMPLE + '[hosts.h.bridges.br0]\naddresses = "10.128.0.1/16"\n'
    return each(
        n,
        lambda number: (
            f'[hosts.h.namespaces.n{number}]\nbridge = "br0"\naddress = "10.128.{number // 200 + 1}.'
            f'{number % 200 + 1}/16"\nservices = "s{number}.service"\n'
        ),
        text,
    )


def published(n: int) -> str:
    text = SIMPLE + '[hosts.h.bridges.br0]\naddresses = "10.128.0.1/16"\nmasquerade = true\n'
    return each(
        n,
        lambda number: (
            f'[[hosts.h.bridges.br0.publish]]\nport = "{20000 + number}/tcp"\n'
            f'to = "10.128.{number // 200}.{number % 200 + 2}:80"\nallow = "{prefix(number)}"\n'
        ),
        text,
    )


def published_inside(n: int) -> str:
    text = SIMPLE + tunnel(0) + '[hosts.h.namespaces.n]\ntunnel = "t0"\ndns = "9.9.9.9"\naccess = "10.200.0.0/31"\n'
    return each(
        n,
        lambda number: f'[[hosts.h.namespaces.n.publish]]\nport = "{20000 + number}/tcp"\nallow = "{prefix(number)}"\n',
        text,
    )


def in_namespaces(n: int) -> str:
    return each(
        n,
        lambda number: (
            tunnel(number)
            + f'[hosts.h.namespaces.n{number}]\ntunnel = "t{number}"\ndns = "9.9.9.9"\nservices = "s{number}.service"\n'
            f'access = "10.200.{number // 100}.{number % 100 * 2}/31"\n'
        ),
    )


def list_of(where: str, words: Callable[[int], str], head: str = SIMPLE) -> Callable[[int], str]:
    return lambda n: head + f"{where} = {quoted(map(words, range(n)))}\n"


def items_of(where: str, item: Callable[[int], str], head: str = SIMPLE) -> Callable[[int], str]:
    return lambda n: head + f"{where} = [{', '.join(map(item, range(n)))}]\n"


def hosts(n: int, more: str = "") -> str:
    text = HEAD
    for m in range(n):
        text += f'[hosts.h{m}]\nid = {m + 1}\nwan = "eth0"\naddresses = "{outer(m + 1)}/24"\n'
        text += f'public_key = "{key(m)}"\n{more}'
    return text


def within(n: int) -> str:
    """Tunnels, each of which ends in what is routed into the next one."""
    one = '[hosts.h.tunnels.t{m}]\nkind = "wireguard"\naddress = "{own}/32"\nroutes = "{to}"\n'
    peer = 'peer = {{ public_key = "{key}", endpoint = "{end}:51820", allowed_ips = "{to}" }}\n'
    return each(
        n,
        lambda m: (
            one.format(m=m, own=inner(m), to=prefix(m))
            + peer.format(key=key(m), end=prefix(m + 1).replace(".0/24", ".1"), to=prefix(m))
        ),
    )


def published_by_many(n: int) -> str:
    """Bridges, each with a port."""
    return each(
        n,
        lambda m: (
            f'[hosts.h.bridges.b{m}]\naddresses = "{quad(m)}.1/24"\nmasquerade = true\n'
            f'publish = [{{ port = "{20000 + m}/tcp", to = "{quad(m)}.2:80" }}]\n'
        ),
    )


def quad(m: int) -> str:
    """The first three numbers of a /24."""
    return f"10.{128 + m // 250}.{m % 250}"


def twin_links(n: int, kind: str = "wireguard", via: str = "l{m}", more: str = "") -> str:
    """Two hosts, links between them, and a forward by each."""
    text = hosts(2, more)
    for m in range(n):
        text += f'[links.l{m}]\nkind = "{kind}"\nbetween = ["h0", "h1"]\n'
        for side, name in enumerate(("h0", "h1")):
            text += f'ends.{name} = {{ interface = "w{m}", port = {1024 + m}, '
            text += f'address = "{inner(m)[: inner(m).rindex(".")]}.{m * 2 % 256 + side}/31" }}\n'
        text += FORWARD.format(m=m, at="h0", port=20000 + m, protocol="tcp", to="h1", via=via.format(m=m))
        text += "keep_source = false\n"
    return text


def meshes(n: int) -> str:
    """Of the same two hosts."""
    return hosts(2) + each(
        n,
        lambda m: (
            f'[meshes.m{m}]\nhosts = ["h0", "h1"]\ninterfaces = "shared"\nsubnet = "{quad(m)}.0/24"\n'
            f"port = {1024 + m}\n"
        ),
        "",
    )


def star(n: int) -> str:
    """A router, and others that it alone has links to."""
    text = HEAD + '[bgp]\nasn = 65000\ninternal = "fake-confederation"\nmembers = { base = 4200000000 }\n'
    text += f'prefixes = "10.0.0.0/8"\nprofile = "private"\nover = {quoted(f"w{m}" for m in range(1, n + 1))}\n'
    for m in range(n + 1):
        text += f'[hosts.r{m}]\nid = {m + 1}\nwan = "eth0"\naddresses = "{outer(m + 1)}/24"\nbgp = {{}}\n'
        text += f'loopback = "10.0.{m // 200}.{m % 200}/32"\n'
    for m in range(1, n + 1):
        text += f'[links.w{m}]\nkind = "gre"\nbetween = ["r0", "r{m}"]\n'
        for side, name in enumerate(("r0", f"r{m}")):
            text += f'ends.{name}.address = "10.1.{m // 100}.{m % 100 * 2 + side}/31"\n'
    return text


def sets_used(n: int, where: str) -> str:
    """Each on its own: `where` is what uses the set `s{m}`."""
    return each(n, lambda m: f'[sets.s{m}]\nprefixes = "{prefix(m)}"\n' + where.format(m=m, port=1024 + m))


def tunnel_of_peers(n: int, allowed: Callable[[int], str]) -> str:
    text = SIMPLE + '[hosts.h.tunnels.t]\nkind = "wireguard"\naddress = "10.64.0.1/32"\nport = 51820\n'
    return each(
        n,
        lambda m: f'[[hosts.h.tunnels.t.peer]]\npublic_key = "{key(m)}"\nallowed_ips = "{allowed(m)}"\n',
        text,
    )


TABLES: dict[str, Callable[[int], str]] = {
    "hosts": lambda n: each(n, lambda m: f'hosts.h{m} = {{ id = {m + 1}, addresses = "{outer(m)}/24" }}', HEAD),
    "links": hub,
    "links with addresses": forwards_to_many,
    "forwards": forwards,
    "forwards of udp": lambda n: forwards(n, "udp", "bound = true\n"),
    "acknowledged sets": acknowledged,
    "sets in sets": chained,
    "prefixes of a set": list_of("prefixes", prefix, SIMPLE + "[sets.s]\n"),
    "prefixes taken from a set": list_of("minus", prefix, SIMPLE + '[sets.s]\nprefixes = "0.0.0.0/0"\n'),
    "routers": ring,
    "bgp peers": neighbours,
    "prefixes of an AS": lambda n: system(f"10.{m // 100}.{m % 100 * 2}.0/24" for m in range(n)),
    "anycast services": anycast,
    "tunnels": lambda n: each(n, lambda m: tunnel(m, prefix(m), f'routes = "{prefix(m)}"\n')),
    "routes of a tunnel": lambda n: SIMPLE + tunnel(0, more=f"routes = {quoted(map(prefix, range(n)))}\n"),
    "peers of a tunnel": items_of(
        "peer",
        lambda m: f'{{ public_key = "{key(m)}", allowed_ips = "{prefix(m)}" }}',
        SIMPLE + '[hosts.h.tunnels.t]\nkind = "wireguard"\naddress = "10.64.0.1/32"\nport = 51820\n',
    ),
    "namespaces": in_namespaces,
    "namespaces on a bridge": bridged,
    "publishes of a bridge": published,
    "publishes of a namespace": published_inside,
    "bridges": lambda n: each(n, lambda m: f'[hosts.h.bridges.b{m}]\naddresses = "{inner(m)}/31"\n'),
    "uplinks": lambda n: each(n, uplink),
    "uplinks with a firewall": lambda n: each(n, uplink, SIMPLE + "firewall = {}\n"),
    "splits": lambda n: each(n, split),
    "prefixes that go direct": lambda n: (
        SIMPLE + tunnel(0) + SPLIT.format(m=0) + f"direct = {quoted(map(prefix, range(n)))}\n"
    ),
    "ways in": items_of("firewall.allow", lambda m: f'{{ ports = "{20000 + m}/tcp", from = "{prefix(m)}" }}'),
    "ways in beside a wide one": lambda n: (
        SIMPLE
        + 'firewall.allow = [{ ports = "1-65535/tcp", from = "192.0.2.0/24" }, '
        + ", ".join(f'{{ ports = "{20000 + m}/tcp", from = "{prefix(m)}" }}' for m in range(n))
        + "]\n"
    ),
    "ways through": items_of("firewall.pass", lambda m: f'{{ from = "a{m}", to = "b{m}" }}'),
    "prefixes denied": list_of("firewall.deny", prefix),
    "sets denied": denied,
    "addresses of a host": list_of(
        "addresses", lambda m: f"203.0.{m // 200}.{m % 200}/32", HEAD + "[hosts.h]\nid = 1\n"
    ),
    "tunnels in tunnels": within,
    "bridges that publish": published_by_many,
    "links and forwards of two hosts": twin_links,
    "forwards through a firewall": lambda n: twin_links(n, more="firewall = {}\n"),
    "meshes": meshes,
    "routers around one": star,
    "ports of a way in": list_of("ports", lambda m: f"{1024 + 2 * m}/tcp", SIMPLE + "[[hosts.h.firewall.allow]]\n"),
    "sources of a way in": list_of("from", prefix, SIMPLE + '[[hosts.h.firewall.allow]]\nports = "80/tcp"\n'),
    "sets let in": lambda n: sets_used(n, '[[hosts.h.firewall.allow]]\nports = "{port}/tcp"\nfrom = "s{m}"\n'),
    "bgp peers in tunnels": lambda n: each(
        n,
        lambda m: (
            tunnel(m + 9, "fe80::/64").replace(f"{inner(m + 9)}/32", f"fe80::{m + 1:x}/64")
            + f'[hosts.h.bgp.peers.p{m}]\nasn = {65001 + m % 400}\nrole = "peer"\naddress = "fe80::aa:{m:x}"\n'
            + f'tunnel = "t{m + 9}"\n'
        ),
        system(),
    ),
}
"""The text of a topology by how many of the table it has."""
WRONG: dict[str, Callable[[int], str]] = {
    "links to nobody": lambda n: each(
        n, lambda m: f'[links.l{m}]\nkind = "wireguard"\nbetween = ["h{m}", "hh{m}"]\n', hosts(n)
    ),
    "forwards by no link": lambda n: twin_links(n, via="ll{m}"),
    "forwards by a wrong link": lambda n: (
        twin_links(n).replace('to = "h1"', 'to = "h2"') + f'[hosts.h2]\nid = 3\naddresses = "{outer(3)}/24"\n'
    ),
    "forwards of one port": lambda n: each(
        n, lambda m: FORWARD.format(m=m, at="h", port=80, protocol="tcp", to="g", via="way"), pair()
    ),
    "forwards of ports that overlap": lambda n: each(
        n,
        lambda m: FORWARD.format(m=m, at="h", port=f"{20000 + m}-{30000 + m}", protocol="tcp", to="g", via="way"),
        pair(),
    ),
    "publishes of one port": lambda n: published(n).replace('port = "2', 'port = "80/tcp" # "2'),
    "sets that are not there": lambda n: (
        SIMPLE
        + "firewall.deny = "
        + lines_of(f"ss{m}" for m in range(n))
        + each(n, lambda m: f'[sets.s{m}]\nprefixes = "{prefix(m)}"\n', "")
    ),
    "namespaces in no tunnel": lambda n: in_namespaces(n).replace('tunnel = "t', 'tunnel = "tt'),
    "hosts of a mesh that are not there": lambda n: (
        hosts(n)
        + "[meshes.m]\nhosts = "
        + lines_of(f"hh{m}" for m in range(n))
        + 'interfaces = "shared"\nsubnet = "10.64.0.0/16"\n'
    ),
    "peers with one prefix": lambda n: tunnel_of_peers(n, lambda _: "10.0.0.0/8"),
    "peers with prefixes in each other": lambda n: tunnel_of_peers(n, lambda m: "10.0.0.0/8" if m == 0 else inner(m)),
    "hosts with one id": lambda n: hosts(n).replace("id = ", "id = 1 # "),
    "sets in a ring": lambda n: each(n, lambda m: f'[sets.s{m}]\nsets = "s{(m + 1) % n}"\n'),
    "tunnels in a ring": lambda n: within(n).replace(
        prefix(n).replace(".0/24", ".1:"), prefix(0).replace(".0/24", ".1:")
    ),
}
"""Those in which each has a mistake."""
FEW = frozenset({"hosts", "uplinks", "uplinks with a firewall", "splits", "addresses of a host"})
"""Those that can have some hundreds at most."""
