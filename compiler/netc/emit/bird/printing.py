"""Prints the tree of a BIRD configuration: one option a line, one tab a block."""

from __future__ import annotations

import re

from netc.emit.bird import sessions
from netc.emit.bird.filtering import RoaTable
from netc.emit.bird.tree import (
    RECOVERY_SECONDS,
    Babel,
    BabelInterface,
    Bfd,
    BgpGroup,
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
from netc.emit.bird.words import (
    Lines,
    block,
    body,
    define,
    described,
    device,
    function,
    policy,
    roa_table,
    short,
    symbol,
)
from netc.emit.render import about, token
from netc.plan.communities import Community


def printed(config: Config) -> str:
    lines = [f"# {about(config.about)}. Compiled by netc: change the topology, not this file."]
    lines += ["log stderr all;", f"router id {token(config.router_id)};"]
    lines.append(" ".join(f"timeformat {what} iso long;" for what in ("base", "log", "protocol", "route")))
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
    for one in config.functions:
        yield from ("", *function(one))
    for protocol in config.protocols:
        yield from ("", *_protocol(protocol))


# ---- protocols -----------------------------------------------------------------------------------------------


def _protocol(protocol: Protocol) -> Lines:
    match protocol:
        case BgpGroup():
            yield from sessions.printed(protocol)
        case Device():
            yield from short("protocol device", ["scan time 10;"])
        case Kernel(name):
            yield from described(f"protocol kernel {token(name)}", _kernel(protocol), _kernel_lines(protocol))
        case Connected(name, words, channels, excluded):
            inner = [line for channel in channels for line in _channel(channel)]
            without = "".join(f"-{device}, " for device in ('"lo"', *map(device, excluded)))
            inner.append(f'interface {without}"*";')
            yield from described(f"protocol direct {token(name)}", words, inner)
        case Pipe(name, words, table, into, export):
            inner = [f"table {symbol(table)};", f"peer table {symbol(into)};", "import none;"]
            inner += policy("export", export)
            yield from described(f"protocol pipe {token(name)}", words, inner)
        case Static(name, words):
            yield from described(f"protocol static {token(name)}", words, _static(protocol))
        case Bfd(name):
            timers = ["interval 1 s;", "idle tx interval 10 s;", "multiplier 5;"]
            inner = [*short('interface "*"', timers, ";"), *short("multihop", timers, ";")]
            words = "A session is down when 5 packets in a row are lost."
            yield from described(f"protocol bfd {token(name)}", words, inner)
        case Rpki(name, tables, server, secret):
            host = f'"{token(server.host)}"' if server.family is None else token(server.host)
            inner = [f"roa{token(t.family)} {{ table {roa_table(t)}; }};" for t in tables]
            inner += [f"remote {host} port {token(server.port)};", "retry keep 30;", "expire keep 172800;"]
            inner += block("transport tcp", [f'include "{token(secret)}";'], ";") if secret else []
            words = f"{_roas(tables[0])} from a server. Without it they expire after 172800 s (2 days)."
            yield from described(f"protocol rpki {token(name)}", words, inner)
        case RoaStatic(name, table, file):
            inner = [f"roa{token(table.family)} {{ table {roa_table(table)}; }};", f'include "{token(file)}";']
            yield from described(f"protocol static {token(name)}", f"{_roas(table)} from a file of the host.", inner)
        case Ospf():
            head = f"protocol ospf {protocol.version} {token(protocol.name)}"
            inner = [*_channel(protocol.channel), *block("area 0", _area(protocol), ";")]
            yield from described(head, "Routes to our other routers.", inner)
        case Babel(name, channels, interfaces):
            inner = ["randomize router id yes;", *(line for channel in channels for line in _channel(channel))]
            inner += [line for interface in interfaces for line in _babel(interface)]
            yield from described(f"protocol babel {token(name)}", "Routes to our other routers.", inner)


def _kernel_lines(kernel: Kernel) -> Lines:
    if kernel.table:
        is_own = kernel.channel.export is not False
        about = f" # table {token(kernel.table)} is netc-bird" if is_own else ""
        yield f"kernel table {token(kernel.table)};{about}"
    if kernel.learns:
        yield "learn;"
    yield from ("graceful restart on; scan time 10;", *_channel(kernel.channel))


def _kernel(kernel: Kernel) -> str:
    exports = kernel.channel.export is not False
    what = "Exports routes to" if exports else "Imports routes from"
    both = ", and imports routes that others made there" if exports and kernel.learns else ""
    whose = "netc-bird" if exports else "an uplink"
    table = f"table {token(kernel.table)} ({whose})" if kernel.table else "main table"
    return f"{what} the kernel's {table}{both}."


def _roas(table: RoaTable) -> str:
    return "ROAs" if table.kind == "roa" else "ROAs of AS 0, for prefixes that flap,"


def _static(static: Static) -> Lines:
    if static.switch:
        yield f'include "{token(static.switch)}";'
    yield f"ipv{token(static.family)};"
    for net in static.nets:
        head = f"route {token(net)} " + (f"via {device(static.device)}" if static.device else "unreachable")
        yield from short(head, list(body(static.attributes)), ";") if static.attributes else (f"{head};",)


def _area(ospf: Ospf) -> Lines:
    yield from (f"stubnet {token(net)};" for net in ospf.stubs)
    for interface in ospf.interfaces:
        inner = ["type ptp;", f"cost {token(interface.cost)};", "hello 5;", "dead count 4;"]
        inner += ["bfd on;"] if interface.bfd else []
        yield from short(f"interface {device(interface.device)}", inner, ";")


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
    yield from block(f"interface {device(interface.device)}", inner, ";")


def _channel(channel: Channel) -> list[str]:
    return short(f"ipv{token(channel.family)}", list(_inner_channel(channel)), ";")


def _inner_channel(channel: Channel) -> Lines:
    if channel.table:
        yield f"table {symbol(channel.table)};"
    yield from policy("import", channel.import_)
    yield from policy("export", channel.export)
