"""What the documents say and a machine can know: keys, links, sizes, commands, codes, examples, targets, files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main

from examples import netc
from netc import __version__
from netc.cli.command import command
from netc.emit.host import FILES
from netc.emit.sets import MAXELEM
from netc.features.splits import PRIORITY as SPLIT_PRIORITY
from netc.language.changed import CHANGES
from netc.language.schema import schema
from netc.network import splits, uplinks
from netc.network.derive import PORT_BASE
from netc.network.forwards import MARK_MASK
from netc.network.forwards import TABLE_BASE as BACK
from netc.network.routed import ROUTED
from netc.network.uplinks import PREFERRED
from netc.pipeline import compile_hosts, understand
from netc.plan.facts.fact import Fact
from netc.plan.facts.route import WORST
from netc.plan.step import PROTOCOL
from test_diagnostics import codes
from test_layers import ROOMS as PLACES

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "index.md"
REFERENCE = ROOT / "docs" / "reference"
LANGUAGE, CODES = REFERENCE / "language.md", REFERENCE / "codes.md"
ARCHITECTURE, CONTRIBUTING, CHANGELOG = (
    ROOT / name for name in ("docs/ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
)
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples/README.md")
TABLE = re.compile(r"<!-- keys of (\S+) -->\n(?:\|.*\n)*")
"""`pytest --update` writes what follows the comment."""

Schema = dict[str, Any]


def tables(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """A table and every table in it, by its place: `hosts.*.tunnels.*`."""
    if "properties" in node:
        yield path or "all", node["properties"]
    for key, inner in node.get("properties", {}).items():
        yield from tables(inner, f"{path}.{key}".lstrip("."))
    for inner in node.get("patternProperties", {}).values():
        yield from tables(inner, f"{path}.*")


TABLES = dict(tables(schema()))


def rows(path: str) -> str:
    """What has to be there is bold."""
    table = node(path)
    bold = dict.fromkeys(table.get("required", ()), "**")
    lines = (f"| {bold.get(key, '')}`{key}`{bold.get(key, '')} | {said(k)} |" for key, k in table["properties"].items())
    return "\n".join(["| key | |", "|---|---|", *lines]) + "\n"


def node(path: str) -> Schema:
    found: Schema = schema()
    for step in path.split(".") if path != "all" else ():
        inside: Schema = found["properties"] if step != "*" else {"*": next(iter(found["patternProperties"].values()))}
        found = inside[step]
    return found


def said(key: Schema) -> str:
    choices = [choice for choice in key.get("enum", ()) if isinstance(choice, str)]
    one_of = " One of " + ", ".join(f"`{choice}`" for choice in choices) + "." if len(choices) > 1 else ""
    text: str = key["description"]
    return text + one_of


def written() -> list[str]:
    return TABLE.findall(LANGUAGE.read_text())


def test_tables_of_the_reference_have_the_descriptions_of_the_schema(update: bool) -> None:
    text = LANGUAGE.read_text()
    wanted = TABLE.sub(lambda found: f"<!-- keys of {found[1]} -->\n{rows(found[1])}", text)
    if update:
        LANGUAGE.write_text(wanted)

    assert LANGUAGE.read_text() == wanted, "`pytest tests/test_docs.py --update` writes it"


def test_the_reference_has_every_table_of_the_language_once() -> None:
    told = [TABLES[path] for path in written()]

    assert len(set(written())) == len(written())
    assert [path for path, table in TABLES.items() if table not in told] == []


@pytest.mark.parametrize("path", TABLES)
def test_every_key_is_described(path: str) -> None:
    odd = {
        key: said
        for key, said in ((key, inner.get("description", "")) for key, inner in TABLES[path].items())
        if not re.fullmatch(r"\S(.|\n)*\S\.", said) or "|" in said or "\n" in said
    }

    assert odd == {}


# ---- links and names -----------------------------------------------------------------------------------------


def links(page: Path) -> list[str]:
    """To files of the project, as they are written; not those in fenced blocks."""
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text())
    return [to for to in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", to)]


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub and GitLab make them."""
    heads: list[str] = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def broken(page: Path) -> Iterator[str]:
    for to in links(page):
        path, _, anchor = to.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield f"{page.relative_to(ROOT) if page.is_relative_to(ROOT) else page.name}: {to}"


def test_links_between_documents_have_a_target(tmp_path: Path) -> None:
    assert sum(len(links(page)) for page in PAGES) > 30
    assert [link for page in PAGES for link in broken(page)] == []

    wrong = tmp_path / "wrong.md"
    wrong.write_text("# A head\n[a](gone.md) [b](#a-head) [c](#no-head) [d](https://example.net)\n")
    assert list(broken(wrong)) == ["wrong.md: gone.md", "wrong.md: #no-head"]


def reached_from(start: Path) -> set[Path]:
    found, new = set[Path](), {start}
    while new:
        found |= new
        paths = {(page.parent / to.partition("#")[0]).resolve() for page in new for to in links(page)}
        new = {path for path in paths if path.suffix == ".md"} - found
    return found


def test_every_page_is_reached_from_the_index_and_the_index_from_the_readme() -> None:
    assert set(PAGES) - reached_from(INDEX) == {ROOT / "README.md"}
    assert INDEX.name in {Path(to).name for to in links(ROOT / "README.md")}


MOST_LINES, WIDEST = 150, 120
FOLDERS = ("tutorial", "how-to", "reference", "explanation")


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.stem)
def test_a_page_is_short(page: Path) -> None:
    """Rows of tables and blank lines do not count: a table is looked up, and not read."""
    lines = [line for line in page.read_text().splitlines() if line and not line.startswith("|")]

    assert len(lines) <= MOST_LINES, f"{page}: make two pages of it"
    if page.parent.name in FOLDERS:
        text = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text())
        assert [line for line in text.splitlines() if line[:1] != "|" and len(line) > WIDEST] == []


def rows_of(page: Path, head: str) -> list[list[str]]:
    """Cells of the table with that head, without the line below it."""
    _, found, rest = page.read_text().partition(f"{head}\n")
    assert found, f"{page.name} has no table {head}"
    lines = rest.split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# ---- commands ------------------------------------------------------------------------------------------------

NETC_HOST = (ROOT / "templates/host/head.bash").read_text()
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def verbs_of_netc() -> dict[str, set[str]]:
    """`build`, `import wg-quick`: their options."""
    whole, found = typer.main.get_command(command([])), dict[str, set[str]]()
    waiting: list[tuple[str, click.Command]] = list(getattr(whole, "commands", {}).items())
    while waiting:
        name, verb = waiting.pop()
        inner = getattr(verb, "commands", {})
        waiting += [(f"{name} {word}", it) for word, it in inner.items()]
        if not inner:
            found[name] = {option for parameter in verb.params for option in parameter.opts if option[0] == "-"} | {
                "--help"
            }
    return found


def verbs_of_netc_host() -> dict[str, set[str]]:
    """As its usage says; `back` takes the options of `install`."""
    found = dict[str, set[str]]()
    last: list[str] = []
    for line in re.findall(r"(?m)^#   (.+)$", NETC_HOST):
        call = re.split(r" {2,}", line)[0]
        if named := re.match(r"netc-host ([a-z]+(?:, [a-z]+)*)", call):
            last = named[1].split(", ")
        for verb in last:
            found.setdefault(verb, set()).update(OPTION.findall(call if named else line.split()[0]))
    found["back"] = found["install"]
    return found


NETC, HOST = verbs_of_netc(), verbs_of_netc_host()


def commands(page: Path) -> Iterator[str]:
    """Lines of fenced blocks and spans of code: what a reader may type."""
    text = page.read_text()
    for language, block in re.findall(r"(?ms)^ *```(\w*)\n(.*?)^ *```$", text):
        if language in ("", "bash", "yaml"):
            yield from (line.partition(" # ")[0] for line in block.splitlines())
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
    yield from re.findall(r"`([^`]+)`", text)


CALL = re.compile(r"(?<![\w./:-])(?:\.venv/bin/|netc/|files/usr/local/sbin/)?(netc-host|netc|install) ([^|&;]*)")


def unknown(line: str) -> Iterator[str]:
    for program, words in CALL.findall(line):
        if program == "install":
            verbs, name = HOST, "install"
        else:
            verbs = HOST if program == "netc-host" else NETC
            name = max((verb for verb in verbs if re.match(rf"{verb}(?![\w-])", words)), key=len, default="")
            if not name and re.match(r"(?:VERB|--)", words):
                continue
        known = verbs.get(name)
        if known is None:
            yield f"{line}: no verb of {program}"
        else:
            yield from (f"{line}: no option {option}" for option in OPTION.findall(words) if option not in known)


def is_call(line: str) -> bool:
    """Not what a program prints, and not a line of another file."""
    return not re.match(r"(?:netc: |netc namespaces=|apt-get |generation |pip )", line)


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent.name != "diagnostics"], ids=lambda p: p.stem)
def test_commands_that_a_page_names_exist(page: Path) -> None:
    """With their options."""
    if page != CHANGELOG:
        assert [wrong for line in commands(page) if is_call(line) for wrong in unknown(line)] == []


def test_commands_that_do_not_exist_are_found() -> None:
    assert [*unknown("netc biuld topo.toml"), *unknown("netc build --fast")] == [
        "netc biuld topo.toml: no verb of netc",
        "netc build --fast: no option --fast",
    ]
    assert [*unknown("ssh root@edge netc-host revert --now"), *unknown("netc/install --commit --later")] == [
        "ssh root@edge netc-host revert --now: no option --now",
        "netc/install --commit --later: no option --later",
    ]


def test_the_reference_has_every_command() -> None:
    netc, host = ((REFERENCE / name).read_text() for name in ("netc.md", "netc-host.md"))

    assert [verb for verb in NETC if f"| `netc {verb}" not in netc] == []
    assert [verb for verb in HOST if f"| `netc-host {verb}" not in host] == []


@pytest.mark.parametrize(
    ("page", "options"), [("install", HOST["install"]), ("deploy", NETC["deploy"] - {"--inventory", "--help"})]
)
def test_the_tables_of_options_are_complete(page: str, options: set[str]) -> None:
    rows = rows_of(ROOT / f"docs/how-to/{page}.md", "| option | does |")

    assert {row[0].strip("`").split()[0] for row in rows} == options


def test_the_reference_has_every_metric_and_every_key_of_status() -> None:
    page, status = (REFERENCE / "status.md").read_text(), (ROOT / "templates/host/status.bash").read_text()
    metrics = re.findall(r'metric\("(netc_\w+)"', status)
    kinds = "|".join(re.findall(r"kinds\+?='\|?([^']+)'", status))
    keys = {word.rstrip("#") for row in kinds.split("|") for word in row.split()[1:]} | {"generation", "pending"}

    assert len(metrics) > 8
    assert len(keys) > 15
    assert re.findall(r"(?m)^\| `(netc_\w+)` \|", page) == metrics
    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_the_reference_has_the_numbers_that_are_compiled() -> None:
    page = (REFERENCE / "numbers.md").read_text()
    ranges = (f"{numbers.start} to {numbers.stop - 1}" for numbers in (uplinks.TABLES, splits.TABLES))
    single = (PROTOCOL, BACK, PREFERRED, ROUTED, MAXELEM, WORST, SPLIT_PRIORITY, PORT_BASE, f"{MARK_MASK:#010x}")

    assert [word for word in (*ranges, *map(str, single)) if not re.search(rf"(?<!\d){word}(?!\d)", page)] == []


def test_the_explanation_has_every_phase_of_a_change() -> None:
    rows = rows_of(ROOT / "docs/explanation/generations.md", "| phase | state of the host |")
    switch = (ROOT / "templates/host/switch.bash").read_text()
    named = set(re.findall(r'phase "?(?:\$\{back\})?([a-z]+)"?(?: \|\| return|; then)?$', switch, re.M)) | {"preparing"}

    shown = {name.removeprefix("back-").replace("laying", "placing") for name in named}
    assert {row[0].strip("`") for row in rows} == shown
    assert rows_of(ARCHITECTURE, "| phase | state of the host |")[2][0] == "`placing`"


LISTED = re.compile(r"<!-- codes -->\n(?:\|.*\n)*")


def test_the_list_of_codes_has_every_page(update: bool) -> None:
    rows = ["| code | means |", "|---|---|"]
    for path in sorted((ROOT / "docs/diagnostics").glob("*.md")):
        title = path.read_text().partition("\n")[0].removeprefix(f"# {path.stem}: ")
        rows.append(f"| [{path.stem}](../diagnostics/{path.name}) | {title} |")
    table = "\n".join(["<!-- codes -->", *rows, ""])
    wanted = LISTED.sub(lambda _: table, CODES.read_text())
    if update:
        CODES.write_text(wanted)

    assert table in wanted
    assert CODES.read_text() == wanted, "`pytest tests/test_docs.py --update` writes it"


# ---- the recipes ---------------------------------------------------------------------------------------------


def test_every_code_is_in_the_range_of_its_subject() -> None:
    """With `docs/diagnostics` and `tests/diagnostics`, which have the same codes."""
    by_subject = (list(group) for _, group in groupby(sorted(codes()), key=lambda code: code[:4]))
    wanted = [f"{group[0]} to {group[-1]}" for group in by_subject]

    assert [row[0] for row in rows_of(CONTRIBUTING, "| codes | subject |")] == wanted


def test_targets_that_are_named_exist() -> None:
    """What the changelog names may be gone."""
    makefile = (ROOT / "Makefile").read_text()
    there = set(re.findall(r"(?m)^([a-z]+):", makefile))
    named = {page.name: set(re.findall(r"`make ([a-z]+)", page.read_text())) for page in PAGES if page != CHANGELOG}
    named["README.md"] |= set(re.findall(r"(?m)^make ([a-z]+)", (ROOT / "README.md").read_text()))

    assert {name: targets - there for name, targets in named.items() if targets - there} == {}
    assert there - named["CONTRIBUTING.md"] == {"packages"}


STANDS_FOR = re.compile(r"\b(SUBJECT|FACT|FEATURE|LIBRARY|CODE|NAME)\b")


def test_files_that_are_named_exist() -> None:
    """In the recipes and the map; `CODE.md` stands for any file of that folder."""
    gone = []
    for page in (ARCHITECTURE, CONTRIBUTING):
        for path in re.findall(r"[ `]((?:compiler|templates|tests|docs|examples)/[\w./*-]*)", page.read_text()):
            there = ROOT / path
            pattern = STANDS_FOR.sub("*", there.name)
            if not any(there.parent.glob(pattern)) if pattern else not there.is_dir():
                gone.append(f"{page.name}: {path}")

    assert gone == []


# ---- the map -------------------------------------------------------------------------------------------------


def test_the_map_has_every_directory_in_the_order_of_imports() -> None:
    """`plan/facts` has a row of its own, and is no room of its own."""
    cells = [row[0] for row in rows_of(ARCHITECTURE, "| directory or module | holds |")]
    named = [re.findall(r"`compiler/netc/([\w/.]+?)(?:\.py|/)?`", cell) for cell in cells]

    assert [name for names in named for name in names if "/" not in name] == list(PLACES)


def test_the_map_has_every_file_of_netc_host() -> None:
    rows = rows_of(ARCHITECTURE, "| file | holds |")

    assert [row[0] for row in rows] == [f"`{room}.bash`" for room in FILES]


def test_the_map_has_every_member_of_a_fact() -> None:
    cells = " ".join(row[0] for row in rows_of(ARCHITECTURE, "| member | says | if left out |"))
    members = {name for name in vars(Fact) if not name.startswith("_")} - {"inside"}

    assert set(re.findall(r"`(\w+)", cells)) == members


# ---- examples, releases --------------------------------------------------------------------------------------


def test_the_readme_shows_what_its_topology_compiles_to() -> None:
    blocks = dict(re.findall(r"(?ms)^```(toml|bash)\n(.*?)^```$", (ROOT / "README.md").read_text()))
    checked = understand(blocks["toml"], "topo.toml", lambda beside: (ROOT / "examples" / beside).read_text())
    files = {file.path: file.text for _, files in compile_hosts(checked.network) for file in files}
    up = files["files/etc/netc/parts/tunnel-azire/up"]

    assert [line for line in blocks["bash"].splitlines() if line] == re.findall(r"(?m)^step .*", up)


TOML = {
    page: re.findall(r"(?ms)^```toml\n(.*?)^```$", page.read_text())
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if page.parent.name in ("how-to", "explanation", "tutorial")
}
WHOLE = [(page, block) for page, blocks in TOML.items() for block in blocks if block.startswith("version = 1\n")]


def test_what_pages_show_is_toml_and_features_have_a_whole_topology() -> None:
    shown_whole = {"forward-a-port", "service-in-a-tunnel", "split-tunnel", "announce-anycast", "bgp-on-a-vps"}
    assert {page.stem for page, _ in WHOLE} == shown_whole
    for block in (block for blocks in TOML.values() for block in blocks):
        tomllib.loads(block)
    shown = "\n".join(block for _, block in WHOLE)
    pieces = {page: blocks for page, blocks in TOML.items() if page.parent.name == "explanation"}
    assert {"forwards", "namespaces", "anycast"} <= {page.stem for page, blocks in pieces.items() if blocks}
    assert [page.name for page, blocks in pieces.items() for block in blocks if block not in shown] == []


@pytest.mark.parametrize(("page", "block"), WHOLE, ids=[page.stem for page, _ in WHOLE])
def test_a_whole_topology_of_a_page_compiles_without_a_diagnostic(page: Path, block: str) -> None:
    checked = understand(block, page.name, str)

    assert [note.what for note in checked.notes] == []
    assert all(files for _, files in compile_hosts(checked.network))


def test_a_check_of_output_does_what_the_page_of_reviews_says(tmp_path: Path) -> None:
    start, out = ROOT / "examples/start.toml", tmp_path / "out"
    assert netc("build", start, "-o", out).code == 0
    (out / "server/files/etc/netc/evil").touch()
    (out / "oldhost").mkdir()
    assert netc("build", start, "-o", out, "--check").code == 0
    manifest = out / "server/MANIFEST"
    manifest.write_text(f"{manifest.read_text()}damaged\n")
    ran = netc("build", start, "-o", out, "--check")

    assert ran.code == 2
    (said,) = re.findall(r"is in the way and is not from netc", ran.err)
    assert said in (ROOT / "docs/how-to/review-in-ci.md").read_text()


def test_nothing_tells_readers_to_pipe_a_private_key() -> None:
    """If `tee` cannot write, the public key is printed all the same, and the private one is lost."""
    shown = [*PAGES, *(ROOT / "examples").iterdir()]

    assert [path.name for path in shown if re.search(r"wg genkey *\|", path.read_text())] == []


def test_a_silent_tunnel_has_a_page_with_the_words_of_status() -> None:
    words = re.findall(r'"(no handshake[^"]*)"', (ROOT / "templates/host/status.bash").read_text())

    assert words
    assert [word for word in words if word not in (ROOT / "docs/how-to/tunnel-down.md").read_text()] == []


def test_the_index_lists_every_example_and_nothing_else() -> None:
    index = ROOT / "examples/README.md"
    listed = re.findall(r"(?m)^\| \[(\S+)\]\((\S+)\)", index.read_text())
    there = {path.name for path in index.parent.iterdir()}

    assert all(name == to for name, to in listed)
    assert sorted(name for name, _ in listed) == sorted(there - {"README.md"})


def test_the_index_counts_hosts() -> None:
    for name, _, hosts, _ in rows_of(ROOT / "examples/README.md", "| example | is | hosts | shows |"):
        path = ROOT / "examples" / re.findall(r"\[(\S+)\]", name)[0]
        checked = understand(path.read_text(), path.name, lambda beside: (ROOT / "examples" / beside).read_text())
        assert len(checked.network.topology.hosts) == int(hosts), name


def test_the_changelog_has_this_version_and_every_changed_default() -> None:
    text = CHANGELOG.read_text()
    versions = re.findall(r"(?m)^## \[([0-9.]+)\] - (?:\d{4}-\d\d-\d\d|unreleased)$", text)

    assert versions[0] == __version__
    assert versions == sorted(versions, key=lambda version: [*map(int, version.split("."))], reverse=True)
    assert [change.entry for change in CHANGES if change.entry not in text] == []
    assert ("No default has changed so far." in text) == (not CHANGES)
