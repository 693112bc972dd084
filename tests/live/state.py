"""What a script can leave behind on a host: from what the tools say to lines that can be compared.

`PROBE` runs on the host and prints one section after the other, each as a NUL, its name, a NUL, its text. `parsed`
turns that into sorted lines (a ruleset keeps its order) without what changes by itself: counters, numbers that the
kernel deals out, random addresses, timers. Two states are equal when nothing differs that a script did.
"""

import difflib
import json
import re
from collections.abc import Callable
from typing import Any

State = dict[str, list[str]]
Json = dict[str, Any]

PROBE = r"""
section() { printf '\0%s\0' "$1"; }
look() {
    section "$1link"; ip -d -j link show
    section "$1address"; ip -j address show
    section "$1rule"; ip -N -4 -j rule show; printf '\n'; ip -N -6 -j rule show
    section "$1route"; ip -N -4 -j route show table all; printf '\n'; ip -N -6 -j route show table all
    section "$1nft"; nft --json --stateless list ruleset 2>/dev/null
    section "$1ipset"; ipset save
    section "$1sysctl"; grep --recursive --no-messages '' /proc/sys/net
    return 0
}
look ''
mapfile -t namespaces < <(ip netns list | cut -d ' ' -f 1 | sort)
section namespaces; printf '%s\n' "${namespaces[@]}"
section run; find /run -mindepth 1 -path /run/netns -prune -o -printf '%y %p %l\n'
export -f section look
for namespace in "${namespaces[@]}"; do
    [[ -z $namespace ]] || ip netns exec "$namespace" bash -c 'look "$1"' look "$namespace: "
done
"""

LINK = ("link_type", "ifalias", "master", "link", "mtu", "qdisc", "group")
IPTABLES = ("raw", "mangle", "nat", "filter", "security")
KERNEL = "2"  # as a route's protocol
TIMERS = re.compile(r"timer|_id$|^root_|^topology_change|^fdb_n_learned")
# The kernel's WireGuard turns all/send_redirects off with its first device, for good (drivers/net/wireguard/device.c).
VOLATILE_SYSCTL = re.compile(
    r"conf/all/send_redirects|nf_conntrack_count|/route/flush|/random|stable_secret|/neigh/[^/]+/gc_|tcp_fastopen_key"
)
# The kernel makes these with their modules, in every namespace, and nobody can remove them.
FALLBACK = re.compile(r"\b(gre0|gretap0|erspan0|ip6gre0|tunl0|ip6tnl0|sit0|ip_vti0|ip6_vti0)\b")
# What turning forwarding on changes, on every link: the kernel refuses redirects, and is any router of a prefix.
FORWARDING = r"/(ip_forward|forwarding|mc_forwarding|accept_redirects) |\"protocol\": \"2\".*\"type\": \"4\""
# Folders that are hidden from programs of splits stay, since those may still have them hidden.
HIDDEN = "^. /run/(avahi-daemon|dbus|nscd|systemd(/resolve)?)$"


def parsed(said: str) -> State:
    parts = said.split("\0")[1:]
    state: State = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        state[name] = _SECTIONS[name.rpartition(": ")[2]](text)
    return state


def without(state: State, *patterns: str) -> State:
    """The state but for the lines in which one of the patterns is found: what is known to stay."""
    known = re.compile("|".join(patterns))
    return {section: [line for line in lines if not known.search(line)] for section, lines in state.items()}


def difference(before: State, after: State, most: int = 25) -> str:
    """For people: a line per thing gone (-) or come (+), by section; empty when the states are equal."""
    found: list[str] = []
    for section in dict.fromkeys([*before, *after]):
        old, new = before.get(section, []), after.get(section, [])
        unified = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]  # without the two names
        lines = [line for line in unified if not line.startswith("@@")]
        found += [f"{section}  {line[0]} {line[1:]}" for line in lines[:most]]
        if len(lines) > most:
            found.append(f"{section}  … and {len(lines) - most} more")
    return "\n".join(found)


def _links(text: str) -> list[str]:
    lines = []
    for link in json.loads(text or "[]"):
        if FALLBACK.fullmatch(link["ifname"]):
            continue
        kind = link.get("linkinfo", {})
        kept = {key: link[key] for key in LINK if key in link}
        kept["up"] = "UP" in link["flags"]
        kept["kind"] = kind.get("info_kind")
        kept["settings"] = {key: value for key, value in kind.get("info_data", {}).items() if not TIMERS.search(key)}
        lines.append(f"{link['ifname']} {_line(kept)}")
    return sorted(lines)


def _addresses(text: str) -> list[str]:
    lines = []
    for link in json.loads(text or "[]"):
        for address in link.get("addr_info", []):
            if not address or address.get("temporary") or _random(address):
                continue
            for key in ("tentative", "dadfailed", "valid_life_time", "preferred_life_time"):
                address.pop(key, None)
            lines.append(f"{link['ifname']} {address.pop('local')}/{address.pop('prefixlen')} {_line(address)}")
    return sorted(lines)


def _random(address: Json) -> bool:
    """A link-local address that the kernel made, from a random hardware address or out of nothing."""
    made = "ff:fe" in address["local"] or address.get("stable-privacy", False)
    return bool(address["scope"] == "link" and address["family"] == "inet6" and made)


def _rules(text: str) -> list[str]:
    return sorted(f"{family} {_line(rule)}" for family, rule in _families(text))


def _routes(text: str) -> list[str]:
    lines = []
    for family, route in _families(text):
        by_kernel = route.get("protocol") == KERNEL
        if FALLBACK.fullmatch(route.get("dev", "")) or (by_kernel and route["dst"].startswith(("fe80:", "ff00::"))):
            continue  # comes and goes with duplicate address detection, and with its link
        for key in ("expires", "cache", "used", "age", "nhid"):
            route.pop(key, None)
        route["flags"] = [flag for flag in route.get("flags", []) if flag not in ("linkdown", "dead")]
        lines.append(f"{family} {route.pop('dst')} {_line(route)}")
    return sorted(lines)


def _ruleset(text: str) -> list[str]:
    lines = []
    entries = [next(iter(entry.items())) for entry in json.loads(text or '{"nftables": []}')["nftables"]]
    used = {place(content) for kind, content in entries if kind not in ("metainfo", "table", "chain")}
    used |= {place(content) for kind, content in entries if kind == "chain" and content.get("policy") != "accept"}
    used |= {where[:2] for where in used}
    # Chains in any order, and the rules of each in theirs.
    for kind, content in sorted(entries, key=lambda entry: () if entry[0] == "metainfo" else place(entry[1], entry[0])):
        if kind == "metainfo" or (of_iptables(content) and place(content, kind) not in used):
            continue  # of iptables' tables stay empty chains of the kernel's, which accept everything
        if kind == "table" and content.get("flags") != "dormant":
            content.pop("flags", None)  # nft 1.0.6 prints random memory for `owner`
        if kind in ("set", "map") and "dynamic" in content.get("flags", []):
            content.pop("elem", None)
        lines.append(f"{kind} {_line(_still(content))}")
    return lines


def of_iptables(content: Json) -> bool:
    return content["family"] in ("ip", "ip6") and content.get("table", content.get("name")) in IPTABLES


def place(content: Json, kind: str = "") -> tuple[str, ...]:
    """Family, table and chain; of a table without the last."""
    if kind == "table":
        return content["family"], content["name"]
    return content["family"], content["table"], content.get("chain", content.get("name", ""))


def _still(value: Any) -> Any:
    """Without handles and counts, at any depth."""
    if isinstance(value, list):
        return [_still(item) for item in value]
    if isinstance(value, dict):
        counted = {"packets", "bytes"} <= value.keys()
        gone = {"handle", "expires", *(("packets", "bytes") if counted else ())}
        return {key: _still(item) for key, item in value.items() if key not in gone}
    return value


def _sets(text: str) -> list[str]:
    return sorted(re.sub(r" (initval|packets|bytes) \S+", "", line) for line in text.splitlines())


def _sysctl(text: str) -> list[str]:
    lines = (line.removeprefix("/proc/sys/") for line in text.splitlines())
    kept = (line for line in lines if not VOLATILE_SYSCTL.search(line) and not FALLBACK.search(line))
    return sorted(line.replace(":", " = ", 1) for line in kept)


def _run(text: str) -> list[str]:
    """Without locks, and without folders in which there are but locks."""
    lines = [line.rstrip() for line in text.splitlines()]
    locks = [line for line in lines if re.search(r"[./]lock(/|$)", line)]
    kept = [line for line in lines if line not in locks]
    for folder in [line for line in reversed(kept) if line.startswith("d ")]:
        below = f"{folder[2:]}/"
        if any(below in line for line in locks) and not any(below in line for line in kept):
            kept.remove(folder)
    return sorted(kept)


def _families(text: str) -> list[tuple[str, Json]]:
    four, _, six = text.partition("\n\n") if text.startswith("[") else ("", "", text)
    found: list[tuple[str, Json]] = []
    for family, listing in (("inet", four), ("inet6", six)):
        found += [(family, item) for item in json.loads(listing.strip() or "[]")]
    return found


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


_SECTIONS: dict[str, Callable[[str], list[str]]] = {
    "link": _links,
    "address": _addresses,
    "rule": _rules,
    "route": _routes,
    "nft": _ruleset,
    "ipset": _sets,
    "sysctl": _sysctl,
    "run": _run,
    "namespaces": str.split,
}
