"""Large communities of our own, which say from whom the AS has a route."""

from __future__ import annotations

from msgspec import Struct


class RouteClass(Struct, frozen=True):
    """A large community, (our ASN, `LEARNED_FROM`, `number`), that the router sets which imports a route from another
    AS. `name` is its name in bird.conf."""

    name: str
    number: int
    meaning: str


LEARNED_FROM = 1
"""The second number of those."""

FROM_UPSTREAM = RouteClass("FROM_UPSTREAM", 1, "the route came from an upstream")
FROM_PEER = RouteClass("FROM_PEER", 2, "the route came from a peer or a route server")
FROM_DOWNSTREAM = RouteClass("FROM_DOWNSTREAM", 3, "the route came from a downstream")
FROM_MUTUAL_TRANSIT = RouteClass("FROM_MUTUAL_TRANSIT", 4, "the route came from a neighbour with mutual transit")
ROUTE_CLASSES = (FROM_UPSTREAM, FROM_PEER, FROM_DOWNSTREAM, FROM_MUTUAL_TRANSIT)


_CLASS = {
    "upstream": FROM_UPSTREAM,
    "peer": FROM_PEER,
    "route-server": FROM_PEER,
    "downstream": FROM_DOWNSTREAM,
    "mutual-transit": FROM_MUTUAL_TRANSIT,
}


def class_of(role: str) -> RouteClass:
    """Of routes from a neighbour with this role."""
    return _CLASS[role]
