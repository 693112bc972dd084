"""The scripts of a part: `up`, `down` and `check`, and what else its facts need, such as `reload` and `endpoints`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from textwrap import wrap

from msgspec.structs import replace

from netc.emit import file
from netc.emit.file import File, Taking, restart_unit
from netc.emit.render import Verbatim, about, plain, render
from netc.plan.facts import Checker, KeptRoute, Launcher, MetricsFile, NamedEndpoint, Ruleset, Successor
from netc.plan.facts.fact import VERBS
from netc.plan.facts.ruleset import control_groups
from netc.plan.hidden import RESOLVED, resolv_conf, sockets
from netc.plan.host_plan import HostPlan, Part
from netc.plan.numbers import comments, names
from netc.plan.step import Command, Implicit, Step
from netc.plan.steps import asks, change, libraries, questions, reload, steps

LIBRARY = "files/usr/lib/netc"
SCRIPT = 0o755
WIDTH = 118
"""Of a comment."""
OWN = "Compiled by netc: change the topology, not this file."


def emit(plan: HostPlan) -> Iterator[File]:
    order = "".join(f"{part.name}\n" for part in plan.parts)
    head = f"# The parts of {plan.host}, in the order in which they come up. {OWN}\n"
    yield File("files/etc/netc/order", head + order)
    yield File(f"{LIBRARY}/steps.bash", plain("bash/steps.bash"))
    named = {library.name for part in plan.parts for fact in part.facts for library in fact.libraries()}
    if plan.walks:
        named |= {"trial.bash", "walk.bash"}  # `install` asks the packet filters of others
    for library in sorted(named):
        yield File(f"{LIBRARY}/{library}", plain(f"bash/{library}"))
    for part in plan.parts:
        yield from _part(part)


def _part(part: Part) -> Iterator[File]:
    folder = f"files/etc/netc/parts/{part.name}"
    shared: dict[str, object] = {"about": about(part.about), "part": part.name}
    sourced = {verb: tuple(map(Verbatim, libraries(part, verb))) for verb in VERBS}
    done = _explained_once(steps(part))
    undone = [step.down for step in reversed(done) if not isinstance(step.down, Implicit)]
    takings = _takings(part)
    up = {**shared, "reasons": part.reasons, "asks": tuple(asks(part)), "groups": _groups(done)}
    text = render("bash", "up.j2", **up, libraries=sourced["up"])
    yield File(f"{folder}/up", _headed(text, comments(text, part.numbers)), SCRIPT, takings["up"])
    downs = {**shared, "commands": undone, "libraries": sourced["down"], "retires": change(part) == "retire"}
    yield _script(f"{folder}/down", "down.j2", downs, takings["down"], part)
    asking = {**shared, "questions": questions(part)}
    yield _script(f"{folder}/check", "check.j2", {**asking, "libraries": sourced["check"]}, part=part)
    if commands := tuple(reload(part)):
        reloads = {**shared, "commands": commands, "libraries": sourced["reload"]}
        yield _script(f"{folder}/reload", "reload.j2", reloads, part=part)
    if any(map(control_groups, part.every(Ruleset))):
        yield _script(f"{folder}/hold", "hold.j2", shared)
    if kept := part.every(KeptRoute):
        again = [command for fact in part.facts for command in fact.keeps()]
        watched = {**shared, "commands": again, "device": kept[0].device}
        yield _script(f"{folder}/watch", "watch.j2", watched, restart_unit(f"netc-watch-{part.name}.service"), part)
    for launcher in part.every(Launcher):
        yield _launcher(launcher, shared)
    for checker in part.every(Checker):
        values = {**shared, "checker": checker}
        yield _script(f"{folder}/health", "health.j2", values, restart_unit(f"netc-check-{part.name}.service"))
        yield _script(f"{folder}/withdraw", "withdraw.j2", values)
    for written in part.every(MetricsFile):
        yield _script(f"{folder}/metrics", "metrics.j2", {**shared, "path": written.path})
    commands = (*map(_endpoint, part.every(NamedEndpoint)), *map(_follow_key, part.every(Successor)))
    if commands:
        yield _script(
            f"{folder}/endpoints", "endpoints.j2", {**shared, "commands": commands, "keys": part.every(Successor)}
        )


def _launcher(launcher: Launcher, shared: dict[str, object]) -> File:
    values = {
        "command": launcher.command,
        "group": launcher.group,
        "resolv_conf": Verbatim(resolv_conf(launcher.split)) if launcher.resolvers else None,
        "resolved": Verbatim(RESOLVED),
        "sockets": tuple(map(Verbatim, sockets(dbus=launcher.dbus))),
    }
    return _script(f"files/usr/local/bin/{launcher.command}", "launcher.j2", {**shared, **values})


def _takings(part: Part) -> dict[str, tuple[Taking, ...]]:
    """Of its `up` and `down`. A part that restarts goes down by its old `down`, so a new `down` asks for nothing."""
    match change(part):
        case "reload":
            return {"up": file.reload(part.name), "down": ()}
        case "retire":
            return {"up": file.reload(part.name), "down": file.retire(part.name)}
        case "restart":
            return {"up": file.restart(part.name), "down": ()}


def _script(
    path: str, template: str, values: dict[str, object], takings: tuple[Taking, ...] = (), part: Part | None = None
) -> File:
    """With `part`, its head names the numbers in it."""
    text = render("bash", template, **values)
    if part and (line := names(text, part.numbers)):
        text = _headed(text, (line,))
    return File(path, text, SCRIPT, takings)


def _headed(text: str, lines: Iterable[str]) -> str:
    """With more comments at the end of the first ones."""
    if said := "".join(f"# {part}\n" for line in lines for part in _wrapped(line)):
        end = next(found.start() for found in re.finditer(r"(?m)^(?!#)", text))
        return text[:end] + said + text[end:]
    return text


def _wrapped(line: str) -> Iterator[str]:
    """`table 7001` stays in one line."""
    tied = re.sub(r"(?<=[a-z]) (?=\d)", "\0", line)
    yield from (part.replace("\0", " ") for part in wrap(tied, WIDTH, break_on_hyphens=False))


def _groups(done: tuple[Step, ...]) -> list[list[Step]]:
    """Paragraphs: a device with all that configures it, then addresses, then routes."""
    return [list(group) for _, group in groupby(done, key=_paragraph)]


def _explained_once(done: tuple[Step, ...]) -> tuple[Step, ...]:
    """Steps with the same reason have it once, at the first."""
    explained = set[str]()
    found = []
    for step in done:
        found.append(replace(step, why="") if step.why in explained else step)
        explained.add(step.why)
    return tuple(found)


def _paragraph(step: Step) -> str:
    if step.up[0] in ("foreign", "instead"):  # the words of a program's command may include nouns of `ip`
        return "device" if step.up[0] == "foreign" else "route"
    nouns = ("address", "link", "route", "keep", "rule", "nft", "load_rules", "load_tables")
    found = next((noun for noun in nouns if noun in step.up), "device")
    return "device" if found == "link" else found


def _endpoint(named: NamedEndpoint) -> Command:
    endpoint = named.peer.endpoint
    assert endpoint is not None
    assert endpoint.port is not None
    inside = (named.namespace,) if named.namespace else ()
    return ("endpoint", named.device, named.peer.public_key, str(endpoint.host), endpoint.port, *inside)


def _follow_key(found: Successor) -> Command:
    assert found.peer.next_key is not None
    return ("follow_key", found.device, found.peer.public_key, found.peer.next_key)
