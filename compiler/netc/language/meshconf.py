"""A database of wg-meshconf (2.5; https://github.com/k4yt3x/wg-meshconf): what its mesh is in a topology.

A CSV file with a line a host: Name, Address, Endpoint, AllowedIPs, ListenPort, PersistentKeepalive, FwMark, PrivateKey,
DNS, MTU, Table, PreUp, PostUp, PreDown, PostDown, SaveConfig; lists are joined by commas. Private keys are all that it
holds of keys; they are in `Mesh.private_keys` and in nothing that is shown.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netaddr import IPNetwork, spanning_cidr

from netc.language.names import HostName, MeshName, Wrong, quoted
from netc.language.values import endpoint, interface_address
from netc.language.x25519 import public_key

COLUMNS = ("Name", "Address", "Endpoint", "ListenPort", "PrivateKey")
LEFT_BEHIND = ("AllowedIPs", "PersistentKeepalive", "FwMark", "DNS", "Table", "PreUp", "PostUp", "PreDown", "PostDown")
LARGEST_ID = 4094


class NotRead(Exception):
    """Why there is no such mesh in a topology, and what to do about it."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Mesh:
    tables: tuple[tuple[tuple[str, ...], Mapping[str, Any]], ...]
    """By key path; hosts first."""
    private_keys: Mapping[str, str] = field(repr=False)
    left_behind: tuple[str, ...]
    """What the database says and a mesh has no key for: `AllowedIPs of tokyo`."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: HostName
    line: int
    addresses: tuple[IPNetwork, ...]
    row: Mapping[str, str] = field(repr=False)

    @property
    def port(self) -> int:
        return self._number("ListenPort", "a port") or 51820

    @property
    def mtu(self) -> int:
        """0 if there is none."""
        return self._number("MTU", "an MTU")

    def _number(self, column: str, what: str) -> int:
        text = self.row.get(column)
        if not text:
            return 0
        if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
            raise NotRead(f"line {self.line}: {quoted(text)} is not {what}")
        return int(text)


def read_meshconf(text: str, mesh: MeshName) -> Mesh:
    """Raises NotRead."""
    members = _members(text)
    subnets, ids = _numbers(members)
    port = Counter(member.port for member in members).most_common(1)[0][0]
    left = [f"{key} of {one.name}" for one in members for key in LEFT_BEHIND if one.row.get(key)]
    left += [f"ListenPort {one.port} of {one.name} (the mesh has {port})" for one in members if one.port != port]
    hosts = [(("hosts", str(one.name)), _host(one, ids[one.name])) for one in members]
    table = {"hosts": [str(one.name) for one in members], "interfaces": "shared", "port": port, "subnet": subnets}
    mtus = [one.mtu for one in members if one.mtu]
    table |= {"mtu": min(mtus)} if mtus else {}
    return Mesh(
        (*hosts, (("meshes", str(mesh)), table)),
        {str(one.name): one.row["PrivateKey"].strip() for one in members},
        tuple(left),
    )


def _members(text: str) -> list[_Member]:
    rows = csv.DictReader(text.splitlines())
    try:
        return _read(rows)
    except csv.Error as error:
        raise NotRead(f"line {rows.line_num + 1}: {error}", "name a database of wg-meshconf") from None


def _read(rows: csv.DictReader[str]) -> list[_Member]:
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise NotRead(f"it has no column {', '.join(missing)}", "name a database of wg-meshconf")
    members: list[_Member] = []
    for row in rows:
        found = {key: value or "" for key, value in row.items() if isinstance(key, str)}
        try:
            name = HostName(re.sub(r"[^a-z0-9]+", "-", found["Name"].lower()).strip("-"))
            addresses = tuple(interface_address(each.strip()) for each in found["Address"].split(",") if each.strip())
        except Wrong as wrong:
            raise NotRead(f"line {rows.line_num}: {wrong.what}", wrong.hint) from None
        if any(name == other.name for other in members):
            raise NotRead(f"line {rows.line_num}: a second host is called {name}")
        members.append(_Member(name, rows.line_num, addresses, found))
    if len(members) < 2:
        raise NotRead("a mesh needs at least two hosts")
    return members


def _numbers(members: list[_Member]) -> tuple[list[str], dict[HostName, int]]:
    """The subnets of the mesh, and the ids with which they give each host the address that it has."""
    subnets: list[str] = []
    ids: dict[HostName, int] = {}
    for version in (4, 6):
        held = {one.name: [each for each in one.addresses if each.version == version] for one in members}
        if not any(held.values()):
            continue
        if odd := [name for name, addresses in held.items() if len(addresses) != 1]:
            raise NotRead(
                f"{odd[0]} has no single IPv{version} address", "in a mesh every host has one address a family"
            )
        addresses = {name: found[0] for name, found in held.items()}
        subnet = _subnet(list(addresses.values()))
        offsets = {name: int(address.ip) - int(subnet.network) for name, address in addresses.items()}
        for name, offset in offsets.items():
            if ids.get(name, offset) != offset:
                what = f"{addresses[name].ip} of {name} does not end in {ids[name]}, as its other address does"
                raise NotRead(what, "in a mesh a host's address is the subnet and its id, in both families")
            if not 1 <= offset <= LARGEST_ID:
                what = f"{addresses[name].ip} of {name} = {subnet.network} + {offset}, which cannot be its id"
                raise NotRead(what, f"in a mesh a host's address is the subnet and its id, and ids end at {LARGEST_ID}")
        ids |= offsets
        subnets.append(str(subnet))
    if not subnets:
        raise NotRead("no host has an address")
    return subnets, ids


def _subnet(addresses: list[IPNetwork]) -> IPNetwork:
    """The subnet that all addresses share, else the smallest that holds all between its first and last address."""
    if len({address.cidr for address in addresses}) == 1:
        return addresses[0].cidr
    found = spanning_cidr([address.ip for address in addresses])
    while any(address.ip in (found.network, found[-1]) for address in addresses) and found.prefixlen > 1:
        found = IPNetwork(f"{found.network}/{found.prefixlen - 1}").cidr
    return found


def _host(member: _Member, number: int) -> Mapping[str, Any]:
    try:
        key = public_key(member.row["PrivateKey"].strip())
    except ValueError as error:
        raise NotRead(f"line {member.line}: the private key of {member.name}: {error}") from None
    dialled = member.row["Endpoint"].strip()
    try:
        return {"id": number, "public_key": key, "endpoint": str(endpoint(dialled)) if dialled else False}
    except Wrong as wrong:
        raise NotRead(f"line {member.line}: {wrong.what}", wrong.hint) from None
