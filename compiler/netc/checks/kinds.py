"""Keys that belong to the kind of link that they are written for, and addresses that the kind can carry."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netaddr import IPNetwork

from netc.diagnostic import Diagnostic, KeyPath, dotted
from netc.language.kinds import KINDS, Properties, those
from netc.language.links import Mesh
from netc.language.tables import Table
from netc.network.interface import Network
from netc.network.routing import is_shared_by_routers


def _of(has: Callable[[Properties], bool]) -> frozenset[str]:
    return frozenset(those(has))


def _programs_with(key: str) -> frozenset[str]:
    return _of(lambda kind: key in kind.keys)


WIREGUARD = _of(lambda kind: kind.form == "wireguard")
NUMBERED = _of(lambda kind: kind.form == "numbered")
KEYED = _of(lambda kind: kind.takes("KEY"))
CHOOSES_FAMILY = _of(lambda kind: kind.chooses_family)
LOCAL = _of(lambda kind: kind.takes("LOCAL"))
REMOTE = _of(lambda kind: kind.takes("REMOTE"))
TTL = _of(lambda kind: kind.takes("TTL"))

LINK: dict[str, frozenset[str]] = {
    "key": KEYED,
    "vni": NUMBERED,
    "port": NUMBERED,
    "family": CHOOSES_FAMILY,
    "ttl": TTL,
}
END: dict[str, frozenset[str]] = {
    **dict.fromkeys(("port", "public_key", "next_public_key", "private_key", "preshared_key"), WIREGUARD),
    **dict.fromkeys(("keepalive", "allowed_ips"), WIREGUARD),
    "local": LOCAL,
}
TUNNEL: dict[str, frozenset[str]] = {
    **dict.fromkeys(("import_", "private_key", "peer", "dns"), WIREGUARD),
    "remote": REMOTE,
    "local": LOCAL,
    "ttl": TTL,
    "key": KEYED,
    "vni": NUMBERED,
    "port": WIREGUARD | NUMBERED,
    "family": CHOOSES_FAMILY,
    **{key: _programs_with(key) for properties in KINDS.values() for key in properties.keys},
    "wait": _of(lambda kind: kind.form == "program"),
    # A route on Ethernet needs a gateway, and netc does not know the peer's.
    **dict.fromkeys(("routes", "table", "priority"), _of(lambda kind: not kind.ethernet)),
}
"""Keys, and the kinds that have them. `dns` comes with a provider's tunnel."""


def check(network: Network) -> Iterator[Diagnostic]:
    topology = network.topology
    for name, link in topology.links.items():
        where: KeyPath = ("links", name)
        yield from _keys(link, link.kind, LINK, where)
        for host, end in link.ends.items():
            yield from _keys(end, link.kind, END, (*where, "ends", host))
            yield from _inner(end.address, link.kind, (*where, "ends", host, "address"))
            yield from _inner(end.routes, link.kind, (*where, "ends", host, "routes"))
    for host, table in topology.hosts.items():
        for tunnel_name, tunnel in table.tunnels.items():
            where = ("hosts", host, "tunnels", tunnel_name)
            yield from _keys(tunnel, tunnel.kind, TUNNEL, where)
            yield from _inner(tunnel.address, tunnel.kind, (*where, "address"))
            yield from _inner(tunnel.routes, tunnel.kind, (*where, "routes"))
    for mesh_name, mesh in topology.meshes.items():
        if not is_shared_by_routers(mesh_name, topology):  # else NC2102 refuses what these keys belong to
            yield from _mesh(mesh, ("meshes", mesh_name))


def _keys(table: Table, kind: str, known: dict[str, frozenset[str]], where: KeyPath) -> Iterator[Diagnostic]:
    for key in sorted(table.model_fields_set & known.keys()):
        if kind not in known[key]:
            shown = key.rstrip("_")
            what = f"kind `{kind}` has no `{shown}`"
            hint = f"leave it out: `{shown}` belongs to {', '.join(sorted(known[key]))}"
            if known is LINK and key == "port" and kind in WIREGUARD:
                hint = "leave it out, or write `ends.HOST.port`: each end of a wireguard link has a port of its own"
            yield Diagnostic("NC0206", (*where, shown), what, hint, on_key=True)


def _inner(networks: tuple[IPNetwork, ...], kind: str, where: KeyPath) -> Iterator[Diagnostic]:
    carried = KINDS[kind].carries
    table = dotted(where[:2] if where[0] == "links" else where[:4])
    for index, net in enumerate(networks):
        if net.version not in carried:
            what = f"{kind} carries IPv{carried[0]} only, and {net} is IPv{net.version}"
            hint = f'write `kind = "gre"` in {table}: it carries both families'
            if net.prefixlen == 0:
                everywhere = {4: "0.0.0.0/0", 6: "::/0"}[carried[0]]
                hint = "leave it out" if everywhere in map(str, networks) else f"write `{everywhere}`"
            yield Diagnostic("NC0207", (*where, index), what, hint)


def _mesh(mesh: Mesh, where: KeyPath) -> Iterator[Diagnostic]:
    shared = mesh.interfaces == "shared"
    if shared and not mesh.subnet:
        what = "the mesh has shared interfaces and no `subnet`"
        yield Diagnostic(
            "NC0208", where, what, 'write `subnet = "10.88.0.0/24"`: each host has the address subnet + id', on_key=True
        )
    for key in ("prefix",) if shared else ("interface", "subnet"):
        if key in mesh.model_fields_set:
            what = f'a mesh with `interfaces = "{mesh.interfaces}"` has no `{key}`'
            hint = f'leave it out: `{key}` belongs to `interfaces = "{"per-peer" if shared else "shared"}"`'
            yield Diagnostic("NC0206", (*where, key), what, hint, on_key=True)
