"""/etc/netc/secrets: what a host keeps secret, a line a secret: its kind, where it is, and what of the topology it
belongs to; of the host's own keys also the public half, and that of the
next key while the key is replaced. `netc-host keys` makes those, and names the others."""

from __future__ import annotations

from collections.abc import Iterator

from netc.emit.file import File
from netc.emit.render import origin, token
from netc.language.names import CredentialName
from netc.network.interface import Key
from netc.plan.facts.fact import Secret
from netc.plan.host_plan import HostPlan, Part

HEAD = "# Kind, place, what it belongs to, public half. Compiled by netc: change the topology, not this file.\n"


def emit(plan: HostPlan) -> Iterator[File]:
    lines = sorted({_line(secret, part) for part in plan.parts for fact in part.facts for secret in fact.secrets()})
    if lines:
        yield File("files/etc/netc/secrets", HEAD + "".join(f"{line}\n" for line in lines))


def _line(secret: Secret, part: Part) -> str:
    known = "".join(f" {token(key)}" for key in (secret.public, secret.next) if key)
    return f"{secret.kind} {_place(secret.key)} {origin(secret.origin or part.origin)}{known}"


def _place(key: Key) -> str:
    """Where systemd looks for a credential first (systemd.exec(5), LoadCredential=)."""
    return f"/etc/credstore/{token(key)}" if isinstance(key, CredentialName) else token(key)
