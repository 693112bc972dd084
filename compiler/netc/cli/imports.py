"""`netc import`: what others wrote becomes part of a topology, and its private keys go into files of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from netc.cli import import_host
from netc.cli.edit import put_secrets, replace, toml_of
from netc.cli.files import beside
from netc.cli.options import Topo
from netc.cli.printer import say, warn
from netc.cli.topology import host_of, report, text_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.diagnostic import Diagnostic
    from netc.language.names import HostName
    from netc.language.tunnels import Tunnel, TunnelPeer
    from netc.network.interface import Network

app = typer.Typer(no_args_is_help=True, help="Import a host, or the file of another program.")
app.command("host")(import_host.host)

Keys = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The folder for private keys. Default: keys, beside TOPO.")
]

N = TypeVar("N", bound=str)

Tables = tuple[tuple[tuple[str, ...], Mapping[str, Any]], ...]


@dataclass(frozen=True)
class _Secret:
    host: str
    place: str
    """On the host."""
    value: str = field(repr=False)


@app.command("wg-quick")
def wg_quick(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The provider's file, unchanged.")],
    topo: Topo = Path("topo.toml"),
    host: Annotated[
        str | None, typer.Option(metavar="H", help="The host of the tunnel. Default: the only host.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="T", help="The tunnel's name. Default: from FILE.")] = None,
    keys: Keys = None,
) -> None:
    """Write a provider's tunnel into TOPO, as a table of the host."""
    from netc.language.imports import merged
    from netc.language.key_files import key_file
    from netc.language.names import TunnelName
    from netc.language.tunnels import Tunnel
    from netc.language.wg_quick import is_key, secrets_of

    given, text = text_of(file), toml_of(topo)
    network = understood(topo).network
    owner = _only(network) if host is None else host_of(host, network)
    tunnel = _name(TunnelName, name or file.stem)
    _fits(tunnel)
    where = ("hosts", str(owner), "tunnels", str(tunnel))
    asked = Tunnel.model_validate({"kind": "wireguard", "import": str(file)})
    whole, diagnostics = merged(asked, tunnel, owner, where, lambda _: given)
    reported = (diagnostic for diagnostic in diagnostics if diagnostic.code != "NC0123")  # secrets are taken along
    report(tuple(_in_the_file(diagnostic, file, given) for diagnostic in reported), topo, text)
    if whole is None:
        raise typer.Exit(1)
    private, shared = secrets_of(given)
    for key, value in (("PrivateKey", private), *(("PresharedKey", each) for each in shared)):
        if value and not is_key(value):
            what = f"{file}: {key} has {len(value)} characters and is not 32 bytes in base64"
            raise wrong_use(what, f"copy the {key} from the provider again")
    if not private:
        place = f"{key_file(f'{tunnel}.key')} on {owner}"
        warn(f"netc: {file} has no PrivateKey: write the tunnel's key into {place}")
    secrets = [_Secret(str(owner), key_file(f"{tunnel}.key"), private)]
    for peer, value in zip(whole.peer, shared, strict=True):
        if peer.preshared_key:
            secrets.append(_Secret(str(owner), str(peer.preshared_key.file), value))
    table = _without_large_mtu(_table(whole), where, topo, text)
    _add(topo, text, ((where, table),), [secret for secret in secrets if secret.value], keys)


@app.command("wg-meshconf")
def wg_meshconf(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The database of wg-meshconf, a CSV file.")],
    topo: Topo = Path("topo.toml"),
    name: Annotated[str | None, typer.Option(metavar="M", help="The mesh's name. Default: from FILE.")] = None,
    keys: Keys = None,
) -> None:
    """Write a mesh of wg-meshconf and its hosts into TOPO. Make TOPO if it does not exist."""
    from netc.language.key_files import key_file
    from netc.language.meshconf import NotRead, read_meshconf
    from netc.language.names import MeshName

    mesh = _name(MeshName, name or file.stem)
    text = toml_of(topo) if topo.exists() else f'version = 1\n\n[network]\nname = "{mesh}"\n'
    try:
        found = read_meshconf(text_of(file), mesh)
    except NotRead as error:
        warn(f"netc: {file}: {error.what}", *([f"   = hint: {error.hint}"] if error.hint else []))
        raise typer.Exit(1) from None
    secrets = [_Secret(host, key_file("host.key"), key) for host, key in found.private_keys.items()]
    _add(topo, text, found.tables, secrets, keys)
    if found.left_behind:
        warn(f"not imported: {', '.join(found.left_behind)}")


def _in_the_file(diagnostic: Diagnostic, file: Path, text: str) -> Diagnostic:
    """The table that a key path would lead to is not there yet."""
    from msgspec.structs import replace

    from netc.diagnostic import Place
    from netc.language.secrets import masked

    first = masked(text.partition("\n")[0].rstrip("\r"))
    return replace(diagnostic, where=(), place=diagnostic.place or Place(str(file), 1, 1, len(first) + 1, first))


def _only(network: Network) -> HostName:
    hosts = list(network.topology.hosts)
    if len(hosts) != 1:
        raise wrong_use(f"the topology has {len(hosts)} hosts, and the tunnel belongs to one", "name it: `--host H`")
    return hosts[0]


def _name(kind: type[N], text: str) -> N:
    """What a file is called, made a name."""
    from netc.language.names import Wrong

    try:
        return kind(re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-"))
    except Wrong as wrong:
        raise wrong_use(wrong.what, "write another name: `--name`") from None


def _fits(tunnel: str) -> None:
    """An interface is called after the tunnel."""
    from netc.language.kinds import KINDS
    from netc.language.names import InterfaceName, Wrong

    try:
        InterfaceName(f"{KINDS['wireguard'].prefix}{tunnel}")
    except Wrong as wrong:
        longest = 15 - len(KINDS["wireguard"].prefix)
        raise wrong_use(wrong.what, f"write a name of at most {longest} characters: `--name`") from None


def _table(tunnel: Tunnel) -> dict[str, Any]:
    """As an author would write it: what is said, and one value where there is one."""
    said = {
        "kind": "wireguard",
        "address": _alone(tunnel.address),
        "dns": _alone(tunnel.dns),
        "mtu": tunnel.mtu,
        "port": tunnel.port,
        "peer": _one_or_many([_peer(peer) for peer in tunnel.peer]),
    }
    return {key: value for key, value in said.items() if value not in (None, [])}


def _peer(peer: TunnelPeer) -> dict[str, Any]:
    said = {
        "public_key": str(peer.public_key),
        "endpoint": str(peer.endpoint) if peer.endpoint else None,
        "allowed_ips": _alone(peer.allowed_ips),
        "keepalive": peer.keepalive,
        "preshared_key": {"file": str(peer.preshared_key.file)} if peer.preshared_key else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _alone(values: Iterable[object]) -> Any:
    return _one_or_many([str(value) for value in values])


def _one_or_many(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _without_large_mtu(table: dict[str, Any], where: tuple[str, ...], topo: Path, text: str) -> dict[str, Any]:
    """The table without its MTU, if that is too large for the uplink: netc then derives one that fits."""
    from netc.diagnostic import InvalidTopology
    from netc.language.additions import NotAdded, added
    from netc.pipeline import understand

    at = (*where, "mtu")
    try:
        understand(added(text, where, table), str(topo), beside(topo))
    except NotAdded:
        return table
    except InvalidTopology as invalid:
        for diagnostic in invalid.diagnostics:
            if diagnostic.code == "NC0703" and diagnostic.where == at:
                warn(f"netc: the file's MTU is not imported: {diagnostic.what}")
                return {key: value for key, value in table.items() if key != "mtu"}
    return table


def _add(topo: Path, text: str, tables: Tables, secrets: list[_Secret], keys: Path | None) -> None:
    """Adds all tables or none: netc writes nothing if the result would have errors."""
    from netc.diagnostic import InvalidTopology, dotted
    from netc.language.additions import NotAdded, added
    from netc.pipeline import understand

    made = text
    try:
        for path, table in tables:
            made = added(made, path, table)
        understand(made, str(topo), beside(topo))
    except NotAdded as error:
        raise wrong_use(f"{topo}: {error}") from None
    except InvalidTopology as invalid:
        report(invalid.diagnostics, topo, made)
        warn(f"netc: {topo} is unchanged, since the import would cause these errors")
        raise typer.Exit(1) from None
    folder = keys or topo.parent / "keys"
    put_secrets(folder, {f"{one.host}/{one.place.rpartition('/')[2]}": one.value for one in secrets})
    replace(topo, made)
    say(f"{topo}: {', '.join(dotted(path) for path, _ in tables)} added")
    for one in secrets:
        say(f"{folder}/{one.host}/{one.place.rpartition('/')[2]} belongs in {one.place} on {one.host}, mode 0600")
