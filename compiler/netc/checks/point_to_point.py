"""Point-to-point addresses of tunnels: ours is alone in its subnet, and the peer has one of the same family."""

from __future__ import annotations

from collections.abc import Iterator

from netaddr import IPAddress

from netc.checks.addresses import own_places
from netc.checks.words import with_address
from netc.diagnostic import Diagnostic, KeyPath
from netc.network.derive import is_alone
from netc.network.interface import Interface, Network


def check(network: Network) -> Iterator[Diagnostic]:
    for host, interfaces in network.interfaces.items():
        far = [one for one in interfaces if one.origin[0] == "hosts" and one.peer_addresses]
        own = own_places(host, network) if far else {}
        for interface in far:
            yield from _far(interface, {} if interface.namespace else own)


def _far(interface: Interface, own: dict[IPAddress, str]) -> Iterator[Diagnostic]:
    seen: dict[int, KeyPath] = {}
    for index, ip in enumerate(interface.peer_addresses):
        at: KeyPath = (*interface.where, "peer_address", index)
        ours = [net for net in interface.addresses if net.version == ip.version and is_alone(net)]
        bits = 32 if ip.version == 4 else 128
        twin = seen.setdefault(ip.version, at)
        if twin != at:
            what = f"`peer_address` has two IPv{ip.version} addresses, and a peer has one"
            yield Diagnostic("NC0409", at, what, "leave it out: more of them are `routes`", (twin,))
        elif ip.version == 6 and ip.is_link_local():
            what = f"{ip} is link-local, and every interface reaches fe80 addresses of its neighbours anyway"
            yield Diagnostic("NC0409", at, what, "leave it out")
        elif len(ours) != 1:
            what = f"{interface.name} has {len(ours) or 'no'} IPv{ip.version} addresses with /{bits}, and needs one"
            yield Diagnostic("NC0409", at, what, _cure(ip, interface), ((*interface.where, "address"),))
        elif ours[0].ip == ip:
            what = f"{ip} is our own address on {interface.name}"
            yield Diagnostic("NC0409", at, what, "write the address of the peer")
        elif ip in own:
            what = f"{ip} is our own address on {own[ip]}"
            yield Diagnostic("NC0409", at, what, "write the address of the peer")


def _cure(peer: IPAddress, interface: Interface) -> str:
    """An address must not be there twice, so the one in a larger subnet gets another length."""
    ours = [net for net in interface.addresses if net.version == peer.version and not net.ip.is_link_local()]
    bits = 32 if peer.version == 4 else 128
    if not ours:
        return f"add our own address to `address`, with /{bits}, or leave out `peer_address`"
    if len(ours) == 1:
        return f"{with_address(interface, ours[0], bits)}, or leave out `peer_address`"
    return f"keep one IPv{peer.version} address in `address`, with /{bits}, or leave out `peer_address`"
