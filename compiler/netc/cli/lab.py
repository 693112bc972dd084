"""`netc lab`"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.options import Topo
from netc.cli.printer import document, say, warn
from netc.cli.topology import host_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.lab.scene import Scene
    from netc.lab.up import Prepared

VERBS = ("up", "test", "exec", "visit", "trace", "capture", "fail", "heal", "down")


def lab(
    topo: Topo,
    verb: Annotated[str, typer.Argument(metavar="[VERB]", help=f"One of: {', '.join(VERBS)}. Default: up.")] = "up",
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]…", help="What the verb is about.")] = None,
    host: Annotated[list[str] | None, typer.Option(metavar="H", help="Only these hosts. Default: all.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="With test: write JUnit's XML there.")] = None,
    run_commands: Annotated[
        bool, typer.Option("--run-commands", help="Run programs that TOPO names, in place of stand-ins.")
    ] = False,
    is_inside: Annotated[bool, typer.Option("--inside", hidden=True)] = False,
) -> None:
    """Bring the network up on this machine, in namespaces, and try it with packets.

    Exit 0 if all promises hold, 1 if one does not.
    """
    from netc.lab.enter import inside, is_allowed
    from netc.lab.up import missing, prepare

    if verb not in VERBS:
        raise wrong_use(f"there is no verb `{verb}`", f"the verbs are {', '.join(VERBS)}")
    if not is_inside:
        if install := missing():
            raise wrong_use("the lab needs programs that this machine lacks", install)
        if not is_allowed():
            raise wrong_use("this machine gives users no namespaces of their own", f"sudo netc lab {topo} {verb}")
        raise typer.Exit(inside(_again(topo, verb, words or [], host or [], junit, run_commands)))
    network = understood(topo).network
    hosts = [host_of(name, network) for name in host or []]
    prepared = prepare(network, hosts, commands=run_commands)
    warn(*(f"note: {note}" for note in prepared.notes))
    raise typer.Exit(_test(topo, prepared, junit))


def _again(topo: Path, verb: str, words: list[str], hosts: list[str], junit: Path | None, commands: bool) -> list[str]:
    """The words of this call for the process that holds the lab."""
    chosen = [word for host in hosts for word in ("--host", host)]
    given = [*chosen, *(["--junit", str(junit)] if junit else []), *(["--run-commands"] if commands else [])]
    return ["lab", *given, "--inside", str(topo), verb, "--", *words]


def _test(topo: Path, prepared: Prepared, junit: Path | None) -> int:
    from netc.lab.enter import own_folder
    from netc.lab.machine import Lab
    from netc.lab.scene import Down
    from netc.lab.up import bring_up

    folder = own_folder([topo, *([junit] if junit else [])])
    with Lab(apart=True, folder=folder) as made:
        began = time.monotonic()
        try:
            scene = bring_up(prepared, made, folder / "hosts")
        except Down as down:
            warn("netc: hosts did not come up", *str(down).splitlines())
            return 1
        say(f"{len(scene.hosts)} hosts are up after {time.monotonic() - began:.1f} s")
        return _try(topo, scene, prepared, junit)


def _try(topo: Path, scene: Scene, prepared: Prepared, junit: Path | None) -> int:
    from netc.lab import said
    from netc.lab.junit import junit as xml
    from netc.lab.promises import tried

    began = time.monotonic()
    results = list(tried(scene, prepared.network, prepared.paper))
    document("\n".join([*said.report(results), said.total(results)]) + "\n")
    if junit:
        junit.write_bytes(xml(topo.name, results, time.monotonic() - began))
    held = any(result.state == "holds" for result in results)
    return 1 if not held or any(result.state == "does not hold" for result in results) else 0
