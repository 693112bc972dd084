"""Topology: all that an author may write, as one frozen value."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from netc.language.acknowledgements import Acknowledgement
from netc.language.anycast import Anycast
from netc.language.bgp import Bgp, HostBgp
from netc.language.bridges import Bridge
from netc.language.expect import Expect
from netc.language.firewall import Firewall
from netc.language.forwards import Forward
from netc.language.igp import Igp
from netc.language.key_files import key_file
from netc.language.links import Link, Mesh
from netc.language.metrics import MetricsPath
from netc.language.names import (
    AnycastName,
    BridgeName,
    ForwardName,
    HostName,
    InterfaceName,
    Label,
    LinkName,
    MeshName,
    NamespaceName,
    PublicKey,
    SetName,
    SplitName,
    TunnelName,
    UplinkName,
    Wrong,
)
from netc.language.namespaces import Namespace
from netc.language.placed import DialledOrNot, InterfaceAddress, ReachedInterface
from netc.language.sets import AddressSet
from netc.language.splits import Split
from netc.language.tables import Secret, Table
from netc.language.targets import HostTarget
from netc.language.tunnels import Tunnel
from netc.language.uplinks import Uplink
from netc.language.values import Mtu, Netfilter, OneOrMany, PortNumber

HostId = Annotated[int, Field(strict=True, ge=1, le=4094)]


def _version(value: object) -> object:
    if type(value) is not int:
        raise Wrong("NC0103", "`version` is not a whole number", "write `version = 1`")
    if value != 1:
        raise Wrong("NC0104", f"this netc does not know version {value} of the language", "write `version = 1`")
    return value


class Network(Table):
    name: Label = Field(description="The name of the network.")


class Host(Table):
    """A machine that netc compiles files for."""

    id: HostId = Field(
        description="A number from 1 to 4094, unique in the topology. netc derives ports, addresses and VNIs from it."
    )
    wan: InterfaceName | None = Field(
        None, description="The uplink's interface. The image configures it, netc never does."
    )
    mtu: Mtu = Field(1500, description="The uplink's MTU, in bytes.")
    addresses: OneOrMany[InterfaceAddress] = Field((), description="Addresses of the uplink's interface.")
    ssh: PortNumber = Field(22, description="The port of sshd. It stays reachable, whatever else is compiled.")
    public_key: PublicKey | None = Field(None, description="The host's WireGuard public key.")
    next_public_key: PublicKey | None = Field(
        None, description="The public key that the host will have next. `netc keys --rotate` writes it here."
    )
    private_key: Secret | None = Field(
        None,
        description=(
            f'Where the host keeps its private key: `{{ file = "/…" }}` or `{{ credential = "…" }}`. Default: '
            f"{key_file('host.key')}."
        ),
    )
    endpoint: DialledOrNot | None = Field(
        None,
        description=(
            "What peers dial: an address or a DNS name, with a port if it needs one. Default: a public address "
            "of `addresses`. `false`: the host is behind NAT."
        ),
    )
    tcp_congestion: Literal["bbr"] | None = Field(
        None, description="The TCP congestion control. `bbr` stays fast on a lossy path. Default: what the image sets."
    )
    metrics: MetricsPath | None = Field(
        None,
        description=(
            "Where the host writes its metrics for Prometheus, once a minute: a file that ends in `.prom`, in the "
            "folder that node_exporter reads. Default: nowhere."
        ),
    )
    target: HostTarget | None = Field(
        None,
        description=(
            'The system that the host runs: `debian-12`, `debian-13`, `ubuntu-24.04`, or `{ base = "debian-13", bird = '
            '"3.1" }`. netc then uses what its tools can. Default: what the tools of all these can.'
        ),
    )
    netfilter: Netfilter = Field(
        "nftables",
        description=(
            "What loads the packet filter: nftables, or iptables, which gets the same filter as "
            "iptables-restore files and ipsets."
        ),
    )
    offload: Annotated[bool, Field(strict=True)] = Field(
        False, description="Established flows that the host forwards bypass the packet filter."
    )
    docker: Annotated[bool, Field(strict=True)] = Field(
        False,
        description=(
            "Docker runs here too. It must not drop what netc forwards. A firewall leaves Docker's ports alone."
        ),
    )
    tunnels: Mapping[TunnelName, Tunnel] = Field(
        default_factory=dict, description="Tunnels to peers that are not in the topology."
    )
    namespaces: Mapping[NamespaceName, Namespace] = Field(
        default_factory=dict, description="Network namespaces for services."
    )
    uplinks: Mapping[UplinkName, Uplink] = Field(
        default_factory=dict, description="Several connections to the internet."
    )
    bridges: Mapping[BridgeName, Bridge] = Field(default_factory=dict, description="Bridges that containers attach to.")
    firewall: Firewall | None = Field(None, description="What the host accepts and what it passes on.")
    splits: Mapping[SplitName, Split] = Field(
        default_factory=dict, description="Programs, services or sources that use a tunnel (split tunnelling)."
    )
    loopback: OneOrMany[ReachedInterface] = Field(
        (), description="Addresses of a router that are on no link, /32 and /128."
    )
    bgp: HostBgp | None = Field(None, description="The host is a router of the AS. The table may be empty.")


class Topology(Table):
    """A whole network."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(description="The version of the language: 1.")
    network: Network = Field(description="The network as a whole.")
    hosts: Mapping[HostName, Host] = Field(description="Machines that netc compiles files for.")
    links: Mapping[LinkName, Link] = Field(default_factory=dict, description="Tunnels between two hosts.")
    meshes: Mapping[MeshName, Mesh] = Field(
        default_factory=dict, description="WireGuard tunnels between every two of several hosts."
    )
    forwards: Mapping[ForwardName, Forward] = Field(
        default_factory=dict, description="Ports of one host that another host serves."
    )
    sets: Mapping[SetName, AddressSet] = Field(default_factory=dict, description="Addresses with a name.")
    bgp: Bgp | None = Field(None, description="The autonomous system.")
    igp: Igp | None = Field(None, description="The protocol by which its routers find each other.")
    anycast: Mapping[AnycastName, Anycast] = Field(default_factory=dict, description="One address on several hosts.")
    expect: OneOrMany[Expect] = Field((), description="What the network promises. netc proves it.")
    acknowledge: OneOrMany[Acknowledgement] = Field((), description="Warnings that you accept, with a reason each.")
