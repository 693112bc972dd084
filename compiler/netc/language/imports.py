"""Lays a provider's wg-quick file under the tunnel that imports it: what the topology says itself comes first."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from netc.language.names import HostName, HostPath, TunnelName, Wrong
from netc.language.tables import Secret
from netc.language.topology import Host, Topology
from netc.language.tunnels import Tunnel, TunnelPeer
from netc.language.wg_quick import HOOKS, SECRETS, BadLine, Quick, QuickPeer, read_quick
from netc.problem import KeyPath, Place, Problem, Severity

Result = tuple[Tunnel | None, list[Problem]]

LOOKS_SECRET = re.compile(r"[A-Za-z0-9+/]{20,}=*")


def with_imports(
    topology: Topology, read_file: Callable[[str], str]
) -> tuple[Topology, list[Problem], frozenset[KeyPath]]:
    """The topology with every import laid under its tunnel; tunnels whose import cannot be read are left out."""
    problems: list[Problem] = []
    broken: set[KeyPath] = set()
    hosts: dict[HostName, Host] = {}
    for host_name, host in topology.hosts.items():
        tunnels: dict[TunnelName, Tunnel] = {}
        for name, tunnel in host.tunnels.items():
            where: KeyPath = ("hosts", host_name, "tunnels", name)
            merged, found = _merge(tunnel, name, host_name, where, read_file)
            problems += found
            if merged:
                tunnels[name] = merged
            else:
                broken.add(where)
        hosts[host_name] = host.model_copy(update={"tunnels": tunnels}) if host.tunnels else host
    return topology.model_copy(update={"hosts": hosts}), problems, frozenset(broken)


def _merge(tunnel: Tunnel, name: TunnelName, host: HostName, where: KeyPath, read_file: Callable[[str], str]) -> Result:
    if tunnel.import_ is None:
        return tunnel, []
    here = (*where, "import")
    if tunnel.kind != "wireguard":
        what = f"a wg-quick file makes a wireguard tunnel, not `{tunnel.kind}`"
        return None, [Problem("NC0122", here, what, 'write `kind = "wireguard"`')]
    try:
        text = read_file(tunnel.import_)
    except Wrong as wrong:
        return None, [Problem(wrong.code, here, wrong.what, wrong.hint)]
    quick, bad = read_quick(text)
    problems = [_bad_line(line, text, tunnel.import_, here) for line in bad]
    problems += _incomplete(quick, text, tunnel, here)
    if problems:
        return None, problems
    return _laid_under(tunnel, name, quick), list(_notes(quick, tunnel, name, host, here))


def _laid_under(tunnel: Tunnel, name: TunnelName, quick: Quick) -> Tunnel:
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
    secret = Secret(file=HostPath(f"/etc/netc/keys/{name}{suffix}.psk")) if peer.has_preshared_key else None
    return TunnelPeer.model_construct(  # every value was checked when it was read
        public_key=peer.public_key,
        endpoint=peer.endpoint,
        allowed_ips=tuple(peer.allowed_ips),
        keepalive=peer.keepalive,
        preshared_key=secret,
    )


def _bad_line(bad: BadLine, text: str, file: str, where: KeyPath) -> Problem:
    place = Place(file, bad.line, bad.column, bad.end, _shown(text.splitlines()[bad.line - 1]))
    return Problem(bad.error.code, where, bad.error.what, bad.error.hint, place=place)


def _shown(line: str) -> str:
    """A line of the file without the secret that it may hold, also under a name that is misspelt."""
    key, equals, _ = line.partition("=")
    if key.strip().lower() in SECRETS:
        return f"{key}{equals} (secret)"
    return line if key.strip().lower() == "publickey" else LOOKS_SECRET.sub("(secret)", line)


def _incomplete(quick: Quick, text: str, tunnel: Tunnel, where: KeyPath) -> Iterator[Problem]:
    file = tunnel.import_ or ""
    lines = text.splitlines()
    if not quick.peers and not tunnel.peer:
        yield Problem("NC0121", where, f"`{file}` has no `[Peer]`", "is it the whole file?")
    for peer in quick.peers:
        if peer.public_key is None:
            line = lines[peer.line - 1]
            place = Place(file, peer.line, 1, len(line) + 1, _shown(line))
            yield Problem("NC0121", where, "this peer has no PublicKey", "is it the whole file?", place=place)


def _notes(quick: Quick, tunnel: Tunnel, name: str, host: str, where: KeyPath) -> Iterator[Problem]:
    """Tells the author where the secrets go, and what of the file is not acted upon."""
    file = tunnel.import_ or ""
    shown = PurePosixPath(file).name
    if quick.has_private_key and tunnel.private_key is None:
        yield Problem(
            "NC0123",
            where,
            f"the private key in `{shown}` stays there; on {host} it belongs in /etc/netc/keys/{name}.key, mode 0600",
            f"sed -n 's/^PrivateKey *= *//p' {shown} | ssh root@{host} 'umask 077; mkdir -p /etc/netc/keys; "
            f"cat > /etc/netc/keys/{name}.key'",
            severity=Severity.NOTE,
        )
    if any(peer.has_preshared_key for peer in quick.peers):
        yield Problem(
            "NC0123",
            where,
            f"the preshared key in `{shown}` stays there; on {host} it belongs in /etc/netc/keys, mode 0600",
            f"`netc plan` names the file; for one peer it is /etc/netc/keys/{name}.psk",
            severity=Severity.NOTE,
        )
    dropped = sorted({key for _, key in quick.ignored})
    if dropped:
        hooks = any(key.lower() in HOOKS for key in dropped)
        yield Problem(
            "NC0124",
            where,
            f"`{shown}` has lines that are not acted upon: {', '.join(dropped)}",
            "commands of a provider are never run" if hooks else "netc chooses tables and marks itself",
            severity=Severity.NOTE,
        )
