"""Every mistake has a page, and a page's example is what it says: `-` makes this mistake, `+` makes none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from examples import EXAMPLES, OUT, ROOT, netc
from netc.diagnostic import Diagnostic, InvalidTopology, Severity
from netc.emit import emit
from netc.language.names import HostName, Wrong
from netc.pipeline import understand
from netc.plan.facts import KeptRoute, Route, Router, Rule
from netc.plan.numbers import MAIN_TABLE
from netc.provenance.meaning import explain_effects, meanings
from test_diagnostics import codes
from test_mirror import drawn_plans
from test_provenance import base
from topologies import FULL

PAGES = ROOT / "docs" / "diagnostics"
CODES = tuple(sorted(path.stem for path in PAGES.glob("*.md")))
LONGEST, WIDEST = 32, 160
HEAD = 'version = 1\nnetwork.name = "example"\n'

NO_EXAMPLE = {
    "NC0002": "a page is UTF-8",
    "NC0125": "it is about two versions of netc",
    "NC1401": "other checks refuse what it would find",
    "NC2601": "it is about two topologies",
    "NC2602": "it is about two topologies",
    "NC2603": "it is about two topologies",
}
BESIDES = {"NC2802": {"NC1402"}}
"""Told too: the error that is acknowledged."""


IDLE = "NC2901"
"""The smallest example of a tunnel has nothing that goes by it."""


@dataclass(frozen=True)
class Example:
    lines: tuple[str, ...]
    beside: str
    files: dict[str, str]

    def topology(self, sign: str) -> str:
        own = (line[1:] for line in self.lines if line[:1] in ("", " ", sign))
        return HEAD + self.beside + "\n".join(own) + "\n"


@cache
def example(code: str) -> Example | None:
    text = (PAGES / f"{code}.md").read_text()
    found = re.search(r"^```diff(?: beside=(\w+))?\n(.*?)^```$", text, re.M | re.S)
    if not found:
        return None
    files = dict(re.findall(r"^`(\S+)`:\n\n```text\n(.*?)^```$", text, re.M | re.S))
    beside = (PAGES / "beside" / f"{found[1]}.toml").read_text() + "\n" if found[1] else ""
    return Example(tuple(found[2].splitlines()), beside, files)


def reported(code: str, sign: str) -> tuple[Diagnostic, ...]:
    shown = example(code)
    assert shown is not None

    def read_file(name: str) -> str:
        if name.startswith("/"):
            raise Wrong("NC0003", f"`{name}` is not in the topology's folder")
        return shown.files[name]

    try:
        diagnostics = understand(shown.topology(sign), "topo.toml", read_file).notes
    except InvalidTopology as mistakes:
        diagnostics = mistakes.diagnostics
    left = (diagnostic for diagnostic in diagnostics if not diagnostic.acknowledged)
    return tuple(diagnostic for diagnostic in left if code == IDLE or diagnostic.code != IDLE)


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert set(CODES) == codes()
    assert {code for code in CODES if example(code) is None} == NO_EXAMPLE.keys()


@pytest.mark.parametrize("code", [code for code in CODES if code not in NO_EXAMPLE])
def test_the_wrong_example_gives_this_diagnostic_and_no_other(code: str) -> None:
    assert {diagnostic.code for diagnostic in reported(code, "-")} == {code} | BESIDES.get(code, set())


@pytest.mark.parametrize("code", [code for code in CODES if code not in NO_EXAMPLE])
def test_the_right_example_gives_no_diagnostic(code: str) -> None:
    assert [diagnostic.what for diagnostic in reported(code, "+")] == []


@pytest.mark.parametrize("code", CODES)
def test_a_page_fits_a_screen_and_says_why(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text()
    head, blank, prose, *_ = text.splitlines()

    assert re.fullmatch(rf"# {code}: \S.*[^.]", head)
    assert blank == ""
    assert re.match(r"[A-Z0-9`]", prose)
    assert len(text.splitlines()) <= LONGEST
    assert max(map(len, text.splitlines())) <= WIDEST


@pytest.mark.parametrize("code", [code for code in CODES if code not in NO_EXAMPLE])
def test_a_page_says_whether_it_is_an_error(code: str) -> None:
    (severity,) = {diagnostic.severity for diagnostic in reported(code, "-") if diagnostic.code == code}
    title = (PAGES / f"{code}.md").read_text().splitlines()[0]

    assert re.findall(r"\(a (note|warning)\)$", title) == [severity] * (severity != Severity.ERROR)


def test_explain_prints_a_page_and_the_context_of_its_example() -> None:
    ran = netc("explain", "nc0405")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("NC0405: A link whose ends share no subnet\n")
    assert "Beside it: two hosts" in ran.out
    assert '+ends.b.address = "10.77.0.1/31"' in ran.out
    assert "```" not in ran.out


@pytest.mark.parametrize(("what", "said"), [("NC0499", "there are NC0401"), ("NC9999", "no diagnostic has the code")])
def test_an_unknown_code_is_wrong_use(what: str, said: str) -> None:
    ran = netc("explain", what)

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_every_context_is_used() -> None:
    used = set(re.findall(r"beside=(\w+)", "".join(path.read_text() for path in PAGES.glob("*.md"))))

    assert {path.stem for path in Path(PAGES / "beside").iterdir()} == used


def test_a_code_without_four_digits_gets_a_hint() -> None:
    for code, hint in (
        ("NC703", "did you mean `NC0703`?"),
        ("nc70", "did you mean `NC0070`?"),
        ("NC07031", "write it as in messages: `NC0703`"),
    ):
        ran = netc("explain", code)
        assert ran.code == 2
        assert ran.err == f"netc: {code} is not a code of a diagnostic: codes have four digits\n   = hint: {hint}\n"


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("links.hom", "did you mean `links.home`?"),
        ("links.home.mtuu", "did you mean `links.home.mtu`?"),
        ("out/home/MANIFEST:", "write `out/home/MANIFEST:14`"),
    ],
)
def test_what_is_misspelt_has_a_hint(written: str, hint: str) -> None:
    ran = netc("explain", written, ROOT / "examples" / "start.toml")

    assert ran.code == 2
    assert f"= hint: {hint}\n" in ran.err


def test_a_line_of_manifest_says_what_a_change_restarts() -> None:
    """Comments restart nothing; a unit of netc's timers and checks is not a part."""
    for effect, sentence in (
        ("restart:link-home", "restarts the part link-home. A change of comments alone restarts nothing."),
        ("unit:netc-check-dns.service", "restarts netc-check-dns.service, a unit that is not a part."),
    ):
        assert sentence in explain_effects(f"0  0644  etc/x  {effect}\n", 1, HostName("a"))


def test_main_is_no_default_table() -> None:
    """`default` is table 253 (rt_tables of iproute2)."""
    assert MAIN_TABLE.what == "main"


# ---- communities of bird.conf --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            "import filter { reject_other_interface(); import_external(FROM_MUTUAL_TRANSIT, 200); "
            "dn42_link(3, 24, 34); accept; };",
            "FROM_MUTUAL_TRANSIT is the large community (4242422547, 1, 4): the route came from a neighbour with "
            "mutual transit.",
        ),
        (
            "if GRACEFUL_SHUTDOWN ~ bgp_community then bgp_local_pref = 0;",
            "GRACEFUL_SHUTDOWN is the community (65535, 0): the route is about to be withdrawn (RFC 8326).",
        ),
        (
            "bgp_large_community.delete(OWN_COMMUNITIES);",
            "OWN_COMMUNITIES is the set [ (4242422547, *, *) ]: every large community of our AS.",
        ),
    ],
)
def test_a_line_with_a_community_is_explained(written: str, sentence: str) -> None:
    path = ROOT / "out/dn42/hkg/files/etc/netc/bird.conf"
    number = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if line.strip() == written)
    ran = netc("explain", f"{path}:{number}", ROOT / "examples/dn42.toml")

    assert ran.code == 0
    assert ran.out.splitlines()[:3] == [f"  {written}", "", f"  {sentence}"]


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (r"if bgp_path ~ OUR_ASNS .*", "OUR_ASNS is the set [ 4225470001, 4225470002, "),
        (r"if bgp_path ~ RESERVED_ASNS .*", "RESERVED_ASNS is the set [ 0, 23456, 65535, 4294967295 ]: AS 0"),
        (r"interface .*cost \d+;.*", "cost: the cost of a path through our routers is the sum of its links"),
        (r".*bgp_local_pref = 0;", "GRACEFUL_SHUTDOWN is the community"),
    ],
)
def test_a_line_with_numbers_of_bgp_says_what_they_mean(pattern: str, sentence: str) -> None:
    path = ROOT / "out/dn42/hkg/files/etc/netc/bird.conf"
    lines = enumerate(path.read_text().splitlines(), 1)
    number = next(n for n, line in lines if re.fullmatch(pattern, line.strip()))
    ran = netc("explain", f"{path}:{number}", ROOT / "examples/dn42.toml")

    assert ran.out.splitlines()[2].startswith(f"  {sentence}")


def test_the_policy_of_a_border_router_has_every_community_that_filters_read_or_add() -> None:
    """Apart from those that only sessions between our own routers read."""
    defined, gone = 0, []
    for path in sorted((ROOT / "out").rglob("bird.conf")):
        if "function import_external" in (text := path.read_text()):
            policy = (path.parents[3] / "POLICY.md").read_text()
            names = re.findall(r"(?m)^define (?!NO_)(\w+) = \(", text)
            defined += len(names)
            gone += [f"{path}: {name}" for name in names if f"| {name} |" not in policy]

    assert defined > 20
    assert gone == []


def test_no_filter_has_a_community_without_a_name() -> None:
    lines = [line for path in (ROOT / "out").rglob("bird.conf") for line in path.read_text().splitlines()]

    assert [line for line in lines if re.search(r"(?<!\w)\(\d+, *[\d*]", line) and not line.startswith("define ")] == []


# ---- MTUs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "1440 = 1500 (uplink of server) - 60 (wireguard over IPv4)"),
        (
            "mtu = 1400\n",
            "1400 is given. The largest that fits is 1440 = 1500 (uplink of server) - 60 (wireguard over IPv4)",
        ),
    ],
)
def test_an_mtu_is_explained_by_its_sum(key: str, said: str, tmp_path: Path) -> None:
    """At the key, written or not, and at the line that sets it."""
    text = (ROOT / "examples/start.toml").read_text().replace("[links.home]\n", f"[links.home]\n{key}")
    topo, out = tmp_path / "topo.toml", tmp_path / "out"
    topo.write_text(text)
    assert netc("build", topo, "-o", out).code == 0
    up = out / "home/files/etc/netc/parts/link-home/up"
    number = next(n for n, line in enumerate(up.read_text().splitlines(), 1) if " mtu " in line)

    assert f"  wg-server on home: {said}\n" in netc("explain", "links.home.mtu", topo).out
    assert f"  mtu {said}.\n" in netc("explain", f"{up}:{number}", topo).out


# ---- keys that are left out --------------------------------------------------------------------------------

SERVICE = "means\n  This service of systemd: in its namespace, or as the split that has it chooses.\n"


@pytest.mark.parametrize(
    ("key", "example", "said"),
    [
        ("expect.from.service", "start", f"expect.from.service  not in {ROOT}/examples/start.toml\n\n{SERVICE}"),
        ("expect[1].from[0].service", "start", f"expect[1].from[0].service  not in {ROOT}/examples/start.toml\n"),
        ("expect.from.service", "laptop", f"expect[0].from[0].service  {ROOT}/examples/laptop.toml:49\n\n{SERVICE}"),
        ("expect.survives", "start", "means\n  It still holds while one of these is gone: "),
        ("igp.kind", "start", "means\n  ospf: OSPFv2 "),
    ],
)
def test_a_key_that_is_left_out_is_explained_by_what_it_means(key: str, example: str, said: str) -> None:
    ran = netc("explain", key, ROOT / f"examples/{example}.toml")

    assert ran.code == 0, ran.err
    assert said in ran.out
    assert "given" not in ran.out


@pytest.mark.parametrize("key", ["expect.from.servce", "hosts.servr.mtu", "links.work.mtu"])
def test_a_key_that_there_is_not_is_wrong(key: str) -> None:
    ran = netc("explain", key, ROOT / "examples/start.toml")

    assert (ran.code, ran.out) == (2, "")
    assert f"start.toml has no {key}" in ran.err


# ---- numbers -------------------------------------------------------------------------------------------------

NUMBERS = {
    "metric": (
        r"\bmetric (42\d+)\b",
        r"metric 4278198272: last resort\. .* has none, the kernel answers unreachable",
    ),
    "table": (r"\b(?:table|lookup) (\d+)\b", r"table \d+ \(netc-[a-z0-9-]+\): the (default )?routes "),
    "mark": (
        r"(?<!and )(?<!/)\b(0x[0-9a-f]{7,8})\b",
        r"mark 0x[0-9a-f]{8}: (connections|packets) .*\n  mask: .*0xff000000",
    ),
    "priority": (
        r"\brule add priority (\d+)\b",
        r"priority \d+: .* use .*\. The kernel evaluates lower priorities first, .* main table at 32766",
    ),
    "protocol": (r"\bprotocol (77)\b", r"protocol 77 \(`netc` in .*\): a route or policy rule that netc made"),
    "group": (r"\bgroup (77)\b", r"group 77: an interface that netc made"),
}
"""What finds a number in a file, and what `netc explain` says of it."""

MACHINERY = re.compile(r"/usr/lib/netc/|/netc-host$|/install$|/MANIFEST$|\.md$")


def files_of_hosts(example: str) -> dict[str, str]:
    paths = (path for path in sorted((OUT / example).rglob("*")) if path.is_file())
    return {str(path): path.read_text() for path in paths if not MACHINERY.search(str(path))}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_number_is_explained_where_it_stands(kind: str) -> None:
    pattern, said = NUMBERS[kind]
    example = "start" if kind == "group" else "uplinks"
    found = (
        f"{path}:{number}"
        for path, text in files_of_hosts(example).items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line) and not line.lstrip().startswith("#") and " 254" not in line
    )
    ran = netc("explain", next(found), ROOT / "examples" / f"{example}.toml")

    assert ran.code == 0, ran.err
    assert re.search(said, ran.out)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            r"parts/firewall/down  retire:",
            r"retire:firewall: .* reloads the part firewall\. Then it runs the `undo` lines",
        ),
        (r"parts/uplink-he/up  restart:", r"restart:uplink-he: .* restarts the part uplink-he\."),
        (r"nftables.nft  reload:", r"reload:firewall: .* reloads the part firewall, which stays up\."),
        (
            r"parts/uplink-he/watch  unit:",
            r"unit:(netc-watch-uplink-he\.service): .* restarts \1, a unit that is not a part\.\n  If only comments",
        ),
        (r"rt_tables.d/netc.conf$", r"No effect is listed: .* nothing restarts or reloads\."),
    ],
)
def test_a_line_of_a_manifest_is_explained(path: str, said: str) -> None:
    manifest = OUT / "uplinks/lin/MANIFEST"
    (number,) = [n for n, line in enumerate(manifest.read_text().splitlines(), 1) if re.search(path, line)]
    ran = netc("explain", f"{manifest}:{number}", ROOT / "examples/uplinks.toml")

    assert ran.code == 0, ran.err
    assert re.search(said, ran.out)


def test_a_manifest_of_another_topology_is_not_explained(tmp_path: Path) -> None:
    (tmp_path / "lin").mkdir()
    (tmp_path / "lin/MANIFEST").write_text("edited\n")
    ran = netc("explain", f"{tmp_path}/lin/MANIFEST:1", ROOT / "examples/uplinks.toml")

    assert (ran.code, ran.out) == (2, "")
    assert "is not what" in ran.err


@pytest.mark.parametrize("example", [path.stem for path in EXAMPLES])
def test_every_number_of_every_line_has_a_meaning(example: str) -> None:
    found = base(example)
    silent = [
        f"{place}:{number} {kind} {value}"
        for place, text in found.texts.items()
        if not MACHINERY.search(f"/{place[1]}")
        for number, line in enumerate(text.splitlines(), 1)
        if not line.lstrip().startswith("#")
        for kind, (pattern, _) in NUMBERS.items()
        for value in re.findall(pattern, line)
        if not any(says(kind, value, meaning) for meaning in meanings(line, place, found))
    ]

    assert silent == []


def says(kind: str, value: str, meaning: str) -> bool:
    if kind == "mark" and int(value, 16) == 0:
        return True
    shown = f"{int(value, 16):#010x}" if kind == "mark" else value
    return re.match(rf"(?:{kind} {shown}\b|mask: .*{shown})", meaning) is not None


def unexplained(files: dict[str, str]) -> Iterator[str]:
    """Tables, marks and metrics of which neither a comment nor a name in the file says what they are."""
    for path, text in files.items():
        comments = "\n".join(re.findall(r"(?m)(?:^|\s)#(.*)", text))
        commands = re.sub(r"(?m)(?:^|(?<=\s))#.*", "", text)
        for kind in ("table", "metric"):
            for value in sorted(set(re.findall(NUMBERS[kind][0], commands))):
                if not re.search(rf"(?i)\b{kind} {value}\b", comments):
                    yield f"{path}: {kind} {value}"
        for value in sorted({int(mark, 16) for mark in re.findall(r"\b0x[0-9a-f]{7,8}\b", commands)} - {0}):
            if f"{value:#010x}" not in comments:
                yield f"{path}: mark {value:#010x}"


@pytest.mark.parametrize("example", [path.stem for path in EXAMPLES])
def test_a_file_explains_its_tables_marks_and_metrics(example: str) -> None:
    assert list(unexplained(files_of_hosts(example))) == []


def test_a_file_with_unexplained_numbers_is_found() -> None:
    text = "# Table 7001: replies.\nip route add default metric 4278198272 table 7001\nip rule add fwmark 0x01000000\n"

    assert list(unexplained({"up": text})) == ["up: metric 4278198272", "up: mark 0x01000000"]


def test_every_table_of_every_host_has_a_name_of_its_own() -> None:
    for plan in (*drawn_plans(FULL), *(plan for path in EXAMPLES for plan in base(path.stem).plans.values())):
        files = {file.path: file.text for file in emit(plan) if not MACHINERY.search(f"/{file.path}")}
        lines = files.get("files/etc/iproute2/rt_tables.d/netc.conf", "")
        names = dict(re.findall(r"(?m)^(\d+)\t(netc-[a-z0-9-]+)$", lines))
        facts = [
            fact for part in plan.parts for fact in part.facts if isinstance(fact, KeptRoute | Route | Router | Rule)
        ]
        tables = {str(fact.table) for fact in facts if fact.table not in (None, 254)}

        assert names.keys() >= tables
        assert len(set(names.values())) == len(names)
        assert list(unexplained(files)) == []
