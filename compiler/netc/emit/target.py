"""/etc/netc/target: the versions that the files are for. `install` compares the host's."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import asdict

from netc.emit.file import File
from netc.emit.render import comment
from netc.language.targets import Number, shown
from netc.plan.host_plan import HostPlan

OF_SOME = ("nft", "bird", "ipset")
"""Tools that only some hosts need."""


def emit(plan: HostPlan) -> Iterator[File]:
    needed = {word for part in plan.parts for fact in part.facts for command in fact.needs() for word in command[:2]}
    versions: dict[str, Number] = asdict(plan.tools)
    head = f"The versions of {comment(plan.target)}" if plan.target else "The oldest versions"
    lines = [f"# {head} that the files of {plan.host} are for. Compiled by netc: change the topology, not this file."]
    lines += [f"target {comment(plan.target)}"] if plan.target else []
    lines += [f"{tool} {shown(there)}" for tool, there in versions.items() if tool in needed or tool not in OF_SOME]
    yield File("files/etc/netc/target", "\n".join(lines) + "\n")
