"""Rulesets for nft(8), down to 1.0.6: one table `inet netc` in every namespace that needs one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netaddr import IPAddress, IPNetwork

from netc.emit.file import File
from netc.emit.render import Verbatim, origin, render, token
from netc.plan.host_plan import DestinationNat, HostPlan, Ruleset
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
        guards=[
            {"origin": origin(guard.origin), "device": Verbatim(f'"{token(guard.device)}"')}
            for guard in ruleset.replies_only
        ],
        inside=ruleset.namespace is not None,
    )


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
