"""Hints for `to` of a forward and of a port published on a bridge: who may serve, by the rest of the topology."""

from __future__ import annotations

import re
from typing import Any

from netc.diagnostic import KeyPath
from netc.language.misplaced import at
from netc.language.names import HostName, NamespaceName, matching
from netc.language.respelt import as_address
from netc.language.written import items_of, subnets_of


def hint(path: KeyPath, data: Any, value: str = "") -> str:
    """`value`: what stands there, if it is no server. Empty where the topology does not say who may serve."""
    if path[0] == "forwards":
        host = _named(value, data) or _far(path, data)
        more = "with `/NAMESPACE`, `:ADDRESS` or `:PORT` after it if the server is not the host itself"
        return f"write `{host}`, {more}" if host else ""
    return _on_bridge(path, data, value) if len(path) > 3 and path[2] == "bridges" else ""


def _named(value: str, data: Any) -> str:
    """The host that a text begins with."""
    name = re.split("[/:]", value, maxsplit=1)[0]
    return name if name and at(data, ("hosts", name)) is not None else ""


def _far(path: KeyPath, data: Any) -> str:
    """The host at the other end of the link of a forward."""
    forward = at(data, path[:2])
    here, via = (forward.get("at"), forward.get("via")) if isinstance(forward, dict) else (None, None)
    between = at(data, ("links", via, "between")) if isinstance(via, str) else None
    if not isinstance(between, list) or here not in between:
        return ""
    far = [host for host in between if host != here and isinstance(host, str) and matching(HostName.pattern)(host)]
    return far[0] if len(far) == 1 and at(data, ("hosts", far[0])) is not None else ""


def _on_bridge(path: KeyPath, data: Any, value: str) -> str:
    """The namespace or the address in the text, else the namespace on the bridge, else where containers are."""
    subnets = list(subnets_of(at(data, (*path[:4], "addresses"))))
    spaces = [
        name
        for name, table in items_of(at(data, (*path[:2], "namespaces")))
        if isinstance(table, dict) and table.get("bridge") == path[3] and matching(NamespaceName.pattern)(name)
    ]
    four = re.search(r"[0-9]+(\.[0-9]+){3}", value)
    found = as_address(four[0]) if four else None
    if found and any(found in subnet for subnet in subnets):
        return f"write `{found}`, with `:PORT` after it if the server has another port"
    named = [name for name in spaces if name == value.rpartition("/")[2].partition(":")[0]] or spaces
    if len(named) == 1:
        return f"write `{named[0]}`, the namespace on this bridge, or the address of a container"
    inside = " or ".join(map(str, subnets))
    return f"write the address of a container, in {inside}, or the name of a namespace on the bridge" if inside else ""
