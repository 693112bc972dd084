"""`netc explain`"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netc.cli.files import beside
from netc.cli.printer import document
from netc.cli.topology import text_of, understood, wrong_use

if TYPE_CHECKING:
    from netc.diagnostic import KeyPath
    from netc.language.topology import Topology
    from netc.provenance.lines import Compiled, Place
    from netc.provenance.text import Source


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="A diagnostic's code (NC0703), a key (links.home, hosts.edge.mtu) or a line of output (out/…/up:14).",
        ),
    ],
    topo: Annotated[Path, typer.Argument(metavar="[TOPO]", help="The topology of the key or the line.")] = Path(
        "topo.toml"
    ),
) -> None:
    """Explain a diagnostic's code, a key of the topology, or a line of output.

    For a code, print its page. For a key, print the facts and the lines that come from it. For a line, print the
    keys that it comes from, and what its tables, marks, metrics and priorities are for. For a line of MANIFEST, print
    what a change of the file restarts or reloads.
    """
    if re.fullmatch(r"NC[0-9]{4}", what.upper()):
        document(_page(what.upper()))
    elif code := re.fullmatch(r"NC([0-9]+)", what.upper()):
        hint = f"did you mean `NC{code[1]:0>4}`?" if len(code[1]) < 4 else "write it as in messages: `NC0703`"
        raise wrong_use(f"{what} is not a code of a diagnostic: codes have four digits", hint)
    elif line := re.fullmatch(r"(.+):([0-9]{1,9})", what):
        document(_line(Path(line[1]), int(line[2]), topo))
    elif "/" in what:
        raise wrong_use(f"{what} has no line number", f"write `{what.rstrip(':')}:14`")
    else:
        document(_key(what, topo))


def _page(code: str) -> str:
    """The page of docs/diagnostics, for a terminal."""
    from netc.shipped import shipped

    folder = shipped("diagnostics")
    page = folder / f"{code}.md"
    if not page.is_file():
        alike = sorted(path.stem for path in folder.glob(f"{code[:4]}*.md"))
        raise wrong_use(f"no diagnostic has the code {code}", f"there are {', '.join(alike)}" if alike else "")
    lines = []
    for line in page.read_text(encoding="utf-8").removeprefix("# ").splitlines():
        if context := re.fullmatch(r"```diff beside=(\w+)", line):
            lines += [
                (folder / "beside" / f"{context[1]}.toml")
                .read_text(encoding="utf-8")
                .partition("\n")[0]
                .removeprefix("# "),
                "",
            ]
        elif not line.startswith("```"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def _compiled(topo: Path, file: Path | None = None) -> tuple[Compiled, Source]:
    """`file`: of one host, which is compiled alone."""
    from netc.language.read import read
    from netc.provenance.lines import compiled
    from netc.provenance.text import Source

    understood(topo)  # a topology with errors has no output
    text = text_of(topo)
    topology = read(text, str(topo), beside(topo)).topology
    assert topology is not None
    named = {host for host in topology.hosts if file and host in file.parts}
    base = compiled(topology, named or topology.hosts.keys())
    assert base is not None
    return base, Source(str(topo), text)


def _key(what: str, topo: Path) -> str:
    from netc.provenance.alter import at, whole
    from netc.provenance.text import explain_key

    base, source = _compiled(topo)
    try:
        path = whole(base.topology, _path(what))
    except LookupError:
        if about := _about(_path(what), base.topology):
            return f"{what}  not in {topo}\n\nmeans\n  {about}\n"
        hint = _near(what, base.topology) or "write it as in messages: `links.home`, `hosts.edge.mtu`"
        raise wrong_use(f"{topo} has no {what}", hint) from None
    if len(path) < 2 and not hasattr(at(base.topology, path), "model_fields_set"):
        raise wrong_use(f"{what} holds several tables", "name one of them")
    return explain_key(base, path, source)


def _about(path: KeyPath, topology: Topology) -> str:
    """What a key means that could be there; nothing of a table whose name is not."""
    from netc.language.schema import described
    from netc.provenance.alter import at, whole

    for length in range(1, len(path)):
        try:
            around = at(topology, whole(topology, path[:length]))
        except LookupError:
            break
        if isinstance(around, Mapping) and path[length] not in around:
            return ""
    return described(path)


def _near(what: str, topology: Topology) -> str:
    """A hint with the name that is near the first wrong one: `did you mean links.home?`"""
    from netc.language.nearest import did_you_mean
    from netc.provenance.alter import at

    path = _path(what)
    for length, key in enumerate(path):
        table = at(topology, path[:length])
        names = table if isinstance(table, Mapping) else getattr(type(table), "model_fields", {})
        if key in names:
            continue
        close = did_you_mean(str(key), map(str, names))
        return close.replace("`", "`" + "".join(f"{each}." for each in path[:length]), 1)
    return ""


def _path(what: str) -> KeyPath:
    """`hosts.a.firewall.allow[0].ports`; names of tables have no dots."""
    return tuple(int(key) if key.isdecimal() else key for key in re.split(r"[.\[\]]+", what.strip("]")))


def _line(file: Path, number: int, topo: Path) -> str:
    from netc.provenance.lines import manifest
    from netc.provenance.meaning import explain_effects
    from netc.provenance.text import explain_line

    base, source = _compiled(topo, file)
    place = _place(file, base)
    is_manifest = place[1] == "MANIFEST"
    text = manifest(base, place[0]) if is_manifest else base.texts[place]
    lines = text.splitlines()
    if not 1 <= number <= len(lines):
        raise wrong_use(f"{file} has {len(lines)} lines")
    if file.is_file() and file.read_text(encoding="utf-8", errors="replace") != text:
        raise wrong_use(f"{file} is not what {topo} compiles to", "run `netc build`")
    if is_manifest:
        return explain_effects(text, number, place[0])
    return explain_line(base, place, number, source)


def _place(file: Path, base: Compiled) -> Place:
    """What stands before the host's folder does not count."""
    for at, part in enumerate(file.parts):
        for host in base.plans:
            place = (host, "/".join(file.parts[at + 1 :]))
            if host == part and (place in base.texts or place[1] == "MANIFEST"):
                return place
    raise wrong_use(f"no host has the file {file}", "write the path below DIR of `netc build`: `out/HOST/files/…:LINE`")
