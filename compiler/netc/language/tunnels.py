"""Tunnels: the far end is someone else's."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, PrivateAttr

from netc.diagnostic import Place
from netc.language.key_files import key_file
from netc.language.kinds import KINDS, TunnelKind
from netc.language.links import (
    EITHER_FAMILY,
    NUMBERED,
    VNI,
    GreKey,
    OuterFamily,
    Priority,
    Seconds,
    TableNumber,
    Ttl,
    Vni,
)
from netc.language.names import Argument, HostPath, InterfaceName, PublicKey, Wrong, quoted
from netc.language.tables import Secret, Table
from netc.language.values import (
    Address,
    Dialled,
    InterfaceAddress,
    Mtu,
    OneOrMany,
    PortNumber,
    Prefix,
    Some,
    left_out,
)


def _program(words: tuple[Argument, ...]) -> tuple[Argument, ...]:
    """Nothing is looked up in a PATH, and no shell takes words apart."""
    try:
        for first in words[:1]:
            HostPath(first)
    except Wrong:
        what = f"{quoted(words[0])} is not the absolute path of a program"
        raise Wrong("NC1802", what, 'write `["/usr/sbin/prog", "--flag"]`: no shell reads it') from None
    return words


Command = Annotated[OneOrMany[Argument], AfterValidator(_program)]
WaitSeconds = Annotated[int, Field(strict=True, ge=1, le=60)]
"""Well under the 90 s that a unit has to start in."""


class TunnelPeer(Table):
    """The far end of a WireGuard tunnel, as its owner told."""

    public_key: PublicKey = Field(description="The far end's, as its owner told.")
    endpoint: Dialled | None = Field(None, description="Address or name, with port.")
    allowed_ips: Annotated[
        OneOrMany[Prefix],
        Some("allowed_ips", "WireGuard drops all packets", 'write `["0.0.0.0/0", "::/0"]` for everything'),
    ] = Field(description="What may come from there, and go there.")
    keepalive: Seconds | None = Field(
        None,
        description=(
            "Seconds between packets that keep NAT open; default: 25 where a firewall has no port open for "
            "it, else off."
        ),
    )
    preshared_key: Secret | None = Field(None, description="Where the host keeps the key that both share.")


class Tunnel(Table):
    """A tunnel of one host."""

    kind: TunnelKind = Field(
        description="As for links, and 6to4; tunsafe and external, where another program makes the interface."
    )
    import_: str | None = Field(
        None,
        alias="import",
        description=(
            "A provider's wg-quick file beside the topology, as it came; what the tunnel says itself comes first."
        ),
    )
    interface: InterfaceName | None = Field(
        None,
        description=(
            "Its name; default: kind and tunnel. With tunsafe and external, the name that the program gives it."
        ),
    )
    address: OneOrMany[InterfaceAddress] = Field((), description="What the host holds on it; 6to4 makes its own.")
    dns: OneOrMany[Address] = Field((), description="Resolvers that are reached through the tunnel.")
    mtu: Mtu | None = Field(None, description="Default: the uplink's, less what the kind adds.")
    port: PortNumber | None = Field(
        None,
        description=(
            "UDP port; default: any with wireguard, "
            f"{', '.join(f'{KINDS[kind].port} with {kind}' for kind in NUMBERED)}."
        ),
    )
    private_key: Secret | None = Field(None, description=f"Where the host keeps it; default: {key_file('TUNNEL.key')}.")
    peer: OneOrMany[TunnelPeer] = Field((), description="The far end of a WireGuard tunnel; one or several.")
    routes: OneOrMany[Prefix] = Field(
        (), description="Prefixes that the host reaches through it; inside a namespace it is the way to everywhere."
    )
    table: TableNumber | None = Field(
        None, description="`routes` go into this table, for what comes from the tunnel's addresses alone."
    )
    priority: Priority | None = Field(None, description="Of the rules that lead to `table`; default: its number.")
    local: Address | None = Field(
        None, description="Outer source of kinds without keys; default: the host's own address."
    )
    remote: Address | None = Field(None, description="Outer destination of kinds without keys.")
    family: OuterFamily | None = Field(None, description=f"Outer family, for {EITHER_FAMILY}.")
    key: GreKey | None = Field(None, description="GRE key (RFC 2890).")
    vni: Vni | None = Field(None, description=f"{VNI}.")
    ttl: Ttl = Field(64, description="Outer TTL.")
    config: HostPath | None = Field(
        None,
        description=(
            "tunsafe: its own file on the host, root's alone; whether it is UDP or TCP, and its keys, stand there."
        ),
    )
    start: Command = Field(
        (),
        description=(
            'external: the program that makes the interface, and its arguments; no shell: `["/usr/sbin/prog", '
            '"--flag"]`.'
        ),
    )
    stop: Annotated[
        Command, Some("stop", "no command ends it", left_out("stop", "a signal to the program of `start`"))
    ] = Field((), description="external: the program that ends it; default: what `start` began gets a signal.")
    wait: WaitSeconds | None = Field(
        None, description="tunsafe, external: seconds until the interface is there, 60 at most; default: 10."
    )
    _places: Mapping[str, Place] = PrivateAttr(default_factory=dict)

    def place(self, key: str) -> Place | None:
        """Where an imported file says it; None for what the topology says."""
        return self._places.get(key)

    def with_places(self, lines: Mapping[str, Place]) -> "Tunnel":
        """`lines`: of the imported file, by the tunnel's keys."""
        copy = self.model_copy()
        copy._places = lines
        return copy
