"""Prints the tree of a BIRD configuration: one option a line, one tab a block."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import get_args

from netc.emit.bird.filtering import Filter, RoaTable
from netc.emit.bird.tree import (
    RECOVERY_SECONDS,
    RESTART_SECONDS,
    Babel,
    BabelInterface,
    Bfd,
    Bgp,
    BgpChannel,
    BgpTemplate,
    BgpTerms,
    Channel,
    Config,
    Connected,
    Device,
    Kernel,
    Ospf,
    Pipe,
    Protocol,
    RoaStatic,
    Rpki,
    Static,
)
from netc.emit.bird.words import Lines, block, body, define, one_of, roa_table, symbol
from netc.emit.render import about, comment, token
from netc.language.bgp import Required
from netc.language.names import InterfaceName, ProtocolName
from netc.plan.communities import Community


def printed(config: Config) -> str:
    lines = [f"# {about(config.about)}. Compiled by netc: change the topology, not this file."]
    lines += ["log stderr all;", f"router id {token(config.router_id)};"]
    if config.is_graceful:
        waits = f"BIRD waits up to {RECOVERY_SECONDS} s for its neighbours before it removes stale kernel routes"
        lines.append(f"# After a crash, {waits}.")
        lines.append(f"graceful restart wait {RECOVERY_SECONDS};")
    said = list(_said(config))
    used = set(re.findall(r"[A-Z][A-Z0-9_]+", "\n".join(said)))
    wanted = (one for one in config.constants if one.name in used or (isinstance(one, Community) and one.is_shown))
    constants = list(map(define, wanted))
    lines += ["", *constants] if constants else []
    return "\n".join([*lines, *said]) + "\n"


def _said(config: Config) -> Lines:
    """Tables, functions and protocols."""
    tables = [f"roa{token(table.family)} table {roa_table(table)};" for table in config.tables]
    tables += [f"ipv{token(table.family)} table {symbol(table.name)};" for table in config.beside]
    yield from ("", *tables) if tables else ()
    for function in config.functions:
        head = f"function {symbol(function.name)}()"
        yield from ("", f"# {comment(function.about)}", *block(head, body(function.body)))
    for protocol in config.protocols:
        yield from ("", *_protocol(protocol))


def _name(name: ProtocolName) -> str:
    return f"'{token(name)}'"


def _device(name: InterfaceName) -> str:
    return f'"{token(name)}"'


# ---- protocols -----------------------------------------------------------------------------------------------


def _protocol(protocol: Protocol) -> Lines:
    match protocol:
        case Bgp():
            of = f" from {symbol(protocol.terms.name)}" if isinstance(protocol.terms, BgpTemplate) else ""
            yield f"# {about(protocol.about)}: {comment(protocol.neighbour)}"
            yield from block(f"protocol bgp {_name(protocol.name)}{of}", _bgp(protocol))
        case Device():
            yield from block("protocol device", ["scan time 10;"])
        case Kernel():
            yield f"# {_kernel(protocol)}"
            yield from block(f"protocol kernel {_name(protocol.name)}", _kernel_lines(protocol))
        case Connected(name, words, channels, excluded):
            inner = [line for channel in channels for line in _channel(channel)]
            without = "".join(f"-{device}, " for device in ('"lo"', *map(_device, excluded)))
            inner.append(f'interface {without}"*";')
            yield f"# {comment(words)}"
            yield from block(f"protocol direct {_name(name)}", inner)
        case Pipe(name, words, table, into, export):
            inner = [f"table {symbol(table)};", f"peer table {symbol(into)};", "import none;"]
            inner += _policy("export", export)
            yield f"# {comment(words)}"
            yield from block(f"protocol pipe {_name(name)}", inner)
        case Static(name, words):
            yield f"# {comment(words)}"
            yield from block(f"protocol static {_name(name)}", _static(protocol))
        case Bfd(name):
            every = block('interface "*"', ["interval 1 s;", "idle tx interval 10 s;", "multiplier 5;"], ";")
            far = block("multihop", ["interval 1 s;", "idle tx interval 10 s;", "multiplier 5;"], ";")
            yield "# A session is down when 5 packets in a row are lost."
            yield from block(f"protocol bfd {_name(name)}", [*every, *far])
        case Rpki(name, tables, server, secret):
            host = f'"{token(server.host)}"' if server.family is None else token(server.host)
            inner = [f"roa{token(t.family)} {{ table {roa_table(t)}; }};" for t in tables]
            inner += [f"remote {host} port {token(server.port)};", "retry keep 30;", "expire keep 172800;"]
            inner += block("transport tcp", [f'include "{token(secret)}";'], ";") if secret else []
            yield f"# {_roas(tables[0])} from a server. Without it they expire after 172800 s (2 days)."
            yield from block(f"protocol rpki {_name(name)}", inner)
        case RoaStatic(name, table, file):
            inner = [f"roa{token(table.family)} {{ table {roa_table(table)}; }};", f'include "{token(file)}";']
            yield f"# {_roas(table)} from a file of the host."
            yield from block(f"protocol static {_name(name)}", inner)
        case BgpTemplate(name, words, terms):
            yield f"# {about(words)}: what the sessions from this template have in common"
            yield from block(f"template bgp {symbol(name)}", _terms(terms))
        case Ospf():
            head = f"protocol ospf {protocol.version} {_name(protocol.name)}"
            yield "# Routes to our other routers."
            yield from block(head, [*_channel(protocol.channel), *block("area 0", _area(protocol), ";")])
        case Babel(name, channels, interfaces):
            inner = ["randomize router id yes;", *(line for channel in channels for line in _channel(channel))]
            inner += [line for interface in interfaces for line in _babel(interface)]
            yield "# Routes to our other routers."
            yield from block(f"protocol babel {_name(name)}", inner)


def _kernel_lines(kernel: Kernel) -> Lines:
    if kernel.table:
        yield f"kernel table {token(kernel.table)}; # table {token(kernel.table)} is netc-bird"
    if kernel.learns:
        yield "learn;"
    yield from ("graceful restart on;", "scan time 60;", *_channel(kernel.channel))


def _kernel(kernel: Kernel) -> str:
    exports = kernel.channel.export is not False
    what = "Exports routes to" if exports else "Imports routes from"
    both = ", and imports routes that others made there" if exports and kernel.learns else ""
    table = f"table {token(kernel.table)} (netc-bird)" if kernel.table else "main table"
    return f"{what} the kernel's {table}{both}."


def _roas(table: RoaTable) -> str:
    return "ROAs" if table.kind == "roa" else "ROAs of AS 0, for prefixes that flap,"


def _static(static: Static) -> Lines:
    if static.switch:
        yield f'include "{token(static.switch)}";'
    yield f"ipv{token(static.family)};"
    for net in static.nets:
        head = f"route {token(net)} " + (f"via {_device(static.device)}" if static.device else "unreachable")
        yield from block(head, body(static.attributes), ";") if static.attributes else (f"{head};",)


def _area(ospf: Ospf) -> Lines:
    yield from (f"stubnet {token(net)};" for net in ospf.stubs)
    for interface in ospf.interfaces:
        inner = ["type ptp;", f"cost {token(interface.cost)};", "hello 5;", "dead count 4;"]
        inner += ["bfd on;"] if interface.bfd else []
        yield from block(f"interface {_device(interface.device)}", inner, ";")


def _babel(interface: BabelInterface) -> Lines:
    # The link is down when 5 hellos of 16 are lost: BIRD's Babel does not use BFD.
    inner = ["type wired;", f"rxcost {token(interface.cost)};", "hello interval 1 s;", "update interval 4 s;"]
    inner += [f"next hop ipv4 {token(interface.next_hop)};"] if interface.next_hop else []
    if interface.extended_next_hop is not None:
        inner.append(f"extended next hop {'on' if interface.extended_next_hop else 'off'};")
    if interface.extended_next_hop:
        inner.append("next hop prefer ipv6;")
    if interface.rtt_cost:
        inner += [f"rtt cost {token(interface.rtt_cost)};", "rtt min 10 ms;", "rtt max 120 ms;"]
    if interface.secret:
        inner.append(f'include "{token(interface.secret)}";')
    yield from block(f"interface {_device(interface.device)}", inner, ";")


@lru_cache(maxsize=256)  # most sessions of a router have the same channels
def _channel(channel: Channel) -> tuple[str, ...]:
    return tuple(block(f"ipv{token(channel.family)}", _inner_channel(channel), ";"))


def _inner_channel(channel: Channel) -> Lines:
    if channel.table:
        yield f"table {symbol(channel.table)};"
    yield from _policy("import", channel.import_)
    yield from _policy("export", channel.export)
    if isinstance(channel, BgpChannel):
        for direction, limit in (("receive", channel.receive_limit), ("export", channel.export_limit)):
            if limit:
                action = one_of(limit.action, ("warn", "block", "disable", "restart"))
                yield f"{direction} limit {token(limit.routes)} action {action};"
        if channel.receive_limit and not channel.import_table:
            yield "import keep filtered on;"
        if channel.add_paths:
            yield "add paths tx;"
        if channel.import_table:
            yield "import table on;"
        if channel.next_hop_self:
            yield "next hop self on;"
        if channel.recursive:
            yield "gateway recursive;"
        yield from (f"igp table {symbol(table)};" for table in channel.igp_tables)
        if channel.extended_next_hop:
            yield "extended next hop on;"
        if channel.requires_extended_next_hop:
            yield "require extended next hop on;"


def _policy(verb: str, policy: Filter) -> Lines:
    if isinstance(policy, bool):
        yield f"{verb} {'all' if policy else 'none'};"
    else:
        yield from block(f"{verb} filter", body(policy), ";")


def _bgp(bgp: Bgp) -> Lines:
    yield "local " + (f"{token(bgp.local)} " if bgp.local else "") + f"as {token(bgp.local_asn)};"
    yield f"neighbor {token(bgp.neighbor)} as {token(bgp.neighbor_asn)};"
    if bgp.device:
        yield f"interface {_device(bgp.device)};"
    if bgp.secret:
        yield f'include "{token(bgp.secret)}";'
    if isinstance(bgp.terms, BgpTerms):
        yield from _terms(bgp.terms)


def _terms(terms: BgpTerms) -> Lines:
    yield from _reach(terms)
    if terms.confederation:
        yield f"confederation {token(terms.confederation)};"
    if terms.confederation_member:
        yield "confederation member yes;"
    if terms.role:
        yield f"local role {terms.role};"
    switches = {
        "enforce first as on;": terms.enforce_first_as,
        "allow bgp_local_pref on;": terms.allow_local_pref,
        "med metric on;": terms.med_metric,
        "interpret communities off;": not terms.interpret_communities,
        "rr client;": terms.rr_client,
        "bfd on;": terms.bfd,
        "ttl security on;": terms.gtsm,
        "graceful restart on;": terms.graceful,
        "graceful restart off;": not terms.graceful,
        f"graceful restart time {RESTART_SECONDS};": terms.graceful,
        "long lived graceful restart off;": terms.graceful,
    }
    yield from (line for line, wanted in switches.items() if wanted)
    if terms.quick:
        yield from ("hold time 30;", "connect delay time 1;", "connect retry time 10;", "error wait time 1, 30;")
    if terms.send_hold:
        yield f"send hold time {token(terms.send_hold)};"
    for one in terms.requires:
        yield f"require {one_of(one, get_args(Required)).replace('-', ' ')} on;"
    if terms.rr_cluster:
        yield f"rr cluster id {token(terms.rr_cluster)};"
    for channel in terms.channels:
        yield from _channel(channel)


def _reach(terms: BgpTerms) -> Lines:
    if terms.hops is None:
        yield "direct;"
    else:
        yield f"multihop {token(terms.hops)};" if terms.hops else "multihop;"
