"""Prints BGP sessions: of each kind a template with what its sessions have in common, and after it the sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from netc.emit.bird.tree import RESTART_SECONDS, Bgp, BgpChannel, BgpGroup, BgpTerms
from netc.emit.bird.words import Lines, block, described, device, one_of, policy, short, symbol
from netc.emit.render import about, token
from netc.language.bgp import Required
from netc.language.values import Family

Options = Mapping[str, list[str]]
"""The lines of each option. Those that a session does not have are not in it."""

Blocks = tuple[Options, Mapping[Family, Options]]
"""Options of a session, and those of its channels."""

FILTERS = ("import", "export")
LIMITS = ("receive limit", "export limit")
"""A session says its own: people look for them there."""


def printed(group: BgpGroup) -> Lines:
    known = {id(session.terms): _blocks(session.terms) for session in group.sessions}
    each = [known[id(session.terms)] for session in group.sessions]
    template = _template(each)
    yield "# What these sessions have in common."
    yield from block(f"template bgp {symbol(group.name)}", _lines(template))
    rest = {id(one): list(_lines(_rest(one, template))) for one in known.values()}
    for session, one in zip(group.sessions, each, strict=True):
        head = f"protocol bgp {token(session.name)} from {symbol(group.name)}"
        yield from ("", *described(head, about(session.about), [*_neighbour(session), *rest[id(one)]]))


def _template(each: list[Blocks]) -> Blocks:
    families = [family for family in each[0][1] if all(family in channels for _, channels in each)]
    channels = {family: _shared([channels[family] for _, channels in each]) for family in families}
    return _shared([options for options, _ in each]), channels


def _shared(each: list[Options]) -> Options:
    """What is the same in all. A session's own filter replaces that of the template, which is what most have."""
    distinct = list({id(one): one for one in each}.values())
    found: dict[str, list[str]] = {}
    for name, lines in each[0].items():
        if name in FILTERS:
            most, count = Counter("\n".join(one[name]) for one in each).most_common(1)[0]
            found |= {name: most.split("\n")} if count > 1 else {}
        elif name not in LIMITS and all(one.get(name) == lines for one in distinct):
            found[name] = lines
    return found


def _rest(one: Blocks, template: Blocks) -> Blocks:
    options, channels = one
    return _without(options, template[0]), {
        family: _without(channel, template[1].get(family, {})) for family, channel in channels.items()
    }


def _without(options: Options, common: Options) -> Options:
    return {name: lines for name, lines in options.items() if common.get(name) != lines}


def _lines(blocks: Blocks) -> Lines:
    options, channels = blocks
    yield from _flat(options)
    for family, channel in channels.items():
        if inner := list(_flat(channel)):
            yield from short(f"ipv{token(family)}", inner, ";")


def _flat(options: Options) -> Iterable[str]:
    return (line for lines in options.values() for line in lines)


def _neighbour(bgp: Bgp) -> Lines:
    yield "local " + (f"{token(bgp.local)} " if bgp.local else "") + f"as {token(bgp.local_asn)};"
    yield f"neighbor {token(bgp.neighbor)} as {token(bgp.neighbor_asn)};"
    if bgp.device:
        yield f"interface {device(bgp.device)};"
    if bgp.secret:
        yield f'include "{token(bgp.secret)}";'


def _blocks(terms: BgpTerms) -> Blocks:
    return _options(terms), {channel.family: _channel(channel) for channel in terms.channels}


def _options(terms: BgpTerms) -> Options:
    far = f"multihop {token(terms.hops)};" if terms.hops else "multihop;"
    options: dict[str, list[str]] = {"reach": ["direct;" if terms.hops is None else far]}
    if terms.confederation:
        options["confederation"] = [f"confederation {token(terms.confederation)};"]
    if terms.confederation_member:
        options["member"] = ["confederation member yes;"]
    if terms.role:
        options["role"] = [f"local role {terms.role};"]
    switches = {
        "enforce first as on;": terms.enforce_first_as,
        "allow bgp_local_pref on;": terms.allow_local_pref,
        "med metric on;": terms.med_metric,
        "interpret communities off;": not terms.interpret_communities,
        "rr client;": terms.rr_client,
        "bfd on;": terms.bfd,
        "ttl security on;": terms.gtsm,
    }
    options |= {line: [line] for line, wanted in switches.items() if wanted}
    options["graceful"] = ["graceful restart off;"]
    if terms.graceful:
        restart = f"graceful restart on; graceful restart time {RESTART_SECONDS}; long lived graceful restart off;"
        options["graceful"] = [restart]
    if terms.quick:
        options["hold"] = ["hold time 30;"]
    # BIRD would wait a minute after an error, such as a link that was down, and five after further ones.
    waits = "1, 30" if terms.quick else "2, 60"
    options["timers"] = [f"connect delay time 1; connect retry time 10; error wait time {waits};"]
    if terms.send_hold:
        options["send hold"] = [f"send hold time {token(terms.send_hold)};"]
    for one in terms.requires:
        options[one] = [f"require {one_of(one, get_args(Required)).replace('-', ' ')} on;"]
    if terms.rr_cluster:
        options["cluster"] = [f"rr cluster id {token(terms.rr_cluster)};"]
    return options


def _channel(channel: BgpChannel) -> Options:
    options: dict[str, list[str]] = {}
    options["import"] = policy("import", channel.import_)
    options["export"] = policy("export", channel.export)
    for name, limit in zip(LIMITS, (channel.receive_limit, channel.export_limit), strict=True):
        if limit:
            action = one_of(limit.action, ("warn", "block", "disable", "restart"))
            options[name] = [f"{name} {token(limit.routes)} action {action};"]
    switches = {
        "import keep filtered on;": channel.receive_limit is not None and not channel.import_table,
        "add paths tx;": channel.add_paths,
        "import table on;": channel.import_table,
        "next hop self on;": channel.next_hop_self,
        "gateway recursive;": channel.recursive,
        **{f"igp table {symbol(table)};": True for table in channel.igp_tables},
        "extended next hop on;": channel.extended_next_hop,
        "require extended next hop on;": channel.requires_extended_next_hop,
    }
    return options | {line: [line] for line, wanted in switches.items() if wanted}
