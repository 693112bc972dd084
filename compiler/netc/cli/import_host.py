"""`netc import host`: what a host has, as a table of the topology to start from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netc.cli.carriers import ByWhat, InventoryFile, SshCommand, Sudo, Through, carrier
from netc.cli.edit import replace, toml_of
from netc.cli.files import beside
from netc.cli.options import Topo
from netc.cli.printer import say, warn
from netc.cli.topology import report, understood, wrong_use

if TYPE_CHECKING:
    from netc.deploy.found import Default, Found
    from netc.diagnostic import Diagnostic
    from netc.language.names import HostName

TUNNELS = ("wireguard", "tun")
"""Kinds of interfaces by which a host's own default route may leave, but which are no uplink."""
PROTOCOLS = {"9": "by router advertisements", "16": "by DHCP"}
"""Who made a route (rtnetlink(7))."""
MOST = 100
"""Lines that are listed, and values of a key."""
WIDEST = 200


def host(
    name: Annotated[str, typer.Argument(metavar="H", help="The host's name in TOPO.")],
    topo: Topo = Path("topo.toml"),
    at: Annotated[str | None, typer.Option(metavar="DEST", help="What ssh connects to. Default: H.")] = None,
    ssh: SshCommand = "ssh",
    through: ByWhat = Through.SSH,
    inventory: InventoryFile = None,
    sudo: Sudo = False,
) -> None:
    """Ask a host what it has, and write it into TOPO as the host's table. Make TOPO if it does not exist."""
    from netc.deploy.found import ask
    from netc.emit.host import asking

    owner = _named(name)
    text = toml_of(topo) if topo.exists() else 'version = 1\n\n[network]\nname = "network"\n'
    hosts = understood(topo).network.topology.hosts if topo.exists() else {}
    if owner in hosts:
        raise wrong_use(f"{topo}: hosts.{owner} exists already", "import it into another file, and compare")
    dialled = at or str(owner)
    connection = carrier(through, ssh, inventory, {dialled}, sudo=sudo)
    found, why = ask(connection, dialled, asking(), lambda line: warn(f"{owner}: {_shown(line)}"))
    if found is None:
        warn(f"netc: {owner} does not answer: {_shown(why)}")
        raise typer.Exit(1)
    taken = {table.id for table in hosts.values()}
    _write(topo, text, owner, next(id for id in range(1, 4095) if id not in taken), found)


def _named(name: str) -> HostName:
    from netc.language.names import HostName, Wrong

    try:
        return HostName(name)
    except Wrong as wrong:
        raise wrong_use(wrong.what, wrong.hint) from None


def _write(topo: Path, text: str, owner: HostName, id: int, found: Found) -> None:
    from netc.diagnostic import InvalidTopology
    from netc.language.additions import NotAdded, added
    from netc.pipeline import understand

    wan = _wan(found)
    table, left = _table(id, wan, found)
    while True:
        try:
            made = added(text, ("hosts", str(owner)), table, tuple(_comments(table, found)))
        except NotAdded as error:
            raise wrong_use(f"{topo}: {error}") from None
        try:
            understand(made, str(topo), beside(topo))
            break
        except InvalidTopology as invalid:
            if taken := _taken_out(table, owner, invalid.diagnostics):
                left += taken
                continue
            report(invalid.diagnostics, topo, made)
            warn(f"netc: {topo} is unchanged, since the import would cause these errors")
            raise typer.Exit(1) from None
    replace(topo, made)
    say(f"{topo}: hosts.{owner} added")
    lines = [_shown(line) for line in (*left, *_others(table, found))]
    warn(*(["not imported:"] if lines else []), *(f"  {line}" for line in lines[:MOST]))
    if len(lines) > MOST:
        warn(f"  and {len(lines) - MOST} more")


def _taken_out(table: dict[str, Any], owner: HostName, errors: Iterable[Diagnostic]) -> list[str]:
    """Takes values that pass their types, but are wrong in this network, out of the table: lines about them."""
    wrong = {one.where[2:4] for one in errors if one.where[:2] == ("hosts", owner)}
    taken: list[str] = []
    for key in [key for key in table if key != "id"]:
        values = table[key] if isinstance(table[key], list) else [table[key]]
        kept = [value for n, value in enumerate(values) if not {(key,), (key, n)} & wrong]
        taken += [f"{key} {value}" for value in values if value not in kept]
        if not kept:
            del table[key]
        elif isinstance(table[key], list):
            table[key] = kept
    return taken


def _shown(line: str) -> str:
    from netc.language.secrets import masked

    return masked(line if len(line) <= WIDEST else f"{line[:WIDEST]}…")


def _wan(found: Found) -> Default | None:
    """The default route of the uplink: the best one of IPv4, else of IPv6, that leaves by no tunnel."""
    return next((one for one in found.defaults if found.kinds.get(one.device, "tun") not in TUNNELS), None)


def _table(id: int, wan: Default | None, found: Found) -> tuple[dict[str, Any], list[str]]:
    """What passes its type, and lines about what does not."""
    table: dict[str, Any] = {"id": id}
    left: list[str] = []
    wanted: list[tuple[str, Any]] = []
    if wan:
        own = [one for one in found.addresses if one.device == wan.device]
        lasting = [
            one.address for one in own if not {"temporary", "deprecated", "tentative", "dadfailed"} & {*one.flags}
        ]
        # A stateless address is the only one that is written: it changes with the prefix.
        stateless = [one.address for one in own if "mngtmpaddr" in one.flags]
        held = [one for one in lasting if one not in stateless or not _has_other(lasting, stateless)]
        # Linux lets an interface have an address twice, with two lengths. The first is its subnet.
        fixed = [*{one.partition("/")[0]: one for one in reversed(held)}.values()][::-1]
        mtu = found.mtu[wan.device]
        wanted.append(("wan", wan.device))
        if mtu != "1500" and not _is_jumbo(mtu):
            wanted.append(("mtu", int(mtu) if mtu.isdecimal() and len(mtu) < 10 else mtu))
        wanted += [("addresses", one) for one in fixed[:MOST]]
        left += [f"address {one.address} of {one.device}" for one in own if one.address not in fixed[:MOST]]
    if found.ssh and "22" not in found.ssh:
        wanted.append(
            ("ssh", int(found.ssh[0]) if found.ssh[0].isdecimal() and len(found.ssh[0]) < 6 else found.ssh[0])
        )
    for key, value in wanted:
        if not _fits(key, value):
            left.append(f"{key} {value}")
        elif key == "addresses":
            table.setdefault(key, []).append(value)
        else:
            table[key] = value
    return table, left


def _is_jumbo(mtu: str) -> bool:
    """Such frames end where the provider's network ends: links over the internet must not be as large."""
    return mtu.isdecimal() and len(mtu) < 10 and int(mtu) > 1500


def _has_other(lasting: list[str], stateless: list[str]) -> bool:
    return any(":" in one and one not in stateless for one in lasting)


def _fits(key: str, value: object) -> bool:
    from pydantic import ValidationError

    from netc.language.names import Wrong
    from netc.language.topology import Host

    try:
        Host.model_validate({"id": 1, key: value})
    except (ValidationError, Wrong):
        return False
    return True


def _comments(table: Mapping[str, Any], found: Found) -> Iterator[str]:
    """Made of netc's words and of addresses and names that passed their types."""
    from netaddr import IPNetwork

    from netc.network.dialling import public

    wan = table.get("wan")
    if wan is None:
        yield "The host has no default route by an interface of its own: set `wan` to its uplink."
        return
    for route in found.defaults:
        if route.device == wan and (via := _address(route.via)):
            how = PROTOCOLS.get(route.protocol, "set by hand")
            yield f"The router of {wan} is {via}, {how}. The image configures it, netc does not."
    if _is_jumbo(found.mtu[wan]):
        yield f"{wan} has MTU {found.mtu[wan]}. Set `mtu` only if no tunnel crosses the internet, which has 1500."
    dynamic = {one.address for one in found.addresses if one.device == wan and "dynamic" in one.flags}
    for address in table.get("addresses", []):
        if address in dynamic:
            yield f"{address} is not for ever: the host has it by DHCP or router advertisements."
    if not any(public(IPNetwork(address).ip) for address in table.get("addresses", [])):
        yield "No address of the host is public: set `endpoint` to what peers dial, or to false behind NAT."
    for device in dict.fromkeys(route.device for route in found.defaults):
        if device != wan and found.kinds.get(device) not in TUNNELS and _fits("wan", device):
            yield f"{device} has a default route too: see `uplinks`."


def _address(text: str) -> str:
    from netaddr import AddrFormatError, IPAddress

    try:
        return str(IPAddress(text))
    except (AddrFormatError, ValueError):
        return ""


def _others(table: Mapping[str, Any], found: Found) -> Iterator[str]:
    yield from (f"{what} {name}" for what, name in found.others)
    for device, kind in sorted(found.kinds.items()):
        if device not in ("lo", table.get("wan")):
            its = [one.address for one in found.addresses if one.device == device]
            yield " ".join(["interface", device, *([kind] if kind != "-" else []), *its])
    yield from (f"sshd listens at {port}" for port in found.ssh if port != str(table.get("ssh", 22)))
    yield from (f"line {line}" for line in found.strange)
