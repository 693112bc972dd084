"""Sets for other software on a host, as ipsets.

    [sets.china]
    files = "china_ip_list.txt"
    ipset = ["laptop"]

Each set is a part of its own, which comes up before rules can name it. It has two ipsets, `china4` and `china6`, even
if one is empty, so that rules of other software always find both.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.names import HostName
from netc.network.interface import Network
from netc.plan.host_plan import Share
from netc.plan.join import set_part
from netc.plan.lists import address_set


def plan(host: HostName, network: Network) -> Iterator[Share]:
    for name, table in sorted(network.topology.sets.items()):
        if {str(host), "all"} & set(map(str, table.ipset)):
            yield Share(parts=(set_part(address_set(name, network.sets)),))
