"""Merges a provider's wg-quick file into the tunnel that imports it. Keys of the topology come first."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from netc.diagnostic import Diagnostic, KeyPath, Place, Severity
from netc.language.key_files import FOLDER, key_file
from netc.language.kinds import KINDS
from netc.language.names import HostName, TunnelName, Wrong, quoted
from netc.language.respelt import listed
from netc.language.secrets import masked, without_keys
from netc.language.tables import Secret
from netc.language.topology import Host, Topology
from netc.language.tunnels import Tunnel, TunnelPeer
from netc.language.wg_quick import BY_AWG_QUICK, HOOKS, BadLine, Quick, QuickPeer, read_quick

WHOLE = "import the whole file as the provider sent it"

OPENVPN = re.compile(r"^\s*(client\s*$|remote\s+\S|dev\s+tun|<(ca|cert|tls-\w+)>)", re.MULTILINE)
"""Lines of OpenVPN's files (openvpn(8))."""

BY_OPENVPN = (
    "it is a file of OpenVPN: let openvpn make the tunnel, and write "
    '`kind = "external"`, `start = ["/usr/sbin/openvpn", "--config", "FILE"]`, `interface = "tun0"` '
    "in place of `import`, and as `address` what the server gives this client"
)

Result = tuple[Tunnel | None, list[Diagnostic]]

LOOKS_SECRET = re.compile(r"[A-Za-z0-9+/]{20,}=*")


def with_imports(
    topology: Topology, read_file: Callable[[str], str]
) -> tuple[Topology, list[Diagnostic], frozenset[KeyPath]]:
    """The topology with every import merged into its tunnel. Tunnels whose import netc cannot read are left out."""
    diagnostics: list[Diagnostic] = []
    broken: set[KeyPath] = set()
    hosts: dict[HostName, Host] = {}
    for host_name, host in topology.hosts.items():
        tunnels: dict[TunnelName, Tunnel] = {}
        for name, tunnel in host.tunnels.items():
            where: KeyPath = ("hosts", host_name, "tunnels", name)
            whole, found = merged(tunnel, name, host_name, where, read_file)
            diagnostics += found
            if whole:
                tunnels[name] = whole
            else:
                broken.add(where)
        hosts[host_name] = host.model_copy(update={"tunnels": tunnels}) if host.tunnels else host
    return topology.model_copy(update={"hosts": hosts}), diagnostics, frozenset(broken)


def merged(tunnel: Tunnel, name: TunnelName, host: HostName, where: KeyPath, read_file: Callable[[str], str]) -> Result:
    """A tunnel with its import merged. None, and why, if netc cannot read the import."""
    if tunnel.import_ is None:
        return tunnel, list(_without_file(tunnel, where))
    here = (*where, "import")
    if KINDS[tunnel.kind].form != "wireguard":
        what = f'`import` needs `kind = "wireguard"`, and the kind is `{tunnel.kind}`'
        return None, [Diagnostic("NC0122", here, what, 'write `kind = "wireguard"`')]
    try:
        text = read_file(tunnel.import_)
    except Wrong as wrong:
        return None, [Diagnostic(wrong.code, here, wrong.what, wrong.hint)]
    if not re.search(r"^\s*\[(interface|peer)\]", text, re.IGNORECASE | re.MULTILINE):
        what = f"{quoted(tunnel.import_)} is not a wg-quick file: it has neither `[Interface]` nor `[Peer]`"
        return None, [Diagnostic("NC0121", here, what, BY_OPENVPN if OPENVPN.search(text) else WHOLE)]
    quick, bad = read_quick(text)
    diagnostics = [_bad_line(line, text, tunnel.import_, here, quick) for line in bad]
    diagnostics = diagnostics or list(_incomplete(quick, text, tunnel, here))
    if diagnostics:
        return None, diagnostics
    own, whole = tunnel.model_fields_set, text.splitlines()
    lines = {key: _line(tunnel.import_, whole, line) for key, line in quick.lines.items() if key not in own}
    notes = list(_notes(quick, text, tunnel, name, host, here))
    return _under(tunnel, name, quick).with_places(lines), notes


def _without_file(tunnel: Tunnel, where: KeyPath) -> Iterator[Diagnostic]:
    """`dns = []` declines the resolvers of a provider's file, and here is no file."""
    if "dns" in tunnel.model_fields_set and not tunnel.dns:
        yield Diagnostic("NC0126", (*where, "dns"), "`dns` is empty, so it has no effect", "leave it out, or name some")


def _line(file: str, lines: Sequence[str], number: int) -> Place:
    source = masked(lines[number - 1])
    return Place(file, number, len(source) - len(source.lstrip()) + 1, len(source.rstrip()) + 1, source)


def _under(tunnel: Tunnel, name: TunnelName, quick: Quick) -> Tunnel:
    shared = sum(peer.has_preshared_key for peer in quick.peers)
    values = {
        "address": tuple(quick.addresses),
        "dns": tuple(quick.dns),
        "mtu": quick.mtu,
        "port": quick.port,
        "peer": tuple(_peer(peer, name, shared > 1) for peer in quick.peers),
    }
    return tunnel.model_copy(update={k: v for k, v in values.items() if k not in tunnel.model_fields_set})


def _peer(peer: QuickPeer, name: TunnelName, several: bool) -> TunnelPeer:
    assert peer.public_key is not None  # _incomplete saw to it
    suffix = "-" + hashlib.sha256(peer.public_key.encode()).hexdigest()[:8] if several else ""
    secret = Secret(file=key_file(f"{name}{suffix}.psk")) if peer.has_preshared_key else None
    return TunnelPeer.model_construct(  # every value was checked when it was read
        public_key=peer.public_key,
        endpoint=peer.endpoint,
        allowed_ips=tuple(peer.allowed_ips),
        keepalive=peer.keepalive,
        preshared_key=secret,
    )


def _bad_line(bad: BadLine, text: str, file: str, where: KeyPath, quick: Quick) -> Diagnostic:
    place = Place(file, bad.line, bad.column, bad.end, masked(text.splitlines()[bad.line - 1]))
    what = bad.error.what if bad.error.code == "NC0113" else without_keys(bad.error.what)
    hint = bad.error.hint
    if hint == BY_AWG_QUICK:  # netc reads nothing more of the file then
        for key, values in (("address", quick.addresses), ("dns", quick.dns)):
            hint += ", and " * bool(values) + f"`{key} = {listed(tuple(map(str, values)))}`" * bool(values)
    return Diagnostic(bad.error.code, where, what, hint, place=place)


def _incomplete(quick: Quick, text: str, tunnel: Tunnel, where: KeyPath) -> Iterator[Diagnostic]:
    file, lines = tunnel.import_ or "", text.splitlines()
    if not quick.peers and not tunnel.peer:
        yield Diagnostic("NC0121", where, f"{quoted(file)} has no `[Peer]`", WHOLE)
    for peer in quick.peers:
        place = _line(file, lines, peer.line)
        if peer.public_key is None:
            yield Diagnostic("NC0121", where, "this peer has no PublicKey", WHOLE, place=place)
        if not peer.allowed_ips:
            what = "this peer has no AllowedIPs, so WireGuard would drop all packets"
            yield Diagnostic("NC0121", where, what, WHOLE, place=place)


def _notes(quick: Quick, text: str, tunnel: Tunnel, name: str, host: str, where: KeyPath) -> Iterator[Diagnostic]:
    """Notes for the author: where the secrets go, and which keys of the file netc ignores."""
    file = quoted(tunnel.import_ or "")
    if quick.has_private_key and tunnel.private_key is None:
        key = key_file(f"{name}.key")
        what = f"netc does not copy the private key of {file}: {host} needs it in {key}, mode 0600"
        yield Diagnostic("NC0123", where, what, _copy(tunnel.import_ or "", host, key), severity=Severity.NOTE)
    if any(peer.has_preshared_key for peer in quick.peers):
        what = f"netc does not copy the preshared key of {file}: {host} needs it in {FOLDER}, mode 0600"
        hint = f"`netc plan` names the file. For a single peer it is {key_file(f'{name}.psk')}"
        yield Diagnostic("NC0123", where, what, hint, severity=Severity.NOTE)
    dropped = sorted({key for _, key in quick.ignored})
    if dropped:
        what = f"netc ignores {', '.join(dropped)} of {file}"
        hooks = any(key.lower() in HOOKS for key in dropped)
        hint = (
            "netc never runs a provider's commands: write what they were for into the topology"
            if hooks
            else "netc chooses routing tables and marks itself"
        )
        place = _line(tunnel.import_ or "", text.splitlines(), quick.ignored[0][0])
        # Tables and marks are netc's to choose; what commands were for, nothing does in their place.
        severity = Severity.WARNING if hooks else Severity.NOTE
        yield Diagnostic("NC0124", where, what, hint, severity=severity, place=place)


def _copy(file: str, host: str, key: str) -> str:
    """What a shell copies a private key to its host with, past whatever stands around it."""
    take = f"sed -nE 's/^ *PrivateKey *= *([^ #\\r]*).*/\\1/Ip' {shlex.quote(file)}"
    there = f"install -d -m 700 {FOLDER} && umask 077 && cat > {key}"
    return f"{take} | ssh root@{host} '{there}'"
