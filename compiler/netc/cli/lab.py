"""`netc lab`"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netc.cli.options import Topo
from netc.cli.printer import document, say, warn
from netc.cli.topology import host_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.lab.session import Session
    from netc.lab.up import Prepared

VERBS = ("up", "test", "exec", "visit", "trace", "capture", "fail", "heal", "down")
HELP = """
netc lab {topo} test                              every promise, with packets
netc lab {topo} exec {host} -- ip route           a command on a host, or in HOST/NAMESPACE, or on `internet`
netc lab {topo} visit 203.0.113.9 {host}:443/tcp  one packet from somebody on the internet
netc lab {topo} trace internet {host}:443/tcp     the same beside what each rule says of it
netc lab {topo} capture {host} eth0               tcpdump
netc lab {topo} fail {host}                       a host or a link is gone, until `heal`
netc lab {topo} down                              ends the lab. So does Ctrl-C here
"""


def lab(
    topo: Topo,
    verb: Annotated[str, typer.Argument(metavar="[VERB]", help=f"One of: {', '.join(VERBS)}. Default: up.")] = "up",
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]…", help="What the verb is about.")] = None,
    host: Annotated[list[str] | None, typer.Option(metavar="H", help="Only these hosts. Default: all.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="With test: write JUnit's XML there.")] = None,
    gone: Annotated[
        str, typer.Option("--while", metavar="X fails", help="With test: while a host or link X has failed.")
    ] = "",
    run_commands: Annotated[
        bool, typer.Option("--run-commands", help="Run programs that TOPO names, in place of stand-ins.")
    ] = False,
    export: Annotated[
        tuple[str, Path] | None,
        typer.Option(metavar="containerlab DIR", help="Bring nothing up: write a lab for containerlab into DIR."),
    ] = None,
    name: Annotated[str, typer.Option("--inside", hidden=True)] = "",
) -> None:
    """Bring the network up on this machine, in namespaces, and try it with packets.

    `netc lab TOPO` holds it until Ctrl-C or `down`. `test` brings it up by itself if it is not. Exit 0 if all promises
    hold, 1 if one does not.
    """
    from netc.lab.holder import address, call, is_up

    if verb not in VERBS:
        raise wrong_use(f"there is no verb `{verb}`", f"the verbs are {', '.join(VERBS)}")
    if export:
        return _export(topo, host or [], verb if verb != "up" or words else "", *export, run_commands=run_commands)
    request: dict[str, Any] = {"verb": verb, "words": words or [], "while": gone}
    request["junit"] = str(junit.resolve()) if junit else ""
    if name:
        raise typer.Exit(_hold(topo, request, host or [], name.replace("@", "\0"), run_commands=run_commands))
    where = address(topo)
    try:
        found = is_up(where)
    except ConnectionError as error:
        raise wrong_use(str(error)) from None
    if found:
        if verb == "up":
            raise wrong_use(f"the lab of {topo} is up already", f"netc lab {topo} down")
        try:
            raise typer.Exit(call(where, request | {"term": os.environ.get("TERM", "dumb")}, _line, _wrong))
        except ConnectionError as error:
            warn(f"netc: {error}")
            raise typer.Exit(1) from None
    if verb not in ("up", "test"):
        raise wrong_use(f"no lab of {topo} is up", f"netc lab {topo}")
    options = [word for one in host or [] for word in ("--host", one)]
    options += ["--junit", request["junit"]] if junit else []
    options += ["--while", gone] if gone else []
    options += ["--run-commands"] if run_commands else []
    raise typer.Exit(_enter(topo, ["lab", *options, "--inside", where.replace("\0", "@"), str(topo), verb, "--"]))


def _export(topo: Path, hosts: list[str], verb: str, form: str, folder: Path, *, run_commands: bool) -> None:
    from netc.lab.export import Foreign, export
    from netc.lab.up import prepare

    if verb:
        raise wrong_use(f"an export runs no `{verb}`", f"netc lab {topo} --export containerlab {folder}")
    if form != "containerlab":
        raise wrong_use(f"netc exports no lab for {form!r}", f"netc lab {topo} --export containerlab {folder}")
    network = understood(topo).network
    chosen = [host_of(one, network) for one in hosts]
    prepared = prepare(network, chosen, commands=run_commands, elsewhere=True)
    try:
        export(prepared, folder)
    except Foreign as error:
        raise wrong_use(str(error), "name another folder") from None
    except OSError as error:
        raise wrong_use(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None
    warn(*(f"note: {note}" for note in prepared.notes))
    say(f"{folder}: {_hosts(prepared)} in it. README.md says how to start them")


def _line(line: str) -> None:
    document(f"{line}\n")


def _wrong(line: str) -> None:
    warn(f"netc: {line}")


def _enter(topo: Path, words: list[str]) -> int:
    """The same call again, in namespaces of its own."""
    from netc.lab.enter import inside, is_allowed
    from netc.lab.machine import load_modules
    from netc.lab.up import missing

    if install := missing():
        raise wrong_use("the lab needs programs that this machine lacks", install)
    if not is_allowed():
        raise wrong_use("this machine gives users no namespaces of their own", f"sudo netc lab {topo}")
    load_modules()
    return inside(words)


def _hold(topo: Path, request: dict[str, Any], hosts: list[str], name: str, *, run_commands: bool) -> int:
    from netc.lab.enter import own_folder
    from netc.lab.holder import Holder
    from netc.lab.machine import Lab
    from netc.lab.session import Misused, Session
    from netc.lab.up import bring_up, lacking, prepare
    from netc.walk.places import Wrong

    network = understood(topo).network
    if request["verb"] == "test" and not network.topology.expect:
        raise wrong_use(f"{topo} promises nothing", "write `[[expect]]`: docs/how-to/prove-promises.md")
    prepared = prepare(network, [host_of(one, network) for one in hosts], commands=run_commands)
    if kinds := lacking(prepared.paper):
        raise wrong_use(f"this kernel has no tunnels of kind {', '.join(kinds)}", "run the lab where it has")
    warn(*(f"note: {note}" for note in prepared.notes))
    folder = own_folder([topo, Path(request["junit"] or topo)])
    try:
        with Lab(apart=True, folder=folder) as made:
            began = time.monotonic()
            session = Session(prepared, bring_up(prepared, made, folder / "hosts"))
            say(f"{_hosts(prepared)} up after {time.monotonic() - began:.1f} s, {_memory(prepared)} MiB a host")
            if request["verb"] == "test":
                return _test(session, request, _line)
            document(HELP.format(topo=topo, host=next(iter(prepared.paper.plans))))
            Holder(session, _test).serve(name)
    except KeyboardInterrupt:
        pass
    except (Wrong, Misused) as wrong:
        raise wrong_use(str(wrong)) from None
    except RuntimeError as error:
        warn("netc: the lab is not up", *str(error).splitlines())
        return 1
    return 0


def _memory(prepared: Prepared) -> int:
    from netc.lab.enter import memory

    return round(memory() / 2**20 / len(prepared.paper.plans))


def _hosts(prepared: Prepared) -> str:
    count = len(prepared.paper.plans)
    return f"{count} hosts are" if count > 1 else "1 host is"


def _test(session: Session, request: dict[str, Any], say: Callable[[str], None]) -> int:
    from netc.lab import said
    from netc.lab.junit import junit

    began = time.monotonic()
    results = session.test(request["while"])
    for line in (*said.report(results), said.total(results)):
        say(line)
    if request["junit"]:
        seconds = time.monotonic() - began
        Path(request["junit"]).write_bytes(junit("netc lab", results, seconds, said.faults, said.untried))
    held = any(result.state == "holds" for result in results)
    return 1 if not held or any(result.state == "does not hold" for result in results) else 0
