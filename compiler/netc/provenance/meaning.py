"""What the numbers and words of a line of output mean: tables, marks, metrics, priorities, and what MANIFEST says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netc.emit.sets import MAXELEM
from netc.language.names import HostName
from netc.plan.facts.route import WORST
from netc.plan.numbers import KERNELS, LAST_RESORT, MASK, MASKS, ORDER, Number, has_metric, in_text
from netc.plan.step import PROTOCOL
from netc.provenance.lines import Compiled, Place

NAMED = re.compile(r"^([0-9]+)\tnetc-")
"""A line of rt_tables.d."""

FIXED = (
    (rf"\bprotocol {PROTOCOL}\b|^{PROTOCOL}\tnetc$", f"protocol {PROTOCOL} (`netc` in /etc/iproute2/rt_protos.d): "
     "a route or policy rule that netc made. netc changes no others"),
    (rf"\bgroup {PROTOCOL}\b", f"group {PROTOCOL}: an interface that netc made. netc changes no others"),
    (r"\bsuppress_prefixlength 0\b", "suppress_prefixlength 0: the rule ignores default routes (prefix length 0)"),
    (rf"\bmaxelem {MAXELEM}\b", f"maxelem {MAXELEM}: an ipset that netc made. netc changes no others"),
    (r"\bskuid != 4294967295\b", "skuid 4294967295: no user. Packets of programs match, packets of the kernel do not"),
    (r"\baccept_ra = 2\b", "accept_ra 2: the kernel takes router advertisements although it forwards"),
    (r"\brp_filter 2\b", "rp_filter 2: loose reverse path filtering. Replies may leave by another interface"),
)  # fmt: skip

OF_BIRD = (
    (r"\bbgp_local_pref = \d+", "bgp_local_pref: BIRD prefers the route with the largest value. Defaults of netc: "
     "300 (downstream), 200 (peer, route server), 100 (upstream), 0 (a route that is about to be withdrawn)"),
    (r"\bimport_\w+\(FROM", "import_external(community, local preference): BIRD prefers the route with the largest "
     "local preference. Defaults of netc: 300 (downstream), 200 (peer, route server), 100 (upstream)"),
    (r"\bdn42_link\(\d", "dn42_link(latency, bandwidth, encryption): DN42's communities of the link, as in `dn42` of "
     "the neighbour. 0, 30 and 37 stand for none"),
    (r"^\s*(?:interface .*)?\b(?:rx)?cost \d+;", "cost: the cost of a path through our routers is the sum of its "
     "links, and the smallest sum wins"),
)  # fmt: skip
"""In bird.conf."""

EFFECTS = {
    "restart": "if this file changes, netc-host restarts the part {what}. A change of comments alone restarts nothing",
    "reload": "if this file changes, netc-host reloads the part {what}, which stays up",
    "retire": "if this file changes, netc-host reloads the part {what}. Then it runs the `undo` lines of the previous "
    "version of the file that this version no longer has",
    "unit": "if this file changes, netc-host restarts {what}, a unit that is not a part",
}
COMMENTS = "if only comments of it differ, nothing restarts or reloads"
NO_EFFECT = "if this file changes, nothing restarts or reloads"


def meanings(line: str, place: Place, base: Compiled) -> Iterator[str]:
    """A sentence for each number of a line that netc chose."""
    if named := NAMED.match(line):
        line = f"table {named[1]}"
    for number in in_text(line, (*_known(place, base), *KERNELS)):
        order = f" {_sentence(ORDER)}." if number.kind == "priority" else ""
        yield f"{number.kind} {number.shown}: {number.what}.{order}"
    if MASKS.search(line):
        yield f"mask: {MASK}."
    if has_metric(line):
        yield f"metric {WORST}: {LAST_RESORT}."
    of_bird = OF_BIRD if place[1].endswith("/bird.conf") else ()
    for pattern, text in (*FIXED, *of_bird):
        if re.search(pattern, line):
            yield f"{text}."


def _known(place: Place, base: Compiled) -> tuple[Number, ...]:
    """Numbers of the part that a script is of, then those of all parts."""
    host, path = place
    parts = base.plans[host].parts
    own = [number for part in parts if f"/parts/{part.name}/" in path for number in part.numbers]
    every = [number for part in parts for number in part.numbers]
    return (*own, *sorted(every, key=lambda number: number.inside))


def explain_effects(manifest: str, number: int, host: HostName) -> str:
    """Of a line of MANIFEST."""
    _, mode, path, *effects = manifest.splitlines()[number - 1].split("  ")
    rows = [f"{path} of {host}: its SHA-256, and its mode {mode}."]
    for effect in effects[0].split(",") if effects else ():
        verb, _, what = effect.partition(":")
        rows.append(f"{effect}: {EFFECTS[verb].format(what=what)}.")
    rows += [] if effects else [f"No effect is listed: {NO_EFFECT}."]
    rows += [f"{_sentence(COMMENTS)}."] if effects else []
    return "\n".join([f"  {manifest.splitlines()[number - 1]}", "", *(f"  {row}" for row in rows)]) + "\n"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
