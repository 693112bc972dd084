"""Tunnels to peers that are not in the topology."""

import re
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
from netc.language.openings import Opens
from netc.language.placed import Carried, Dialled, FarEnd, InterfaceAddress, OwnAddress, Remote, Resolver, Routed
from netc.language.tables import Secret, Table
from netc.language.values import AnyNumber, Mtu, OneOrMany, PortNumber, Some, left_out


def _command(words: tuple[str, ...]) -> str:
    """A line in one string as a list of its words."""
    first, *rest = words[0].split(), *words[1:]
    plain = all(re.fullmatch(r"[^\"'\\`$|&;<>*]{1,200}", word) for word in words)
    if len(first) > 1 and plain and first[0].startswith("/"):
        listed = ", ".join(f'"{word}"' for word in (*first, *rest))
        return f"write `[{listed}]`: netc runs it without a shell"
    return "write the whole path from `/`, and an entry for each argument: netc runs it without a shell"


def _program(words: tuple[Argument, ...]) -> tuple[Argument, ...]:
    """Nothing is looked up in a PATH, and no shell takes words apart."""
    try:
        for first in words[:1]:
            HostPath(first)
    except Wrong:
        what = f"{quoted(words[0])} is not the absolute path of a program"
        raise Wrong("NC1802", what, _command(words)) from None
    return words


Command = Annotated[AnyNumber[Argument], AfterValidator(_program)]
WaitSeconds = Annotated[int, Field(strict=True, ge=1, le=60)]
"""Well under the 90 s that a unit has to start in."""


class TunnelPeer(Table):
    """The peer of a WireGuard tunnel."""

    public_key: PublicKey = Field(description="The peer's public key, which its owner gives you.")
    endpoint: Dialled | None = Field(None, description="The peer's address or name, with a port.")
    allowed_ips: Annotated[
        OneOrMany[Carried],
        Some("allowed_ips", "WireGuard drops all packets", 'write `["0.0.0.0/0", "::/0"]` for everything'),
    ] = Field(description="Prefixes that WireGuard accepts from the peer and sends to it.")
    keepalive: Seconds | None = Field(
        None,
        description=(
            "Seconds between packets that keep NAT open. Default: 25 behind NAT, or if the firewall drops "
            "input and no `port` is written, else 0, which is off."
        ),
    )
    preshared_key: Secret | None = Field(None, description="Where the host keeps the preshared key.")


class Tunnel(Table):
    """A tunnel of one host."""

    kind: TunnelKind = Field(
        description=(
            "How the tunnel wraps packets, as for links, and 6to4. With tunsafe and external another program "
            "makes the interface."
        )
    )
    import_: str | None = Field(
        None,
        alias="import",
        description="A provider's wg-quick file beside the topology, unchanged. Keys of this table take precedence.",
    )
    interface: InterfaceName | None = Field(
        None,
        description=(
            "The interface's name. Default: kind and tunnel. With tunsafe and external, the name that the "
            "program gives it."
        ),
    )
    address: OneOrMany[InterfaceAddress] = Field(
        (), description="The host's addresses on the tunnel. 6to4 derives its own."
    )
    peer_address: OneOrMany[FarEnd] = Field(
        (),
        description=(
            "The peer's address on the tunnel, at most one of each family, if our own is alone in its subnet (/32 or "
            "/128). The host has a route to it, as by `ip address add OURS peer THEIRS`."
        ),
    )
    dns: AnyNumber[Resolver] = Field(
        (),
        description="Resolvers that the host reaches through the tunnel. `[]`: none of those that the `import` names.",
    )
    mtu: Mtu | None = Field(None, description="The MTU. Default: the uplink's, minus what the kind adds.")
    port: PortNumber | None = Field(
        None,
        description=(
            "The UDP port. Default: any with wireguard, "
            f"{', '.join(f'{KINDS[kind].port} with {kind}' for kind in NUMBERED)}."
        ),
    )
    private_key: Secret | None = Field(
        None, description=f"Where the host keeps the private key. Default: {key_file('TUNNEL.key')}."
    )
    peer: OneOrMany[TunnelPeer] = Field((), description="The peer of a WireGuard tunnel, or several.")
    routes: OneOrMany[Routed] = Field(
        (),
        description=(
            "Prefixes that the host reaches through the tunnel. Inside a namespace the tunnel is the default route."
        ),
    )
    open: Opens = Field(
        (),
        description=(
            "Ports of the host that anyone may dial through the tunnel: `60729/tcp`, or a table. "
            "All other new connections that arrive by it are dropped, also those to ssh, but not those to ports that "
            "`publish` forwards for everyone, or that an `allow` of the `firewall` opens that has no `from` or names "
            "the interface. In a namespace, the namespace has `open`. An uplink or a BGP neighbour's tunnel is not "
            "filtered: write a `firewall`."
        ),
    )
    table: TableNumber | None = Field(
        None, description="The routing table for `routes`. Only packets from the tunnel's addresses use it."
    )
    priority: Priority | None = Field(
        None, description="The priority of the policy rules that choose `table`. Default: the number of the table."
    )
    local: OwnAddress | None = Field(
        None, description="The outer source address of kinds without keys. Default: the host's own address."
    )
    remote: Remote | None = Field(None, description="The outer destination address of kinds without keys.")
    family: OuterFamily | None = Field(None, description=f"The outer family, for {EITHER_FAMILY}.")
    key: GreKey | None = Field(None, description="The GRE key (RFC 2890).")
    vni: Vni | None = Field(None, description=f"{VNI}.")
    ttl: Ttl = Field(64, description="The outer TTL.")
    config: HostPath | None = Field(
        None,
        description=(
            "tunsafe: its own file on the host, which only root can read. It holds the keys, and says whether "
            "the tunnel uses UDP or TCP."
        ),
    )
    start: Annotated[
        Command,
        Some("start", "no program makes the interface", "write the program and its arguments, each in quotes"),
    ] = Field(
        (),
        description=(
            "external: the program that makes the interface, and its arguments, run without a shell: "
            '`["/usr/sbin/prog", "--flag"]`.'
        ),
    )
    stop: Annotated[
        Command, Some("stop", "no command ends it", left_out("stop", "a signal to the program of `start`"))
    ] = Field(
        (), description="external: the program that ends it. Default: the processes that `start` began get a signal."
    )
    wait: WaitSeconds | None = Field(
        None, description="tunsafe, external: how many seconds netc waits for the interface, at most 60. Default: 10."
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
