"""Rulesets for nft(8), down to 1.0.6: one table `inet netc` in every namespace that needs one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.emit.file import File
from netc.emit.render import Verbatim, origin, render, token
from netc.language.names import InterfaceName
from netc.network.forwards import MARK_MASK
from netc.plan.host_plan import HostPlan
from netc.plan.ruleset import DestinationNat, Hairpin, Masquerade, PortForward, ReturnMark, Ruleset, SourceNat
from netc.plan.steps import ruleset_path


def emit(plan: HostPlan) -> Iterator[File]:
    for part in plan.parts:
        for ruleset in part.rulesets:
            yield File(f"files{ruleset_path(ruleset)}", _text(ruleset))


def _text(ruleset: Ruleset) -> str:
    return render(
        "nftables",
        "ruleset.j2",
        origin=origin(ruleset.origin),
        nats=[_nat(nat) for nat in ruleset.nats],
        guards=[{"origin": origin(guard.origin), "device": _device(guard.device)} for guard in ruleset.replies_only],
        inside=ruleset.namespace is not None,
        maps=_maps(ruleset.forwards),
        masquerades=[_masquerade(masquerade) for masquerade in ruleset.masquerades],
        leaving=bool(ruleset.masquerades or ruleset.sources or ruleset.hairpins),
        sources=[_source(source) for source in ruleset.sources],
        hairpins=[_hairpin(hairpin) for hairpin in ruleset.hairpins],
        clamps=[_device(clamp.device) for clamp in ruleset.clamps],
        marks=[_mark(mark) for mark in ruleset.marks],
        scrubs=[_mark(mark) for mark in ruleset.marks if mark.scrub],
    )


def _masquerade(masquerade: Masquerade) -> dict[str, object]:
    return {
        "origin": origin(masquerade.origin),
        "device": _device(masquerade.device),
        "family": Verbatim("ip" if masquerade.on.version == 4 else "ip6"),
        "on": masquerade.on,
        "protocol": Verbatim(masquerade.ports.protocol),
        "ports": Verbatim(masquerade.ports.span),
    }


def _source(source: SourceNat) -> dict[str, object]:
    family = Verbatim("ip" if source.sources.version == 4 else "ip6")
    return {
        "origin": origin(source.origin),
        "family": family,
        "sources": source.sources,
        "devices": devices(source.leaving),
        "verdict": Verbatim(f"snat {family} to {token(source.to)}" if source.to else "masquerade"),
    }


def _hairpin(hairpin: Hairpin) -> dict[str, object]:
    return {
        "origin": origin(hairpin.origin),
        "family": Verbatim("ip" if hairpin.subnet.version == 4 else "ip6"),
        "device": _device(hairpin.device),
        "subnet": hairpin.subnet,
    }


def devices(names: Sequence[InterfaceName]) -> Verbatim:
    """One name alone, or a set in braces."""
    if not names:
        raise TypeError("a rule for no device would be one for all")
    printed = [_device(name) for name in sorted(names)]
    return Verbatim(printed[0] if len(printed) == 1 else "{ " + ", ".join(printed) + " }")


def _device(name: InterfaceName) -> Verbatim:
    return Verbatim(f'"{token(name)}"')


def _maps(forwards: Sequence[PortForward]) -> list[dict[str, object]]:
    """One map a family and way: however many ports there are, a packet is looked up once."""
    groups: dict[tuple[int, bool], list[PortForward]] = {}
    for fact in forwards:
        groups.setdefault((fact.on.version, fact.to_port is not None), []).append(fact)
    return [_map(family, moved, facts) for (family, moved), facts in sorted(groups.items())]


def _map(family: int, moved: bool, facts: Sequence[PortForward]) -> dict[str, object]:
    v4 = family == 4
    return {
        "name": Verbatim(f"{'moved' if moved else 'forwards'}{family}"),
        "family": Verbatim("ip" if v4 else "ip6"),
        "type": Verbatim("ipv4_addr" if v4 else "ipv6_addr"),
        "moved": moved,
        # Two forwards may lead the same port to the same place; the map has it once.
        "elements": list({str(element["text"]): element for element in map(_element, facts)}.values()),
    }


def _element(fact: PortForward) -> dict[str, object]:
    to = f"{fact.to} . {fact.to_port}" if fact.to_port is not None else str(fact.to)
    key = f"{_device(fact.device)} . {fact.on} . {fact.ports.protocol} . {fact.ports.span}"
    return {"origin": origin(fact.origin), "text": Verbatim(f"{key} : {to}")}


def _mark(mark: ReturnMark) -> dict[str, object]:
    """nft 1.0.6 cannot merge two marks, so every bit is spelled out."""
    families = [tuple(net for net in mark.on if net.version == family) for family in (4, 6)]
    to = [Verbatim(f"{'ip' if on[0].version == 4 else 'ip6'} daddr {members(on)} ") for on in families if on]
    return {
        "device": _device(mark.device),
        "scrub": mark.scrub,
        "to": to or [Verbatim("")],
        "value": Verbatim(f"{mark.mark:#010x}"),
        "mask": Verbatim(f"{MARK_MASK:#010x}"),
        "rest": Verbatim(f"{MARK_MASK ^ 0xFFFFFFFF:#010x}"),
    }


def _nat(nat: DestinationNat) -> dict[str, object]:
    v4 = nat.to.version == 4
    return {
        "origin": origin(nat.origin),
        "family": Verbatim("ip" if v4 else "ip6"),
        "on": members(nat.on),
        "sources": members(nat.sources) if nat.sources else None,
        "protocol": Verbatim(nat.port.protocol),
        "port": nat.port.number,
        "to": Verbatim(f"{nat.to}:{nat.to_port}" if v4 else f"[{nat.to}]:{nat.to_port}"),
    }


def members(values: Sequence[IPAddress | IPNetwork]) -> Verbatim:
    """One value alone, or a set in braces; nft has no spelling for an empty one."""
    if not values:
        raise TypeError("an empty set matches nothing or everything, and nft cannot say which")
    printed = [token(value) for value in sorted(values)]
    return Verbatim(printed[0] if len(printed) == 1 else "{ " + ", ".join(printed) + " }")
