"""/etc/netc/secrets: what a host keeps secret, a line a secret: its kind, where it is, and what of the topology it
belongs to; of the host's own keys also the public half. `netc-host keys` makes those, and names the others."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import origin, token
from netc.language.names import CredentialName
from netc.network.interface import Key
from netc.plan.host_plan import Foreign, HostPlan, Part, Wireguard

HEAD = "# Kind, place, what it belongs to, public half. Compiled by netc: change the topology, not this file.\n"


def emit(plan: HostPlan) -> Iterator[File]:
    lines = sorted({line for part in plan.parts for line in _lines(part)})
    if lines:
        yield File("files/etc/netc/secrets", HEAD + "".join(f"{line}\n" for line in lines))


def _lines(part: Part) -> Iterator[str]:
    whose = origin(part.origin)
    for device in part.devices:
        match device:
            case Wireguard():
                yield _own(device) or f"tunnel {_place(device.private_key)} {whose}"
                for peer in device.peers:
                    if peer.preshared_key:
                        yield f"preshared {_place(peer.preshared_key)} {whose}"
            case Foreign() if device.config:
                yield f"config {_place(device.config)} {whose}"
            case _:
                pass
    for router in part.routers:
        for session in router.sessions:
            if session.password:
                yield f"password {_place(session.password)} {origin(session.origin)}"


def _own(device: Wireguard) -> str | None:
    if device.identity is None:
        return None
    public = f" {token(device.identity.public_key)}" if device.identity.public_key else ""
    return f"identity {_place(device.private_key)} {origin(device.identity.where)}{public}"


def _place(key: Key) -> str:
    """Where systemd looks for a credential first (systemd.exec(5), LoadCredential=)."""
    return f"/etc/credstore/{token(key)}" if isinstance(key, CredentialName) else token(key)
