"""All of it: what hosts have, what they would do with each packet, and what rule or route decided."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from netc.deploy.carrier import Carrier
from netc.language.names import HostName
from netc.live.hosts import Hosts
from netc.live.loaded import as_loaded, of_all, states, with_real_addresses
from netc.live.promises import Result, asked
from netc.live.visitor import visit
from netc.network.interface import Network
from netc.plan.host_plan import HostPlan
from netc.walk.bird import world
from netc.walk.stack import Place

if TYPE_CHECKING:
    from netc.live.question import Answer, Question

SHOWN = 3
"""Packets that break one promise. Others are counted."""


def doubts(carrier: Carrier, network: Network, plans: Collection[HostPlan], host: HostName) -> str:
    """Why a host does not do what its plan promises; empty if it does. What could not be asked at all is a doubt."""
    results, why_not = verified(carrier, network, plans, [host], alone=True)
    for result in results:
        if result.faults:
            fault = result.faults[0]
            return f"“{result.text}” does not hold: {fault.packet}: {fault.here}"
    return next((f"not asked: {why}" for why in why_not.values()), "")


def verified(
    carrier: Carrier,
    network: Network,
    plans: Collection[HostPlan],
    names: Collection[HostName],
    *,
    alone: bool = False,
) -> tuple[list[Result], dict[Place, str]]:
    """Each promise, and why hosts and stacks could not be asked. `names`: the hosts that are asked. Others do as their
    plans say. `alone`: the others may not have their plans yet, so tunnels carry what they carry on paper, and nobody
    dials from here."""
    paper, made = world(plans), world(plans)
    hosts = Hosts(carrier, names)
    known = states(hosts, paper)
    with_real_addresses(hosts, paper, known)
    as_loaded(made, known, handshakes=not alone)
    results, trials = asked(hosts, network, paper, made, of_all(known.values()))
    if not alone:
        visit(trials, known, hosts, carrier)
    _explain(results, hosts)
    return results, hosts.why_not


def _explain(results: Collection[Result], hosts: Hosts) -> None:
    """Gives each packet that is shown the rule or the route that decided."""
    shown = [one for result in results for one in result.deciding[:SHOWN] if one]
    reasons = hosts.reasons({question: None for question, _ in shown})
    for result in results:
        for number, one in enumerate(result.deciding[:SHOWN]):
            if one:
                fault, reason = result.faults[number], reasons.get(one[0], ("", ""))
                result.faults[number] = replace(fault, here=f"{fault.here}{_decided(*one, reason)}")


def _decided(question: Question, answer: Answer, reason: tuple[str, str]) -> str:
    host = "/".join(filter(None, question.place))
    rule, route = reason
    match answer.kind:
        case "left":
            return f"; {host} sends it by {answer.device}: {route}"
        case "got":
            return f"; {host} keeps it"
        case _ if answer.why:
            return f"; {host}: {answer.why}"
        case _:
            return f"; {host} drops it: {rule or f'no rule does, and the route to where it was sent is {route}'}"


def lines(results: Collection[Result]) -> Iterator[str]:
    """A line for each promise, and more for one that does not hold or was not asked."""
    width = max((len(result.text) for result in results), default=0)
    for result in results:
        count = f"{result.tried} packets" if result.tried else ""
        yield f"{result.state:13}  {result.text:{width}}  {count}".rstrip()
        yield from (f"{'':13}  {line}" for line in (*faults(result), *unasked(result)))


def faults(result: Result) -> Iterator[str]:
    for fault in result.faults[:SHOWN]:
        yield f"{fault.packet} breaks `{fault.key}`"
        yield f"  here:     {fault.here}"
        yield f"  on paper: {fault.paper}"
    if len(result.faults) > SHOWN:
        yield f"and {len(result.faults) - SHOWN} more"


def unasked(result: Result) -> Iterator[str]:
    for why, count in sorted(result.untried.items()):
        yield f"not asked: {why}{f' ({count})' if count > 1 else ''}"


def total(results: Collection[Result]) -> str:
    words = {"holds": "hold", "does not hold": "do not hold", "not asked": "not asked"}
    states_ = [result.state for result in results]
    counts = [f"{states_.count(state)} {word}" for state, word in words.items() if state in states_]
    return f"{', '.join(counts)}; {sum(result.tried for result in results)} packets"


def document(results: Collection[Result]) -> list[dict[str, object]]:
    """For programs."""
    return [
        {
            "name": result.text,
            "state": result.state,
            "packets": result.tried,
            "faults": [
                {"key": one.key, "packet": one.packet, "here": one.here, "paper": one.paper} for one in result.faults
            ],
            "not_asked": dict(sorted(result.untried.items())),
        }
        for result in results
    ]
