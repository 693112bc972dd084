"""The scripts of a part: up, down, and where they make sense reload and endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby

from msgspec.structs import replace

from netc.emit import file
from netc.emit.file import File, Taking, restart_unit
from netc.emit.render import Verbatim, about, plain, render
from netc.plan.host_plan import Bridge, Foreign, HostPlan, Namespace, Part, PlainTunnel, Veth, Wireguard
from netc.plan.lists import ipset_names, ipset_path
from netc.plan.step import Command, Falls, Step
from netc.plan.steps import BIRD_PATH, bird_passwords, bird_switches, control_groups, groups_path, loading, steps

LIBRARY = "files/usr/lib/netc"
SCRIPT = 0o755
UNASKED = ("up", "down", "reload")
VERBS = ("up", "down", "reload", "check")


def emit(plan: HostPlan) -> Iterator[File]:
    order = "".join(f"{part.name}\n" for part in plan.parts)
    yield File("files/etc/netc/order", f"# The parts of {plan.host}, in the order in which they come up.\n{order}")
    yield File(f"{LIBRARY}/steps.bash", plain("bash/steps.bash"))
    libraries = {part.name: _libraries(part) for part in plan.parts}
    for library in sorted({library for needed in libraries.values() for library in chain(*needed.values())}):
        yield File(f"{LIBRARY}/{library}", plain(f"bash/{library}"))
    if any(part.routers for part in plan.parts):
        yield File(f"{LIBRARY}/bird-keeper.bash", plain("bash/bird-keeper.bash"))
    if any(part.endpoints for part in plan.parts):
        yield File(f"{LIBRARY}/endpoints.bash", plain("bash/endpoints.bash"))
    if any(part.checkers for part in plan.parts):
        yield File(f"{LIBRARY}/anycast.bash", plain("bash/anycast.bash"))
    for part in plan.parts:
        yield from _part(part, libraries[part.name])


def wireguard(part: Part) -> bool:
    return any(isinstance(device, Wireguard) for device in part.devices)


def names_owners(part: Part) -> bool:
    """Its ruleset tells programs by their group or user."""
    return any(split.group or split.user for ruleset in part.rulesets for split in ruleset.splits)


def knows_slices(part: Part) -> bool:
    """Its ruleset tells programs by their slice."""
    return any(map(control_groups, part.rulesets))


def is_rules(part: Part) -> bool:
    """It is rules of routing and nothing else."""
    return bool(part.rules) and not (part.devices or part.routes or part.kept or part.namespaces)


def _libraries(part: Part) -> dict[str, tuple[Verbatim, ...]]:
    """By verb: shell that its script needs beside steps.bash."""
    wanted: dict[str, tuple[object, tuple[str, ...]]] = {
        "wireguard.bash": (wireguard(part), ("up", "reload", "check")),
        "uplinks.bash": (part.kept or part.loose, VERBS),
        "nftables.bash": (part.flowtables or any(r.netfilter == "nftables" for r in part.rulesets), ("check",)),
        "iptables.bash": (any(ruleset.netfilter == "iptables" for ruleset in part.rulesets), VERBS),
        "firewall.bash": (any(ruleset.sends_ports_elsewhere for ruleset in part.rulesets), VERBS),
        "offload.bash": (part.flowtables, ("up", "reload", "check")),
        "docker.bash": (part.past_docker, VERBS),
        "foreign.bash": (any(isinstance(device, Foreign) for device in part.devices), VERBS),
        "tcp.bash": (part.congestion, VERBS),
        "sets.bash": (part.ipsets, VERBS),
        "splits.bash": (names_owners(part), VERBS),
        "slices.bash": (knows_slices(part) or part.slices, VERBS if knows_slices(part) else ("up",)),
        "bird.bash": (part.routers, VERBS),
        "switches.bash": (any(map(bird_switches, part.routers)), UNASKED),
        "loopback.bash": (part.loopbacks, UNASKED),
        "rules.bash": (is_rules(part), ("reload",)),
    }
    needed = [(Verbatim(library), verbs) for library, (is_wanted, verbs) in wanted.items() if is_wanted]
    return {verb: tuple(library for library, verbs in needed if verb in verbs) for verb in VERBS}


def _part(part: Part, libraries: dict[str, tuple[Verbatim, ...]]) -> Iterator[File]:
    folder = f"files/etc/netc/parts/{part.name}"
    shared: dict[str, object] = {"about": about(part.about), "part": part.name}
    done = steps(part)
    undone = [step.down for step in reversed(done) if not isinstance(step.down, Falls)]
    takings = _takings(part, done)
    up = {**shared, "reasons": part.reasons, "asks": tuple(_asks(part)), "groups": _groups(done)}
    yield _script(f"{folder}/up", "up.j2", {**up, "libraries": libraries["up"]}, takings["up"])
    downs = {**shared, "commands": undone, "libraries": libraries["down"]}
    yield _script(f"{folder}/down", "down.j2", downs, takings["down"])
    asking = {**shared, "questions": tuple(dict.fromkeys(asked for step in done for asked in step.holds))}
    yield _script(f"{folder}/check", "check.j2", {**asking, "libraries": libraries["check"]})
    if commands := tuple(reload(part)):
        yield _script(
            f"{folder}/reload", "reload.j2", {**shared, "commands": commands, "libraries": libraries["reload"]}
        )
    if knows_slices(part):
        yield _script(f"{folder}/hold", "hold.j2", shared)
    if part.kept:
        watched = {**shared, "commands": list(_again(done)), "device": part.kept[0].device}
        yield _script(f"{folder}/watch", "watch.j2", watched, restart_unit(f"netc-watch-{part.name}.service"))
    for launcher in part.launchers:
        path = f"files/usr/local/bin/{launcher.command}"
        yield _script(path, "launcher.j2", {**shared, "command": launcher.command, "group": launcher.group})
    for checker in part.checkers:
        values = {**shared, "checker": checker}
        yield _script(f"{folder}/health", "health.j2", values, restart_unit(f"netc-check-{part.name}.service"))
        yield _script(f"{folder}/withdraw", "withdraw.j2", values)
    if part.endpoints:
        yield _script(f"{folder}/endpoints", "endpoints.j2", {**shared, "commands": tuple(_endpoints(part))})


def _again(done: tuple[Step, ...]) -> Iterator[Command]:
    """What a watcher puts back: the routes, also the one behind them, and what the device is set to."""
    for step in done:
        match step.up:
            case ("ip", flag, "route", "add", *words):
                yield ("keep", flag, *words)
            case ("keep" | "loosen", *_):
                yield step.up
            case _:
                pass


def _takings(part: Part, done: tuple[Step, ...]) -> dict[str, tuple[Taking, ...]]:
    """Of its `up` and `down`. A part whose `reload` does all that its `up` does need not go down for a new `up`; any
    other comes up anew, having gone down by its old `down`."""
    if is_rules(part):  # whose `reload` takes back what the old `up` noted
        return {"up": file.reload(part.name), "down": ()}
    reloaded = replace(
        part, rulesets=(), forwarding=(), flowtables=(), past_docker=(), ipsets=(), routers=(), endpoints=()
    )
    if done and not steps(reloaded):
        return {"up": file.reload(part.name), "down": file.retire(part.name)}
    return {"up": file.restart(part.name), "down": ()}


def _script(path: str, template: str, values: dict[str, object], takings: tuple[Taking, ...] = ()) -> File:
    return File(path, render("bash", template, **values), SCRIPT, takings)


def _groups(done: tuple[Step, ...]) -> list[list[Step]]:
    """Paragraphs: a device with all that configures it, then addresses, then routes."""
    return [list(group) for _, group in groupby(done, key=_paragraph)]


def _paragraph(step: Step) -> str:
    if step.up[0] in ("foreign", "instead"):  # a program's own words may be any
        return "device" if step.up[0] == "foreign" else "route"
    nouns = ("address", "link", "route", "keep", "rule", "nft", "load_tables")
    found = next((noun for noun in nouns if noun in step.up), "device")
    return "device" if found == "link" else found


def _asks(part: Part) -> Iterator[Command]:
    """What must hold before anything is touched."""
    if part.flowtables or any(ruleset.netfilter == "nftables" for ruleset in part.rulesets):
        yield ("need", "nft", "nftables")
    if any(ruleset.netfilter == "iptables" for ruleset in part.rulesets):
        yield ("need", "iptables-restore", "iptables")
        yield ("need", "awk", "mawk")
    named = [found for r in part.rulesets if r.netfilter == "iptables" for found in r.sets]
    if named:
        yield ("need_sets", *(name for found in named for name in ipset_names(found)))
    if knows_slices(part):
        yield ("need_control_groups",)
        if any(ruleset.netfilter == "nftables" for ruleset in part.rulesets):
            yield ("need_levels",)
    for slice in part.slices:
        yield ("look_at_services", slice.name, *slice.services)
    if part.routers:
        yield ("need", "bird", "bird2")
        yield ("only_bird",)
    for router in part.routers:
        yield from (("secret", session.password) for session in router.sessions if session.password)
    for loopback in part.loopbacks:
        yield ("unused_address", loopback.network)
    if part.ipsets:
        yield ("need", "ipset", "ipset")
        yield ("usable_sets", *(name for found in part.ipsets for name in ipset_names(found)))
    for user in sorted({split.user for ruleset in part.rulesets for split in ruleset.splits if split.user}):
        yield ("need_user", user)
    if any(split.resolvers and (split.group or split.user) for r in part.rulesets for split in r.splits):
        yield ("look_at_names",)
    if wireguard(part):
        yield ("need_wireguard",)
    for thing in (*part.namespaces, *part.devices):
        match thing:
            case Namespace():
                yield ("unused_namespace", thing.name)
            case Foreign():
                yield ("program", thing.start[0])
                yield ("unused_link", thing.name)
                if thing.config:
                    yield ("secret", thing.config)
            case Wireguard() | PlainTunnel() | Veth() | Bridge():
                yield ("unused_link", thing.name)
    for device in part.devices:
        if isinstance(device, Wireguard):
            yield ("secret", device.private_key)
            for peer in device.peers:
                if peer.preshared_key:
                    yield ("secret", peer.preshared_key)


def reload(part: Part) -> Iterator[Command]:
    """What can change while the part is up: the peers of a device, members and rules."""
    for device in part.devices:
        if isinstance(device, Wireguard):
            inside = (device.namespace,) if device.namespace else ()
            yield ("sync_wireguard", device.name, device.private_key, *inside)
            enter = ("ip", "netns", "exec", device.namespace) if device.namespace else ()
            for peer in device.peers:
                if peer.preshared_key:
                    shared = ("peer", peer.public_key, "preshared-key", peer.preshared_key)
                    yield (*enter, "wg", "set", device.name, *shared)
    for found in part.ipsets:
        yield ("ipset", "restore", "-file", ipset_path(found))
    for ruleset in part.rulesets:
        yield from (("make_groups", path) for path in filter(None, [groups_path(ruleset)]))
        held = control_groups(ruleset)
        if held:
            yield ("make_control_groups", *held)
        yield from loading(ruleset)
        if held:
            yield ("remember_control_groups",)
        if ruleset.sends_ports_elsewhere:
            yield ("forget_changed_ports",)
    if part.forwarding:
        yield ("sysctls", "/etc/sysctl.d/60-netc.conf")
    if part.flowtables:
        yield from (step.up for step in steps(part))
    for router in part.routers:
        yield from (step.up for step in bird_passwords(router))
        if names := bird_switches(router):
            yield ("switches", "as_they_are", *names)
        yield ("reload_bird", BIRD_PATH)
    if is_rules(part):
        yield from (*(("rule", *step.up) for step in steps(part)), ("drop_other_rules",))
    if part.past_docker:
        yield from (("old_rules",), *(step.up for step in steps(part)), ("drop_old_rules",))


def _endpoints(part: Part) -> Iterator[Command]:
    for named in part.endpoints:
        there = named.peer.endpoint
        assert there is not None
        assert there.port is not None
        inside = (named.namespace,) if named.namespace else ()
        yield (named.device, named.peer.public_key, str(there.host), there.port, *inside)
